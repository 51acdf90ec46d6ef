// SPDX-License-Identifier: MIT
//
// The microphone at 24 kHz. Most browsers resample what they capture to the rate of the
// AudioContext; where they refuse, the context keeps the device's rate and Resampler follows it.
import { SttError, abortError } from './errors.js';
import { Resampler } from './resample.js';

const RATE = 24000;

const DENIED = ['NotAllowedError', 'SecurityError'];

function microphoneError(error) {
    if (DENIED.includes(error.name))
        return new SttError('microphone-denied', 'The microphone was not allowed.', {
            cause: error,
        });
    const message =
        error.name === 'NotFoundError' || error.name === 'OverconstrainedError'
            ? 'There is no such microphone.'
            : `The microphone cannot be opened: ${error.message}`;
    return new SttError('no-microphone', message, { cause: error });
}

const stopTracks = (stream) => stream.getTracks().forEach((track) => track.stop());

/** Rejects as soon as `signal` aborts; what comes after that is given to `release`. */
function orAbort(promise, signal, release = () => {}) {
    if (!signal) return promise;
    return new Promise((resolve, reject) => {
        const abort = () => {
            reject(abortError(signal));
            promise.then(release, () => {}); // nobody waits for its failure any more
        };
        signal.addEventListener('abort', abort, { once: true });
        promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    });
}

async function requestStream(deviceId, signal) {
    const { mediaDevices } = globalThis.navigator;
    if (!mediaDevices?.getUserMedia)
        throw new SttError(
            'no-microphone',
            'This page cannot use a microphone: it is not served ' +
                'over https, nor from localhost.',
        );
    const audio = {
        channelCount: 1,
        echoCancellation: false,
        noiseSuppression: false,
        autoGainControl: true,
        ...(deviceId && { deviceId: { exact: deviceId } }),
    };
    try {
        return await orAbort(mediaDevices.getUserMedia({ audio }), signal, stopTracks);
    } catch (error) {
        throw error instanceof SttError ? error : microphoneError(error);
    }
}

/** {context, source} at 24 kHz if the browser can, else at the rate of the device. */
function openContext(stream) {
    let failure;
    for (const options of [{ sampleRate: RATE }, {}]) {
        let context;
        try {
            context = new AudioContext(options);
            return { context, source: context.createMediaStreamSource(stream) };
        } catch (error) {
            failure = error;
            context?.close();
        }
    }
    throw microphoneError(failure);
}

class Microphone {
    #stream;
    #context;
    #queues = new Set();
    #stopped = false;
    #failure = null;
    onsamples = null;

    constructor(stream, context) {
        const [track] = stream.getAudioTracks();
        this.#stream = stream;
        this.#context = context;
        this.label = track.label;
        this.captureRate = context.sampleRate;
        track.addEventListener('ended', () => {
            this.#failure = new SttError('no-microphone', 'The microphone was taken away.');
            this.stop();
        });
    }

    /** Blocks at 24 kHz, from its owner. */
    push(samples) {
        if (this.#stopped) return;
        this.onsamples?.(samples);
        for (const queue of this.#queues) {
            queue.blocks.push(samples);
            queue.wake();
        }
    }

    stop() {
        if (this.#stopped) return;
        this.#stopped = true;
        stopTracks(this.#stream);
        this.#context.close();
        for (const queue of this.#queues) queue.wake();
    }

    [Symbol.asyncIterator]() {
        const queue = { blocks: [], wake: () => {} };
        this.#queues.add(queue);
        return this.#iterate(queue);
    }

    async *#iterate(queue) {
        try {
            for (;;) {
                while (queue.blocks.length) yield queue.blocks.shift();
                if (this.#failure) throw this.#failure;
                if (this.#stopped) return;
                await new Promise((resolve) => {
                    queue.wake = resolve;
                });
            }
        } finally {
            this.#queues.delete(queue);
        }
    }
}

async function capture(microphone, { context, source }, signal) {
    await orAbort(
        context.audioWorklet.addModule(new URL('./capture-worklet.js', import.meta.url)),
        signal,
    );
    const node = new AudioWorkletNode(context, 'stapes-capture', {
        channelCount: 1,
        channelCountMode: 'explicit',
        numberOfInputs: 1,
        numberOfOutputs: 1,
    });
    const resampler = context.sampleRate === RATE ? null : new Resampler(context.sampleRate, RATE);
    node.port.onmessage = ({ data }) => microphone.push(resampler ? resampler.process(data) : data);
    source.connect(node);
    node.connect(context.destination); // silence; nodes that lead nowhere are not run
    await orAbort(context.resume(), signal);
}

export async function openMicrophone({ deviceId, signal } = {}) {
    if (signal?.aborted) throw abortError(signal);
    const stream = await requestStream(deviceId, signal);
    let microphone;
    try {
        const opened = openContext(stream);
        microphone = new Microphone(stream, opened.context);
        await capture(microphone, opened, signal);
    } catch (error) {
        microphone ? microphone.stop() : stopTracks(stream);
        throw error instanceof SttError ? error : microphoneError(error);
    }
    signal?.addEventListener('abort', () => microphone.stop(), { once: true });
    return microphone;
}
