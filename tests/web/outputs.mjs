// SPDX-License-Identifier: MIT
//
// The file of outputs that docs/benchmarks.md describes: what each case of each row wrote.

import { closeSync, openSync, writeSync } from 'node:fs';

const MAGIC = 'STOUTPT1';
const NAME_BYTES = 48;

/** Writes a file of outputs; what cannot be written throws. */
export class OutputsFile {
    #fd;

    /** @param {string} path of the file, which is made anew */
    constructor(path) {
        this.#fd = openSync(path, 'w');
        this.#write(Buffer.from(MAGIC, 'latin1'));
    }

    #write(bytes) {
        for (let at = 0; at < bytes.length;) {
            at += writeSync(this.#fd, bytes, at);
        }
    }

    /**
     * @param {{row: string, index: number, binding: number, element: string, words: Uint32Array}} output
     *     what case `index` of a row wrote to a binding
     */
    add({ row, index, binding, element, words }) {
        const record = Buffer.alloc(NAME_BYTES + 16 + 4 * words.length);
        record.write(row, 'latin1');
        [index, binding, element.charCodeAt(0), words.length].forEach((word, i) =>
            record.writeUInt32LE(word, NAME_BYTES + 4 * i));
        words.forEach((word, i) => record.writeUInt32LE(word, NAME_BYTES + 16 + 4 * i));
        this.#write(record);
    }

    close() {
        closeSync(this.#fd);
    }
}
