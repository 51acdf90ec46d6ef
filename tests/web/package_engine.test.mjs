// SPDX-License-Identifier: MIT
//
// The worker's core with the real engine, through Dawn, and models from a server.
//
// STAPES_BUILD: the build (default: build beside the sources).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Gpu, openDevice } from '../../runtime/webgpu/gpu.js';
import { Core } from '../../tools/web/package/core.js';
import { normalizeModel } from '../../tools/web/package/model.js';
import { shardFile } from '../../tools/web/shard.mjs';
import { openDawn, whyNoDawn } from './dawn.mjs';
import { ShardServer } from './fixtures/shard_server.mjs';

const inTree = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const BUILD = process.env.STAPES_BUILD ?? inTree('build');
const STAPES = join(BUILD, 'tools/stapes');
const PRESET = inTree('tests/goldens/stt-tiny');
const RECORDING = join(PRESET, 'goldens/input.wav');

const skip = (await whyNoDawn()) ?? false;
const scratch = mkdtempSync(join(tmpdir(), 'stapes-'));
const server = await new ShardServer().start();
after(async () => {
    rmSync(scratch, { recursive: true });
    await server.stop();
});

function readSound() {
    const file = readFileSync(RECORDING);
    const bytes = file.readUInt32LE(40);
    return Float32Array.from({ length: bytes / 2 }, (_, i) => file.readInt16LE(44 + 2 * i) / 32768);
}

/** What the desktop's program hears: words as in a transcript. */
function desktopWords(model) {
    const lines = execFileSync(
        STAPES,
        ['transcribe', '--format', 'json', '--kv', 'f32', '-m', model, RECORDING],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    )
        .trim()
        .split('\n');
    return lines
        .map((line) => JSON.parse(line))
        .filter((row) => row.type === 'word')
        .map(({ text, start, end }) => ({ text, start, end }));
}

const rounded = (words) =>
    words.map(({ text, start, end }) => [text, start.toFixed(6), end.toFixed(6)]);

async function openCore() {
    const dawn = await openDawn();
    const module = WebAssembly.compile(readFileSync(join(BUILD, 'web/package/stapes.wasm')));
    const opened = { events: [] };
    opened.core = new Core(
        {
            module,
            delay: 2,
            openDevice: async (options) => (opened.device = await openDevice(dawn, options)),
            makeGpu: (device) => new Gpu(device),
        },
        (type, detail) => opened.events.push([type, detail]),
    );
    opened.of = (type) =>
        opened.events.filter((event) => event[0] === type).map((event) => event[1]);
    return opened;
}

describe('the package with its engine', { skip }, () => {
    const model = join(scratch, 'stt-tiny.gguf');
    const open = (bytes) =>
        openCore().then(({ core }) => {
            const loading = core.load({
                model: normalizeModel({ stream: true, bytes: bytes.length }),
            });
            return Promise.all([core.append(bytes, {}), loading]);
        });

    test('hears what the desktop hears, from a server that breaks off', async () => {
        execFileSync(STAPES, ['quantize', '--quiet', PRESET, '-o', model, '--type', 'f32']);
        // Before Dawn, which chooses the Vulkan driver of children.
        const words = desktopWords(model);
        assert.ok(words.length > 3);
        const { shards } = await shardFile(model, join(scratch, 'shards'), 1 << 20);
        assert.ok(shards.length > 2);
        for (const name of ['manifest.json', ...shards.map((shard) => shard.url)])
            server.files.set(name, readFileSync(join(scratch, 'shards', name)));
        server.trouble = ({ number }) => (number === 0 ? { dropAfter: 300000 } : {});

        const opened = await openCore();
        const { core, of } = opened;
        const info = await core.load({
            kvType: 'f32',
            model: normalizeModel(`${server.url}manifest.json`, server.url),
        });
        assert.equal(info.kind, 'stt');
        assert.equal(info.frameSamples, 1920);
        assert.equal(of('progress').at(-1).shards, shards.length);

        const sound = readSound();
        for (let round = 0; round < 2; round++) {
            const feeds = [];
            for (let at = 0; at < sound.length; at += 5000)
                feeds.push(core.feed(sound.slice(at, at + 5000)));
            const transcript = await core.flush();
            await Promise.all(feeds);
            assert.deepEqual(rounded(transcript.words), rounded(words));
            assert.equal(transcript.seconds, sound.length / 24000);
        }
        assert.deepEqual(rounded(of('wordend')), rounded([...words, ...words]));
        assert.ok(core.resources.wasmBytes < 32 << 20);

        core.feed(sound).catch(() => {}); // the flush tells
        const flushing = core.flush();
        opened.device.device.destroy();
        await assert.rejects(flushing, { code: 'device-lost' });
        assert.equal(of('lost').length, 1);
        core.close();
    });

    test('says what is wrong with a model', async () => {
        const whole = readFileSync(model);
        const wrong = Buffer.from(whole);
        wrong.writeUInt32LE(99, 4);
        const cases = [
            [Buffer.alloc(100000, 'no model. '), 'bad-model', /GGUF/],
            [wrong, 'bad-model', /99/],
            [whole.subarray(0, 5000), /truncated|bad-model/, /model\.gguf/],
            [whole.subarray(0, whole.length - 100000), /truncated|bad-model/, /model\.gguf/],
        ];
        for (const [bytes, code, text] of cases)
            await assert.rejects(open(bytes), (error) => {
                assert.match(error.code, new RegExp(code));
                assert.match(error.message, text);
                return true;
            });
    });
});
