// SPDX-License-Identifier: MIT
//
// What the worker does, with an engine that is none.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';

import { Core } from '../../tools/web/package/core.js';
import { Loader } from '../../tools/web/package/loader.js';
import { normalizeModel } from '../../tools/web/package/model.js';
import { sha256 } from '../../tools/web/package/shards.js';
import { FakeEngine, FakeGpu } from './fixtures/fake_engine.mjs';

const FRAME = 1920;
const coded =
    (code, text = /./) =>
    (error) => {
        assert.equal(error.code, code, error.stack);
        assert.match(error.message, text);
        return true;
    };
const soon = () => new Promise((resolve) => setTimeout(resolve, 20));

function model(bytes) {
    const whole = randomBytes(bytes);
    whole.write('GGUF');
    return whole;
}

const sumOf = (bytes) => bytes.reduce((sum, byte) => sum + byte, 0);

/** A source that has everything at once. */
function file(bytes) {
    return {
        path: 'x.gguf',
        source: {
            size: bytes.length,
            received: bytes.length,
            error: null,
            read: (at, to) => Buffer.from(bytes).copy(to, 0, at),
        },
    };
}

function makeCore(engineOptions = {}) {
    const made = { events: [], gpu: new FakeGpu() };
    made.of = (type) => made.events.filter((event) => event[0] === type).map((event) => event[1]);
    made.core = new Core(
        {
            module: null,
            openDevice: async () => ({}),
            makeGpu: () => made.gpu,
            createEngine: async ({ gpu }) =>
                (made.engine = new FakeEngine({ gpu, ...engineOptions })),
        },
        (type, detail) => made.events.push([type, detail]),
    );
    return made;
}

async function loaded(engineOptions) {
    const made = makeCore(engineOptions);
    made.whole = model(50000);
    made.info = await made.core.load({ model: { files: [file(made.whole)] } });
    return made;
}

const expected = (frames) =>
    Array.from({ length: frames }, (_, i) => i)
        .filter((i) => i % 10 === 3)
        .map((i) => `w${i}`)
        .join(' ');

