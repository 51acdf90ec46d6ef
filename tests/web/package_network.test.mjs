// SPDX-License-Identifier: MIT
//
// Shards from the network and from the cache, against a server that drops connections.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';

import { ShardCache } from '../../tools/web/package/cache.js';
import { fetchShard, probe } from '../../tools/web/package/fetching.js';
import { normalizeModel, openModel } from '../../tools/web/package/model.js';
import { Download } from '../../tools/web/package/shards.js';
import { ShardSource } from '../../tools/web/package/sources.js';
import { FakeBrowser, FakeFileReaderSync } from './fixtures/fake_storage.mjs';
import { ShardServer } from './fixtures/shard_server.mjs';

globalThis.FileReaderSync = FakeFileReaderSync;

const DELAY = 2; // ms
const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');
const coded =
    (code, text = /./) =>
    (error) => {
        assert.equal(error.code, code, error.stack);
        assert.match(error.message, text);
        return true;
    };

let server;
before(async () => {
    server = await new ShardServer().start();
});
after(() => server.stop());
beforeEach(() => {
    server.files.clear();
    server.requests.length = 0;
    server.trouble = () => ({});
    server.version = null;
});

/** Puts a model of `count` shards on the server: {whole, shards}. */
function serve(count = 3, bytes = 300000, sha256 = true) {
    const whole = randomBytes(count * bytes - 1000);
    const shards = [];
    for (let i = 0; i < count; i++) {
        const part = whole.subarray(i * bytes, (i + 1) * bytes);
        server.files.set(`s${i}`, part);
        shards.push({
            url: `${server.url}s${i}`,
            bytes: part.length,
            ...(sha256 && { sha256: digest(part) }),
        });
    }
    return { whole, shards };
}

async function fetchAll(shard, from = 0, options = {}) {
    const parts = [];
    for await (const bytes of fetchShard(shard, from, { delay: DELAY, ...options }))
        parts.push(Buffer.from(bytes));
    return Buffer.concat(parts);
}

/** Reads a source to its end as an engine would, dropping what it has read. */
async function readAll(source, step = 70000) {
    const whole = Buffer.alloc(source.size);
    for (let at = 0; at < source.size;) {
        const n = source.read(at, whole.subarray(at, at + step));
        if (n === -9) {
            await source.arrived();
            continue;
        }
        assert.ok(n > 0, `read at ${at}: ${n} ${source.error}`);
        at += n;
        source.drop(at);
    }
    return whole;
}

/** Downloads and reads: what an engine would have seen. */
async function load(shards, options = {}) {
    const source = new ShardSource(shards);
    const download = new Download(shards, source, { delay: DELAY, cache: null, ...options });
    const [, whole] = await Promise.all([download.run(), readAll(source)]);
    return whole;
}

