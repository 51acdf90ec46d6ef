// SPDX-License-Identifier: MIT
//
// The page's side of the package, with a worker that is none.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { SttError, packError } from '../../tools/web/package/errors.js';
import { Stt } from '../../tools/web/package/stt.js';

const coded =
    (code, text = /./) =>
    (error) => {
        assert.equal(error.code, code, error.stack);
        assert.match(error.message, text);
        return true;
    };
const soon = () => new Promise((resolve) => setTimeout(resolve, 20));

/** A Worker whose other side is given to `answer`(message, reply). */
class FakeWorker {
    static answer = () => {};
    static made = [];

    constructor(url, options) {
        Object.assign(this, { url, options, sent: [] });
        FakeWorker.made.push(this);
    }

    postMessage(message, transfer) {
        const copy = structuredClone(message, { transfer });
        this.sent.push(copy);
        queueMicrotask(() => FakeWorker.answer(copy, (data) => this.onmessage({ data })));
    }

    terminate() {
        this.terminated = true;
    }
}

describe('Stt', () => {
    const reply = (answers) => (message, post) => {
        const answer = answers[message.op];
        if (answer instanceof Error) post({ id: message.id, error: packError(answer) });
        else if (answer !== undefined) post({ id: message.id, value: answer });
    };
    const good = { load: { name: 'm' }, feed: null, reset: null, flush: { text: 'a b' } };
    const create = async (answers = good, options = {}) => {
        globalThis.Worker = FakeWorker;
        FakeWorker.answer = reply(answers);
        const stt = await Stt.create({ model: 'http://x/m.gguf', ...options });
        return { stt, worker: FakeWorker.made.at(-1) };
    };
    const tell = (worker, event, detail, epoch = 0) =>
        worker.onmessage({ data: { event, detail, epoch } });

    test('opens a module worker of its own', async () => {
        const { stt, worker } = await create();
        assert.equal(stt.info.name, 'm');
        assert.match(worker.url.href, /worker\.js$/);
        assert.equal(worker.options.type, 'module');
        const other = await create();
        assert.notEqual(other.worker, worker);
    });

    test('says what is wrong with its arguments', async () => {
        for (const options of [
            {},
            { model: 7 },
            { model: [] },
            { model: { stream: true } },
            null,
            { model: 'http://x/', kvType: 'f8' },
            { model: 'http://x/', kernels: 5 },
            { model: ['http://x/', 5] },
            { model: 'http://' },
            { model: { shards: [{ url: 'http://x/' }] } },
        ])
            await assert.rejects(Stt.create(options), coded('argument'));
        const { stt } = await create();
        await assert.rejects(stt.feedAudio([1, 2]), coded('argument', /Float32Array/));
        await assert.rejects(stt.appendModelShard('x'), coded('argument', /Uint8Array/));
    });

    test('posts nothing that cannot be posted', async () => {
        const { worker } = await create(good, { onWord: () => {}, device: { ignored: () => {} } });
        const [options] = structuredClone(worker.sent[0].args);
        assert.deepEqual(Object.keys(options).sort(), [
            'cache',
            'device',
            'kernels',
            'kvType',
            'model',
        ]);
    });

    test('says where workers come from, if none starts', async () => {
        globalThis.Worker = class {
            constructor() {
                throw new DOMException('other origin', 'SecurityError');
            }
        };
        await assert.rejects(
            Stt.create({ model: 'http://x/m.gguf' }),
            coded('worker', /other origin.*own origin/),
        );
    });

    test('goes on with its words when a flush never began', async () => {
        const { stt, worker } = await create();
        const words = stt.words();
        await assert.rejects(stt.flush({ signal: AbortSignal.abort() }), coded('aborted'));
        tell(worker, 'wordend', { text: 'a', start: 0, end: 1 });
        assert.deepEqual((await words.next()).value, { text: 'a', start: 0, end: 1 });
    });

    test('copies what it is given', async () => {
        const { stt, worker } = await create();
        const samples = Float32Array.of(1, 2, 3);
        await stt.feedAudio(samples.subarray(1));
        assert.equal(samples.length, 3);
        assert.deepEqual([...worker.sent.at(-1).args[0]], [2, 3]);
    });

    test('fails to open with the code of the worker', async () => {
        await assert.rejects(
            create({ load: new SttError('truncated', 'short') }),
            coded('truncated', /short/),
        );
        assert.ok(FakeWorker.made.at(-1).terminated);
        await assert.rejects(
            create(good, { signal: AbortSignal.abort() }),
            (error) => error.name === 'AbortError' && error.code === 'aborted',
        );
    });

    test('cancels by signal', async () => {
        const { stt, worker } = await create({ load: {} });
        const controller = new AbortController();
        const feeding = stt.feedAudio(new Float32Array(1), { signal: controller.signal });
        controller.abort();
        const { id } = worker.sent.find((m) => m.op === 'feed');
        assert.deepEqual(worker.sent.at(-1), { op: 'cancel', id });
        worker.onmessage({ data: { id, error: { code: 'aborted', message: 'x' } } });
        await assert.rejects(feeding, { name: 'AbortError' });
    });

    test('tells words by event and by iteration, until flush', async () => {
        const { stt, worker } = await create();
        const heard = [];
        stt.addEventListener('word', ({ detail }) => heard.push(detail.text));
        const iterated = (async () => {
            const words = [];
            for await (const word of stt.words()) words.push(word.text);
            return words;
        })();
        await soon();
        for (const text of ['a', 'b']) {
            tell(worker, 'word', { text, start: 0 });
            tell(worker, 'wordend', { text, start: 0, end: 1 });
        }
        assert.equal((await stt.flush()).text, 'a b');
        assert.deepEqual(
            [heard, await iterated],
            [
                ['a', 'b'],
                ['a', 'b'],
            ],
        );
        const controller = new AbortController();
        const aborted = stt.words({ signal: controller.signal }).next();
        controller.abort();
        await assert.rejects(aborted, { name: 'AbortError' });
    });

    test('tells nothing of a recording that was reset', async () => {
        const { stt, worker } = await create();
        const heard = [];
        stt.addEventListener('word', ({ detail }) => heard.push(detail.text));
        tell(worker, 'word', { text: 'a' });
        tell(worker, 'frame', { ms: 8, rtf: 0.1, frames: 2 });
        assert.deepEqual(stt.stats, { frames: 2, msPerFrame: 8, realTimeFactor: 0.1 });
        const done = stt.reset();
        tell(worker, 'word', { text: 'late' }, 0);
        await done;
        tell(worker, 'word', { text: 'new' }, 1);
        assert.deepEqual(heard, ['a', 'new']);
        assert.equal(stt.stats.frames, 0);
    });

    test('fails as a whole: pending calls, iterations, an event', async () => {
        for (const fail of [
            (worker) => {
                tell(worker, 'lost', { reason: 'unknown', message: 'm' });
                tell(worker, 'error', { code: 'device-lost', message: 'm' });
            },
            (worker) => worker.onerror({ message: 'script', preventDefault() {} }),
        ]) {
            const { stt, worker } = await create({ load: {} });
            const told = [];
            for (const type of ['lost', 'error'])
                stt.addEventListener(type, ({ detail }) => told.push([type, detail.code]));
            const pending = [stt.feedAudio(new Float32Array(1)), stt.flush(), stt.words().next()];
            await soon();
            fail(worker);
            const [, code] = told.at(-1);
            for (const promise of pending) await assert.rejects(promise, coded(code));
            assert.ok(worker.terminated && ['device-lost', 'worker'].includes(code));
            await assert.rejects(stt.flush(), coded(code));
        }
    });

    test('is closed once, and ends iterations without an error', async () => {
        const { stt, worker } = await create({ load: {} });
        const next = stt.words().next();
        const flushing = assert.rejects(stt.flush(), coded('closed'));
        await soon();
        stt.close();
        stt.close();
        await flushing;
        assert.deepEqual(await next, { done: true, value: undefined });
        assert.equal(worker.sent.filter((m) => m.op === 'close').length, 1);
        await assert.rejects(stt.feedAudio(new Float32Array(1)), coded('closed'));
    });
});
