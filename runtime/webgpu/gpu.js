// SPDX-License-Identifier: MIT
//
// With gpu-device.js and gpu-program.js the only code that calls WebGPU: the other side of
// runtime/webgpu/webgpu.h. Nothing here waits: results are mapped and copied into the module's
// memory between calls into it.

import { describeDevice } from './gpu-device.js';
import { Program } from './gpu-program.js';

export { openDevice } from './gpu-device.js';

const STATUS_DEVICE_MEMORY = -6; // enum status of runtime/base.h
const STATUS_DEVICE = -8;

const STORAGE = 128, COPY_SRC = 4, COPY_DST = 8; // GPUBufferUsage
const SHADER_STAGE_COMPUTE = 4;

/** What the text of a module declares: ids of overrides, and its storage buffers. */
function reflect(code) {
    const ids = Array.from(code.matchAll(/@id\((\d+)\)\s*override/g), (m) => Number(m[1]));
    const bindings = Array.from(
        code.matchAll(/@group\(0\)\s*@binding\((\d+)\)\s*var<storage(?:,\s*(\w+))?>/g),
        (m) => ({ binding: Number(m[1]), written: m[2] === 'read_write' }));
    const written = bindings.reduce((mask, b) => mask | Number(b.written) << b.binding, 0);
    return { ids, bindings, written };
}

/** One device and what a module made on it. */
export class Gpu {
    #opened;
    #device;
    #memory = null;
    #failure = null; // the first: { status, text }
    #resolveLost;
    #nextId = 1;
    #buffers = new Map();
    #pipelines = new Map();
    #programs = new Map();
    #modules = new Map();
    #layouts = new Map();
    #paramsLayout;
    #compiling = new Set();
    #flights = []; // submits that are not done, in their order
    #finished = 0;
    #submitted = 0;
    #waiting = [];
    #stats = { submits: 0, encodeMs: 0, lastEncodeMs: 0, uploadedBytes: 0, readBytes: 0 };

    /**
     * Resolves when the device is lost or has failed, or after destroy().
     * @type {Promise<{reason: 'unknown'|'destroyed'|'error', message: string, status: number}>} status:
     *     STATUS_DEVICE, or STATUS_DEVICE_MEMORY
     */
    lost;

