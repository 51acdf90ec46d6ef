// SPDX-License-Identifier: MIT
//
// From what Stt.create was given to sources that the engine can read.
import { ShardCache } from './cache.js';
import { SttError } from './errors.js';
import { fetchJson, probe } from './fetching.js';
import { Download, sha256 } from './shards.js';
import { BlobSource, ShardSource } from './sources.js';

const SPLIT = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;

const wrong = (message) => new SttError('argument', message);
const isUrl = (value) => typeof value === 'string' || value instanceof URL;

function absolute(url, base) {
    try {
        return new URL(url, base).href;
    } catch (error) {
        throw new SttError('argument', `${url} is no URL.`, { cause: error });
    }
}

/** @param code of the error: whose fault it is */
function checkShards(shards, where, base, code = 'argument') {
    const good =
        Array.isArray(shards) &&
        shards.length > 0 &&
        shards.every(
            (s) =>
                s &&
                Number.isSafeInteger(s.bytes) &&
                s.bytes > 0 &&
                (base === null || isUrl(s.url)) &&
                (s.sha256 === undefined || /^[0-9a-f]{64}$/i.test(s.sha256)),
        );
    if (!good) throw new SttError(code, `${where}: shards is no list of {url, bytes, sha256}.`);
    return shards.map((s) => ({
        bytes: s.bytes,
        ...(base !== null && { url: absolute(s.url, base) }),
        ...(s.sha256 && { sha256: s.sha256.toLowerCase() }),
    }));
}

/**
 * A model as it can be posted to a worker, whose own URL is another one than the page's.
 * @param base URL of the page
 */
export function normalizeModel(model, base) {
    const list = Array.isArray(model) ? model : [model];
    if (list.length > 0 && list.every(isUrl))
        return { urls: list.map((url) => absolute(url, base)) };
    if (list.length > 0 && list.every((item) => item instanceof Blob))
        return { blobs: list.map((blob) => ({ blob, name: blob.name ?? 'model.gguf' })) };
    if (model?.stream === true) {
        if (!Number.isSafeInteger(model.bytes) || model.bytes <= 0)
            throw wrong('model.bytes is the length of all shards together.');
        const rows = model.shards && checkShards(model.shards, 'model', null);
        if (rows && rows.reduce((sum, row) => sum + row.bytes, 0) !== model.bytes)
            throw wrong('model.bytes is not the sum of model.shards.');
        return { stream: true, bytes: model.bytes, rows };
    }
    if (model?.shards) return { shards: checkShards(model.shards, 'model', base) };
    throw wrong('model is none of: a URL, URLs, a File, Files, {shards}, {stream: true, bytes}.');
}

function nameOf(url) {
    const name = new URL(url).pathname.split('/').pop() || 'model.gguf';
    try {
        return decodeURIComponent(name);
    } catch {
        return name; // a percent sign that escapes nothing is legal, too
    }
}

async function readManifest(url, options) {
    const manifest = await fetchJson(url, options);
    if (manifest?.format !== 'stapes-shards' || manifest.version !== 1)
        throw new SttError('bad-model', `${url} is no manifest of shards, version 1.`);
    const shards = checkShards(manifest.shards, url, url, 'bad-model');
    if (shards.reduce((sum, shard) => sum + shard.bytes, 0) !== manifest.bytes)
        throw new SttError('bad-model', `${url}: bytes is not the sum of its shards.`);
    return shards;
}

/** All files of a split GGUF, of which one is named. */
function siblings(url) {
    const [, stem, , count] = SPLIT.exec(nameOf(url));
    return Array.from(
        { length: Number(count) },
        (_, i) =>
            new URL(
                `${encodeURIComponent(stem)}-${String(i + 1).padStart(5, '0')}-of-${count}.gguf` +
                    new URL(url).search,
                url,
            ).href,
    );
}

