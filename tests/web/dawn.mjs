// SPDX-License-Identifier: MIT
//
// WebGPU in Node: Dawn on SwiftShader, the driver that comes with Chromium, unless VK_ICD_FILENAMES
// names another one.

import { existsSync } from 'node:fs';

const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * Why there is no WebGPU here; undefined if there is. With STAPES_NO_SKIP in the environment, where
 * tests must not be left out, it throws that instead.
 * @returns {Promise<string|undefined>}
 */
export async function whyNoDawn() {
    const why = await missing();
    if (why && process.env.STAPES_NO_SKIP) {
        throw new Error(why);
    }
    return why;
}

async function missing() {
    if (!process.env.VK_ICD_FILENAMES && !existsSync(SWIFTSHADER)) {
        return `${SWIFTSHADER} is missing: third_party/install.sh test installs it`;
    }
    try {
        await import('webgpu');
    } catch (error) {
        return `the npm package webgpu is missing (third_party/install.sh test): ${error.message}`;
    }
    return undefined;
}

// SwiftShader zeroes workgroup memory with a store for each word, which takes most of the time of
// workgroup forms, compiling included. Without its extension Dawn writes loops into the shaders.
const ZERO_BY_LOOPS =
    'disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension';

const instances = []; // what was made from one crashes when it is collected

/**
 * @param {string[]} [options] of Dawn
 * @returns {Promise<GPU>} what a browser calls navigator.gpu
 */
export async function openDawn(options = []) {
    process.env.VK_ICD_FILENAMES ??= SWIFTSHADER;
    const { create } = await import('webgpu');
    instances.push(create(['backend=vulkan', ZERO_BY_LOOPS, ...options]));
    return instances.at(-1);
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * Waits for a promise of WebGPU's. While there are any, Dawn asks the device in every turn of the
 * event loop, which takes a core from SwiftShader: the turns are made a millisecond long.
 *
 * @template T
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
export async function patiently(promise) {
    let waiting = true;
    const nap = () => {
        Atomics.wait(sleeper, 0, 0, 1);
        if (waiting) {
            setImmediate(nap);
        }
    };
    setImmediate(nap);
    try {
        return await promise;
    } finally {
        waiting = false;
    }
}
