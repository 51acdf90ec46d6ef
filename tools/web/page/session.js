// SPDX-License-Identifier: MIT
import { Stt } from './package/index.js';
import { SAMPLE_RATE } from './sound.js';

const BLOCK_SAMPLES = SAMPLE_RATE / 2;

/** One open model, and the sound that it hears. */
export class Session {
    #stt = null;
    #key = '';
    #handlers;
    /** What the visitor knows the open model by. */
    name = '';

    /** @param {{progress, word, wordend, turnend, frame, error}} handlers functions that take the
     *      details of the events of Stt of these names; after an error the model is closed */
    constructor(handlers) {
        this.#handlers = handlers;
    }

    /** @returns {SttInfo | undefined} of the open model */
    get info() {
        return this.#stt?.info;
    }

    /**
     * Opens the model, unless it is open already.
     * @param {{key: string, name: string, options: object}} choice of ModelChoice
     * @param {AbortSignal} signal
     * @throws {SttError}
     */
    async open(choice, signal) {
        if (this.#stt && this.#key === choice.key) return;
        this.close();
        const stt = await Stt.create({
            ...choice.options,
            signal,
            onProgress: this.#handlers.progress,
        });
        for (const name of ['word', 'wordend', 'turnend', 'frame'])
            stt.addEventListener(name, ({ detail }) => this.#handlers[name](detail));
        stt.addEventListener('error', ({ detail }) => {
            if (this.#stt === stt) this.close();
            this.#handlers.error(detail);
        });
        this.#stt = stt;
        this.#key = choice.key;
        this.name = choice.name;
    }

    /**
     * Hears blocks until there are no more, then what is still to be said of them. Forgets them
     * after an error.
     * @param {AsyncIterable<Float32Array> | Iterable<Float32Array>} blocks mono at 24 kHz
     * @param {AbortSignal} signal
     * @throws {SttError}
     */
    async hear(blocks, signal) {
        const stt = this.#stt;
        try {
            for await (const block of blocks) await stt.feedAudio(block, { signal });
            signal.throwIfAborted(); // ends a microphone's blocks, too
            await stt.flush({ signal });
        } catch (error) {
            if (this.#stt === stt) await stt.reset().catch(() => this.close());
            throw error;
        }
    }

    close() {
        this.#stt?.close();
        this.#stt = null;
        this.#key = '';
    }
}

/** @param {Float32Array} samples @returns {Iterable<Float32Array>} of half a second, not copied */
export function* blocksOf(samples) {
    for (let at = 0; at < samples.length; at += BLOCK_SAMPLES)
        yield samples.subarray(at, at + BLOCK_SAMPLES);
}
