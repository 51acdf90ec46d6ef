// SPDX-License-Identifier: MIT
//
// checkgpu.wasm, driven: every selected row on all of its cases.

import { readFile } from 'node:fs/promises';

import { Gpu, openDevice } from '../../runtime/webgpu/gpu.js';
import { wasiImports } from '../../tools/web/package/wasi.js';
import { openDawn, patiently } from './dawn.mjs';

function globToRegExp(pattern) {
    const escaped = pattern.replace(/[.+^${}()|\\]/g, '\\$&');
    const translated = escaped.replace(/\*/g, '.*').replace(/\?/g, '.').replace(/\[!/g, '[^');
    return new RegExp(`^${translated}$`);
}

class Checks {
    constructor(instance, gpu) {
        this.exports = instance.exports;
        this.gpu = gpu;
    }

    text(pointer) {
        const bytes = new Uint8Array(this.exports.memory.buffer);
        return new TextDecoder().decode(bytes.subarray(pointer, bytes.indexOf(0, pointer)));
    }

    /** Rows by name, in the order of kernels.def. */
    rows() {
        return Array.from({ length: this.exports.check_rows() }, (_, id) => ({
            id,
            name: this.text(this.exports.check_name(id)),
            base: this.text(this.exports.check_name(this.exports.check_base(id))),
            twin: this.exports.check_has_twin(id) !== 0,
        }));
    }

    result(id) {
        const at = this.exports.check_result(id);
        const view = new DataView(this.exports.memory.buffer);
        return { cases: view.getUint32(at, true), failures: view.getUint32(at + 4, true),
            worst: view.getFloat64(at + 8, true), worstAt: this.text(at + 16),
            worstError: view.getFloat64(at + 176, true) };
    }

    async walk(rows, onRow) {
        let left = rows, under_way, lost = null;
        this.gpu.lost.then((reason) => {
            lost = reason;
        });
        do {
            under_way = this.exports.check_step();
            left.filter((r) => this.exports.check_ended(r.id)).forEach(onRow);
            left = left.filter((r) => !this.exports.check_ended(r.id));
            await patiently(this.gpu.settled());
            this.exports.check_submit();
            await patiently(this.gpu.progress());
            if (lost) {
                throw new Error(`the device failed: ${lost.message}`);
            }
        } while (under_way > 0);
    }
}

/**
 * Runs rows that have a twin against their references.
 *
 * @typedef {{name: string, cases: number, failures: number, worst: number, worstAt: string,
 *     worstError: number}} Row worst: share of the tolerance; worstError: of floats, from the
 *     reference
 * @param {object} options
 * @param {string} options.wasm path of checkgpu.wasm
 * @param {string} [options.kernel] pattern of names of rows, or of their plain forms'
 * @param {bigint} [options.seed]
 * @param {string[]} [options.dawn] options of Dawn
 * @param {number} [options.cases] so many a row, as different as there are; those for large tiles are
 *     always run
 * @param {(code: string) => string} [options.alter] changes modules, to see that errors are seen
 * @param {(device: string) => void} [options.onDevice]
 * @param {(row: Row) => void} [options.onRow] when it is done
 * @param {(output: {row: string, index: number, binding: number, element: string,
 *     words: Uint32Array}) => void} [options.onOutput] each binding that each case writes
 * @returns {Promise<{rows: Row[], skipped: string[]}>} skipped: the device lacks what they need
 */
export async function checkKernels({ wasm, kernel = '*', seed = 1n, cases = 0, dawn = [], alter,
    onDevice, onRow, onOutput }) {
    const opened = await openDevice(await openDawn(dawn));
    if (alter) {
        const { device } = opened, create = device.createShaderModule.bind(device);
        device.createShaderModule = ({ code, ...rest }) => create({ code: alter(code), ...rest });
    }
    const gpu = new Gpu(opened);
    let instance = null, checks = null;
    const output = (row, index, binding, element, words, n) => onOutput?.({
        row: checks.text(row), index, binding, element: String.fromCharCode(element),
        words: new Uint32Array(instance.exports.memory.buffer, words, n).slice() });
    ({ instance } = await WebAssembly.instantiate(await readFile(wasm), {
        gpu: gpu.imports, check: { output },
        wasi_snapshot_preview1: wasiImports(() => instance.exports.memory.buffer,
            (text) => process.stderr.write(text)) }));
    gpu.attach(instance);
    checks = new Checks(instance, gpu);
    const status = instance.exports.check_open(Number(seed & 0xffffffffn), Number(seed >> 32n));
    if (status !== 0) {
        throw new Error(`checkgpu.wasm: no device (status ${status})`);
    }
    const pattern = globToRegExp(kernel);
    const wanted = checks.rows().filter((r) => pattern.test(r.name) || pattern.test(r.base));
    if (wanted.length === 0) {
        throw new Error(`no kernel matches '${kernel}'`);
    }
    const rows = wanted.filter((r) => r.twin);
    const run = rows.filter((r) => instance.exports.check_select(r.id, cases) !== 0);
    onDevice?.(checks.text(instance.exports.check_device()));
    const results = [];
    await checks.walk(run, ({ id, name }) => {
        results.push({ name, ...checks.result(id) });
        onRow?.(results.at(-1));
    });
    gpu.destroy();
    return { rows: results, skipped: rows.filter((r) => !run.includes(r)).map((r) => r.name) };
}
