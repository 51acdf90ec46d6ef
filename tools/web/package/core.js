// SPDX-License-Identifier: MIT
//
// The engine's owner: loads a model, feeds it, and tells what it hears. Lives in a worker, and in
// programs that have no worker; it never blocks.
import { Engine } from './engine.js';
import { Status, SttError, abortError, packError, statusError, toSttError } from './errors.js';
import { Loader } from './loader.js';
import { Recording } from './recording.js';

const FRAME_MS = 80;

/** A promise with its two ends. */
function deferred() {
    const d = {};
    d.promise = new Promise((resolve, reject) => Object.assign(d, { resolve, reject }));
    return d;
}

/** Time of work a frame: from the end of the last one, or from when there was something to do. */
class Meter {
    #since = 0;
    #done = 0;

    constructor(done) {
        this.#done = done;
    }

    begin() {
        this.#since = performance.now();
    }

    /** @param done frames since the model was loaded: {ms, rtf, frames} of the new ones, or null */
    advance(done) {
        const frames = done - this.#done;
        if (frames <= 0) return null;
        const now = performance.now();
        const ms = (now - this.#since) / frames;
        this.#since = now;
        this.#done = done;
        return { ms, rtf: ms / FRAME_MS, frames };
    }
}

export class Core {
    #platform;
    #emit;
    #engine = null;
    #gpu = null;
    #stream = -1;
    #loader = null;
    #recording = null;
    #queue = []; // {samples, at, done, signal} or {flush: true, done}
    #opened = null;
    #finished = false;
    #failure = null;
    #wake = deferred();
    #meter = null;

    /**
     * @param platform {module: WebAssembly.Module or a promise of it, openDevice(options) ->
     *     device, makeGpu(device) -> Gpu of gpu.js, fetch?, delay?: ms before the first retry,
     *     createEngine?: in place of Engine.create}
     * @param emit (type, detail): 'word', 'wordend', 'turnend', 'progress', 'frame', 'log', 'lost',
     *     'error' (detail of the last: packError's)
     */
    constructor(platform, emit) {
        this.#platform = platform;
        this.#emit = emit;
    }

    /**
     * Loads a model and starts.
     * @param options {model: of normalizeModel, device, kernels, kvType, cache}
     * @returns SttInfo
     */
    async load(options, signal) {
        try {
            signal?.throwIfAborted();
            return await this.#load(options, signal);
        } catch (error) {
            if (signal?.aborted) this.#release(abortError(signal));
            else this.#fail(error);
            throw this.#failure;
        }
    }

