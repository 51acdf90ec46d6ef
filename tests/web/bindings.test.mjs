// SPDX-License-Identifier: MIT
//
// Matrices that exceed a binding: their rows come in several dispatches, with the same results.
//
// STAPES_BUILD: the build (default: build beside the sources).

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import { Gpu, openDevice } from '../../runtime/webgpu/gpu.js';
import { openDawn, whyNoDawn } from './dawn.mjs';
import { BUILD, Model } from './engine.mjs';
import { GOLDENS, compareSound, readSound } from './golden_checks.mjs';

const PRESET = 'stt-tiny';
const LARGEST = 524288; // what its programs bind at most: a matrix
const LEAST = 262144; // 64 of its rows, the fewest that a dispatch takes

const why = await whyNoDawn();
const scratch = mkdtempSync(join(tmpdir(), 'stapes-'));
test.after(() => rmSync(scratch, { recursive: true }));

/** Notes what the programs of ticks bind, and counts their dispatches. */
class WatchingGpu extends Gpu {
    #memory;
    most = 0;
    dispatches = 0;

    attach(instance) {
        super.attach(instance);
        this.#memory = instance.exports.memory;
    }

    get imports() {
        const { program_create: create, ...imports } = super.imports;
        return { ...imports, program_create: (info) => {
            const [name, bytes, list, nList] = new Uint32Array(this.#memory.buffer, info, 4);
            const of = new TextDecoder().decode(new Uint8Array(this.#memory.buffer, name, bytes));
            if (of !== 'load') {
                this.#watch(new Uint32Array(this.#memory.buffer, list, nList));
            }
            return create(info);
        } };
    }

    // A list as runtime/webgpu/webgpu.h describes it: dispatches, copies and marks.
    #watch(words) {
        const length = (at) => [6 + 3 * words[at + 5], 6, 1][words[at]];
        for (let at = 0; at < words.length; at += length(at)) {
            if (words[at] === 0) {
                this.dispatches++;
                for (let size = at + 8; size < at + length(at); size += 3) {
                    this.most = Math.max(this.most, 4 * words[size]);
                }
            }
        }
    }
}

async function run(path, maxBindingBytes) {
    const gpu = new WatchingGpu(await openDevice(await openDawn(), { maxBindingBytes }));
    const model = await Model.open(gpu, path, { kvType: 'f32' });
    const events = await model.run({ sound: readSound(PRESET), trace: true, padFrames: -1,
        prefixFrames: -1 });
    model.close();
    gpu.destroy();
    return { events, most: gpu.most, dispatches: gpu.dispatches };
}

test('matrices larger than a binding', { skip: why ?? false }, async (t) => {
    const path = join(scratch, `${PRESET}.gguf`);
    execFileSync(join(BUILD, 'tools/stapes'),
        ['quantize', '--quiet', join(GOLDENS, PRESET), '-o', path, '--type', 'f32']);
    const whole = await run(path, LARGEST);
    compareSound(PRESET, whole.events);
    assert.equal(whole.most, LARGEST);
    for (const limit of [LARGEST - 256, LEAST]) {
        const parts = await run(path, limit);
        t.diagnostic(`${limit} bytes: ${parts.dispatches} dispatches, not ${whole.dispatches}`);
        assert.ok(parts.dispatches > whole.dispatches && parts.most <= limit);
        assert.deepEqual(parts.events, whole.events);
    }
});
