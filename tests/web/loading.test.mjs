// SPDX-License-Identifier: MIT
//
// Ways in which a model comes into the engine: in pieces, of which those that were read are gone;
// split; damaged; given up. What it says must be the same each time.
//
// STAPES_BUILD: the build (default: build beside the sources).

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import test from 'node:test';

import { Gpu, openDevice } from '../../runtime/webgpu/gpu.js';
import { Loader } from '../../tools/web/package/loader.js';
import { Status } from '../../tools/web/package/errors.js';
import { openDawn, whyNoDawn } from './dawn.mjs';
import { BUILD, FileSource, Model, createEngine, openGpu } from './engine.mjs';
import { readSound } from './golden_checks.mjs';

const MODEL = join(BUILD, 'tests/stt-tiny.gguf');
const ARRIVAL = 50021; // bytes at a time
const FRAMES = 12;

const why = await whyNoDawn();
const options = { skip: why ?? false };
const gpu = why ? null : await openGpu();
const scratch = mkdtempSync(join(tmpdir(), 'stapes-'));
test.after(() => {
    gpu?.destroy();
    rmSync(scratch, { recursive: true });
});

const say = (model) => model.run({ sound: readSound('stt-tiny').subarray(0, 1920 * FRAMES),
    trace: true, padFrames: -1 });

const expected = why ? null : await (async () => {
    const model = await Model.open(gpu, MODEL);
    const events = await say(model);
    model.close();
    return events;
})();

async function expectSame(engine) {
    const model = new Model(engine, gpu);
    assert.deepEqual(await say(model), expected);
    model.close();
    assert.equal(gpu.stats().buffers, 0, 'buffers are left');
}

/** A file of which only [low, high) is there. */
class WindowSource extends FileSource {
    low = 0;
    high = 64;

    read(offset, to) {
        assert.ok(offset >= this.low, `byte ${offset} is read, those below ${this.low} are gone`);
        return offset + to.length > this.high ? Status.AGAIN : super.read(offset, to);
    }
}

test('a model of which a window is there', options, async () => {
    const engine = await createEngine(gpu);
    const source = new WindowSource(MODEL);
    let headers = 1;
    let widest = 0;
    engine.files.add('model.gguf', source);
    for (; !engine.open('model.gguf'); headers++) {
        assert.equal(engine.needs, 0);
        source.high += ARRIVAL;
    }
    assert.ok(headers > 2, 'the header was there at once');
    assert.ok(engine.totalBytes > source.size / 2 && engine.totalBytes < source.size);
    for (let loaded = -1; !engine.load();) {
        assert.ok(engine.needs >= source.low, 'goes back');
        source.low = engine.needs;
        widest = Math.max(widest, source.high - source.low);
        if (loaded === engine.loadedBytes) {
            source.high += ARRIVAL;
            await gpu.progress();
        }
        loaded = engine.loadedBytes;
    }
    assert.equal(engine.needs, Infinity);
    assert.equal(engine.loadedBytes, engine.totalBytes);
    assert.ok(widest < source.size / 2, `${widest} bytes were held at a time`);
    await expectSame(engine);
    source.close();
});

test('shards that are appended', options, async () => {
    const engine = await createEngine(gpu);
    const file = readFileSync(MODEL);
    const seen = [];
    const loader = new Loader({ log() {}, progress: ({ loadedBytes }) => seen.push(loadedBytes) });
    await loader.open({ stream: true, bytes: file.length }, false);
    const loaded = loader.run(engine, gpu, {});
    for (let at = 0; at < file.length; at += 1 << 20) {
        await loader.appender.append(new Uint8Array(file.subarray(at, at + (1 << 20))));
    }
    await loaded;
    assert.equal(seen.at(-1), file.length);
    await expectSame(engine);
});

test('a split file, whichever part is named', options, async () => {
    const engine = await createEngine(gpu);
    execFileSync(join(BUILD, 'tools/stapes'), ['quantize', '--quiet', '--type', 'bf16',
        '--split-max-size', '1M', MODEL, '-o', join(scratch, 'split.gguf')]);
    const parts = readdirSync(scratch).filter((name) => name.startsWith('split')).sort();
    assert.ok(parts.length > 2);
    const sources = parts.map((name) => new FileSource(join(scratch, name)));
    engine.files.add(parts[0], sources[0]);
    assert.throws(() => engine.open(parts[0]), { message: /file 2 of \d is missing/ });
    parts.forEach((name, i) => engine.files.add(name, sources[i]));
    assert.ok(engine.open(parts.at(-1)));
    while (!engine.load()) {
        await gpu.progress();
    }
    await expectSame(engine);
    sources.forEach((source) => source.close());
});