describe('a shard', () => {
    test('goes on where the connection broke', async () => {
        const {
            shards: [shard],
        } = serve();
        server.trouble = ({ number }) => (number < 3 ? { dropAfter: 50000 } : {});
        assert.deepEqual(await fetchAll(shard), server.files.get('s0'));
        const starts = server.starts('s0');
        assert.equal(starts.length, 4);
        assert.ok(
            starts.every((from, i) => i === 0 || from > starts[i - 1]),
            String(starts),
        );
    });

    test('skips what it has where the server ignores Range', async () => {
        const {
            shards: [shard],
        } = serve();
        server.trouble = ({ number }) =>
            number === 0 ? { dropAfter: 50000 } : { ignoreRange: true };
        assert.deepEqual(await fetchAll(shard), server.files.get('s0'));
    });

    test('survives answers of 503 and none of 404', async () => {
        const {
            shards: [shard],
        } = serve();
        server.trouble = ({ number }) => (number < 2 ? { status: 503 } : {});
        assert.deepEqual(await fetchAll(shard), server.files.get('s0'));
        server.trouble = () => ({ status: 404 });
        server.requests.length = 0;
        await assert.rejects(fetchAll(shard), coded('network', /s0: HTTP 404/));
        assert.equal(server.requests.length, 1);
    });

    test('gives up after failures without a byte', async () => {
        const {
            shards: [shard],
        } = serve();
        server.trouble = () => ({ status: 500 });
        await assert.rejects(fetchAll(shard), coded('network', /HTTP 500/));
        assert.equal(server.requests.length, 7);
    });

    test('goes on when the connection falls silent', { timeout: 10000 }, async () => {
        const {
            shards: [shard],
        } = serve();
        server.trouble = ({ number }) => (number < 2 ? { hang: true } : {});
        assert.deepEqual(await fetchAll(shard, 0, { silentMs: 100 }), server.files.get('s0'));
        assert.equal(server.starts('s0').length, 3);
        const never = (url, { signal }) =>
            new Promise((_, reject) => {
                signal.addEventListener('abort', () => {
                    given++;
                    reject(signal.reason);
                });
            });
        let given = 0;
        const rejected = fetchAll(shard, 0, { silentMs: 1, fetch: never });
        await assert.rejects(rejected, coded('network', /nothing came/));
        assert.equal(given, 7, 'requests are not left behind');
    });

    test('is not put together from two versions of a file', async () => {
        const {
            shards: [shard],
        } = serve();
        server.version = '"1"';
        server.trouble = ({ number }) => {
            if (number === 1) server.version = '"2"';
            return number === 0 ? { dropAfter: 50000 } : {};
        };
        await assert.rejects(
            fetchAll({ ...shard, version: '"1"' }),
            coded('integrity', /changed on its server/),
        );
    });

    test('is told truncated or longer than announced', async () => {
        const {
            shards: [shard],
        } = serve();
        const { bytes } = shard;
        await assert.rejects(fetchAll({ ...shard, bytes: bytes + 1 }), coded('truncated', /s0/));
        await assert.rejects(fetchAll({ ...shard, bytes: bytes - 1 }), coded('integrity', /s0/));
        server.trouble = () => ({ chunked: true });
        await assert.rejects(fetchAll({ ...shard, bytes: bytes + 1 }), coded('truncated'));
        await assert.rejects(fetchAll({ ...shard, bytes: bytes - 1 }), coded('integrity'));
    });

    test('is aborted in the middle, and while it waits', { timeout: 10000 }, async () => {
        const {
            shards: [shard],
        } = serve();
        for (const trouble of [{ hang: true }, { status: 503 }]) {
            server.trouble = () => trouble;
            const controller = new AbortController();
            setTimeout(() => controller.abort(), 50);
            await assert.rejects(
                fetchAll(shard, 0, { signal: controller.signal, delay: 60000 }),
                coded('aborted'),
            );
        }
    });

    test('is probed for its length and version', async () => {
        const {
            shards: [shard],
        } = serve();
        server.version = '"7"';
        assert.deepEqual(await probe(shard.url, {}), {
            url: shard.url,
            bytes: shard.bytes,
            version: '"7"',
        });
        server.trouble = ({ number }) => (number === 1 ? { status: 403 } : {}); // no HEAD
        assert.equal((await probe(shard.url, {})).bytes, shard.bytes);
        assert.equal(server.requests.at(-1).method, 'GET');
        server.trouble = () => ({});
        await assert.rejects(probe(`${server.url}none`, {}), coded('network', /404/));
        const noHead = async (url, init) => {
            if (init.method === 'HEAD') throw new TypeError('CORS');
            return fetch(url, init);
        };
        assert.equal((await probe(shard.url, { fetch: noHead })).bytes, shard.bytes);
    });
});

describe('shards without a cache', () => {
    test('arrive whole and in order', async () => {
        const { whole, shards } = serve(5);
        server.trouble = ({ name, number }) =>
            name === 's2' && number === 0 ? { dropAfter: 12345 } : {};
        assert.deepEqual(await load(shards), whole);
    });

    test('tell of bytes before a shard is checked', async () => {
        const { whole, shards } = serve();
        const source = new ShardSource(shards);
        const seen = [];
        const download = new Download(shards, source, {
            delay: DELAY,
            cache: null,
            onBytes: () => seen.push([download.arrived, source.received]),
        });
        await Promise.all([download.run(), readAll(source)]);
        assert.ok(seen.some(([arrived, shown]) => arrived > shown));
        assert.ok(seen.every(([arrived], i) => i === 0 || arrived > seen[i - 1][0]));
        assert.equal(seen.at(-1)[0], whole.length);
    });

    test('are fetched again when a hash is wrong, once', async () => {
        const { whole, shards } = serve();
        server.trouble = ({ name, number }) =>
            name === 's1' && number === 0 ? { corrupt: 9 } : {};
        assert.deepEqual(await load(shards), whole);
        server.trouble = ({ name }) => (name === 's1' ? { corrupt: 9 } : {});
        const source = new ShardSource(shards);
        const download = new Download(shards, source, { delay: DELAY, cache: null });
        await assert.rejects(download.run(), coded('integrity', /s1.*SHA-256/));
        assert.equal(source.received, shards[0].bytes, 'nothing unchecked is shown');
    });

    test('larger than 32 MiB are checked as they pass, with bounded memory', async () => {
        const { whole, shards } = serve(1, 40 << 20);
        assert.deepEqual(await load(shards), whole);
        server.trouble = () => ({ corrupt: 35 << 20 });
        await assert.rejects(load(shards), coded('integrity', /s0/));
    });

    test('wait for their reader', async () => {
        const { shards } = serve(6, 4 << 20);
        const source = new ShardSource(shards);
        const running = new Download(shards, source, { delay: DELAY, cache: null }).run();
        while (source.received < 16 << 20) await source.arrived();
        await new Promise((resolve) => setTimeout(resolve, 100));
        assert.equal(source.received, 16 << 20, 'the window is full');
        assert.ok(server.requests.length <= 5);
        await Promise.all([readAll(source), running]);
    });
});

