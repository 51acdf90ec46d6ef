// SPDX-License-Identifier: MIT
//
// gpu.js by itself: what a module would ask of it, asked by hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describeDevice } from '../../runtime/webgpu/gpu-device.js';
import { Gpu, openDevice } from '../../runtime/webgpu/gpu.js';
import { openDawn, whyNoDawn } from './dawn.mjs';

const skip = (await whyNoDawn()) ?? false;

const ADD = `
override unused: u32 = 1u;
@id(0) override local_size: u32 = 1u;
@id(1) override more: u32 = 0u;
struct Params { add: u32, n: u32 }
@group(1) @binding(0) var<uniform> p: Params;
@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
@compute @workgroup_size(local_size)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < p.n) {
        y[id.x] = x[id.x] + p.add + more;
    }
}`;
const UPLOAD = 1, READBACK = 2;
const DISPATCH = 0, COPY = 1, MARK = 2;

/** What a module's memory is to gpu.js, with an allocator that never frees. */
class Memory {
    constructor() {
        this.memory = new WebAssembly.Memory({ initial: 64 });
        this.top = 1024;
    }

    words(values) {
        const at = this.top;
        new Uint32Array(this.memory.buffer, at, values.length).set(values);
        this.top += Math.ceil(values.length / 4) * 16 + 16;
        return at;
    }

    text(text) {
        const bytes = new TextEncoder().encode(`${text}\0`);
        const at = this.words(new Uint32Array(Math.ceil(bytes.length / 4)));
        new Uint8Array(this.memory.buffer, at, bytes.length).set(bytes);
        return [at, bytes.length - 1];
    }

    read(at, n) {
        return Array.from(new Uint32Array(this.memory.buffer, at, n));
    }
}

async function open(t) {
    const opened = await openDevice(await openDawn());
    const gpu = new Gpu(opened);
    const memory = new Memory();
    gpu.attach({ exports: { memory: memory.memory } });
    t.after(() => gpu.destroy());
    return { gpu, memory, device: opened.device, imports: gpu.imports };
}

function failure({ memory, imports }) {
    const at = memory.words(new Uint32Array(225));
    const status = imports.failure(at, 900);
    const bytes = Buffer.from(memory.memory.buffer, at, 900);
    return { status, text: bytes.subarray(0, bytes.indexOf(0)).toString() };
}

function makePipeline({ memory, imports }, code, spec = [64, 0], bindings = 3) {
    const parts = memory.words([...code.map((c) => memory.text(c)[0]), 0]);
    return imports.pipeline_create(memory.words([...memory.text('add'), parts, bindings, 8,
        spec.length, memory.words(spec)]));
}

function makeBuffer({ memory, imports }, bytes, name = 'buffer') {
    return imports.buffer_create(bytes, ...memory.text(name));
}

/** dispatches: the values that each adds from one buffer to the other, 64 words. */
function makeProgram(made, { pipeline, from, to, adds, transfers = [], marks = 0, list }) {
    const { memory, imports } = made;
    const params = adds.flatMap((add) => [add, 64, ...new Array(62).fill(0)]);
    const words = list ?? adds.flatMap(() =>
        [DISPATCH, pipeline, 1, 1, 1, 3, from, 0, 64, from, 0, 64, to, 0, 64]);
    return imports.program_create(memory.words([...memory.text('program'), memory.words(words),
        words.length, memory.words(params), 4 * params.length, memory.words(transfers.flat()),
        transfers.length, marks]));
}

async function finish({ gpu, imports }, ticket) {
    while (imports.finished() < ticket) {
        await gpu.progress();
        if (imports.failure(16, 16) !== 0) {
            return;
        }
    }
}

