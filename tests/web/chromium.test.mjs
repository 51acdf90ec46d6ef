// SPDX-License-Identifier: MIT
/**
 * The page with the engine, in Chromium on SwiftShader: the demo model hears bundled recordings,
 * and what happens when networks, files and devices fail.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { filesOf, serve } from '../../tools/web/serve.mjs';
import { inTree, launch, microphoneFlags, openPage } from './browser.mjs';
import { siteDirectory, skip, textOf, waitForText, wordsOf } from './browser.mjs';
import { serveByStapes } from './stapes.mjs';

const RECORDINGS = inTree('tools/demo/recordings');
const SHARD = '/model/demo.gguf.03';
const LATER_SHARD = '/model/demo.gguf.05';

/** What the desktop's program hears with the same model. */
async function desktopWords(name) {
    const { STAPES, STAPES_DEMO } = process.env;
    const { stdout } = await promisify(execFile)(
        STAPES,
        ['transcribe', '--model', STAPES_DEMO, '--vad', '--format', 'json', join(RECORDINGS, name)],
        { env: { ...process.env, LP_NUM_THREADS: '0' } },
    );
    const events = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    const of = (type) => events.filter((event) => event.type === type);
    return {
        words: of('word').map(({ text, start }) => `${start.toFixed(1)} ${text}`),
        turns: of('turn_end').map(({ end }) => end.toFixed(1)),
    };
}

async function pageWords(page) {
    const read = (selector, show) => page.$$eval(selector, show);
    return {
        words: await read('.word', (all) =>
            all.map(({ dataset, textContent }) => `${dataset.time} ${textContent}`),
        ),
        turns: await read('.turn', (all) => all.map(({ dataset }) => dataset.time)),
    };
}

/** What PyTorch heard, which the desktop's tests hold the program to. */
async function expectedText(name) {
    const { rows } = JSON.parse(await readFile(join(RECORDINGS, 'expected.json'), 'utf8'));
    return rows.find(({ id }) => name === `${id}.flac`).pytorch;
}

/** Serves the site; `faults` maps a path to what answers in the file's place, and may give up. */
async function serveWithFaults() {
    const files = await filesOf(siteDirectory());
    const faults = new Map();
    const requests = [];
    const server = await serve((request, response) => {
        const path = request.url.split('?')[0];
        requests.push(`${request.headers.range ?? 'all'} ${path}`);
        if (!faults.get(path)?.(request, response)) files(request, response);
    });
    return { ...server, faults, requests };
}

/** Gives a part of the shard's remaining bytes and breaks the connection, `times` times. */
function breakConnection(times) {
    return (request, response) => {
        if (times-- <= 0) return false;
        readFile(join(siteDirectory(), SHARD)).then((bytes) => {
            const first = Number(/\d+/.exec(request.headers.range ?? '0')[0]);
            const part = bytes.subarray(first, first + Math.ceil((bytes.length - first) / 3));
            response.writeHead(first ? 206 : 200, {
                'Content-Length': bytes.length - first,
                'Content-Range': `bytes ${first}-${bytes.length - 1}/${bytes.length}`,
                'Cross-Origin-Resource-Policy': 'same-origin',
            });
            response.write(part, () => setTimeout(() => response.destroy(), 50));
        });
        return true;
    };
}

async function transcribe(page, name) {
    await page.selectOption('#sample', `samples/${name}`);
    await page.click('#run-sample');
    await waitForText(page, '#sound-status', new RegExp(`${name}.*done`));
}

const press = (page, name) => page.click(`#notice button:text-is("${name}")`);
const forgetCache = (page) =>
    page.evaluate(async () => {
        const { Stt } = await import('./package/index.js');
        await Stt.clearCache();
    });

