// SPDX-License-Identifier: MIT
/** What the processes of a program take, from Linux's /proc. */
import { readFileSync, readdirSync } from 'node:fs';

function read(pid, name) {
    try {
        return readFileSync(`/proc/${pid}/${name}`, 'latin1');
    } catch (error) {
        if (error.code === 'ENOENT' || error.code === 'ESRCH') return ''; // it has ended
        throw error;
    }
}

const parentOf = (pid) => Number(/^PPid:\s*(\d+)/m.exec(read(pid, 'status'))?.[1] ?? 0);

/** @returns {number[]} all processes that this one started, and those that they did */
export function descendants(pid = process.pid) {
    const parents = new Map();
    for (const name of readdirSync('/proc'))
        if (/^\d+$/.test(name)) parents.set(Number(name), parentOf(name));
    const found = new Set([pid]);
    for (let size = 0; size !== found.size;) {
        size = found.size;
        for (const [child, parent] of parents) if (found.has(parent)) found.add(child);
    }
    found.delete(pid);
    return [...found];
}

/** @returns {number[]} those of Chromium's processes that run pages */
export const renderers = (pids) =>
    pids.filter((pid) => /--type=renderer\b/.test(read(pid, 'cmdline')));

/** @returns {{own: number, shared: number}} bytes of resident memory that is not of files */
export function residentMemory(pid) {
    const status = read(pid, 'status');
    const of = (name) =>
        1024 * Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1] ?? 0);
    return { own: of('RssAnon'), shared: of('RssShmem') };
}
