#!/usr/bin/env node
// SPDX-License-Identifier: MIT
//
// checkgpu for WebGPU: the same cases, seeds and references, through Dawn.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { whyNoDawn } from './dawn.mjs';
import { checkKernels } from './kernel_checks.mjs';
import { OutputsFile } from './outputs.mjs';

const USAGE = `usage: checkgpu.mjs --wasm FILE [--kernel PATTERN] [--cases N] [--seed N]
                    [--json FILE] [--outputs FILE]
  --wasm FILE       checkgpu.wasm of a build
  --kernel PATTERN  only rows whose name, or whose plain form's, matches (* ? [])
  --cases N         N cases a row (1 to 1000), as different as there are; those for large tiles are
                    always run
  --seed N          of the generated cases (0 to 2^64 - 1)
  --json FILE       also a JSON document (docs/benchmarks.md)
  --outputs FILE    what each case wrote, for who compares devices
exit status: 0 all passed, 1 a failure, 2 wrong usage, 77 no device
`;

function parse() {
    const { values } = parseArgs({ options: { wasm: { type: 'string' }, kernel: { type: 'string' },
        cases: { type: 'string' },
        seed: { type: 'string', default: '1' }, json: { type: 'string' },
        outputs: { type: 'string' }, help: { type: 'boolean' } } });
    if (values.help) {
        process.stdout.write(USAGE);
        process.exit(0);
    }
    if (!values.wasm) {
        throw new Error('--wasm is missing');
    }
    if (!/^\d{1,20}$/.test(values.seed) || BigInt(values.seed) >= 1n << 64n) {
        throw new Error(`--seed wants a number from 0 to 2^64 - 1, not '${values.seed}'`);
    }
    if (values.cases !== undefined && !/^([1-9]\d{0,2}|1000)$/.test(values.cases)) {
        throw new Error(`--cases wants a number from 1 to 1000, not '${values.cases}'`);
    }
    return { ...values, seed: BigInt(values.seed), cases: Number(values.cases ?? 0) };
}

function cpuMs() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
}

let last = cpuMs();

function printRow({ name, cases, failures, worst, worstAt }) {
    const ms = cpuMs() - last;
    last += ms;
    const outcome = failures > 0 || cases === 0 ? 'FAILED' : 'passed';
    console.log(`${name.padEnd(18)} ${String(cases).padStart(3)} cases ${outcome} ` +
        `${ms.toFixed(0).padStart(6)} ms CPU, at most ${worst.toFixed(2)} of the tolerance` +
        (worst > 0 ? `: ${worstAt}` : ''));
}

let options;
try {
    options = parse();
} catch (error) {
    process.stderr.write(`checkgpu.mjs: ${error.message}\n${USAGE}`);
    process.exit(2);
}
const why = await whyNoDawn();
if (why) {
    process.stderr.write(`checkgpu.mjs: ${why}\n`);
    process.exit(77);
}

function writeJson(path, device, rows, skipped) {
    const tests = rows.map((r) => ({ row: r.name, cases: r.cases, failures: r.failures,
        worst_share_of_tolerance: r.worst, worst_error: r.worstError, twin: true }));
    writeFileSync(path, JSON.stringify({ device, driver: 'WebGPU', seed: String(options.seed),
        tests, skipped }) + '\n');
}

let name = '';
const file = options.outputs && new OutputsFile(options.outputs);
const { rows, skipped } = await checkKernels({ ...options, onRow: printRow,
    onDevice: (device) => {
        name = device;
        console.log(`checkgpu: ${device}, seed ${options.seed}`);
    },
    onOutput: file && ((output) => file.add(output)) });
file?.close();
if (options.json) {
    writeJson(options.json, name, rows, skipped);
}
const failed = rows.filter((r) => r.failures > 0 || r.cases === 0);
console.log(`checkgpu: ${rows.length - failed.length} passed, ${failed.length} failed, ` +
    `${skipped.length} skipped`);
process.exitCode = failed.length > 0 ? 1 : 0;
