// SPDX-License-Identifier: MIT

import { readFileSync } from 'node:fs';

const TYPES = { '<f4': Float32Array, '<i4': Int32Array };

/**
 * An array of numpy's.
 *
 * @param {string} path of a .npy of little-endian f4 or i4 in C's order
 * @returns {{shape: number[], data: Float32Array|Int32Array}}
 */
export function readNpy(path) {
    const file = readFileSync(path);
    if (file.toString('latin1', 1, 6) !== 'NUMPY' || file[6] !== 1) {
        throw new Error(`${path}: no .npy of version 1`);
    }
    const start = 10 + file.readUInt16LE(8);
    const header = file.toString('latin1', 10, start);
    const Type = TYPES[/'descr': '(.*?)'/.exec(header)?.[1]];
    const shape = /'shape': \(([\d, ]*)\)/.exec(header)?.[1].split(',').filter((n) => n.trim())
        .map(Number);
    if (!Type || !shape || !header.includes("'fortran_order': False")) {
        throw new Error(`${path}: cannot be read: ${header.trim()}`);
    }
    const [begin, end] = [start, file.length].map((at) => file.byteOffset + at);
    const data = new Type(file.buffer.slice(begin, end));
    if (data.length !== shape.reduce((product, n) => product * n, 1)) {
        throw new Error(`${path}: ${data.length} elements where [${shape}] was expected`);
    }
    return { shape, data };
}
