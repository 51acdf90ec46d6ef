// SPDX-License-Identifier: MIT
//
// The goldens, and the demo model's recordings, through WebAssembly and WGSL.
//
// STAPES_BUILD: the build (default: build beside the sources). STAPES_KERNELS: as --kernels.
// STAPES_ALL_RECORDINGS: if set, all of them.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { Recording } from '../../tools/web/package/recording.js';
import { whyNoDawn } from './dawn.mjs';
import { BUILD, FileSource, Model, openGpu } from './engine.mjs';
import { GOLDENS, compareBeginning, compareCodes, compareEvents, compareSound, readSound }
    from './golden_checks.mjs';

const RECORDINGS = fileURLToPath(new URL('../../tools/demo/recordings/', import.meta.url));
const FEW = ['003.flac', '004.flac', '007.flac'];

// Before Dawn is told which driver to take: the desktop takes its own.
const environment = { LP_NUM_THREADS: '0', ...process.env };

const why = await whyNoDawn();
const options = { skip: why ?? false };
const gpu = why ? null : await openGpu();
const scratch = mkdtempSync(join(tmpdir(), 'stapes-'));
test.after(() => {
    gpu?.destroy();
    rmSync(scratch, { recursive: true });
});

const run = (program, ...args) => execFileSync(join(BUILD, program), args,
    { maxBuffer: 1 << 28, env: environment });
const open = (path, more) =>
    Model.open(gpu, path, { kernels: process.env.STAPES_KERNELS, ...more });

/** A GGUF file with all values of a checkpoint. */
function quantize(preset) {
    const path = join(scratch, `${preset}.gguf`);
    run('tools/stapes', 'quantize', '--quiet', join(GOLDENS, preset), '-o', path, '--type', 'f32');
    return path;
}

const goldenSound = (preset) =>
    ({ sound: readSound(preset), trace: true, padFrames: -1, prefixFrames: -1 });

for (const preset of ['stt-tiny', 'moshi-tiny']) {
    test(`${preset} says what upstream says`, options, async () => {
        const model = await open(quantize(preset), { kvType: 'f32' });
        const sound = goldenSound(preset);
        const events = await model.run(sound);
        compareSound(preset, events);
        if (preset === 'stt-tiny') {
            compareEvents(preset, events);
        }
        await compareCodes(preset, model, 0);
        await compareCodes(preset, model, 1);

        assert.deepEqual(await model.run(sound), events, 'a second stream of the same sound');
        const louder = await model.run({ ...sound, sound: sound.sound.map((v) => 1.1 * v) });
        assert.throws(() => compareSound(preset, louder), { name: 'AssertionError' });
        model.close();
    });
}

// What models are given on GPUs. A few frames: barriers are slow on CPU devices.
for (const [preset, kernels] of [['stt-tiny', 'workgroup'], ['moshi-tiny', 'subgroup']]) {
    test(`${preset} says so with ${kernels} kernels, too`, options, async () => {
        const frames = 4;
        const model = await open(quantize(preset), { kvType: 'f32', kernels });
        const { sound, ...how } = goldenSound(preset);
        const events = await model.run({ ...how, sound: sound.subarray(0, 1920 * frames) });
        compareBeginning(preset, events, frames);
        model.close();
    });
}

/** A file of which a byte in every few thousand of the second half is another one. */
class DamagedSource extends FileSource {
    read(offset, to) {
        const n = super.read(offset, to);
        for (let i = 0; i < n; i++) {
            if (offset + i > this.size / 2 && (offset + i) % 4099 === 0) {
                to[i] ^= 0x55;
            }
        }
        return n;
    }
}

test('a damaged model does not say what upstream says', options, async () => {
    const path = quantize('stt-tiny');
    const model = await open(path, { kvType: 'f32', source: new DamagedSource(path) });
    const events = await model.run(goldenSound('stt-tiny'));
    assert.throws(() => compareSound('stt-tiny', events), { name: 'AssertionError' });
    model.close();
});

function readRecording(path) {
    const bytes = run('tests/print_sound', path);
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** Words by file. */
function transcribeNatively(model, paths) {
    const words = new Map(paths.map((path) => [path, []]));
    const lines = run('tools/stapes', 'transcribe', '--quiet', '--format', 'json', '--model', model,
        ...paths).toString().trim().split('\n').map((line) => JSON.parse(line));
    for (const { type, file, text, start, end } of lines) {
        if (type === 'word') {
            words.get(file).push({ text, start: start.toFixed(5), end: end.toFixed(5) });
        }
    }
    return words;
}

async function transcribe(model, sound) {
    const recording = new Recording(model.engine.info().audio_delay_seconds, () => {});
    (await model.run({ sound })).forEach((event) => recording.add(event));
    return recording.transcript().words.map(({ text, start, end }) =>
        ({ text, start: start.toFixed(5), end: end.toFixed(5) }));
}

async function compareTranscripts(path, recordings) {
    const paths = recordings.map((name) => join(RECORDINGS, name));
    const native = transcribeNatively(path, paths);
    const model = await open(path);
    for (const [file, words] of native) {
        assert.ok(words.length > 2, `${file}: ${words.length} words`);
        assert.deepEqual(await transcribe(model, readRecording(file)), words, file);
    }
    model.close();
}

test('the demo model says what it says on the desktop', options, () =>
    compareTranscripts(join(BUILD, 'tools/demo.gguf'), process.env.STAPES_ALL_RECORDINGS
        ? readdirSync(RECORDINGS).filter((name) => name.endsWith('.flac')).sort() : FEW));

test('a model of all block types says what it says on the desktop', options, () =>
    compareTranscripts(join(BUILD, 'tests/types.gguf'), ['000.flac']));
