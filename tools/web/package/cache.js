// SPDX-License-Identifier: MIT
//
// Shards on the disk: files of the origin's private file system, in one directory. A file NAME is
// complete and checked; NAME.part is what has come of it. Every browser with WebGPU has that file
// system, except in private windows of some: there is no cache then.
import { SttError } from './errors.js';

const DIRECTORY = 'stapes-models';

/** A file that is being written; other tabs are kept out by the lock around it. */
class Partial {
    error = null;
    #directory;
    #handle;
    #access;

    constructor(directory, handle, access) {
        this.#directory = directory;
        this.#handle = handle;
        this.#access = access;
    }

    get size() {
        return this.#access.getSize();
    }

    /** Bytes read. */
    read(at, to) {
        return this.#access.read(to, { at });
    }

    /** False where the disk or the quota is full. */
    append(bytes) {
        try {
            return this.#access.write(bytes, { at: this.size }) === bytes.length;
        } catch (error) {
            if (error.name === 'QuotaExceededError') return false;
            throw error;
        }
    }

    clear() {
        this.#access.truncate(0);
    }

    /** Leaves what there is for the next time. */
    close() {
        this.#access.flush();
        this.#access.close();
    }

    /** To its final name: the complete file. */
    async commit(name) {
        this.close();
        await this.#handle.move(name);
        return this.#handle.getFile();
    }

    async remove() {
        this.#access.close();
        await this.#directory.removeEntry(this.#handle.name);
    }
}

export class ShardCache {
    #directory;
    #locks;

    constructor(directory, locks) {
        this.#directory = directory;
        this.#locks = locks;
    }

    /** Null where this browser, or this window of it, keeps nothing. */
    static async open({ storage, locks } = globalThis.navigator ?? {}) {
        if (!storage?.getDirectory || !locks) return null;
        try {
            const root = await storage.getDirectory();
            return new ShardCache(
                await root.getDirectoryHandle(DIRECTORY, { create: true }),
                locks,
            );
        } catch (error) {
            if (
                error.name === 'SecurityError' ||
                error.name === 'NotAllowedError' ||
                error.name === 'InvalidStateError'
            )
                return null;
            throw new SttError('io', `The cache cannot be opened: ${error.message}`, {
                cause: error,
            });
        }
    }

    static async clear({ storage } = globalThis.navigator ?? {}) {
        try {
            const root = await storage.getDirectory();
            await root.removeEntry(DIRECTORY, { recursive: true });
        } catch (error) {
            if (error.name !== 'NotFoundError')
                throw new SttError('io', `The cache cannot be emptied: ${error.message}`, {
                    cause: error,
                });
        }
    }

    /** Runs `work` while no other tab or worker touches that shard. */
    locked(name, signal, work) {
        return this.#locks.request(`${DIRECTORY}/${name}`, { signal }, work);
    }

    /** The complete file, or null; one of another length is deleted. */
    async find(name, bytes) {
        try {
            const file = await (await this.#directory.getFileHandle(name)).getFile();
            if (file.size === bytes) return file;
            await this.#directory.removeEntry(name);
        } catch (error) {
            if (error.name !== 'NotFoundError') throw error;
        }
        return null;
    }

    /** What has come of a shard so far, to be gone on with. */
    async partial(name) {
        const handle = await this.#directory.getFileHandle(`${name}.part`, { create: true });
        return new Partial(this.#directory, handle, await handle.createSyncAccessHandle());
    }
}
