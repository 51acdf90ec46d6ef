// SPDX-License-Identifier: MIT
//
// Takes the engine through its two phases while the bytes arrive.
import { SttError, abortError } from './errors.js';
import { openModel } from './model.js';

const PROGRESS_MS = 100;
/** Headers are read from their beginning each time: worth it when so much more has come. */
const HEADER_STEP = 256 << 10;
/** Work between two looks at what has arrived. */
const SLICE_MS = 8;

/** Lets everything run that waits for its turn: messages, arrivals, results. */
function turn() {
    return new Promise((resolve) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
            port1.close();
            resolve();
        };
        port2.postMessage(null);
    });
}

export class Loader {
    #options;
    #stop = new AbortController();
    #files = [];
    #lastProgress = 0;
    #needs = 0;
    appender = null;

    /** @param options {signal, fetch, delay, log, progress(detail of Stt's event)} */
    constructor(options) {
        const { signal } = options;
        this.#options = { ...options, signal: this.#stop.signal };
        signal?.addEventListener('abort', () => this.stop(abortError(signal)), {
            once: true,
            signal: this.#stop.signal,
        });
        /** Rejects when loading is stopped; never resolves. */
        this.ended = new Promise((_, reject) => {
            this.#stop.signal.addEventListener('abort', () => reject(this.#stop.signal.reason));
        });
        this.ended.catch(() => {}); // those who race it hear of it
    }

    /** Ends what is under way with this error; nothing after the end. */
    stop(error) {
        this.#stop.abort(error);
    }

    /** Finds out what the model's files are. */
    async open(model, cache) {
        const { files, appender } = await openModel(model, {
            ...this.#options,
            cache,
            onBytes: () => this.#progress(false),
            onShard: () => this.#progress(true),
        });
        this.#files = files;
        this.appender = appender ?? null;
    }

    /** Resolves when the weights are on the device and pipelines are compiled. */
    async run(engine, gpu, options) {
        for (const { path, source } of this.#files) engine.files.add(path, source);
        const downloads = Promise.all(this.#files.map(({ download }) => download?.run()));
        downloads.catch((error) => this.stop(error));
        try {
            await Promise.race([this.#phases(engine, gpu, options), this.ended]);
            await Promise.race([Promise.all([downloads, gpu.settled()]), this.ended]);
        } catch (error) {
            this.stop(error);
            throw this.#stop.signal.reason;
        }
        this.#progress(true);
    }

    async #phases(engine, gpu, options) {
        await this.#open(engine, options);
        let before = -1;
        let begun = performance.now();
        while (!this.#stop.signal.aborted && !engine.load()) {
            this.#drop(engine.needs);
            this.#progress(false);
            const moved = engine.loadedBytes > before;
            before = engine.loadedBytes;
            if (!moved) await this.#wait(gpu);
            else if (performance.now() - begun > SLICE_MS) await turn();
            else continue;
            begun = performance.now();
        }
        this.#stop.signal.throwIfAborted();
        this.#drop(Infinity);
        this.#progress(true);
    }

    async #open(engine, options) {
        for (;;) {
            const { received } = this;
            if (engine.open(this.#files[0].path, options)) return;
            if (received === this.size)
                throw new SttError('bad-model', 'The file ends within its header.');
            do {
                this.#stalled();
                await Promise.race([...this.#arrived(), this.ended]);
            } while (this.received < received + HEADER_STEP && this.received < this.size);
        }
    }

    /** For bytes, or for the device; where neither is due, only for its turn. */
    async #wait(gpu) {
        const due = this.#arrived();
        if (gpu.stats().inFlight) due.push(gpu.progress());
        else this.#stalled();
        await Promise.race(due.length ? [...due, this.ended] : [turn()]);
    }

    /** Promises of what still comes. */
    #arrived() {
        return this.#files
            .filter(({ source }) => source.received < source.size)
            .map(({ source }) => source.arrived());
    }

    #stalled() {
        for (const { source } of this.#files) source.stalled?.();
    }

    #drop(below) {
        this.#needs = Math.min(below, this.size);
        for (const { source } of this.#files)
            source.drop?.(this.#files.length > 1 && below < Infinity ? 0 : below);
    }

    get received() {
        return this.#files.reduce((sum, { source }) => sum + source.received, 0);
    }

    get size() {
        return this.#files.reduce((sum, { source }) => sum + source.size, 0);
    }

    #progress(always) {
        const now = performance.now();
        if (!always && now - this.#lastProgress < PROGRESS_MS) return;
        this.#lastProgress = now;
        const sum = (count) => this.#files.reduce((total, file) => total + count(file), 0);
        const shards = this.appender?.count ?? sum((file) => file.shards?.length ?? 1);
        const shard = this.appender?.current ?? sum((file) => file.download?.current ?? 0);
        this.#options.progress({
            loadedBytes: this.#needs,
            receivedBytes: sum(({ source, download }) =>
                Math.max(source.received, download?.arrived ?? 0),
            ),
            totalBytes: this.size,
            shard: Math.min(shard, Math.max(0, shards - 1)),
            shards,
        });
    }
}
