// SPDX-License-Identifier: MIT
//
// What the engine reads: the imports of the wasm module "file", and sources behind them.
//
// A source has `size`, `read(offset, to)` -> bytes read, 0 at its end, Status.AGAIN for bytes that
// have not arrived, Status.IO; after IO `error` says why. Sources that fill while they are read
// also have `arrived()`, `received` and `drop(below)`.
import { Status, SttError } from './errors.js';

const utf8 = new TextDecoder();

/** The open files of one engine, over sources by path. */
export class Files {
    #sources = new Map();
    #open = new Map();
    #next = 0;

    /** @param memory () => ArrayBuffer of the wasm module, which moves when it grows */
    constructor(memory) {
        this.imports = {
            open: (path, length) =>
                this.#begin(utf8.decode(new Uint8Array(memory(), path, length))),
            size: (handle) => this.#open.get(handle).size,
            read: (handle, offset, to, bytes) =>
                this.#open.get(handle).read(offset, new Uint8Array(memory(), to, bytes)),
            close: (handle) => void this.#open.delete(handle),
        };
    }

    add(path, source) {
        this.#sources.set(path, source);
    }

    /** Why the last read answered IO; null if none did. */
    get error() {
        return [...this.#sources.values()].find((source) => source.error)?.error ?? null;
    }

    #begin(path) {
        const source = this.#sources.get(path);
        if (!source) return Status.IO;
        this.#open.set(this.#next, source);
        return this.#next++;
    }
}

/** Blobs behind each other, read as one file; in a worker. Nothing of them is kept in memory. */
export class BlobSource {
    error = null;
    #blobs;
    #reader = new FileReaderSync();

    constructor(blobs) {
        this.#blobs = blobs;
        this.size = blobs.reduce((sum, blob) => sum + blob.size, 0);
    }

    get received() {
        return this.size;
    }

    read(offset, to) {
        let done = 0;
        let start = 0;
        try {
            for (const blob of this.#blobs) {
                const at = offset + done - start;
                if (done < to.length && at < blob.size) {
                    const slice = blob.slice(at, Math.min(blob.size, at + to.length - done));
                    const bytes = new Uint8Array(this.#reader.readAsArrayBuffer(slice));
                    to.set(bytes, done);
                    done += bytes.length;
                }
                start += blob.size;
            }
        } catch (error) {
            this.error = new SttError('io', `A file cannot be read any more: ${error.message}`, {
                cause: error,
            });
            return Status.IO;
        }
        return done;
    }
}

const FIRST_WINDOW = 16 << 20;
const LARGEST_WINDOW = 128 << 20;

/**
 * A part of a file that comes in order: a ring of one array. What lies below `drop` makes room for
 * what comes; who reads below it finds an error.
 */
export class Window {
    #ring;
    #low;

    /** @param start offset of the first byte that will be pushed */
    constructor(start, capacity = FIRST_WINDOW) {
        this.start = this.#low = this.end = start;
        this.#ring = new Uint8Array(capacity);
    }

    get room() {
        return this.#low + this.#ring.length - this.end;
    }

    drop(below) {
        this.#low = Math.max(this.#low, Math.min(below, this.end));
    }

    /** Takes what there is room for: bytes taken. */
    push(bytes) {
        const n = Math.min(this.room, bytes.length);
        this.#split(this.end, n, (at, from, part) =>
            this.#ring.set(bytes.subarray(from, from + part), at),
        );
        this.end += n;
        return n;
    }

