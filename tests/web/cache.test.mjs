// SPDX-License-Identifier: MIT
//
// Shards in the file system of a real browser: what package_network.test.mjs says of a false one.
//
// STAPES_BUILD: the build (default: build beside the sources).
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { inTree, launch, skip } from './browser.mjs';
import { ShardServer } from './fixtures/shard_server.mjs';

const PACKAGE = join(process.env.STAPES_BUILD ?? inTree('build'), 'web/package');
const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');

describe('the cache in Chromium', { skip }, () => {
    let server;
    let browser;
    let page;
    const whole = randomBytes(3 * 3000000 - 5);
    let shards;

    before(async () => {
        server = await new ShardServer().start();
        for (const name of readdirSync(PACKAGE).filter((file) => file.endsWith('.js')))
            server.files.set(`package/${name}`, readFileSync(join(PACKAGE, name)));
        server.files.set('worker.js', readFileSync(inTree('tests/web/fixtures/cache_worker.js')));
        server.files.set('index.html', Buffer.from('<!doctype html><title>cache</title>'));
        shards = [0, 1, 2].map((i) => {
            const part = whole.subarray(i * 3000000, (i + 1) * 3000000);
            server.files.set(`s${i}`, part);
            return { url: `${server.url}s${i}`, bytes: part.length, sha256: digest(part) };
        });
        browser = await launch({ webgpu: false });
        page = await browser.context.newPage();
        await page.goto(`${server.url}index.html`);
    });
    after(async () => {
        await browser?.close();
        await server?.stop();
    });

    /** Runs cache_worker.js in as many workers at once as there are tasks. */
    const run = (...tasks) =>
        page.evaluate(
            (all) =>
                Promise.all(
                    all.map(
                        (task) =>
                            new Promise((resolve, reject) => {
                                const worker = new Worker('worker.js', { type: 'module' });
                                worker.onerror = (event) => reject(new Error(event.message));
                                worker.onmessage = ({ data }) => {
                                    worker.terminate();
                                    resolve(data);
                                };
                                worker.postMessage(task);
                            }),
                    ),
                ),
            tasks,
        );
    const fetched = () =>
        server.requests
            .splice(0)
            .filter((r) => /^s\d$/.test(r.name))
            .map((r) => [r.name, r.from]);

    test('goes on where it was left, is shared, and spares the network', async () => {
        server.trouble = ({ name }) => (name === 's1' ? { dropAfter: 2000000 } : {});
        const [first] = await run({ shards, cache: true, abortAfter: 1000000 });
        assert.equal(first.code, 'aborted', first.message);
        assert.deepEqual(first.names, [`${shards[0].sha256}.part`]);
        fetched();
        const two = await run({ shards, cache: true }, { shards, cache: true });
        const names = shards.map((shard) => shard.sha256).sort();
        assert.deepEqual(two, [
            { hash: digest(whole), names },
            { hash: digest(whole), names },
        ]);
        const [[start, offset], ...others] = fetched();
        assert.ok(start === 's0' && offset >= 1000000, `${start} from ${offset}`);
        assert.deepEqual(
            others.filter(([name]) => name === 's2'),
            [['s2', 0]],
        );
        assert.deepEqual(await run({ shards, cache: true }), [{ hash: digest(whole), names }]);
        assert.deepEqual(fetched(), []);
    });

    test('keeps nothing that is wrong', async () => {
        server.trouble = ({ name }) => (/^s\d$/.test(name) ? { corrupt: 1 } : {});
        const wrong = shards.map((shard, i) => ({ ...shard, sha256: digest(String(i)) }));
        const [{ code, names }] = await run({ shards: wrong, cache: true });
        assert.equal(code, 'integrity');
        assert.ok(!names.includes(wrong[0].sha256));
        server.trouble = () => ({});
    });

    test('is cleared', async () => {
        const left = await page.evaluate(async () => {
            const { Stt } = await import('./package/index.js');
            await Stt.clearCache();
            const names = [];
            for await (const name of (await navigator.storage.getDirectory()).keys())
                names.push(name);
            return names;
        });
        assert.deepEqual(left, []);
        assert.deepEqual(await run({ shards, cache: false }), [{ hash: digest(whole), names: [] }]);
    });
});