describe('a model', () => {
    test('is loaded and described', async () => {
        const { info, engine, whole, of } = await loaded();
        assert.equal(engine.sum, sumOf(whole));
        assert.deepEqual([info.name, info.frameSamples, info.vadHeads], ['fake', 1920, 4]);
        const last = of('progress').at(-1);
        assert.deepEqual(
            [last.loadedBytes, last.receivedBytes, last.totalBytes],
            [whole.length, whole.length, whole.length],
        );
    });

    test('is appended, with back-pressure', async () => {
        const made = makeCore({ header: 3 << 20 });
        const whole = model(50 << 20);
        const loading = made.core.load({
            model: normalizeModel({ stream: true, bytes: whole.length }),
        });
        let ahead = 0;
        for (let at = 0; at < whole.length; at += 5 << 20) {
            await made.core.append(whole.subarray(at, at + (5 << 20)), {});
            ahead = Math.max(
                ahead,
                Math.min(at + (5 << 20), whole.length) - made.engine.loadedBytes,
            );
        }
        await loading;
        assert.equal(made.engine.sum, sumOf(whole));
        assert.ok(ahead <= 24 << 20, `${ahead} bytes waited`);
        assert.ok(made.engine.opens <= 15, `the header was begun ${made.engine.opens} times`);
        await assert.rejects(made.core.append(new Uint8Array(1), {}), coded('argument', /no more/));
    });

    test('that has not arrived is not asked for again and again', async () => {
        const loader = new Loader({ log() {}, progress() {} });
        await loader.open({ stream: true, bytes: 8 }, false);
        let arrived = 0, asked = 0;
        const engine = { files: { add() {} }, open: () => true, needs: 0, loadedBytes: 0,
            load() {
                asked++;
                this.loadedBytes = arrived;
                return arrived === 8;
            } };
        const loaded = loader.run(engine, new FakeGpu(), {});
        while (arrived < 8) {
            await new Promise((resolve) => setTimeout(resolve, 30));
            arrived += 4;
            await loader.appender.append(new Uint8Array(4));
        }
        await loaded;
        assert.ok(asked <= 8, `${asked} times`);
    });

    test('may have a header larger than the window', async () => {
        const made = makeCore({ header: 20 << 20 });
        const whole = model(24 << 20);
        const loading = made.core.load({
            model: normalizeModel({ stream: true, bytes: whole.length }),
        });
        await Promise.all([made.core.append(whole, {}), loading]);
        assert.equal(made.engine.sum, sumOf(whole));
    });

    test('whose header does not end is refused', async () => {
        const made = makeCore({ header: 200 << 20 });
        const bytes = 400 << 20;
        const loading = made.core.load({ model: normalizeModel({ stream: true, bytes }) });
        const refused = assert.rejects(loading, coded('bad-model', /header/));
        const part = new Uint8Array(64 << 20);
        await assert.rejects(async () => {
            for (let i = 0; i < 6; i++) await made.core.append(part, {});
        }, coded('bad-model'));
        await refused;
    });

    test('is refused for what is in it, also if it is short', async () => {
        for (const [bytes, text] of [
            [Buffer.alloc(5000), /no GGUF/],
            [model(500), /ends within/],
        ]) {
            const made = makeCore();
            await assert.rejects(
                made.core.load({ model: { files: [file(bytes)] } }),
                coded('bad-model', text),
            );
            assert.ok(made.engine.closed && made.gpu.destroyed);
        }
    });

    test('appended shards are checked', async () => {
        const whole = model(30000);
        const parts = [0, 1, 2].map((i) => whole.subarray(i * 10000, (i + 1) * 10000));
        const shards = await Promise.all(
            parts.map(async (part) => ({ bytes: part.length, sha256: await sha256(part) })),
        );
        const made = makeCore();
        const loading = made.core.load({
            model: normalizeModel({ stream: true, bytes: whole.length, shards }),
        });
        const append = (bytes, shard) => made.core.append(bytes, shard);
        await assert.rejects(append(parts[1]), coded('out-of-order'));
        await assert.rejects(append(parts[0], { index: 1 }), coded('out-of-order'));
        await assert.rejects(append(parts[0].subarray(1)), coded('truncated'));
        await assert.rejects(append(Buffer.alloc(10000)), coded('integrity'));
        await append(parts[0], { index: 0 });
        await append(parts[1]);
        await append(parts[2]);
        await loading;
        assert.equal(made.engine.sum, sumOf(whole));

        const bare = makeCore();
        const failing = bare.core.load({
            model: normalizeModel({ stream: true, bytes: whole.length }),
        });
        const sha = await sha256(parts[1]);
        await assert.rejects(bare.core.append(parts[0], { sha256: sha }), coded('integrity'));
        bare.core.close();
        await assert.rejects(failing, coded('closed'));
    });

    test('keeps its order when appending is aborted', async () => {
        const made = makeCore();
        const whole = model(30 << 20);
        const loading = made.core.load({
            model: normalizeModel({ stream: true, bytes: whole.length }),
        });
        const first = new AbortController();
        const second = new AbortController();
        const appends = [
            made.core.append(whole.subarray(0, 20 << 20), {}, first.signal),
            made.core.append(whole.subarray(0, 10 << 20), {}, second.signal),
        ];
        second.abort();
        await soon();
        first.abort(); // more of it than the window holds: it is on its way
        await assert.rejects(appends[1], coded('aborted'));
        await appends[0];
        await made.core.append(whole.subarray(20 << 20), {});
        await loading;
        assert.equal(made.engine.sum, sumOf(whole));
    });

    test('can be given up while it loads', async () => {
        const made = makeCore();
        const controller = new AbortController();
        const loading = made.core.load(
            { model: normalizeModel({ stream: true, bytes: 1e6 }) },
            controller.signal,
        );
        await made.core.append(model(1000), {});
        const waiting = assert.rejects(
            made.core.append(randomBytes(32 << 20), {}),
            coded('argument'),
        );
        await waiting;
        controller.abort();
        await assert.rejects(
            loading,
            (error) => error.name === 'AbortError' && error.code === 'aborted',
        );
        await assert.rejects(made.core.append(model(10), {}), coded('aborted'));
        assert.ok(made.gpu.destroyed);
    });

    test('can be given up while the browser looks for a device', async () => {
        let open;
        let destroyed = false;
        const core = new Core({ openDevice: () => new Promise((done) => (open = done)) }, () => {});
        const controller = new AbortController();
        const loading = core.load(
            { model: normalizeModel({ stream: true, bytes: 1e6 }) },
            controller.signal,
        );
        controller.abort();
        await assert.rejects(loading, coded('aborted'));
        open({ device: { destroy: () => (destroyed = true) } });
        await soon();
        assert.ok(destroyed, 'a device that comes too late is given back');
    });

    test('needs WebGPU and an adapter', async () => {
        for (const [thrown, code] of [
            [Object.assign(new Error('none'), { code: 'no-webgpu' }), 'no-webgpu'],
            [new Error('refused'), 'no-adapter'],
        ]) {
            const core = new Core({ openDevice: () => Promise.reject(thrown) }, () => {});
            await assert.rejects(core.load({ model: { files: [file(model(10))] } }), coded(code));
        }
    });

    test('is lost with its device while it loads', async () => {
        const made = makeCore();
        const loading = made.core.load({ model: normalizeModel({ stream: true, bytes: 1e6 }) });
        await made.core.append(model(5000), {});
        made.gpu.lose('unplugged');
        await assert.rejects(loading, coded('device-lost', /unplugged/));
        assert.equal(made.of('lost').length, 1);

        const full = makeCore();
        const filling = full.core.load({ model: normalizeModel({ stream: true, bytes: 1e6 }) });
        await full.core.append(model(5000), {});
        full.gpu.lose('no memory for buffer x', -6);
        await assert.rejects(filling, coded('memory', /buffer x/));
        assert.deepEqual(full.of('lost'), []);
    });
});