    /** @param {Awaited<ReturnType<typeof openDevice>>} opened owned from here on */
    constructor(opened) {
        this.#opened = opened;
        this.#device = opened.device;
        this.lost = new Promise((resolve) => {
            this.#resolveLost = resolve;
        });
        this.#device.lost.then(({ reason, message }) =>
            this.#fail(STATUS_DEVICE, `the device was lost: ${message || reason}`, reason));
        this.#device.addEventListener('uncapturederror', (event) => {
            event.preventDefault();
            const memory = event.error.constructor.name === 'GPUOutOfMemoryError';
            this.#fail(memory ? STATUS_DEVICE_MEMORY : STATUS_DEVICE, event.error.message, 'error');
        });
        this.#paramsLayout = this.#device.createBindGroupLayout({
            entries: [{ binding: 0, visibility: SHADER_STAGE_COMPUTE,
                buffer: { type: 'uniform', hasDynamicOffset: true } }],
        });
    }

    /** The module 'gpu' for WebAssembly.instantiate. What throws in here fails the device. */
    get imports() {
        const guard = (what) => (...args) => {
            try {
                return what(...args) ?? 0;
            } catch (error) {
                this.#fail(STATUS_DEVICE, error.message, 'error');
                return 0;
            }
        };
        return {
            describe: guard((to) => this.#describe(to)),
            failure: (text, bytes) => this.#tellFailure(text, bytes),
            finished: () => this.#finished,
            buffer_create: guard((bytes, name, nameBytes) =>
                this.#createBuffer(bytes, this.#text(name, nameBytes))),
            buffer_destroy: guard((id) => this.#destroyBuffer(id)),
            buffer_write: guard((id, offset, data, bytes) => this.#write(id, offset, data, bytes)),
            pipeline_create: guard((info) => this.#createPipeline(info)),
            pipeline_written: guard((id) => this.#pipelines.get(id).written),
            pipeline_destroy: guard((id) => void this.#pipelines.delete(id)),
            program_create: guard((info) => this.#createProgram(info)),
            program_submit: guard((id) => this.#submit(this.#programs.get(id))),
            program_times: guard((id, to, n) => this.#times(this.#programs.get(id), to, n)),
            program_destroy: guard((id) => this.#destroyProgram(id)),
        };
    }

    /**
     * Several instances may follow each other, of one module: shaders are known by where they lie.
     *
     * @param {WebAssembly.Instance} instance the module that was given the imports
     */
    attach(instance) {
        this.#memory = instance.exports.memory;
    }

    /** Resolves when another submit is done; at once if none is under way, or after a failure. */
    progress() {
        if (this.#failure || this.#flights.length === 0) {
            return Promise.resolve();
        }
        return new Promise((resolve) => {
            this.#waiting.push(resolve);
        });
    }

    /** Resolves when all pipelines made so far are compiled (or have failed). */
    async settled() {
        while (this.#compiling.size > 0) {
            await Promise.all(this.#compiling);
        }
    }

    /**
     * Counts since the Gpu was made: submits, milliseconds spent in them (and in the last one),
     * bytes written to and read back from the device; and what there is now.
     */
    stats() {
        let bufferBytes = 0;
        for (const buffer of this.#buffers.values()) {
            bufferBytes += buffer.size;
        }
        return { ...this.#stats, buffers: this.#buffers.size, bufferBytes,
            pipelines: this.#pipelines.size, programs: this.#programs.size,
            inFlight: this.#flights.length };
    }

    /** Gives everything back. The module must not be called afterwards, but for clean-up. */
    destroy() {
        this.#fail(STATUS_DEVICE, 'the device was given back', 'destroyed');
        for (const id of [...this.#programs.keys()]) {
            this.#destroyProgram(id);
        }
        for (const id of [...this.#buffers.keys()]) {
            this.#destroyBuffer(id);
        }
        this.#pipelines.clear();
        this.#modules.clear();
        this.#device.destroy();
    }

    #fail(status, text, reason) {
        if (this.#failure) {
            return;
        }
        this.#failure = { status, text };
        this.#resolveLost({ reason, message: text, status });
        this.#notify();
    }

    #notify() {
        for (const resolve of this.#waiting.splice(0)) {
            resolve();
        }
    }

    // --- The module's memory; its ArrayBuffer changes whenever it grows.

    #words(pointer, n) {
        return new Uint32Array(this.#memory.buffer, pointer, n);
    }

    #bytes(pointer, n) {
        return new Uint8Array(this.#memory.buffer, pointer, n);
    }

    #text(pointer, n) {
        return new TextDecoder().decode(this.#bytes(pointer, n));
    }

    #cString(pointer) {
        const all = new Uint8Array(this.#memory.buffer);
        return new TextDecoder().decode(all.subarray(pointer, all.indexOf(0, pointer)));
    }

    #putText(text, pointer, bytes) {
        const to = this.#bytes(pointer, bytes).fill(0);
        new TextEncoder().encodeInto(text, to.subarray(0, bytes - 1));
    }

    #tellFailure(text, bytes) {
        if (!this.#failure) {
            return 0;
        }
        this.#putText(this.#failure.text.replaceAll('\n', ' '), text, bytes);
        return this.#failure.status;
    }

    #describe(to) {
        const what = describeDevice(this.#opened);
        this.#words(to, 5).set([what.type, what.features, what.subgroupSize, what.invocations,
            what.sharedBytes]);
        new Float64Array(this.#memory.buffer, to + 24, 2).set(
            [what.bindingBytes, what.bufferBytes]);
        this.#putText(what.name, to + 40, 256);
        this.#putText(what.driver, to + 296, 512);
    }

    // --- Buffers

    #createBuffer(size, label) {
        this.#device.pushErrorScope('out-of-memory');
        const buffer = this.#device.createBuffer({ label, size,
            usage: STORAGE | COPY_SRC | COPY_DST });
        this.#device.popErrorScope().then((error) => {
            if (error) {
                this.#fail(STATUS_DEVICE_MEMORY,
                    `no memory for buffer ${label} of ${size} bytes: ${error.message}`, 'error');
            }
        }, () => {}); // rejected only when the device is lost, which is told elsewhere
        this.#buffers.set(this.#nextId, buffer);
        return this.#nextId++;
    }

    #destroyBuffer(id) {
        this.#buffers.get(id)?.destroy();
        this.#buffers.delete(id);
    }

    #write(id, offset, pointer, bytes) {
        this.#device.queue.writeBuffer(this.#buffers.get(id), offset, this.#memory.buffer, pointer,
            bytes);
        this.#stats.uploadedBytes += bytes;
    }

    // --- Pipelines

    #module(label, pointers) {
        const key = pointers.join();
        let module = this.#modules.get(key);
        if (!module) {
            const code = pointers.map((p) => this.#cString(p)).join('\n');
            module = { handle: this.#device.createShaderModule({ label, code }), ...reflect(code) };
            this.#modules.set(key, module);
        }
        return module;
    }

    #layout(module, hasParams) {
        const key = `${JSON.stringify(module.bindings)} ${hasParams}`;
        let layout = this.#layouts.get(key);
        if (!layout) {
            const group = this.#device.createBindGroupLayout({
                entries: module.bindings.map(({ binding, written }) => ({
                    binding, visibility: SHADER_STAGE_COMPUTE,
                    buffer: { type: written ? 'storage' : 'read-only-storage' },
                })),
            });
            const bindGroupLayouts = hasParams ? [group, this.#paramsLayout] : [group];
            layout = { group, handle: this.#device.createPipelineLayout({ bindGroupLayouts }) };
            this.#layouts.set(key, layout);
        }
        return layout;
    }

    #createPipeline(at) {
        const [namePointer, nameBytes, wgsl, nBindings, paramsBytes, nSpec, spec] =
            this.#words(at, 7);
        const name = this.#text(namePointer, nameBytes);
        const pointers = [];
        for (let at = wgsl; this.#words(at, 1)[0]; at += 4) {
            pointers.push(this.#words(at, 1)[0]);
        }
        const module = this.#module(name, pointers);
        if (module.bindings.some(({ binding }) => binding >= nBindings)) {
            throw new Error(`shader ${name} has more than ${nBindings} bindings`);
        }
        const layout = this.#layout(module, paramsBytes > 0);
        const values = this.#words(spec, nSpec);
        const constants = {};
        for (const id of module.ids.filter((i) => i < nSpec)) {
            constants[id] = values[id];
        }
        const pipeline = { name, handle: null, group: layout.group, bindings: module.bindings,
            written: module.written,
            descriptor: { label: name, layout: layout.handle,
                compute: { module: module.handle, entryPoint: 'main', constants } } };
        const compiling = this.#device.createComputePipelineAsync(pipeline.descriptor).then(
            (handle) => {
                pipeline.handle ??= handle;
            },
            (error) => this.#fail(STATUS_DEVICE, `pipeline ${name}: ${error.message}`, 'error'))
            .finally(() => this.#compiling.delete(compiling));
        this.#compiling.add(compiling);
        this.#pipelines.set(this.#nextId, pipeline);
        return this.#nextId++;
    }

    // --- Programs

    #createProgram(at) {
        const [name, nameBytes, list, nList, params, paramsBytes, transfers, nTransfers, nMarks] =
            this.#words(at, 9);
        const recorded = { name: this.#text(name, nameBytes), list: this.#words(list, nList),
            params: this.#bytes(params, paramsBytes),
            transfers: this.#words(transfers, 5 * nTransfers), nMarks };
        const objects = { pipelines: this.#pipelines, buffers: this.#buffers,
            paramsLayout: this.#paramsLayout };
        this.#programs.set(this.#nextId, new Program(this.#device, recorded, objects));
        return this.#nextId++;
    }

    #destroyProgram(id) {
        this.#programs.get(id)?.destroy();
        this.#programs.delete(id);
    }

    #submit(program) {
        const started = performance.now();
        const { landing, uploaded } = program.submit(this.#memory.buffer);
        const flight = { ticket: ++this.#submitted, program, landing, done: false };
        this.#flights.push(flight);
        const end = landing ? landing.mapAsync(1) : this.#device.queue.onSubmittedWorkDone();
        end.then(() => this.#land(flight)).catch(({ message }) =>
            this.#fail(STATUS_DEVICE, `program ${program.name}: ${message}`, 'error'));
        this.#stats.submits++;
        this.#stats.uploadedBytes += uploaded;
        this.#stats.lastEncodeMs = performance.now() - started;
        this.#stats.encodeMs += this.#stats.lastEncodeMs;
        return flight.ticket;
    }

    // Tickets are done in their order, whatever order the promises come in.
    #land(flight) {
        flight.done = true;
        while (!this.#failure && this.#flights[0]?.done) {
            const first = this.#flights.shift();
            if (first.landing) {
                this.#stats.readBytes += first.program.collect(first.landing, this.#memory.buffer,
                    this.#buffers);
            }
            this.#finished = first.ticket;
        }
        this.#notify();
    }

    #times(program, to, n) {
        if (!program.times) {
            return 0;
        }
        const ns = new Float64Array(this.#memory.buffer, to, n);
        for (let i = 0; i < n; i++) {
            ns[i] = Number(program.times[i + 1] - program.times[i]);
        }
        return 1;
    }
}