test('one that is missing, damaged, cut or refused, and then a good one', options, async () => {
    const told = [];
    const engine = await createEngine(gpu,
        (level, message) => level === 'error' && told.push(message));
    const source = new FileSource(MODEL);
    const size = source.size;
    const part = Object.create(source, { size: { value: size - 100 },
        read: { value: (offset, to) => source.read(offset, to) } });
    const text = { size: 100, read: (offset, to) => (to.fill(0x20), to.length) };
    engine.files.add(basename(MODEL), source);
    engine.files.add('cut.gguf', part);
    engine.files.add('text.gguf', text);
    engine.files.add('model.safetensors', text);
    for (const [path, code, message] of [
        ['missing.gguf', 'truncated', /missing\.gguf: there is no such file/],
        ['cut.gguf', 'bad-model', /run past the end.*truncated/],
        ['text.gguf', 'bad-model', /not a GGUF/],
        ['model.safetensors', 'bad-model', /stapes quantize/],
    ]) {
        assert.throws(() => engine.open(path), { code, message });
    }
    assert.throws(() => engine.load(), { code: 'argument' });
    assert.equal(told.length, 5);
    assert.equal(gpu.stats().buffers, 0, 'buffers are left');

    assert.ok(engine.open(basename(MODEL)));
    assert.throws(() => engine.open(basename(MODEL)), { code: 'argument' });
    while (!engine.load()) {
        await gpu.progress();
    }
    await expectSame(engine);
    source.close();
});

test('a load that fails leaves nothing, and cannot go on', options, async () => {
    const engine = await createEngine(gpu, () => {});
    const source = new FileSource(MODEL);
    const failing = Object.create(source, { size: { value: source.size },
        read: { value: (offset, to) =>
            (offset > source.size / 2 ? Status.IO : source.read(offset, to)) } });
    engine.files.add('failing.gguf', failing);
    engine.files.add('model.gguf', source);
    assert.ok(engine.open('failing.gguf'));
    assert.throws(() => engine.load(), { message: /cannot be read at byte/ });
    assert.equal(gpu.stats().buffers, 0, 'buffers are left');
    assert.throws(() => engine.load(), { code: 'argument' });

    assert.ok(engine.open('model.gguf'));
    while (!engine.load()) {
        await gpu.progress();
    }
    await expectSame(engine);
    source.close();
});

test('a device that is lost while a model loads', options, async () => {
    const opened = await openDevice(await openDawn());
    const lost = new Gpu(opened);
    const engine = await createEngine(lost, () => {});
    const source = new WindowSource(MODEL);
    source.high = source.size / 2;
    engine.files.add('model.gguf', source);
    assert.ok(engine.open('model.gguf'));
    assert.equal(engine.load(), false);
    opened.device.destroy();
    await lost.lost;
    source.high = source.size;
    assert.throws(() => engine.load(), { code: 'device-lost' });
    assert.throws(() => engine.open('model.gguf'), { code: 'device-lost' });
    const { buffers, programs, pipelines } = lost.stats();
    assert.deepEqual({ buffers, programs, pipelines }, { buffers: 0, programs: 0, pipelines: 0 });
    lost.destroy();
    source.close();
});

test('loads that are given up leave nothing', options, async () => {
    const engine = await createEngine(gpu);
    const source = new WindowSource(MODEL);
    engine.files.add('model.gguf', source);
    let memory = 0;
    for (let i = 0; i < 6; i++) {
        source.high = source.size / 2;
        assert.ok(engine.open('model.gguf'));
        assert.equal(engine.load(), false);
        assert.ok(engine.loadedBytes > 0);
        engine.close();
        assert.equal(gpu.stats().buffers, 0, 'buffers are left');
        assert.ok(i < 3 || engine.memoryBytes === memory, 'memory is left');
        memory = engine.memoryBytes;
    }
    source.close();
});