    /** Bytes read, or AGAIN where none of them has come. */
    read(offset, to) {
        const n = Math.min(this.end - offset, to.length);
        if (offset < this.#low) return Status.IO;
        if (n <= 0) return Status.AGAIN;
        this.#split(offset, n, (at, into, part) =>
            to.set(this.#ring.subarray(at, at + part), into),
        );
        return n;
    }

    /**
     * Twice the room: for a reader that needs more at once than the ring holds. False: too much.
     */
    grow() {
        const capacity = this.#ring.length * 2;
        if (capacity > LARGEST_WINDOW) return false;
        const larger = new Uint8Array(capacity);
        const kept = this.end - this.#low;
        this.#split(this.#low, kept, (at, from, part) => {
            const to = (this.#low + from) % capacity;
            const before = Math.min(part, capacity - to);
            larger.set(this.#ring.subarray(at, at + before), to);
            larger.set(this.#ring.subarray(at + before, at + part), 0);
        });
        this.#ring = larger;
        return true;
    }

    /** Calls with each contiguous part: place in the ring, distance from the offset, length. */
    #split(offset, n, call) {
        const at = offset % this.#ring.length;
        const first = Math.min(n, this.#ring.length - at);
        if (first) call(at, 0, first);
        if (n > first) call(0, first, n - first);
    }
}

/**
 * A file that arrives shard by shard: each lies on a disk, where any part of it can be read, or,
 * from some shard on, all pass through a window.
 */
export class ShardSource {
    error = null;
    #parts = [];
    #window = null;
    #dropped = 0;
    #waiting = [];

    /** @param shards [{bytes}] in order */
    constructor(shards) {
        let start = 0;
        for (const { bytes } of shards) {
            this.#parts.push({ start, bytes, available: 0, reader: null });
            start += bytes;
        }
        this.size = start;
        this.received = 0;
    }

    /** Shard `i` can be read up to `available` through reader(offset in it, to) -> bytes or IO. */
    place(i, reader, available) {
        const part = this.#parts[i];
        part.reader = reader;
        part.available = available;
        this.#arrive(part.start + available);
    }

    /** From shard `i` on everything comes through `push`. */
    stream(i) {
        this.#window = new Window(this.#parts[i].start);
        this.#window.drop(this.#dropped);
    }

    /** Resolves when all bytes are taken; rejects when `signal` aborts. */
    async push(bytes, signal) {
        while (bytes.length) {
            const taken = this.#window.push(bytes);
            this.#arrive(this.#window.end);
            this.#window.drop(this.#dropped);
            bytes = bytes.subarray(taken);
            if (bytes.length) await this.#change(signal);
        }
    }

    /** All bytes at once, or AGAIN: a reader begins anew after it. */
    read(offset, to) {
        if (offset >= this.size) return 0;
        if (Math.min(offset + to.length, this.size) > this.received) return Status.AGAIN;
        if (this.#window && offset >= this.#window.start) return this.#readWindow(offset, to);
        const part = this.#parts.find((p) => offset < p.start + p.bytes);
        const at = offset - part.start;
        const n = Math.min(to.length, part.available - at);
        if (n <= 0) return Status.AGAIN;
        const status = part.reader.read(at, to.subarray(0, n));
        this.error ??= part.reader.error ?? null;
        return status;
    }

    #readWindow(offset, to) {
        const status = this.#window.read(offset, to);
        if (status === Status.IO)
            this.error = new SttError('io', `Byte ${offset} is wanted again after it was dropped.`);
        return status;
    }

    /** Nothing below will be read any more. */
    drop(below) {
        this.#dropped = Math.max(this.#dropped, below);
        if (!this.#window) return;
        const room = this.#window.room;
        this.#window.drop(this.#dropped);
        if (this.#window.room > room) this.#notify();
    }

    /** Resolves when something more has arrived. */
    arrived() {
        return this.#change(null);
    }

    /** To be called when the reader waits: a full window grows. */
    stalled() {
        if (!this.#window || this.#window.room) return;
        if (!this.#window.grow())
            throw new SttError(
                'bad-model',
                'More of the file is needed at once than can be held: ' + 'its header is damaged.',
            );
        this.#notify();
    }

    #arrive(end) {
        this.received = Math.max(this.received, end);
        this.#notify();
    }

    #notify() {
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const resolve of waiting) resolve();
    }

    #change(signal) {
        signal?.throwIfAborted();
        return new Promise((resolve, reject) => {
            const abort = () => reject(signal.reason);
            signal?.addEventListener('abort', abort, { once: true });
            this.#waiting.push(() => {
                signal?.removeEventListener('abort', abort);
                resolve();
            });
        });
    }
}
