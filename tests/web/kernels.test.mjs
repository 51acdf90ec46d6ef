// SPDX-License-Identifier: MIT
//
// Every row of kernels.def that has a twin, through Dawn, on the cases of checkgpu: a few of each,
// because SwiftShader takes its time for every new pipeline, with as many different specialization
// constants as there is room for. STAPES_WEB_CASES=1000: all of them.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { whyNoDawn } from './dawn.mjs';
import { checkKernels } from './kernel_checks.mjs';

const wasm = `${process.env.STAPES_WEB}/checkgpu.wasm`;
const cases = Number(process.env.STAPES_WEB_CASES ?? 7);
const otherDriver = process.env.VK_ICD_FILENAMES; // before SwiftShader is taken
const skip = (await whyNoDawn()) ?? false;

test('checkgpu.wasm is there', () => {
    assert.ok(existsSync(wasm), `${wasm} is missing: STAPES_WEB names BUILD/web, as ctest sets it`);
});

test('every row passes its cases', { skip }, async (t) => {
    const { rows, skipped } = await checkKernels({ wasm, cases });
    const twins = readdirSync(new URL('../../kernels', import.meta.url))
        .filter((name) => name.endsWith('.wgsl')).map((name) => name.slice(0, -'.wgsl'.length));
    assert.deepEqual([...rows.map((row) => row.name), ...skipped].sort(), twins.sort());
    for (const name of skipped) {
        await t.test(`${name}: the device has what it needs`, { skip: Boolean(otherDriver) }, () =>
            assert.fail('SwiftShader has subgroups of one size, and integer products'));
    }
    for (const row of rows) {
        const share = row.worst.toFixed(2);
        await t.test(`${row.name}: ${row.cases} cases, at most ${share} of the tolerance`, () => {
            // Rows that round have seven cases of their own, not those of their base.
            assert.ok(row.cases >= Math.min(row.name.endsWith('_dp') ? 7 : 1, cases), 'no cases');
            assert.equal(row.failures, 0, `${row.failures} failed; the worst is ${row.worstAt}`);
        });
    }
});

test('a kernel that writes behind its output fails', { skip }, async () => {
    const guard = 'plane0[arrayLength(&plane0) - 64u] = 0u;';
    const alter = (code) => code.replace('let scale = load_u16(at);', `$& ${guard}`);
    const { rows } = await checkKernels({ wasm, kernel: 'repack_q8_0', alter });
    assert.equal(rows.length, 1);
    assert.equal(rows[0].failures, rows[0].cases, 'in some cases it was not seen');
});

test('a wrong kernel fails', { skip }, async () => {
    const alter = (code) => code.replace('alpha[i] * scale', 'alpha[i] + scale');
    const { rows } = await checkKernels({ wasm, kernel: 'rmsnorm', cases: 8, alter });
    assert.deepEqual(rows.map((row) => row.name), ['rmsnorm', 'rmsnorm_wg']);
    for (const { name, failures } of rows) {
        assert.ok(failures > 0, `${name}: no case failed`);
    }
});