    async #load(options, signal) {
        const started = performance.now();
        const log = (level, message) => this.#emit('log', { level, message });
        const { fetch, delay, makeGpu, module, createEngine = Engine.create } = this.#platform;
        this.#loader = new Loader({
            signal,
            fetch,
            delay,
            log,
            progress: (detail) => this.#emit('progress', detail),
        });
        this.#opened = this.#loader.open(options.model, options.cache ?? true);
        this.#opened.catch(() => {}); // awaited below, after the device
        const device = await this.#openDevice(options.device ?? {});
        this.#alive();
        this.#gpu = makeGpu(device);
        this.#gpu.lost.then((detail) => this.#lose(detail));
        const compiled = await Promise.race([module, this.#loader.ended]);
        this.#engine = await createEngine({ module: compiled, gpu: this.#gpu, log });
        this.#alive();
        await this.#opened;
        await this.#loader.run(this.#engine, this.#gpu, options);
        this.#alive();
        this.#start();
        return this.#describe((performance.now() - started) / 1000);
    }

    async #openDevice(options) {
        const opening = this.#platform.openDevice(options);
        try {
            return await Promise.race([opening, this.#loader.ended]);
        } catch (error) {
            opening.then(({ device }) => device.destroy(), () => {}); // nobody waits for it
            throw toSttError(error, error.code === 'no-webgpu' ? error.code : 'no-adapter');
        }
    }

    #start() {
        this.#stream = this.#engine.createStream();
        this.#meter = new Meter(this.#ticks());
        this.#begin();
        this.#pump();
    }

    #describe(loadSeconds) {
        const info = this.#engine.info();
        return {
            name: info.name,
            kind: info.kind,
            device: info.device,
            frameSamples: info.frame_samples,
            vadHeads: info.vad_heads,
            audioDelaySeconds: info.audio_delay_seconds,
            textCard: info.text_card,
            codebooks: info.codebooks,
            deviceBytes: info.device_bytes,
            loadSeconds,
        };
    }

    /** Throws what ended it. */
    #alive() {
        if (this.#failure) throw this.#failure;
    }

    #loaded() {
        this.#alive();
        if (this.#stream < 0)
            throw new SttError('argument', 'The model is not loaded yet: await ready.');
    }

    #begin() {
        this.#recording = new Recording(this.#engine.info().audio_delay_seconds, this.#emit);
        this.#finished = false;
    }

    /** See Stt.appendModelShard. */
    async append(bytes, shard, signal) {
        this.#alive();
        try {
            await this.#opened;
            if (!this.#loader?.appender)
                throw new SttError('argument', 'The model is not opened as {stream: true}.');
            await Promise.race([
                this.#loader.appender.append(bytes, shard, signal),
                this.#loader.ended,
            ]);
        } catch (error) {
            throw this.#failure ?? (signal?.aborted ? abortError(signal) : toSttError(error));
        }
        this.#alive();
    }

    /**
     * See Stt.feedAudio. The samples are not copied: they are the core's until the promise ends.
     */
    feed(samples, signal) {
        return this.#enqueue({ samples, at: 0, signal });
    }

    /** See Stt.flush. */
    flush(signal) {
        return this.#enqueue({ flush: true, signal });
    }

    async #enqueue(item) {
        this.#loaded();
        if (item.signal?.aborted) throw abortError(item.signal);
        const done = deferred();
        this.#queue.push({ ...item, done });
        const abort = () => this.#drop(done, abortError(item.signal));
        item.signal?.addEventListener('abort', abort, { once: true });
        this.#wake.resolve();
        try {
            return await done.promise;
        } finally {
            item.signal?.removeEventListener('abort', abort);
        }
    }

    #drop(done, error) {
        const at = this.#queue.findIndex((item) => item.done === done);
        if (at < 0) return;
        const { flush } = this.#queue[at];
        // A recording whose end is given up is forgotten with all of its sound that still waits.
        const first = flush ? this.#queue.findLastIndex((item, i) => item.flush && i < at) + 1 : at;
        const dropped = this.#queue.splice(first, at + 1 - first);
        if (flush && first === 0) this.#forget();
        for (const item of dropped) {
            if (item.done === done) done.reject(error);
            else item.done.resolve();
        }
        this.#wake.resolve();
    }

    /** The recording begins anew. */
    #forget() {
        try {
            this.#engine.reset(this.#stream);
            this.#begin();
        } catch (error) {
            this.#fail(error);
        }
    }

    /** See Stt.reset. */
    reset() {
        this.#loaded();
        const dropped = this.#queue.splice(0);
        this.#forget();
        for (const { flush, done } of dropped) {
            if (flush) done.reject(new SttError('aborted', 'reset() was called.'));
            else done.resolve();
        }
        this.#alive();
        this.#meter = new Meter(this.#ticks());
        this.#wake.resolve();
    }

    /** What it holds now, for those who watch: bytes of the module, and Gpu.stats(). */
    get resources() {
        return { wasmBytes: this.#engine?.memoryBytes ?? 0, gpu: this.#gpu?.stats() };
    }

    close() {
        this.#release(new SttError('closed', 'It was closed.'));
    }

    /** Programs that have run. */
    #ticks() {
        const { submits, inFlight } = this.#gpu.stats();
        return submits - inFlight;
    }

    async #pump() {
        while (!this.#failure) {
            this.#wake = deferred();
            const idle = this.#engine.busy === 0;
            try {
                while (this.#step());
            } catch (error) {
                this.#fail(error);
                return;
            }
            const measured = this.#meter.advance(this.#ticks());
            if (measured) this.#emit('frame', measured);
            if (this.#engine.busy === 0) {
                await this.#wake.promise;
                continue;
            }
            if (idle) this.#meter.begin();
            await Promise.race([this.#wake.promise, this.#gpu.progress()]);
        }
    }

    /** False when nothing moved. */
    #step() {
        let moved = this.#feedQueue();
        this.#engine.run();
        for (let event; (event = this.#engine.poll(this.#stream)); moved = true) {
            this.#recording.add(event);
            if (event.type === 'end') this.#deliver();
        }
        return moved;
    }

    #feedQueue() {
        let moved = false;
        for (let item; (item = this.#queue[0]) && !item.flush;) {
            const taken = this.#offer(item);
            moved ||= taken > 0;
            if (item.at < item.samples.length) return moved;
            this.#queue.shift();
            item.done.resolve();
        }
        if (this.#queue.length && !this.#finished) {
            this.#engine.finish(this.#stream);
            this.#finished = moved = true;
        }
        return moved;
    }

    /** Feeds what the engine takes; samples that are no sound fail their own promise alone. */
    #offer(item) {
        try {
            const taken = this.#engine.feed(this.#stream, item.samples.subarray(item.at));
            item.at += taken;
            this.#recording.samples += taken;
            return taken;
        } catch (error) {
            if (error.code !== 'argument') throw error;
            item.at = item.samples.length;
            item.done.reject(error);
            return 0;
        }
    }

    /** The recording is over: its transcript, and the next one begins. */
    #deliver() {
        const { done } = this.#queue.shift();
        const transcript = this.#recording.transcript();
        this.#engine.reset(this.#stream);
        this.#begin();
        done.resolve(transcript);
    }

    #lose({ reason, message, status }) {
        this.#fail(statusError(status ?? Status.DEVICE, message), reason);
    }

    #fail(error, reason = 'unknown') {
        if (this.#failure) return;
        this.#release(toSttError(error));
        const { code, message } = packError(this.#failure);
        if (code === 'device-lost') this.#emit('lost', { reason, message });
        this.#emit('error', { code, message });
    }

    #release(error) {
        if (this.#failure) return;
        this.#failure = error;
        this.#loader?.stop(error);
        for (const { done } of this.#queue.splice(0)) done.reject(error);
        this.#wake.resolve();
        try {
            this.#engine?.close();
        } catch (cause) {
            // a module that trapped cannot clean up: its instance goes as a whole
            this.#emit('log', { level: 'warning', message: `closing: ${cause.message}` });
        }
        this.#gpu?.destroy();
    }
}