describe('shards in the cache', () => {
    let browser;
    let cache;
    beforeEach(async () => {
        browser = new FakeBrowser();
        cache = await ShardCache.open(browser);
    });
    const names = () =>
        browser
            .cached()
            .map(([name]) => name)
            .sort();

    test('are not fetched a second time', async () => {
        const { whole, shards } = serve();
        assert.deepEqual(await load(shards, { cache }), whole);
        assert.deepEqual(names(), shards.map((s) => s.sha256).sort());
        server.requests.length = 0;
        assert.deepEqual(await load(shards, { cache }), whole);
        assert.equal(server.requests.length, 0);
    });

    test('go on where the last visit ended', async () => {
        const { whole, shards } = serve();
        const controller = new AbortController();
        const source = new ShardSource(shards);
        server.trouble = ({ name }) => (name === 's1' ? { hang: true } : {});
        const download = new Download(shards, source, {
            delay: DELAY,
            cache,
            signal: controller.signal,
            onBytes: () => download.arrived >= shards[0].bytes + 150000 && controller.abort(),
        });
        await assert.rejects(download.run(), coded('aborted'));
        assert.ok(names().includes(`${shards[1].sha256}.part`));
        server.trouble = () => ({});
        server.requests.length = 0;
        assert.deepEqual(await load(shards, { cache }), whole);
        assert.deepEqual(server.starts('s0'), []);
        assert.deepEqual(server.starts('s1'), [150000]);
    });

    test('are checked also when they were resumed, and thrown away when damaged', async () => {
        const { whole, shards } = serve();
        const partial = await cache.partial(shards[0].sha256);
        partial.append(randomBytes(1000));
        partial.close();
        assert.deepEqual(await load(shards, { cache }), whole);
        assert.deepEqual(server.starts('s0'), [1000, 0]);
        server.trouble = () => ({ corrupt: 0 });
        const other = { ...shards[0], sha256: digest('other') };
        await assert.rejects(load([other], { cache }), coded('integrity'));
        const [, left] = browser.cached().find(([name]) => name === `${other.sha256}.part`);
        assert.equal(left.bytes.length, 0);
    });

    test('of a wrong length are replaced', async () => {
        const { whole, shards } = serve();
        const partial = await cache.partial(shards[2].sha256);
        partial.append(randomBytes(10));
        await partial.commit(shards[2].sha256);
        assert.deepEqual(await load(shards, { cache }), whole);
    });

    test('give way to the window where the quota ends', async () => {
        const { whole, shards } = serve(4);
        browser.quota = 500000;
        const told = [];
        assert.deepEqual(
            await load(shards, { cache, log: (level, text) => told.push(text) }),
            whole,
        );
        assert.deepEqual(names(), [shards[0].sha256]);
        assert.match(told.join(), /cache is full/);
    });

    test('are downloaded once by two at a time', async () => {
        const { whole, shards } = serve();
        const both = await Promise.all([load(shards, { cache }), load(shards, { cache })]);
        assert.deepEqual(both, [whole, whole]);
        for (const i of [0, 1, 2]) assert.deepEqual(server.starts(`s${i}`), [0]);
    });

    test('without a hash are shown as they come, and kept by what the server says', async () => {
        const { whole, shards } = serve(1, 300000, false);
        server.trouble = ({ number }) => (number === 0 ? { dropAfter: 100000 } : {});
        const source = new ShardSource(shards);
        const versioned = shards.map((s) => ({ ...s, version: '"1"' }));
        const download = new Download(versioned, source, { delay: 100, cache });
        const running = download.run();
        while (source.received < 100000) await source.arrived();
        const head = Buffer.alloc(100000);
        assert.equal(source.read(0, head), 100000);
        assert.deepEqual(head, whole.subarray(0, 100000));
        await running;
        assert.deepEqual(await readAll(source), whole);
        server.requests.length = 0;
        server.trouble = () => ({});
        assert.deepEqual(await load(versioned, { cache }), whole);
        assert.equal(server.requests.length, 0);
        await load(
            versioned.map((s) => ({ ...s, version: '"2"' })),
            { cache },
        );
        assert.deepEqual(server.starts('s0'), [0]);
        await load(shards, { cache }); // a server that tells no version: never kept
        assert.equal(names().length, 2);
    });

    test('are absent where the browser has no such file system, and can be cleared', async () => {
        assert.equal(await ShardCache.open({}), null);
        const refuse = {
            getDirectory: async () => {
                throw Object.assign(new Error('no'), { name: 'SecurityError' });
            },
        };
        assert.equal(await ShardCache.open({ storage: refuse, locks: {} }), null);
        await load(serve().shards, { cache });
        assert.equal(names().length, 3);
        await ShardCache.clear(browser);
        assert.deepEqual(names(), []);
        await ShardCache.clear(browser);
    });
});