describe('a recording', () => {
    test('becomes words, and the next one begins at 0', async () => {
        const { core, of } = await loaded();
        for (let round = 0; round < 2; round++) {
            const feeds = [];
            for (let i = 0; i < 10; i++) feeds.push(core.feed(new Float32Array(FRAME * 10)));
            const transcript = await core.flush();
            await Promise.all(feeds);
            assert.equal(transcript.text, expected(100));
            assert.equal(transcript.seconds, 8);
            assert.deepEqual(
                transcript.turns.map((t) => Math.round(t / 0.08)),
                [25, 55, 85],
            );
            const [first] = transcript.words;
            assert.ok(Math.abs(first.start - 0.24) < 1e-9 && Math.abs(first.end - 0.32) < 1e-9);
        }
        assert.equal(of('word').length, 20);
        assert.equal(of('wordend').length, 20);
        assert.ok(of('wordend').every((word) => word.end > word.start));
        assert.equal(
            of('frame').reduce((sum, frame) => sum + frame.frames, 0),
            200,
        );
        assert.ok(of('frame').every(({ ms, rtf }) => ms >= 0 && Math.abs(rtf - ms / 80) < 1e-9));
    });

    test('waits for room', async () => {
        const { core, gpu } = await loaded();
        gpu.held = true;
        await core.feed(new Float32Array(FRAME * 60));
        let second = false;
        const feeding = core.feed(new Float32Array(FRAME * 60)).then(() => {
            second = true;
        });
        await soon();
        assert.equal(second, false);
        gpu.held = false;
        await feeding;
        assert.equal((await core.flush()).seconds, 9.6);
    });

    test('can lose what is not heard yet', async () => {
        const { core, gpu } = await loaded();
        gpu.held = true;
        await core.feed(new Float32Array(FRAME * 60));
        const controller = new AbortController();
        const rejected = assert.rejects(
            core.feed(new Float32Array(FRAME * 60), controller.signal),
            coded('aborted'),
        );
        await soon();
        controller.abort();
        await rejected;
        gpu.held = false;
        const { seconds } = await core.flush();
        assert.ok(seconds >= 4.8 && seconds < 9.6, String(seconds));
        await assert.rejects(core.feed(new Float32Array(1), AbortSignal.abort()), coded('aborted'));
    });

    test('is forgotten by reset, in the middle of everything', async () => {
        const { core, gpu, of } = await loaded();
        gpu.held = true;
        const feeds = [1, 2, 3].map(() => core.feed(new Float32Array(FRAME * 60)));
        const rejected = assert.rejects(core.flush(), coded('aborted', /reset/));
        await soon();
        core.reset();
        await Promise.all(feeds);
        await rejected;
        const before = of('word').length;
        gpu.held = false;
        await core.feed(new Float32Array(FRAME * 20));
        assert.equal((await core.flush()).text, expected(20));
        assert.equal(of('word').length, before + 2);
    });

    test('is forgotten when its flush is aborted; the next one is not', async () => {
        for (const held of [true, false]) {
            const { core, gpu } = await loaded();
            gpu.held = true;
            const controller = new AbortController();
            const first = core.feed(new Float32Array(FRAME * (held ? 200 : 20)));
            const rejected = assert.rejects(core.flush(controller.signal), coded('aborted'));
            const second = core.feed(new Float32Array(FRAME * 30));
            await soon();
            const transcript = core.flush();
            controller.abort();
            gpu.held = false;
            await Promise.all([first, rejected, second]);
            const { text, seconds } = await transcript;
            assert.deepEqual([text, seconds.toFixed(6)], [expected(30), '2.400000']);
        }
        const { core } = await loaded();
        const controller = new AbortController();
        const all = [core.feed(new Float32Array(FRAME * 10)), core.flush()];
        const given = [core.feed(new Float32Array(FRAME * 20)), core.flush(controller.signal)];
        const rejected = assert.rejects(given[1], coded('aborted'));
        controller.abort();
        await Promise.all([rejected, given[0]]);
        assert.equal((await all[1]).text, expected(10));
        assert.equal((await core.flush()).text, '');
    });

    test('without sound is empty', async () => {
        const { core } = await loaded();
        assert.deepEqual(await core.flush(), { text: '', words: [], turns: [], seconds: 0 });
    });

    test('goes on after samples that are no sound', async () => {
        const { core } = await loaded();
        await core.feed(new Float32Array(FRAME * 5));
        await assert.rejects(core.feed(Float32Array.of(NaN)), coded('argument'));
        await core.feed(new Float32Array(FRAME * 5));
        assert.equal((await core.flush()).text, expected(10));
    });

    test('ends with the device, for all who wait', async () => {
        const made = await loaded();
        made.gpu.held = true;
        const waiting = [made.core.feed(new Float32Array(FRAME * 200)), made.core.flush()];
        await soon();
        made.gpu.lose('gone');
        for (const promise of waiting) await assert.rejects(promise, coded('device-lost', /gone/));
        await assert.rejects(made.core.feed(new Float32Array(1)), coded('device-lost'));
        assert.throws(() => made.core.reset(), coded('device-lost'));
        assert.deepEqual(made.of('lost'), [{ reason: 'unknown', message: 'gone' }]);
        assert.equal(made.of('error')[0].code, 'device-lost');
        made.core.close();
        const again = await loaded();
        assert.deepEqual((await again.core.flush()).text, '');
    });

    test('ends when the program fails', async () => {
        const made = await loaded({ failFeed: () => new WebAssembly.RuntimeError('unreachable') });
        await assert.rejects(made.core.feed(new Float32Array(1)), coded('worker', /unreachable/));
        assert.equal(made.of('error')[0].code, 'worker');
    });

    test('ends with close, which may be called again', async () => {
        const { core, gpu, engine, of } = await loaded();
        gpu.held = true;
        const feeding = core.feed(new Float32Array(FRAME * 200));
        core.close();
        await assert.rejects(feeding, coded('closed'));
        core.close();
        await assert.rejects(core.flush(), coded('closed'));
        assert.ok(engine.closed && gpu.destroyed);
        await soon();
        assert.deepEqual([of('lost'), of('error')], [[], []]);
    });
});
