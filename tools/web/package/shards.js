// SPDX-License-Identifier: MIT
//
// Brings the shards of one file from the network, or from the cache, into its source. A shard with
// a SHA-256 is shown to the engine when it was checked; one too large to be held, and that is not
// cached, is checked while it passes by.
import { SttError, toSttError } from './errors.js';
import { fetchShard } from './fetching.js';
import { Sha256 } from './sha256.js';
import { BlobSource } from './sources.js';

/**
 * Shards up to here are hashed by crypto.subtle, which is ten times faster and wants them whole.
 */
const WHOLE = 32 << 20;
const SLICE = 1 << 20;

const hexOf = (buffer) =>
    Array.from(new Uint8Array(buffer), (x) => x.toString(16).padStart(2, '0')).join('');

/** SHA-256 of bytes in memory: hexadecimal. */
export async function sha256(bytes) {
    return hexOf(await crypto.subtle.digest('SHA-256', bytes));
}

export class Download {
    #shards;
    #source;
    #options;
    #cache;
    #scratch = null;
    #streaming = false;

    /**
     * @param shards [{url, bytes, sha256?, version?}]
     * @param source ShardSource of them
     * @param options {signal, fetch, delay, log, cache: ShardCache or null, onBytes(i, bytes of
     *     it), onShard(i): i is complete}
     */
    constructor(shards, source, options) {
        this.#shards = shards;
        this.#source = source;
        this.#cache = options.cache;
        this.#options = { ...options, noStore: Boolean(options.cache) };
        this.current = 0;
        /** Bytes of the file up to which it has come, checked or not. */
        this.arrived = 0;
    }

    #hear(i, bytes) {
        const before = this.#shards.slice(0, i).reduce((sum, shard) => sum + shard.bytes, 0);
        this.arrived = before + bytes;
        this.#options.onBytes?.(i, bytes);
    }

    /** Resolves when all of them have been placed or pushed. */
    async run() {
        for (let i = 0; i < this.#shards.length; i++) {
            this.current = i;
            if (!(await this.#throughCache(i))) await this.#throughWindow(i);
            this.#options.onShard?.(i);
        }
        this.#scratch = null;
    }

    #wrong({ url }) {
        return new SttError('integrity', `${url}: its SHA-256 is not the one of the manifest.`);
    }

    /** Room for a shard that is hashed whole; one for all of them. */
    #room(bytes) {
        if (!this.#scratch || this.#scratch.length < bytes) this.#scratch = new Uint8Array(bytes);
        return this.#scratch.subarray(0, bytes);
    }

    /** Where a shard is kept: by what is in it, or by what its server says of it. */
    async #name({ url, bytes, sha256: digest, version }) {
        if (digest) return digest.toLowerCase();
        const text = new TextEncoder().encode(`${url}\n${version}\n${bytes}`);
        return version ? `url-${await sha256(text)}` : null;
    }

    /** False where it cannot be cached. */
    async #throughCache(i) {
        const shard = this.#shards[i];
        const name = this.#cache && (await this.#name(shard));
        if (!name) return false;
        try {
            return await this.#cache.locked(name, this.#options.signal, async () => {
                const file =
                    (await this.#cache.find(name, shard.bytes)) ?? (await this.#fill(i, name));
                if (file) this.#source.place(i, new BlobSource([file]), shard.bytes);
                return Boolean(file);
            });
        } catch (error) {
            throw toSttError(error, 'io');
        }
    }

    /** Downloads what the cache lacks: the file, or null where there is no room for it. */
    async #fill(i, name) {
        const shard = this.#shards[i];
        let partial = await this.#cache.partial(name);
        const take = () => {
            const taken = partial;
            partial = null;
            this.#source.place(i, null, 0); // until the caller places it
            return taken;
        };
        try {
            for (let again = false; ; again = true) {
                if (!(await this.#append(i, partial))) {
                    await take().remove();
                    this.#options.log?.('warning', 'The cache is full: going on without it.');
                    return null;
                }
                if (!shard.sha256 || (await this.#check(shard, partial)))
                    return await take().commit(name);
                partial.clear();
                if (again) throw this.#wrong(shard);
            }
        } finally {
            partial && take().close();
        }
    }

    /** False where the cache is full. Shows what has come, unless that must be checked first. */
    async #append(i, partial) {
        const shard = this.#shards[i];
        const show = () => shard.sha256 || this.#source.place(i, partial, partial.size);
        if (partial.size > shard.bytes) partial.clear();
        show();
        for await (const bytes of fetchShard(shard, partial.size, this.#options)) {
            if (!partial.append(bytes)) return false;
            show();
            this.#hear(i, partial.size);
        }
        return true;
    }

    async #check(shard, partial) {
        if (shard.bytes <= WHOLE) {
            const all = this.#room(shard.bytes);
            partial.read(0, all);
            return (await sha256(all)) === shard.sha256.toLowerCase();
        }
        const hash = new Sha256();
        const slice = this.#room(SLICE);
        for (let at = 0; at < shard.bytes; at += SLICE)
            hash.update(slice.subarray(0, partial.read(at, slice)));
        return hash.hex() === shard.sha256.toLowerCase();
    }

    /** This shard and all behind it: the window holds a contiguous part of the file. */
    async #throughWindow(i) {
        const shard = this.#shards[i];
        if (!this.#streaming) this.#source.stream(i);
        this.#streaming = true;
        this.#cache = null;
        if (shard.sha256 && shard.bytes <= WHOLE)
            await this.#source.push(await this.#whole(i), this.#options.signal);
        else await this.#passing(i);
    }

    /** A checked shard, in memory that the next one reuses. */
    async #whole(i) {
        const shard = this.#shards[i];
        const all = this.#room(shard.bytes);
        for (let again = false; ; again = true) {
            let at = 0;
            for await (const bytes of fetchShard(shard, 0, this.#options)) {
                all.set(bytes, at);
                at += bytes.length;
                this.#hear(i, at);
            }
            if ((await sha256(all)) === shard.sha256.toLowerCase()) return all;
            if (again) throw this.#wrong(shard);
        }
    }

    async #passing(i) {
        const shard = this.#shards[i];
        const hash = shard.sha256 && new Sha256();
        let at = 0;
        for await (const bytes of fetchShard(shard, 0, this.#options)) {
            hash?.update(bytes);
            await this.#source.push(bytes, this.#options.signal);
            at += bytes.length;
            this.#hear(i, at);
        }
        if (hash && hash.hex() !== shard.sha256.toLowerCase()) throw this.#wrong(shard);
    }
}