test('uploads, dispatches and reads back', { skip }, async (t) => {
    const made = await open(t);
    const { memory, imports, gpu } = made;
    const pipeline = makePipeline(made, [ADD], [64, 1000]);
    const [from, to] = [makeBuffer(made, 256), makeBuffer(made, 256)];
    const sent = memory.words(Array.from({ length: 64 }, (_, i) => i));
    const back = memory.words(new Uint32Array(64));
    const program = makeProgram(made, { pipeline, from, to, adds: [7],
        transfers: [[from, UPLOAD, 0, 256, sent], [to, READBACK, 0, 256, back]] });
    assert.equal(imports.pipeline_written(pipeline), 4);
    const first = imports.program_submit(program);
    assert.equal(imports.finished(), 0, 'nothing is done before the module returns');
    assert.deepEqual(memory.read(back, 2), [0, 0]);
    await finish(made, first);
    assert.deepEqual(memory.read(back, 3), [1007, 1008, 1009]);
    memory.memory.grow(1); // the views of before are gone
    new Uint32Array(memory.memory.buffer, sent, 1)[0] = 500;
    const second = imports.program_submit(program);
    await finish(made, second);
    assert.deepEqual(memory.read(back, 3), [1507, 1008, 1009]);
    assert.deepEqual([first, second], [1, 2]);
    assert.equal(gpu.stats().submits, 2);
    assert.equal(gpu.stats().readBytes, 512);
    assert.deepEqual(failure(made), { status: 0, text: '' });
});

test('copies and times stages', { skip }, async (t) => {
    const made = await open(t);
    const { memory, imports } = made;
    const pipeline = makePipeline(made, [ADD]);
    const [from, to, last] = [1, 2, 3].map(() => makeBuffer(made, 256));
    const back = memory.words(new Uint32Array(64));
    const dispatch = [DISPATCH, pipeline, 1, 1, 1, 3, from, 0, 64, from, 0, 64, to, 0, 64];
    const list = [MARK, ...dispatch, MARK, COPY, to, 0, last, 0, 64, MARK, ...dispatch];
    const program = makeProgram(made, { adds: [3, 4], list, marks: 3,
        transfers: [[last, READBACK, 0, 256, back]] });
    await finish(made, imports.program_submit(program));
    assert.deepEqual(memory.read(back, 2), [3, 3]);
    const times = memory.words(new Uint32Array(6));
    assert.equal(imports.program_times(program, times, 3), 1);
    const ns = Array.from(new Float64Array(memory.memory.buffer, times, 3));
    assert.ok(ns.every((x) => x >= 0 && x < 1e9), `${ns}`);
    assert.ok(ns[0] > 0 || ns[2] > 0, `${ns}`);
});

test('a steady state makes nothing on the device', { skip }, async (t) => {
    const made = await open(t);
    const { memory, imports, device } = made;
    const pipeline = makePipeline(made, [ADD]);
    const [from, to] = [makeBuffer(made, 256), makeBuffer(made, 256)];
    const back = memory.words(new Uint32Array(64));
    const program = makeProgram(made, { pipeline, from, to, adds: new Array(300).fill(1),
        transfers: [[from, UPLOAD, 0, 256, back], [to, READBACK, 0, 256, back]] });
    await made.gpu.settled();
    const calls = [];
    for (const name of ['createBuffer', 'createBindGroup', 'createComputePipeline',
        'createShaderModule', 'createBindGroupLayout', 'createPipelineLayout']) {
        const create = device[name].bind(device);
        device[name] = (...args) => {
            calls.push(name);
            return create(...args);
        };
    }
    await finish(made, imports.program_submit(program));
    assert.deepEqual(calls, ['createBuffer'], 'the buffer that results land in');
    for (let i = 0; i < 5; i++) {
        await finish(made, imports.program_submit(program));
    }
    assert.deepEqual(calls, ['createBuffer']);
});

test('a shader that is wrong fails the device, with its name', { skip }, async (t) => {
    const made = await open(t);
    makePipeline(made, ['fn main( {']);
    await made.gpu.settled();
    const { reason, message } = await made.gpu.lost;
    assert.equal(reason, 'error');
    const { status, text } = failure(made);
    assert.equal(status, -8);
    assert.equal(text, message.replaceAll('\n', ' '));
    assert.match(text, /add|WGSL|parsing/i);
});

test('too much memory fails the device', { skip }, async (t) => {
    const made = await open(t);
    for (let i = 0; i < 64; i++) {
        makeBuffer(made, 2 ** 30, `weights ${i}`);
    }
    const { reason } = await made.gpu.lost;
    assert.equal(reason, 'error');
    assert.match(failure(made).text, /weights \d+/);
    assert.equal(failure(made).status, -6);
});