describe('the demo model in Chromium', { skip }, () => {
    let server, browser, page;
    before(async () => {
        server = await serveWithFaults();
        browser = await launch();
        page = await openPage(browser.context, server.url);
    });
    after(async () => {
        await browser?.close();
        await server?.close();
    });

    it('hears what the desktop hears', async () => {
        for (const name of ['000.flac', '014.flac']) {
            await transcribe(page, name);
            assert.equal((await wordsOf(page)).join(' '), await expectedText(name));
            assert.deepEqual(await pageWords(page), await desktopWords(name));
        }
        assert.match(await textOf(page, '#model-status'), /Ready: demo model · .*swiftshader/);
        assert.deepEqual(page.complaints, []);
    });

    it('goes on while it is hidden, and after it was frozen', async () => {
        const devtools = await browser.context.newCDPSession(page);
        const freeze = (state) => devtools.send('Page.setWebLifecycleState', { state });
        // Headless pages are never hidden: the page is told that it is.
        const hide = (hidden) =>
            page.evaluate((value) => {
                Object.defineProperty(document, 'hidden', { configurable: true, value });
                document.dispatchEvent(new Event('visibilitychange'));
            }, hidden);
        const ink = () =>
            page.$eval('#waveform', (canvas) => {
                const { width, height } = canvas;
                const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
                let dark = 0;
                for (let i = 0; i < data.length; i += 4) dark += data[i] < 60 && data[i + 3] > 0;
                return dark;
            });
        await page.click('#run-sample');
        await waitForText(page, '#sound-status', /transcribing/);
        await hide(true);
        const before = await ink();
        await freeze('frozen');
        await new Promise((resolve) => setTimeout(resolve, 1500));
        await freeze('active');
        await waitForText(page, '#sound-status', /014\.flac.*done/);
        assert.equal((await wordsOf(page)).join(' '), await expectedText('014.flac'));
        await hide(false);
        await page.waitForTimeout(200);
        assert.ok((await ink()) > 2 * before + 1000, 'the waveform was not drawn again');
        page.complaints.length = 0; // Chromium tells that reading canvases is slow
        await devtools.detach();
    });

    it('tells when the device is lost, and restarts', async () => {
        const devtools = await browser.context.newCDPSession(page);
        await page.click('#run-sample');
        await page.waitForSelector('.word');
        await devtools.send('Browser.crashGpuProcess');
        await waitForText(page, '#notice', /The graphics processor was lost/);
        assert.ok((await wordsOf(page)).length > 0);
        await press(page, 'Restart');
        await waitForText(page, '#sound-status', /014\.flac.*done/);
        assert.equal((await wordsOf(page)).join(' '), await expectedText('014.flac'));
        assert.deepEqual(page.complaints, []);
        await devtools.detach();
    });

    it('goes on where a download broke off, by itself and with another try', async () => {
        await page.reload();
        await forgetCache(page);
        server.requests.length = 0;
        server.faults.set(SHARD, breakConnection(2));
        server.faults.set(LATER_SHARD, (request, response) => response.writeHead(404).end());
        await page.click('#load');
        await waitForText(page, '#notice', /could not be downloaded.*demo\.gguf\.05: HTTP 404/);
        const ranges = server.requests.filter(
            (line) => line.endsWith(SHARD) && !line.startsWith('all'),
        );
        assert.equal(ranges.length, 2, server.requests.join(', '));
        server.faults.clear();
        server.requests.length = 0;
        await press(page, 'Try again');
        await waitForText(page, '#model-status', /Ready/);
        const repeated = server.requests.filter((line) => /demo\.gguf\.0[0-3]$/.test(line));
        assert.deepEqual(repeated, [], 'what had arrived was asked for again');
        page.complaints.length = 0; // Chromium tells of broken connections
    });

    it('refuses shards that are cut off or damaged', async () => {
        const bytes = await readFile(join(siteDirectory(), SHARD));
        const answers = {
            truncated: [bytes.subarray(0, 1000), /ends too early/],
            damaged: [Buffer.from(bytes).fill(1, 5000, 5100), /The model is damaged/],
        };
        for (const [name, [body, title]] of Object.entries(answers)) {
            await page.reload();
            await forgetCache(page);
            server.faults.set(SHARD, (request, response) => response.end(body));
            await page.click('#load');
            await waitForText(page, '#notice', title);
            assert.match(await textOf(page, '#notice .cause'), /demo\.gguf\.03/, name);
        }
        server.faults.clear();
        page.complaints.length = 0;
    });

    it('reads models from local files and from the address of one file', async () => {
        const demo = await readFile(process.env.STAPES_DEMO);
        const half = demo.length >> 1;
        const file = (name, buffer) => ({ name, mimeType: '', buffer });
        server.faults.set('/demo.gguf', (request, response) => response.end(demo));
        await page.reload();
        await page.check('input[value=files]', { force: true });
        await page.setInputFiles('#model-files', [
            file('demo.gguf.1', demo.subarray(half)),
            file('demo.gguf.0', demo.subarray(0, half)),
        ]);
        await transcribe(page, '000.flac');
        assert.equal((await wordsOf(page)).join(' '), await expectedText('000.flac'));
        await page.click('#change-model');
        await page.check('input[value=url]', { force: true });
        await page.fill('#model-url', `${server.url}demo.gguf`);
        await page.click('#load');
        await waitForText(page, '#model-status', /Ready: demo\.gguf/);
        server.faults.clear();
        assert.deepEqual(page.complaints, []);
    });

    it('refuses addresses without a model', async () => {
        const refused = { 'missing.gguf': /missing\.gguf/, 'samples/000.flac': /This is no model/ };
        await page.reload();
        await page.check('input[value=url]', { force: true });
        for (const [path, pattern] of Object.entries(refused)) {
            await page.fill('#model-url', server.url + path);
            await page.click('#load');
            await waitForText(page, '#notice', pattern);
            await press(page, 'Dismiss');
        }
        page.complaints.length = 0;
    });
});

