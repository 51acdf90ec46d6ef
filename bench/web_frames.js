// SPDX-License-Identifier: MIT
//
// What a frame costs in a browser: one stream, each frame waited for. The same in Node and in
// Chromium.

const FRAME_SAMPLES = 1920;

function summarize(values) {
    const sorted = [...values].sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    return { median: at(0.5), p10: at(0.1), p95: at(0.95) };
}

// Speech-like enough for the models: what is said does not change what a frame costs.
function sound(frame) {
    return Float32Array.from({ length: FRAME_SAMPLES }, (_, i) =>
        0.1 * Math.sin(2 * Math.PI * 220 * (frame * FRAME_SAMPLES + i) / 24000));
}

function readText(instance, pointer) {
    const bytes = new Uint8Array(instance.exports.memory.buffer);
    return new TextDecoder().decode(bytes.subarray(pointer, bytes.indexOf(0, pointer)));
}

/**
 * @param {{Gpu: Function, openDevice: Function, Engine: Function}} code of gpu.js and engine.js
 * @param {{api: GPU, module: WebAssembly.Module, model: Uint8Array, frames: number, timed: boolean,
 *     kernels?: string, wait?: (promise: Promise) => Promise}} what api: navigator.gpu or Dawn's;
 *     wait: how to wait while the model is loaded
 * @returns {Promise<object>} milliseconds a frame: frame (until its results are there), host (of
 *     that in JavaScript and WebAssembly), submit (of that in gpu.js); stages: {name, ms,
 *     dispatches}
 */
export async function benchFrames({ Gpu, openDevice, Engine }, what) {
    const wait = what.wait ?? ((promise) => promise);
    let instance = null;
    class TimedGpu extends Gpu {
        attach(attached) {
            super.attach(attached);
            instance = attached;
            instance.exports.engine_time_stages(Number(what.timed));
        }
    }
    const gpu = new TimedGpu(await openDevice(what.api));
    const engine = await Engine.create({ module: what.module, gpu, log: (level, message) => {
        if (level === 'error') {
            console.error(message);
        }
    } });
    const started = performance.now();
    engine.files.add('model.gguf', { error: null, size: what.model.length, close() {},
        read(offset, to) {
            const part = what.model.subarray(offset, offset + to.length);
            to.set(part);
            return part.length;
        } });
    engine.open('model.gguf', { kernels: what.kernels });
    while (!engine.load()) {
        await wait(gpu.progress());
    }
    await wait(gpu.settled());
    const loadMs = performance.now() - started;
    const frames = [], hosts = [], submits = [], stages = new Map();
    const stream = engine.createStream({ prefixFrames: -1 });
    for (let frame = 0; frame < what.frames; frame++) {
        const { encodeMs } = gpu.stats();
        const start = performance.now();
        engine.feed(stream, sound(frame));
        engine.run();
        let host = performance.now() - start;
        while (engine.busy > 0) {
            await gpu.progress();
            const again = performance.now();
            engine.run();
            while (engine.poll(stream)) {
                // taken, as a page would
            }
            host += performance.now() - again;
        }
        frames.push(performance.now() - start);
        hosts.push(host);
        submits.push(gpu.stats().encodeMs - encodeMs);
        const at = what.timed && instance.exports.engine_times();
        const times = at ? JSON.parse(readText(instance, at)) : [];
        for (const { name, seconds, dispatches } of times) {
            const stage = stages.get(name) ?? stages.set(name, { dispatches, ms: [] }).get(name);
            stage.ms.push(1000 * seconds);
        }
    }
    const skip = Math.min(8, frames.length >> 1); // the first frames warm up
    const result = {
        ...engine.info(), loadMs, memoryBytes: engine.memoryBytes, frames: frames.length - skip,
        frame: summarize(frames.slice(skip)), host: summarize(hosts.slice(skip)),
        submit: summarize(submits.slice(skip)),
        stages: Array.from(stages, ([name, { dispatches, ms }]) => ({ name, dispatches,
            ms: summarize(ms.slice(skip)).median })),
    };
    engine.close();
    gpu.destroy();
    return result;
}
