// SPDX-License-Identifier: MIT

/** An error with a code (index.d.ts has their list). Those of 'aborted' are named AbortError. */
export class SttError extends Error {
    constructor(code, message, options) {
        super(message, options);
        this.name = code === 'aborted' ? 'AbortError' : 'SttError';
        this.code = code;
    }
}

/** Statuses of stream/stapes.h, and of the wasm imports. */
export const Status = {
    OK: 0,
    ARGUMENT: -1,
    IO: -2,
    FORMAT: -3,
    UNSUPPORTED: -4,
    MEMORY: -5,
    DEVICE_MEMORY: -6,
    NO_DEVICE: -7,
    DEVICE: -8,
    AGAIN: -9,
};

const CODES = {
    [Status.ARGUMENT]: 'argument',
    [Status.IO]: 'io',
    [Status.FORMAT]: 'bad-model',
    [Status.UNSUPPORTED]: 'bad-model',
    [Status.MEMORY]: 'memory',
    [Status.DEVICE_MEMORY]: 'memory',
    [Status.NO_DEVICE]: 'no-adapter',
    [Status.DEVICE]: 'device-lost',
};

/** The error of a negative status, with the message that the engine logged before it. */
export function statusError(status, message) {
    return new SttError(CODES[status] ?? 'worker', message || `The engine failed (${status}).`);
}

export function abortError(signal) {
    return new SttError('aborted', 'The operation was aborted.', { cause: signal?.reason });
}

/** An error of whatever kind as an SttError; those that have a code keep it. */
export function toSttError(error, code = 'worker') {
    if (error instanceof SttError) return error;
    return new SttError(code, error?.message || String(error), { cause: error });
}

/** What crosses from the worker to the page, which drops the members of an Error's subclass. */
export function packError(error) {
    const { code, message } = toSttError(error);
    return { code, message };
}

export function unpackError({ code, message }) {
    return new SttError(code, message);
}