test('a lost device ends what waits for it', { skip }, async (t) => {
    const made = await open(t);
    const pipeline = makePipeline(made, [ADD]);
    const [from, to] = [makeBuffer(made, 256), makeBuffer(made, 256)];
    const program = makeProgram(made, { pipeline, from, to, adds: [1] });
    await finish(made, made.imports.program_submit(program));
    made.device.destroy();
    made.imports.program_submit(program);
    const progress = made.gpu.progress();
    const { reason } = await made.gpu.lost;
    assert.equal(reason, 'destroyed');
    await progress;
    await made.gpu.progress();
    await made.gpu.settled();
    assert.equal(failure(made).status, -8);
    assert.match(failure(made).text, /lost/);
});

test('results that find no place fail the device', { skip }, async (t) => {
    const made = await open(t);
    const pipeline = makePipeline(made, [ADD]);
    const [from, to] = [makeBuffer(made, 256), makeBuffer(made, 256)];
    const outside = made.memory.memory.buffer.byteLength;
    const program = makeProgram(made, { pipeline, from, to, adds: [1],
        transfers: [[to, READBACK, 0, 256, outside]] });
    made.imports.program_submit(program);
    await made.gpu.progress();
    assert.equal(failure(made).status, -8);
    assert.match(failure(made).text, /program program: /);
    assert.equal(made.imports.finished(), 0);
});

test('what is destroyed in flight is not written to', { skip }, async (t) => {
    const made = await open(t);
    const { memory, imports, gpu } = made;
    const pipeline = makePipeline(made, [ADD]);
    const [from, to] = [makeBuffer(made, 256), makeBuffer(made, 256)];
    const back = memory.words(new Uint32Array(64));
    const transfers = [[to, READBACK, 0, 256, back]];
    const program = makeProgram(made, { pipeline, from, to, adds: [9], transfers });
    const ticket = imports.program_submit(program);
    imports.program_destroy(program);
    imports.buffer_destroy(to);
    await finish(made, ticket);
    assert.deepEqual(memory.read(back, 2), [0, 0]);
    assert.deepEqual(failure(made), { status: 0, text: '' });
    assert.equal(gpu.stats().programs, 0);
});

test('kernels are told what they may expect of a device', () => {
    const describe = (info, features = ['subgroups', 'timestamp-query']) => describeDevice({ info,
        integerDot: false, fallback: false, device: { features: new Set(features), limits: {} } });
    const GPU = 1 | 4, CPU = 4, SUBGROUPS = 2; // barriers and timestamps; timestamps
    const sizes = (least, most) => ({ subgroupMinSize: least, subgroupMaxSize: most });
    assert.equal(describe({ vendor: 'nvidia', ...sizes(32, 32) }).features, GPU | SUBGROUPS);
    assert.equal(describe({ vendor: 'intel', ...sizes(8, 32) }).features, GPU);
    assert.equal(describe({ vendor: 'apple', ...sizes(4, 64) }).features, GPU | SUBGROUPS);
    assert.equal(describe({ vendor: 'nvidia', ...sizes(32, 32) }, []).features, 1);
    const swiftshader = describe({ vendor: 'google', architecture: 'swiftshader', ...sizes(4, 4) });
    assert.equal(swiftshader.features, CPU | SUBGROUPS);
    assert.equal(swiftshader.type, 4);
    assert.equal(swiftshader.name, 'google swiftshader');
    assert.equal(describe({}).name, 'WebGPU device');
});

test('a device has the limits of its adapter, or a lower one that is asked for', { skip }, async () => {
    const limits = async (options) => {
        const opened = await openDevice(await openDawn(), options);
        const { bindingBytes, bufferBytes } = describeDevice(opened);
        opened.device.destroy();
        return { bindingBytes, bufferBytes };
    };
    assert.equal((await limits({ maxBindingBytes: 2 ** 27 })).bindingBytes, 2 ** 27);
    const all = await limits();
    assert.ok(all.bindingBytes >= 2 ** 27 && all.bufferBytes >= 2 ** 28, JSON.stringify(all));
});

test('no WebGPU and no adapter are told apart', async () => {
    await assert.rejects(openDevice(undefined), { code: 'no-webgpu' });
    await assert.rejects(openDevice({ requestAdapter: async () => null }), { code: 'no-adapter' });
});
