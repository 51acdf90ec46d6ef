// SPDX-License-Identifier: MIT
//
// The page's side of an engine in a worker. index.d.ts has the contract.
import { ShardCache } from './cache.js';
import { SttError, abortError, unpackError } from './errors.js';
import { normalizeModel } from './model.js';

const FRAME_MS = 80;
const OF_A_RECORDING = ['word', 'wordend', 'turnend', 'frame'];

function startWorker() {
    try {
        return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
    } catch (error) {
        throw new SttError(
            'worker',
            `The worker cannot be started: ${error.message} Browsers start workers of the ` +
                'page’s own origin only: serve the package from there.',
            { cause: error },
        );
    }
}

/** What the worker is told of the options; others may be of a kind that cannot be posted. */
function workerOptions({ device, kernels, kvType, cache }) {
    if (kvType !== undefined && !['f32', 'f16', 'q8'].includes(kvType))
        throw new SttError('argument', `kvType is 'f32', 'f16' or 'q8', not ${kvType}.`);
    if (kernels !== undefined && typeof kernels !== 'string')
        throw new SttError('argument', `kernels is a string, not ${kernels}.`);
    const { powerPreference, forceFallbackAdapter } = device ?? {};
    return { device: { powerPreference, forceFallbackAdapter }, kernels, kvType, cache };
}

/** Words on their way to one `for await`. */
class Words {
    #words = [];
    #wake = () => {};
    #ended = false;
    #error = null;

    push(word) {
        this.#words.push(word);
        this.#wake();
    }

    end(error = null) {
        this.#ended = true;
        this.#error ??= error;
        this.#wake();
    }

    async *iterate(release) {
        try {
            for (;;) {
                while (this.#words.length) yield this.#words.shift();
                if (this.#error) throw this.#error;
                if (this.#ended) return;
                await new Promise((resolve) => {
                    this.#wake = resolve;
                });
            }
        } finally {
            release();
        }
    }
}

export class Stt extends EventTarget {
    #worker;
    #calls = new Map();
    #nextId = 0;
    #epoch = 0;
    #failure = null;
    #iterations = new Set();
    #frames = 0;
    #totalMs = 0;
    info = null;
    ready;

    static async create(options) {
        const { model, signal, onProgress } = options ?? {};
        const base = globalThis.document?.baseURI ?? globalThis.location?.href;
        const normalized = normalizeModel(model, base);
        const forWorker = { ...workerOptions(options), model: normalized };
        if (signal?.aborted) throw abortError(signal);
        const stt = new Stt(startWorker());
        stt.#load(forWorker, signal, onProgress);
        if (!normalized.stream) await stt.ready;
        return stt;
    }

    static async clearCache() {
        await ShardCache.clear();
    }

    constructor(worker) {
        super();
        this.#worker = worker;
        worker.onmessage = ({ data }) => this.#hear(data);
        worker.onerror = (event) => {
            event.preventDefault();
            this.#fail(new SttError('worker', event.message || 'The worker cannot be started.'));
        };
        worker.onmessageerror = () =>
            this.#fail(new SttError('worker', 'A message from the worker cannot be read.'));
    }

    #load(options, signal, onProgress) {
        const listener = ({ detail }) => onProgress?.(detail);
        this.addEventListener('progress', listener);
        this.ready = this.#call('load', [options], { signal })
            .then(
                (info) => {
                    this.info = info;
                },
                (error) => {
                    this.#worker.terminate();
                    this.#end(error);
                    throw error;
                },
            )
            .finally(() => this.removeEventListener('progress', listener));
        this.ready.catch(() => {}); // who awaits it hears of it
    }

    get stats() {
        const msPerFrame = this.#frames ? this.#totalMs / this.#frames : 0;
        return { frames: this.#frames, msPerFrame, realTimeFactor: msPerFrame / FRAME_MS };
    }

    async appendModelShard(bytes, { index, sha256, signal } = {}) {
        if (!(bytes instanceof Uint8Array))
            throw new SttError('argument', 'A shard is a Uint8Array.');
        const copy = bytes.slice();
        await this.#call('append', [copy, { index, sha256 }], { signal, transfer: [copy.buffer] });
    }

    async feedAudio(samples, { signal } = {}) {
        if (!(samples instanceof Float32Array))
            throw new SttError('argument', 'Sound is a Float32Array.');
        const copy = samples.slice();
        await this.#call('feed', [copy], { signal, transfer: [copy.buffer] });
    }

    async flush({ signal } = {}) {
        if (signal?.aborted) throw abortError(signal); // before it began: nothing is forgotten
        const epoch = this.#epoch;
        try {
            return await this.#call('flush', [], { signal });
        } finally {
            if (epoch === this.#epoch) this.#endWords();
        }
    }

    async reset() {
        const done = this.#call('reset', []);
        this.#epoch++;
        this.#frames = this.#totalMs = 0;
        this.#endWords();
        await done;
    }

    words({ signal } = {}) {
        const words = new Words();
        const abort = () => words.end(abortError(signal));
        if (this.#failure || signal?.aborted) words.end(this.#failure ?? abortError(signal));
        signal?.addEventListener('abort', abort, { once: true });
        this.#iterations.add(words);
        return words.iterate(() => {
            signal?.removeEventListener('abort', abort);
            this.#iterations.delete(words);
        });
    }

    close() {
        if (this.#failure) return;
        this.#worker.postMessage({ op: 'close' });
        this.#end(new SttError('closed', 'It was closed.'));
    }

    /** Resolves with the worker's answer. */
    #call(op, args, { signal, transfer = [] } = {}) {
        if (this.#failure) return Promise.reject(this.#failure);
        if (signal?.aborted) return Promise.reject(abortError(signal));
        const id = this.#nextId++;
        const cancel = () => this.#worker.postMessage({ op: 'cancel', id });
        signal?.addEventListener('abort', cancel, { once: true });
        this.#worker.postMessage({ id, op, args }, transfer);
        return new Promise((resolve, reject) => {
            this.#calls.set(id, { resolve, reject });
        }).finally(() => signal?.removeEventListener('abort', cancel));
    }

    #hear({ id, value, error, event, detail, epoch }) {
        if (event !== undefined) {
            this.#tell(event, detail, epoch);
            return;
        }
        const call = this.#calls.get(id);
        this.#calls.delete(id);
        if (error) call?.reject(unpackError(error));
        else call?.resolve(value);
    }

    #tell(event, detail, epoch) {
        if (this.#failure || (epoch !== this.#epoch && OF_A_RECORDING.includes(event))) return;
        if (event === 'error') {
            this.#fail(unpackError(detail));
            return;
        }
        if (event === 'frame') {
            this.#frames += detail.frames;
            this.#totalMs += detail.ms * detail.frames;
        } else if (event === 'wordend') {
            for (const words of this.#iterations) words.push(detail);
        }
        this.#dispatch(event, detail);
    }

    #endWords(error) {
        for (const words of this.#iterations) words.end(error);
        this.#iterations.clear();
    }

    #dispatch(event, detail) {
        this.dispatchEvent(new CustomEvent(event, { detail }));
    }

    /** Nothing works any more. */
    #fail(error) {
        if (this.#failure) return;
        this.#worker.terminate();
        this.#end(error);
        this.#dispatch('error', error);
    }

    /** Rejects what is pending and what will be asked. */
    #end(error) {
        if (this.#failure) return;
        this.#failure = error;
        for (const { reject } of this.#calls.values()) reject(error);
        this.#calls.clear();
        this.#endWords(error.code === 'closed' ? null : error);
    }
}
