#!/usr/bin/env node
// SPDX-License-Identifier: MIT
//
// What a frame costs through WebGPU: in Node (Dawn on SwiftShader, or on the driver that
// VK_ICD_FILENAMES names) or in Chromium. Needs tests/web's npm packages.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { benchFrames } from './web_frames.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const WASM = 'web/package/stapes.wasm';
const PAGE = '<!doctype html><title>bench</title><link rel="icon" href="data:,">';
const USAGE = `usage: realtime_web.mjs --build DIR --model FILE [--frames N] [--timed] [--chromium]
                        [--kernels K] [--json]
  --build DIR   the build that has web/package
  --model FILE  GGUF
  --frames N    default 60
  --timed       also by stage
  --chromium    in Debian's Chromium instead of Node
  --kernels K   as stapes transcribe's
  --json        one JSON document instead of lines
`;

function parse() {
    const { values } = parseArgs({ options: { build: { type: 'string' }, model: { type: 'string' },
        frames: { type: 'string', default: '60' }, timed: { type: 'boolean', default: false },
        chromium: { type: 'boolean' }, kernels: { type: 'string', default: '' },
        json: { type: 'boolean' }, help: { type: 'boolean' } } });
    if (!values.build || !values.model) {
        throw new Error('--build and --model are needed');
    }
    if (!/^[1-9]\d{0,4}$/.test(values.frames)) {
        throw new Error(`--frames wants a number from 1 to 99999, not '${values.frames}'`);
    }
    return { ...values, frames: Number(values.frames) };
}

async function benchInNode({ build, model, ...options }) {
    const { Gpu, openDevice } = await import('../runtime/webgpu/gpu.js');
    const { Engine } = await import('../tools/web/package/engine.js');
    const { openDawn, patiently } = await import('../tests/web/dawn.mjs');
    const module = await WebAssembly.compile(await readFile(join(build, WASM)));
    return benchFrames({ Gpu, openDevice, Engine }, { ...options, api: await openDawn(), module,
        model: new Uint8Array(await readFile(model)), wait: patiently });
}

// Sources as they are in the tree, the module and the model, on a port of this machine.
async function serve({ build, model }) {
    const types = { js: 'text/javascript', wasm: 'application/wasm' };
    const server = createServer(async (request, response) => {
        const { pathname } = new URL(request.url, 'http://localhost');
        const path = { '/stapes.wasm': join(build, WASM), '/model': model }[pathname] ??
            (/^\/[\w/]+[\w-]*\.js$/.test(pathname) ? join(ROOT, pathname) : null);
        try {
            const body = pathname === '/' ? PAGE : await readFile(path);
            response.setHeader('Content-Type', types[pathname.split('.').pop()] ?? 'text/html');
            response.end(body);
        } catch {
            response.writeHead(404).end();
        }
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server;
}

async function benchInChromium({ build, model, ...options }) {
    const { launch } = await import('../tests/web/browser.mjs');
    const server = await serve({ build, model });
    const { context, close } = await launch();
    try {
        const page = await context.newPage();
        page.on('console', (message) => console.error(message.text()));
        await page.goto(`http://127.0.0.1:${server.address().port}/`);
        return await page.evaluate(async (what) => {
            const [{ Gpu, openDevice }, { Engine }, { benchFrames: bench }] = await Promise.all([
                import('/runtime/webgpu/gpu.js'),
                import('/tools/web/package/engine.js'),
                import('/bench/web_frames.js'),
            ]);
            const module = await WebAssembly.compileStreaming(fetch('/stapes.wasm'));
            const bytes = new Uint8Array(await (await fetch('/model')).arrayBuffer());
            return bench({ Gpu, openDevice, Engine }, { ...what, api: navigator.gpu, module,
                model: bytes });
        }, options);
    } finally {
        await close();
        server.close();
    }
}

function print(result) {
    const line = (name, { median, p10, p95 }, note) => console.log(
        `${name.padEnd(22)} ${median.toFixed(2).padStart(8)} ms (${p10.toFixed(2)} to ` +
        `${p95.toFixed(2)})  ${note}`);
    console.log(`${result.name}: ${result.device}, ${result.frames} frames of 80 ms, loaded in ` +
        `${(result.loadMs / 1000).toFixed(2)} s, ${(result.memoryBytes / 1e6).toFixed(1)} MB of ` +
        'WebAssembly memory');
    line('frame', result.frame, 'from its last sample to its results');
    line('JavaScript and wasm', result.host, 'of that');
    line('gpu.js', result.submit, 'of that');
    for (const { name, dispatches, ms } of result.stages) {
        console.log(`  ${name.padEnd(20)} ${ms.toFixed(2).padStart(8)} ms  ` +
            `${dispatches} dispatches`);
    }
}

let options;
try {
    options = parse();
} catch (error) {
    process.stderr.write(`realtime_web.mjs: ${error.message}\n${USAGE}`);
    process.exit(2);
}
const result = options.chromium ? await benchInChromium(options) : await benchInNode(options);
if (options.json) {
    console.log(JSON.stringify(result));
} else {
    print(result);
}