describe('the microphone, on the page that stapes serves', { skip }, () => {
    let server, directory, denied;
    before(async () => {
        server = await serveByStapes();
        directory = await mkdtemp(join(tmpdir(), 'stapes-microphone-'));
        denied = await launch({ webgpu: false, flags: ['--use-fake-device-for-media-stream'] });
        await writeWav(denied.context, '000.flac');
    });
    after(async () => {
        await denied?.close();
        await server?.close();
        await rm(directory, { recursive: true });
    });

    /** Chromium decodes the recording: Node cannot. */
    async function writeWav(context, name) {
        const page = await openPage(context, server.url);
        const base64 = await page.evaluate(async (url) => {
            const { Recording, decodeSound } = await import('./sound.js');
            const recording = new Recording();
            recording.append(await decodeSound(await (await fetch(url)).blob()));
            const bytes = new Uint8Array(await recording.toWav().arrayBuffer());
            return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ''));
        }, `samples/${name}`);
        await page.close();
        await writeFile(join(directory, 'said.wav'), Buffer.from(base64, 'base64'));
    }

    it('cannot be had, nor WebGPU: the page says why', async () => {
        const page = await openPage(denied.context, server.url);
        await page.click('#microphone');
        await waitForText(page, '#notice', /The microphone may not be used/);
        await page.click('#load');
        await waitForText(page, '#notice', /No graphics processor can be used/);
        await page.addInitScript(() => delete Navigator.prototype.gpu);
        await page.reload();
        await waitForText(
            page,
            '#notice',
            /This browser has no WebGPU.*Firefox.*enable-unsafe-webgpu/,
        );
    });

    it('hears what is said', async () => {
        const browser = await launch({ flags: microphoneFlags(join(directory, 'said.wav')) });
        try {
            const page = await openPage(browser.context, server.url);
            await page.click('#microphone');
            await waitForText(page, '#sound-status', /Listening/);
            await page.waitForFunction(() => document.querySelectorAll('.word').length >= 5);
            await page.click('#microphone');
            await waitForText(page, '#sound-status', /Recorded .* words/);
            assert.equal((await wordsOf(page)).join(' '), await expectedText('000.flac'));
            assert.ok(await page.isEnabled('#play'));
            await page.click('#microphone');
            await waitForText(page, '#sound-status', /Listening/);
            await page.keyboard.press('Escape');
            await waitForText(page, '#sound-status', /Stopped/);
            assert.equal(await textOf(page, '#microphone'), 'Microphone');
            assert.deepEqual(page.complaints, []);
        } finally {
            await browser.close();
        }
    });
});
