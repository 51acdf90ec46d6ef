// SPDX-License-Identifier: MIT
//
// The engine of the package in Node: stapes.wasm and its shaders through Dawn, models from files.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Gpu, openDevice } from '../../runtime/webgpu/gpu.js';
import { Engine } from '../../tools/web/package/engine.js';
import { openDawn, patiently } from './dawn.mjs';

/** The build whose programs, modules and models are tested. */
export const BUILD = resolve(process.env.STAPES_BUILD ??
    fileURLToPath(new URL('../../build', import.meta.url)));

/** A source of the package's Files: a file on the disk. */
export class FileSource {
    error = null;
    #fd;

    constructor(path) {
        this.#fd = openSync(path);
        this.size = fstatSync(this.#fd).size;
    }

    read(offset, to) {
        return readSync(this.#fd, to, 0, to.length, offset);
    }

    close() {
        closeSync(this.#fd);
    }
}

/** Of Dawn; to be shared: what one model compiled, the next one finds. */
export async function openGpu() {
    return new Gpu(await openDevice(await openDawn()));
}

/** An engine of the package without a model; one at a time on a Gpu. */
export async function createEngine(gpu, log = printErrors) {
    const wasm = await readFile(join(BUILD, 'web/package/stapes.wasm'));
    return Engine.create({ module: await WebAssembly.compile(wasm), gpu, log });
}

function printErrors(level, message) {
    if (level === 'error') {
        console.error(message);
    }
}

/** A loaded model with one stream after the other. */
export class Model {
    #source;

    /** @param source closed with the model */
    constructor(engine, gpu, source = null) {
        this.engine = engine;
        this.gpu = gpu;
        this.#source = source;
    }

    /**
     * @param {Gpu} gpu lives on when the model is closed
     * @param {string} path of a GGUF file
     * @param {object} [options]
     * @param {object} [options.source] reads it; default: a FileSource
     * @param {string} [options.kvType] 'f32', 'f16' or 'q8'
     * @param {string} [options.kernels] as in stapes.h
     */
    static async open(gpu, path, { source = new FileSource(path), kvType, kernels } = {}) {
        const engine = await createEngine(gpu);
        const name = basename(path);
        engine.files.add(name, source);
        if (!engine.open(name, { kvType, kernels })) {
            throw new Error(`${path}: bytes of its header are missing`);
        }
        while (!engine.load()) {
            await patiently(gpu.progress());
        }
        await patiently(gpu.settled());
        return new Model(engine, gpu, source);
    }

    /**
     * One stream from its first step to its end.
     *
     * @param {object} options
     * @param {Float32Array} [options.sound] 24 kHz mono
     * @param {Int32Array} [options.codes] instead of sound: [frames][codebooks]
     * @param {boolean} [options.trace] also events of steps
     * @param {number} [options.padFrames] silence behind the sound: 0 as the model wants it,
     *     -1 none
     * @param {number} [options.prefixFrames] silence before it, likewise
     * @returns {Promise<object[]>} the engine's events
     */
    async run({ sound, codes, ...options }) {
        const { engine, gpu } = this;
        const { codebooks } = engine.info();
        const stream = engine.createStream(options);
        const feed = codes ? (rest) => engine.feedCodes(stream, rest, codebooks) * codebooks
            : (rest) => engine.feed(stream, rest);
        const events = [];
        let rest = codes ?? sound;
        let finished = false;
        while (events.at(-1)?.type !== 'end') {
            rest = rest.subarray(feed(rest));
            if (rest.length === 0 && !finished) {
                engine.finish(stream);
                finished = true;
            }
            engine.run();
            for (let event = engine.poll(stream); event; event = engine.poll(stream)) {
                events.push(event);
            }
            await patiently(gpu.progress());
        }
        engine.destroyStream(stream);
        return events;
    }

    close() {
        this.engine.close();
        this.#source?.close();
    }
}
