// SPDX-License-Identifier: MIT
//
// The exports of tools/web/engine.c, with JavaScript's types. One engine an instance of the module.
import { Status, SttError, statusError } from './errors.js';
import { Files } from './sources.js';
import { wasiImports } from './wasi.js';

const LEVELS = ['error', 'warning', 'info', 'debug'];
const KV_TYPES = { f32: 1, f16: 2, q8: 3 }; // enum stapes_kv_type
const FEED_SAMPLES = 1920 * 4;
const FEED_CODES = 64 * 32;

const EVENTS = ['none', 'step', 'word', 'wordend', 'turnend', 'end']; // enum stapes_event_type

export class Engine {
    #exports;
    #staging = 0;
    #errors = []; // what was said of them since the last call that succeeded

    /**
     * @param module WebAssembly.Module of stapes.wasm
     * @param gpu Gpu of gpu.js, or what stands in for it
     * @param log (level, message) for everything that the engine says
     */
    static async create({ module, gpu, log }) {
        const engine = new Engine();
        const memory = () => engine.#exports.memory.buffer;
        engine.files = new Files(memory);
        const hear = (level, text, length) => {
            const message = new TextDecoder().decode(new Uint8Array(memory(), text, length));
            if (level === 0) engine.#errors.push(message);
            log(LEVELS[level] ?? 'debug', message);
        };
        const instance = await WebAssembly.instantiate(module, {
            gpu: gpu.imports,
            file: engine.files.imports,
            host: { log: hear },
            wasi_snapshot_preview1: wasiImports(memory, (text) => log('info', text)),
        });
        engine.#exports = instance.exports;
        gpu.attach(instance);
        instance.exports._initialize?.();
        engine.#staging = engine.#check(
            instance.exports.engine_alloc(4 * Math.max(FEED_SAMPLES, FEED_CODES)) || Status.MEMORY,
        );
        return engine;
    }

    /** Bytes of the module's memory. */
    get memoryBytes() {
        return this.#exports.memory.buffer.byteLength;
    }

    /** The error of a status, with what the engine said last. */
    #error(status) {
        const text = this.#errors.splice(0).join('\n');
        if (status !== Status.IO) return statusError(status, text);
        // A source that can be read but ends too early has no error of its own.
        return this.files.error ?? new SttError('truncated', text);
    }

    #check(status) {
        if (status < 0) throw this.#error(status);
        this.#errors.length = 0;
        return status;
    }

    /** True when done; false where bytes are missing or the device is busy. */
    #advance(status) {
        if (status !== Status.AGAIN) return this.#check(status) === 0;
        this.#errors.length = 0;
        return false;
    }

    /** Headers and the device. */
    open(path, { slots = 1, kvType, kernels = '' } = {}) {
        return this.#withText(path, (pathAt, pathBytes) =>
            this.#withText(kernels, (kernelsAt, kernelsBytes) =>
                this.#advance(
                    this.#exports.engine_open(
                        pathAt,
                        pathBytes,
                        slots,
                        KV_TYPES[kvType] ?? 0,
                        kernelsAt,
                        kernelsBytes,
                    ),
                ),
            ),
        );
    }

    /** One step of moving the weights. */
    load() {
        return this.#advance(this.#exports.engine_load());
    }

    get loadedBytes() {
        return this.#exports.engine_loaded_bytes();
    }

    get totalBytes() {
        return this.#exports.engine_total_bytes();
    }

    /** The lowest offset of the file that will still be read. */
    get needs() {
        return this.#exports.engine_needs();
    }

    /** With the names of engine_info's JSON. */
    info() {
        const bytes = new Uint8Array(this.#exports.memory.buffer);
        const at = this.#exports.engine_info();
        return JSON.parse(new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(0, at))));
    }

    /**
     * @param options {trace: also events of steps, padFrames, prefixFrames: silence behind and
     *     before the sound, in frames: 0 as the model wants it, -1 none}
     */
    createStream({ trace = false, padFrames = 0, prefixFrames = 0 } = {}) {
        return this.#check(
            this.#exports.engine_stream_create(Number(trace), padFrames, prefixFrames),
        );
    }

    /** Samples taken: fewer than given where the queue is full. */
    feed(stream, samples) {
        return this.#feed(samples, 1, FEED_SAMPLES, Float32Array, (at, n) =>
            this.#exports.engine_feed(stream, at, n),
        );
    }

    /** Frames of codes taken; `codes` is [frames][codebooks]. */
    feedCodes(stream, codes, codebooks) {
        const most = FEED_CODES - (FEED_CODES % codebooks);
        return (
            this.#feed(codes, codebooks, most, Int32Array, (at, n) =>
                this.#exports.engine_feed_codes(stream, at, n),
            ) / codebooks
        );
    }

    #feed(values, unit, most, Type, call) {
        let done = 0;
        while (done < values.length) {
            const part = values.subarray(done, done + most);
            new Type(this.#exports.memory.buffer, this.#staging, part.length).set(part);
            const taken = unit * this.#check(call(this.#staging, part.length / unit));
            done += taken;
            if (taken < part.length) break;
        }
        return done;
    }

    finish(stream) {
        this.#check(this.#exports.engine_finish(stream));
    }

    reset(stream) {
        this.#check(this.#exports.engine_reset(stream));
    }

    destroyStream(stream) {
        this.#exports.engine_stream_destroy(stream);
    }

    /** Submits what is ready, collects what has finished. */
    run() {
        this.#check(this.#exports.engine_run());
    }

    /** Ticks in flight. */
    get busy() {
        return this.#exports.engine_busy();
    }

    /** The next event, or null. Its arrays are copies. */
    poll(stream) {
        const at = this.#exports.engine_poll(stream);
        if (at <= 0) {
            this.#check(at);
            return null;
        }
        const { buffer } = this.#exports.memory;
        const view = new DataView(buffer, at);
        const u32 = (offset) => view.getUint32(offset, true);
        const array = (Type, offset) =>
            new Type(buffer.slice(u32(offset + 4), u32(offset + 4) + 4 * u32(offset)));
        const type = EVENTS[u32(0)];
        const event = {
            type,
            step: u32(4),
            start: view.getFloat64(8, true),
            end: view.getFloat64(16, true),
        };
        if (type === 'word') {
            event.text = new TextDecoder().decode(new Uint8Array(buffer, u32(24), u32(28)));
            event.tokens = array(Uint32Array, 64);
        } else if (type === 'step') {
            event.token = u32(32);
            event.margin = view.getFloat32(36, true);
            event.codes = array(Int32Array, 40);
            event.vad = array(Float32Array, 48);
            event.audio = array(Int32Array, 56);
        }
        return event;
    }

    close() {
        this.#exports.engine_close();
    }

    #withText(text, call) {
        const bytes = new TextEncoder().encode(text);
        if (!bytes.length) return call(0, 0);
        const at = this.#exports.engine_alloc(bytes.length);
        if (!at) throw statusError(Status.MEMORY, 'out of memory');
        new Uint8Array(this.#exports.memory.buffer, at, bytes.length).set(bytes);
        try {
            return call(at, bytes.length);
        } finally {
            this.#exports.engine_free(at);
        }
    }
}