describe('models', () => {
    const open = (model) =>
        openModel(normalizeModel(model, server.url), { delay: DELAY, cache: true });
    const manifest = (value) =>
        server.files.set('m/model.json', Buffer.from(JSON.stringify(value)));

    test('are found through a manifest, whose URLs are relative to it', async () => {
        const { whole, shards } = serve();
        const rows = shards.map((s, i) => ({ ...s, url: `../s${i}` }));
        manifest({ format: 'stapes-shards', version: 1, bytes: whole.length, shards: rows });
        const {
            files: [file],
        } = await open('m/model.json');
        assert.equal(file.source.size, whole.length);
        const [, read] = await Promise.all([file.download.run(), readAll(file.source)]);
        assert.deepEqual(read, whole);
    });

    test('have manifests that are checked', async () => {
        const { whole, shards } = serve();
        const good = { format: 'stapes-shards', version: 1, bytes: whole.length, shards };
        for (const [change, code] of [
            [{ format: 'x' }, 'bad-model'],
            [{ version: 2 }, 'bad-model'],
            [{ bytes: 1 }, 'bad-model'],
            [{ shards: [] }, 'bad-model'],
            [{ shards: [{ ...shards[0], sha256: 'beef' }] }, 'bad-model'],
        ]) {
            manifest({ ...good, ...change });
            await assert.rejects(open('m/model.json'), coded(code, /model\.json/));
        }
        server.files.set('m/model.json', Buffer.from('<html>'));
        await assert.rejects(open('m/model.json'), coded('bad-model', /no JSON/));
        await assert.rejects(open('gone.json'), coded('network', /gone.json: HTTP 404/));
    });

    test('are one file, or byte shards, by URL', async () => {
        const { whole, shards } = serve();
        server.files.set('100%.gguf', whole);
        assert.equal((await open('100%25.gguf')).files[0].source.size, whole.length);
        await assert.rejects(open('100%.gguf'), coded('network', /HTTP 400/));
        const {
            files: [one],
        } = await open(shards[1].url);
        assert.equal(one.source.size, shards[1].bytes);
        const {
            files: [all],
        } = await open(shards.map((s) => s.url));
        const [, read] = await Promise.all([all.download.run(), readAll(all.source)]);
        assert.deepEqual(read, whole);
    });

    test('that are split need the cache, and are found by one of their names', async () => {
        for (const i of [1, 2])
            server.files.set(`a b-0000${i}-of-00002.gguf`, randomBytes(1000 * i));
        await assert.rejects(open('a%20b-00001-of-00002.gguf'), coded('argument', /cache/));
        const browser = new FakeBrowser();
        globalThis.navigator = { storage: browser.storage, locks: browser.locks };
        const { files } = await open('a%20b-00001-of-00002.gguf');
        delete globalThis.navigator;
        assert.deepEqual(
            files.map((f) => [f.path, f.source.size]),
            [
                ['a b-00001-of-00002.gguf', 1000],
                ['a b-00002-of-00002.gguf', 2000],
            ],
        );
    });
});
