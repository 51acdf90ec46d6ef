// SPDX-License-Identifier: MIT
//
// runtime/webgpu as models use it: what runtime_wasm.c does, on a device of Dawn's.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { Gpu, openDevice } from '../../runtime/webgpu/gpu.js';
import { wasiImports } from '../../tools/web/package/wasi.js';
import { openDawn, patiently, whyNoDawn } from './dawn.mjs';

const skip = (await whyNoDawn()) ?? false;
const AGAIN = -9;

test('the body of gpu.h for browsers', { skip }, async () => {
    const opened = await openDevice(await openDawn());
    const gpu = new Gpu(opened);
    let messages = '';
    const { instance } = await WebAssembly.instantiate(
        await readFile(`${process.env.STAPES_WEB}/runtime.wasm`), {
            gpu: gpu.imports,
            wasi_snapshot_preview1: wasiImports(() => instance.exports.memory.buffer, (text) => {
                messages += text;
            }),
        });
    gpu.attach(instance);
    const call = (name) => assert.equal(instance.exports[name](), 0, `${name}\n${messages}`);
    call('test_start');
    await gpu.settled();
    call('test_submit');
    while (instance.exports.test_done() === AGAIN) {
        await patiently(gpu.progress());
    }
    call('test_done');
    call('test_finish');
    opened.device.destroy();
    await gpu.lost;
    call('test_lost');
    call('test_close');
    assert.equal(gpu.stats().buffers, 0, 'all buffers were given back');
    assert.equal(gpu.stats().programs, 0);
    assert.equal(gpu.stats().pipelines, 0);
    gpu.destroy();
});
