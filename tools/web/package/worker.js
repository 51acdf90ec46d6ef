// SPDX-License-Identifier: MIT
//
// The worker of one Stt. Messages in: {id, op, args}; {op: 'cancel', id}. Out: {id, value} or
// {id, error}; {event, detail, epoch}, where epoch counts the resets before it.
import { Core } from './core.js';
import { SttError, packError } from './errors.js';
import { Gpu, openDevice } from './gpu.js';

let epoch = 0;
const running = new Map();

/** The module; servers that do not know wasm's type make streaming compilation fail. */
async function compile() {
    const url = new URL('./stapes.wasm', import.meta.url);
    const response = await fetch(url);
    if (!response.ok) throw new SttError('network', `${url}: HTTP ${response.status}`);
    if (response.headers.get('Content-Type')?.startsWith('application/wasm'))
        return WebAssembly.compileStreaming(response);
    return WebAssembly.compile(await response.arrayBuffer());
}

const core = new Core(
    {
        get module() {
            return compile();
        },
        openDevice: (options) => openDevice(navigator.gpu, options),
        makeGpu: (device) => new Gpu(device),
    },
    (event, detail) => postMessage({ event, detail, epoch }),
);

const operations = {
    load: (signal, options) => core.load(options, signal),
    append: (signal, bytes, shard) => core.append(bytes, shard, signal),
    feed: (signal, samples) => core.feed(samples, signal),
    flush: (signal) => core.flush(signal),
    reset: () => {
        epoch++;
        core.reset();
    },
};

onmessage = async ({ data: { id, op, args } }) => {
    if (op === 'cancel') {
        running.get(id)?.abort();
        return;
    }
    if (op === 'close') {
        core.close();
        close();
        return;
    }
    const controller = new AbortController();
    running.set(id, controller);
    try {
        postMessage({ id, value: await operations[op](controller.signal, ...args) });
    } catch (error) {
        postMessage({ id, error: packError(error) });
    } finally {
        running.delete(id);
    }
};
