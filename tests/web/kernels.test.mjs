// SPDX-License-Identifier: MIT
//
// Every row of kernels.def that has a twin, through Dawn, on the cases of checkgpu.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';

import { whyNoDawn } from './dawn.mjs';
import { checkKernels } from './kernel_checks.mjs';

const wasm = `${process.env.STAPES_WEB}/checkgpu.wasm`;
const skip = (await whyNoDawn()) ?? false;

test('checkgpu.wasm is there', () => {
    assert.ok(existsSync(wasm), `${wasm} is missing: STAPES_WEB names BUILD/web, as ctest sets it`);
});

test('every row passes its cases', { skip }, async (t) => {
    const { rows } = await checkKernels({ wasm });
    assert.ok(rows.length > 40, `${rows.length} rows were run`);
    for (const { name, cases, failures, worst, worstAt } of rows) {
        await t.test(`${name}: ${cases} cases, at most ${worst.toFixed(2)} of the tolerance`, () => {
            assert.ok(cases > 0, 'no cases');
            assert.equal(failures, 0, `${failures} cases failed; the worst is ${worstAt}`);
        });
    }
});

test('a wrong kernel fails', { skip }, async () => {
    const alter = (code) => code.replace('alpha[i] * scale', 'alpha[i] + scale');
    const { rows } = await checkKernels({ wasm, kernel: 'rmsnorm', alter });
    for (const { name, cases, failures } of rows) {
        assert.ok(failures > cases / 2, `${name}: ${failures} of ${cases} cases failed`);
    }
});
