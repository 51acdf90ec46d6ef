#!/usr/bin/env node
// SPDX-License-Identifier: MIT
/**
 * What memory loading takes in Chromium: a model comes as shards without a cache, into the cache,
 * from it, and as a file of the disk.
 */
import { readFile, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { launch, openPage, siteDirectory } from '../../tests/web/browser.mjs';
import { filesOf, serve } from '../../tools/web/serve.mjs';
import { shardFile } from '../../tools/web/shard.mjs';
import { descendants, renderers, residentMemory } from './processes.mjs';

const USAGE = `usage: large.mjs [options] MODEL.gguf
  --mib N          of a shard (default 16)
  --binding-mib N  largest binding that is used (default: the device's)
  --limit-mb N     fail where JavaScript and wasm take more (default 150)
STAPES_SITE names the built site: BUILD/web/site.
`;
const SOURCES = ['network', 'fill', 'cache', 'file']; // the cache is full after 'fill'
const POLL_MS = 100;
const LOOK_MS = 300; // each collects garbage, which takes time

/** Keeps the module's memory where the bench finds it. */
const PEEK = `
const { instantiate } = WebAssembly;
WebAssembly.instantiate = async (...args) => {
    const instance = await instantiate.apply(WebAssembly, args);
    globalThis.wasmMemory = instance.exports.memory;
    return instance;
};
`;

/** The package with an ear in its worker, the shards, and a page. */
async function serveAll(shards) {
    const site = await filesOf(siteDirectory());
    const model = await filesOf(shards);
    const worker = PEEK + (await readFile(join(siteDirectory(), 'package/worker.js'), 'utf8'));
    const page = await readFile(new URL('./large.html', import.meta.url));
    const send = (response, type, body) => {
        response.writeHead(200, {
            'Content-Type': type,
            'Cross-Origin-Opener-Policy': 'same-origin',
            'Cross-Origin-Embedder-Policy': 'require-corp',
        });
        response.end(body);
    };
    return serve((request, response) => {
        if (request.url === '/') return send(response, 'text/html', page);
        if (request.url === '/package/worker.js') return send(response, 'text/javascript', worker);
        if (!request.url.startsWith('/shards/')) return site(request, response);
        request.url = request.url.slice('/shards'.length);
        return model(request, response);
    });
}

/** Calls `look` again and again until it is stopped; the first error ends it. */
function watch(look, ms) {
    let on = true;
    const done = (async () => {
        while (on) {
            await look();
            await new Promise((resolve) => setTimeout(resolve, ms));
        }
    })();
    done.catch(() => {}); // stop() tells
    return {
        stop: () => {
            on = false;
            return done;
        },
    };
}

/** In the page: bytes of JavaScript and wasm of the page and its worker. */
const measure = () =>
    performance.measureUserAgentSpecificMemory().then(({ bytes, breakdown }) => ({
        bytes,
        worker: breakdown
            .filter(({ attribution }) => attribution.some(({ scope }) => /Worker/.test(scope)))
            .reduce((sum, part) => sum + part.bytes, 0),
    }));

/** In the page: opens the model and hears two frames of silence. */
async function load({ source, device }) {
    const { Stt } = await import('/package/index.js');
    const model =
        source === 'file' ? document.querySelector('#file').files[0] : 'shards/manifest.json';
    if (source === 'fill') await Stt.clearCache();
    const begun = performance.now();
    const stt = await Stt.create({ model, device, cache: source !== 'network' });
    const seconds = (performance.now() - begun) / 1000;
    await stt.feedAudio(new Float32Array(2 * stt.info.frameSamples));
    const { seconds: heard } = await stt.flush();
    if (heard !== 0.16) throw new Error(`it heard ${heard} s, not 0.16`);
    globalThis.stt = stt;
    return { seconds, deviceBytes: stt.info.deviceBytes };
}

/** Each time in a page, and so a process, of its own. */
async function run(browser, url, { source, path, device, collect }) {
    const page = await openPage(browser.context, url);
    page.setDefaultTimeout(600000);
    if (source === 'file') await page.setInputFiles('#file', path);
    const before = new Map(
        renderers(descendants()).map((pid) => [pid, residentMemory(pid)]),
    );
    const resident = { own: 0, shared: 0 };
    const processes = watch(() => {
        for (const pid of renderers(descendants())) {
            const now = residentMemory(pid);
            const then = before.get(pid) ?? { own: 0, shared: 0 };
            for (const kind of Object.keys(resident))
                resident[kind] = Math.max(resident[kind], now[kind] - then[kind]);
        }
    }, POLL_MS);
    let most = { bytes: 0, worker: 0 };
    let looks = 0;
    const look = async () => {
        const now = await page.evaluate(measure);
        looks++;
        if (now.bytes > most.bytes) most = now;
    };
    const memory = collect ? watch(look, LOOK_MS) : null;
    const result = await page.evaluate(load, { source, device });
    await memory?.stop();
    await processes.stop();
    await look();
    const wasm = await page.workers()[0].evaluate(() => globalThis.wasmMemory.buffer.byteLength);
    await page.evaluate(() => globalThis.stt.close());
    const { complaints } = page;
    await page.close();
    if (complaints.length) throw new Error(`the page complains: ${complaints.join('; ')}`);
    return { ...result, most, looks, resident, wasm };
}

const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

function report(source, collect, { seconds, most, looks, resident, wasm, deviceBytes }) {
    const columns = [
        source.padEnd(7),
        collect ? 'watched' : 'left alone',
        `${seconds.toFixed(1)} s`,
        `JavaScript and wasm ${mb(most.bytes)} (wasm ${mb(wasm)}) in ${looks} looks`,
        `process + ${mb(resident.own)}, + ${mb(resident.shared)} shared`,
        `device ${mb(deviceBytes)}`,
    ];
    console.log(columns.join(' | '));
}

function parse() {
    const count = (name, text) => {
        if (!/^[1-9]\d{0,4}$/.test(text))
            throw new Error(`--${name} wants a number from 1 to 99999, not '${text}'`);
        return Number(text);
    };
    try {
        const { values, positionals } = parseArgs({
            allowPositionals: true,
            options: {
                mib: { type: 'string', default: '16' },
                'binding-mib': { type: 'string' },
                'limit-mb': { type: 'string', default: '150' },
            },
        });
        if (positionals.length !== 1) throw new Error('one model is wanted');
        const binding = values['binding-mib'];
        return {
            path: positionals[0],
            mib: count('mib', values.mib),
            limit: count('limit-mb', values['limit-mb']),
            device: binding ? { maxBindingBytes: count('binding-mib', binding) * 2 ** 20 } : {},
        };
    } catch (error) {
        process.stderr.write(`large.mjs: ${error.message}\n${USAGE}`);
        return process.exit(2);
    }
}

async function main() {
    const { path, mib, limit, device } = parse();
    const shards = await mkdtemp(join(tmpdir(), 'stapes-shards-'));
    let server, browser;
    try {
        await shardFile(path, shards, mib * 2 ** 20);
        server = await serveAll(shards);
        browser = await launch({ flags: ['--enable-blink-features=ForceEagerMeasureMemory'] });
        console.log(`${path}: ${mb((await stat(path)).size)} in shards of ${mib} MiB`);
        for (const source of SOURCES)
            for (const collect of [true, false]) {
                const result = await run(browser, server.url, { source, path, device, collect });
                report(source, collect, result);
                if (result.most.bytes > limit * 1e6) {
                    console.error(`large.mjs: ${source}: more than ${limit} MB`);
                    process.exitCode = 1;
                }
            }
    } finally {
        await browser?.close();
        await server?.close();
        await rm(shards, { recursive: true });
    }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
