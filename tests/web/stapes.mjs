// SPDX-License-Identifier: MIT
/** The native program, which the tests compare with; the environment's STAPES names it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/**
 * Starts `stapes web` on a port that is free.
 * @param {...string} options
 * @returns {Promise<{url: string, close: () => Promise<void>}>} close ends it like Ctrl-C does
 */
export async function serveByStapes(...options) {
    const child = spawn(process.env.STAPES, ['web', '--port', '0', ...options], {
        stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = once(child, 'exit').then(([status]) => {
        throw new Error(`stapes web ended with status ${status}`);
    });
    const [url] = await Promise.race([once(createInterface(child.stdout), 'line'), ended]);
    ended.catch(() => {});
    const close = async () => {
        child.kill('SIGINT');
        const [status] = await once(child, 'exit');
        assert.equal(status, 130);
    };
    return { url, close };
}

/**
 * Runs `stapes web` where it cannot start.
 * @param {...string} options
 * @returns {Promise<{status: number, errors: string}>}
 */
export async function failToServe(...options) {
    const child = spawn(process.env.STAPES, ['web', ...options]);
    const errors = [];
    child.stderr.on('data', (part) => errors.push(part));
    const [status] = await once(child, 'close');
    return { status, errors: `${Buffer.concat(errors)}` };
}
