// SPDX-License-Identifier: MIT
//
// A model of more than 512 MB with real shapes and random weights loads in Chromium, in shards
// larger than a binding of 128 MiB, with a tensor larger than that, and in bounded memory of the
// page. Pipelines are not waited for: a CPU takes minutes for those of this size.
//
// STAPES_BUILD: the build (default: build beside the sources). Needs 2 GB in $TMPDIR.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
    copyFileSync,
    mkdtempSync,
    readFileSync,
    readdirSync,
    rmSync,
    statfsSync,
    writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { filesOf, serve } from '../../tools/web/serve.mjs';
import { shardFile } from '../../tools/web/shard.mjs';
import { inTree, launch, skip } from './browser.mjs';

const BUILD = process.env.STAPES_BUILD ?? inTree('build');
const SHARD_BYTES = 150 << 20;
const LIMIT_MB = 150;

const { bavail, bsize } = statfsSync(tmpdir());
const small = bavail * bsize < 2.2e9 && `LESS THAN 2 GB IN ${tmpdir()}: no large model is loaded`;

/** A model in shards, and the package beside it: its length. */
async function makeSite(directory) {
    const checkpoint = join(directory, 'checkpoint');
    const model = join(directory, 'model.gguf');
    execFileSync(
        join(BUILD, 'tests/make_checkpoint'),
        ['--preset', 'stt-1b-vad', '--layers', '2', '--dtype', 'bf16', checkpoint],
        { stdio: 'ignore' },
    );
    execFileSync(join(BUILD, 'tools/stapes'), [
        'quantize',
        '--quiet',
        checkpoint,
        '-o',
        model,
        '--type',
        'f16',
    ]);
    rmSync(checkpoint, { recursive: true });
    const site = join(directory, 'site');
    const manifest = await shardFile(model, site, SHARD_BYTES);
    rmSync(model);
    for (const name of readdirSync(join(BUILD, 'web/package')))
        copyFileSync(join(BUILD, 'web/package', name), join(site, name));
    writeFileSync(join(site, 'index.html'), '<!doctype html><title>large</title>');
    return { site, manifest };
}

/** Anonymous memory in MB of the largest renderer below this process. */
function rendererMemory() {
    const processes = readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .flatMap((pid) => {
            try {
                const status = readFileSync(`/proc/${pid}/status`, 'latin1');
                const value = (key) =>
                    Number(new RegExp(`^${key}:\\s*(\\d+)`, 'm').exec(status)?.[1] ?? 0);
                const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
                return [{ pid: Number(pid), parent: value('PPid'), kb: value('RssAnon'), command }];
            } catch {
                return []; // it has ended meanwhile
            }
        });
    const ours = new Set([process.pid]);
    for (let before = 0; before !== ours.size;) {
        before = ours.size;
        processes.filter((p) => ours.has(p.parent)).forEach((p) => ours.add(p.pid));
    }
    const renderers = processes.filter(
        (p) => ours.has(p.pid) && p.command.includes('--type=renderer'),
    );
    return Math.max(...renderers.map((p) => p.kb)) / 1000;
}

/** In the page: loads, and gives up as soon as all weights are on the device. */
async function load(shards) {
    const { Stt } = await import('./index.js');
    const controller = new AbortController();
    let peak = 0;
    let loading = true;
    const measure = (async () => {
        while (loading)
            peak = Math.max(peak, (await performance.measureUserAgentSpecificMemory()).bytes);
    })();
    let last;
    const error = await Stt.create({
        model: { shards },
        cache: false,
        signal: controller.signal,
        onProgress: (progress) => {
            last = progress;
            if (progress.loadedBytes === progress.totalBytes) controller.abort();
        },
    }).then(
        (stt) => stt.close(),
        ({ code, message }) => ({ code, message }),
    );
    loading = false;
    await measure;
    return { last, error, peak: peak / 1e6 };
}

test('a large model in bounded memory', { skip: skip || small }, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'stapes-'));
    t.after(() => rmSync(directory, { recursive: true }));
    const { site, manifest } = await makeSite(directory);
    assert.ok(manifest.bytes > 512e6 && manifest.shards.length > 3);
    const server = await serve(await filesOf(site));
    t.after(() => server.close());
    const browser = await launch({ flags: ['--enable-blink-features=ForceEagerMeasureMemory'] });
    t.after(() => browser.close());
    const page = await browser.context.newPage();
    await page.goto(new URL('index.html', server.url).href);

    const before = rendererMemory();
    let most = before;
    const timer = setInterval(() => {
        most = Math.max(most, rendererMemory());
    }, 100);
    // Without their hashes, which take a while at this length and are tested elsewhere.
    const shards = manifest.shards.map(({ url, bytes }) => ({ url, bytes }));
    const start = performance.now();
    const { last, error, peak } = await page.evaluate(load, shards);
    clearInterval(timer);
    const seconds = (performance.now() - start) / 1000;
    const grown = most - before;
    t.diagnostic(
        `${(manifest.bytes / 1e6).toFixed()} MB in ${seconds.toFixed(1)} s: JavaScript and ` +
            `WebAssembly ${peak.toFixed(1)} MB, the page's process grew by ${grown.toFixed(1)} MB`,
    );
    assert.deepEqual([last.loadedBytes, last.receivedBytes], [manifest.bytes, manifest.bytes]);
    assert.ok(error === undefined || error.code === 'aborted', error?.message);
    assert.ok(peak > 1 && peak < LIMIT_MB, `${peak} MB`);
    assert.ok(grown < LIMIT_MB, `the process grew by ${grown} MB`);
});