/** Lists of shards by file name: one file in byte shards, or the files of a split one. */
async function listFiles(model, options) {
    if (model.shards) return [['model.gguf', model.shards]];
    const [first] = model.urls;
    if (model.urls.length === 1 && new URL(first).pathname.endsWith('.json'))
        return [['model.gguf', await readManifest(first, options)]];
    const split = model.urls.every((url) => SPLIT.test(nameOf(url)));
    const urls = split && model.urls.length === 1 ? siblings(first) : model.urls;
    const shards = await Promise.all(urls.map((url) => probe(url, options)));
    return split
        ? shards.map((shard) => [nameOf(shard.url), [shard]])
        : [[nameOf(first), shards]];
}

const byName = (a, b) => a.name.localeCompare(b.name, 'en', { numeric: true });

function openBlobs(blobs) {
    const sorted = [...blobs].sort(byName);
    if (sorted.every(({ name }) => SPLIT.test(name)))
        return sorted.map(({ name, blob }) => ({ path: name, source: new BlobSource([blob]) }));
    const source = new BlobSource(sorted.map(({ blob }) => blob));
    return [{ path: sorted[0].name, source }];
}

async function openRemote(model, options) {
    const lists = await listFiles(model, options);
    const cache = options.cache ? await ShardCache.open() : null;
    if (lists.length > 1 && !cache)
        throw wrong(
            'A split GGUF file needs the cache: its parts are not read in one pass. ' +
                'Byte shards (tools/web/shard.mjs) need none.',
        );
    return lists.map(([path, shards]) => {
        const source = new ShardSource(shards);
        return {
            path,
            source,
            download: new Download(shards, source, { ...options, cache }),
            shards,
        };
    });
}

/** Takes the shards that a caller fetches, checks them against what is known, and pushes them. */
export class Appender {
    #source;
    #bytes;
    #rows;
    #next = 0;
    #length = 0;
    #tail = Promise.resolve();

    constructor({ bytes, rows }) {
        this.#bytes = bytes;
        this.#rows = rows;
        this.#source = new ShardSource([{ bytes }]);
        this.#source.stream(0);
        this.source = this.#source;
    }

    get current() {
        return this.#next;
    }

    get count() {
        return this.#rows?.length ?? this.#next;
    }

    /** In the order of the calls. Aborted before its turn, a shard is left out. */
    append(bytes, shard, signal) {
        const done = this.#tail.then(async () => {
            signal?.throwIfAborted();
            await this.#check(bytes, shard);
            this.#next++;
            this.#length += bytes.length;
            await this.#source.push(bytes, null); // half a shard would move all that follow
        });
        this.#tail = done.catch(() => {}); // the caller has it
        return done;
    }

    async #check(bytes, { index, sha256: digest } = {}) {
        const row = this.#rows?.[this.#next];
        const wanted = row?.sha256 ?? digest?.toLowerCase();
        const who = `Shard ${this.#next}`;
        if (index !== undefined && index !== this.#next)
            throw new SttError('out-of-order', `${who} is due, not shard ${index}.`);
        if (this.#length + bytes.length > this.#bytes || (this.#rows && !row))
            throw wrong(`${who}: the model has ${this.#bytes} bytes and needs no more.`);
        const actual = wanted && (await sha256(bytes));
        if (actual !== wanted && this.#rows?.some((other) => other.sha256 === actual))
            throw new SttError('out-of-order', `${who} is due, but that is another one.`);
        if (row && bytes.length < row.bytes)
            throw new SttError('truncated', `${who} has ${bytes.length} bytes, not ${row.bytes}.`);
        if (actual !== wanted || (row && bytes.length !== row.bytes))
            throw new SttError('integrity', `${who} is not what was announced.`);
    }
}

/**
 * @param model of normalizeModel, or {files} as returned
 * @param options {signal, fetch, delay, log, cache: boolean, onBytes, onShard}
 * @returns {files: [{path, source, download?, shards?}], appender?}; the first path is the one to
 *     open
 */
export async function openModel(model, options) {
    if (model.files) return { files: model.files };
    if (model.blobs) return { files: openBlobs(model.blobs) };
    if (model.stream) {
        const appender = new Appender(model);
        return { files: [{ path: 'model.gguf', source: appender.source }], appender };
    }
    return { files: await openRemote(model, options) };
}
