// SPDX-License-Identifier: MIT
//
// node compile_twins.mjs MODULES < PLANS: compiles each module of a directory with Dawn, without a
// GPU, and makes its pipelines. A line of PLANS is a row's name and its specialization constants.
// Whatever the compiler says of a module, warnings included, is an error.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, globals } from 'webgpu';

Object.assign(globalThis, globals);

function readPlans() {
    const plans = new Map();
    for (const line of new Set(readFileSync(0, 'utf8').split('\n'))) {
        const [name, ...values] = line.split(' ');
        if (name) {
            plans.set(name, [...(plans.get(name) ?? []), values.map(Number)]);
        }
    }
    return plans;
}

// Constants that a module does not declare are an error in WebGPU, not in Vulkan.
function constantsOf(code, values) {
    const ids = [...code.matchAll(/@id\((\d+)\)/g)].map((match) => Number(match[1]));
    return Object.fromEntries(
        values.flatMap((value, id) => (ids.includes(id) ? [[id, value]] : [])));
}

async function compile(device, path, plans) {
    const said = [];
    const code = readFileSync(path, 'utf8');
    device.pushErrorScope('validation');
    const module = device.createShaderModule({ code });
    for (const { type, lineNum, linePos, message } of (await module.getCompilationInfo()).messages) {
        said.push(`${path}:${lineNum}:${linePos}: ${type}: ${message}`);
    }
    await device.popErrorScope();
    for (const values of said.length ? [] : plans) {
        const constants = constantsOf(code, values);
        device.pushErrorScope('validation');
        device.createComputePipeline({ layout: 'auto', compute: { module, constants } });
        const error = await device.popErrorScope();
        if (error) {
            said.push(`${path}: with ${JSON.stringify(constants)}: ${error.message}`);
        }
    }
    return said;
}

const [directory] = process.argv.slice(2);
// Dawn crashes once its instance or adapter has been garbage collected.
globalThis.gpu = create(['backend=null']);
globalThis.adapter = await globalThis.gpu.requestAdapter();
const device = await globalThis.adapter.requestDevice({ requiredFeatures: ['subgroups'] });
const plans = readPlans();
let pipelines = 0;
let failed = plans.size === 0;
for (const [name, values] of plans) {
    const said = await compile(device, join(directory, `${name}.wgsl`), values);
    failed ||= said.length > 0;
    pipelines += values.length;
    said.forEach((message) => console.error(message));
}
console.log(`${plans.size} modules, ${pipelines} pipelines${failed ? ': FAILED' : ''}`);
process.exit(failed ? 1 : 0);
