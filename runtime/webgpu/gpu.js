// SPDX-License-Identifier: MIT
//
// The only code that calls WebGPU: the other side of runtime/webgpu/webgpu.h. Programs come as lists of
// words and become WebGPU's objects once; a submit replays them. Nothing here waits: results are
// mapped and copied into the module's memory between calls into it.

const STATUS_DEVICE_MEMORY = -6; // enum status of runtime/base.h
const STATUS_DEVICE = -8;

const TYPE_OTHER = 0; // enum gpu_device_type of runtime/gpu.h
const TYPE_CPU = 4;

const FEATURE_FAST_BARRIERS = 1 << 0; // enum gpu_feature
const FEATURE_SUBGROUP_ARITHMETIC = 1 << 1;
const FEATURE_TIMESTAMPS = 1 << 2;
const FEATURE_INTEGER_DOT = 1 << 6;

const MEMORY_UPLOAD = 1; // enum gpu_memory

const OP_DISPATCH = 0; // enum webgpu_op
const OP_COPY = 1;
const OP_MARK = 2;

const PARAMS_STEP = 256; // GPU_OFFSET_ALIGNMENT
const PARAMS_BYTES = 128; // GPU_MAX_PARAMS_BYTES

const BUFFER = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128, QUERY: 512 };
const SHADER_STAGE_COMPUTE = 4;

function coded(code, message) {
    return Object.assign(new Error(message), { code });
}

/**
 * Asks for an adapter and a device with what kernels can use of it.
 *
 * @param {GPU|undefined} gpu navigator.gpu, or Dawn's
 * @param {{powerPreference?: string, forceFallbackAdapter?: boolean}} [options]
 * @returns {Promise<{device: GPUDevice, info: object, fallback: boolean, integerDot: boolean}>}
 * Errors carry a code: 'no-webgpu', 'no-adapter'.
 */
export async function openDevice(gpu, options = {}) {
    if (!gpu) {
        throw coded('no-webgpu', 'This browser has no WebGPU; a recent Chrome, Edge, Firefox or ' +
            'Safari has. A page needs https or localhost for it.');
    }
    const { powerPreference, forceFallbackAdapter = false } = options;
    const adapter = await gpu.requestAdapter({ powerPreference, forceFallbackAdapter });
    if (!adapter) {
        throw coded('no-adapter', 'WebGPU found no graphics device that it can use; the browser\'s ' +
            'settings or its GPU page (chrome://gpu) say why.');
    }
    const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
    const device = await adapter.requestDevice({
        label: 'stapes',
        requiredFeatures: ['subgroups', 'timestamp-query'].filter((f) => adapter.features.has(f)),
        requiredLimits: { maxStorageBufferBindingSize, maxBufferSize },
    });
    const info = adapter.info ?? {};
    return {
        device,
        info,
        fallback: Boolean(info.isFallbackAdapter ?? adapter.isFallbackAdapter),
        integerDot: Boolean(gpu.wgslLanguageFeatures?.has('packed_4x8_integer_dot_product')),
    };
}

function nameOf(info) {
    const { vendor, architecture, device, description } = info;
    return description || [vendor, architecture, device].filter(Boolean).join(' ') || 'WebGPU device';
}

function isCpu({ info, fallback }) {
    const text = Object.values({ ...info, vendor: info.vendor, architecture: info.architecture,
        device: info.device, description: info.description }).join(' ');
    return fallback || /swiftshader|llvmpipe|lavapipe|basic render/i.test(text);
}

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
    #offsets = new Uint32Array(0);
    #compiling = new Set();
    #flights = []; // submits that are not done, in their order
    #finished = 0;
    #submitted = 0;
    #waiting = [];
    #stats = { submits: 0, encodeMs: 0, lastEncodeMs: 0, uploadedBytes: 0, readBytes: 0 };

    /**
     * Resolves when the device is lost or has failed, or after destroy().
     * @type {Promise<{reason: 'unknown'|'destroyed'|'error', message: string}>}
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
            buffer_create: guard((bytes, name, n) => this.#createBuffer(bytes, this.#text(name, n))),
            buffer_destroy: guard((id) => this.#destroyBuffer(id)),
            buffer_write: guard((id, offset, data, bytes) =>
                this.#write(this.#buffers.get(id), offset, data, bytes)),
            pipeline_create: guard((info) => this.#createPipeline(info)),
            pipeline_written: guard((id) => this.#pipelines.get(id).written),
            pipeline_destroy: guard((id) => void this.#pipelines.delete(id)),
            program_create: guard((info) => this.#createProgram(info)),
            program_submit: guard((id) => this.#submit(this.#programs.get(id))),
            program_times: guard((id, to, n) => this.#times(this.#programs.get(id), to, n)),
            program_destroy: guard((id) => this.#destroyProgram(id)),
        };
    }

    /** @param {WebAssembly.Instance} instance the module that was given the imports */
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
     * Counts since the Gpu was made: submits, milliseconds spent in them (and in the last one), bytes
     * written to and read back from the device; and what there is now.
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
        this.#resolveLost({ reason, message: text });
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
        const { info, integerDot } = this.#opened;
        const { features, limits } = this.#device;
        const cpu = isCpu(this.#opened);
        const words = this.#words(to, 5);
        words[0] = cpu ? TYPE_CPU : TYPE_OTHER;
        words[1] = (cpu ? 0 : FEATURE_FAST_BARRIERS) |
            (features.has('subgroups') ? FEATURE_SUBGROUP_ARITHMETIC : 0) |
            (features.has('timestamp-query') ? FEATURE_TIMESTAMPS : 0) |
            (integerDot ? FEATURE_INTEGER_DOT : 0);
        words[2] = info.subgroupMinSize ?? 0;
        words[3] = limits.maxComputeInvocationsPerWorkgroup;
        words[4] = limits.maxComputeWorkgroupStorageSize;
        new Float64Array(this.#memory.buffer, to + 24, 2).set(
            [limits.maxStorageBufferBindingSize, limits.maxBufferSize]);
        this.#putText(nameOf(info), to + 40, 256);
        this.#putText(`WebGPU, ${[info.vendor, info.architecture].filter(Boolean).join(' ') ||
            'unnamed adapter'}`, to + 296, 512);
    }

    // --- Buffers

    #createBuffer(size, label) {
        this.#device.pushErrorScope('out-of-memory');
        const buffer = this.#device.createBuffer({ label, size,
            usage: BUFFER.STORAGE | BUFFER.COPY_SRC | BUFFER.COPY_DST });
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

    #write(buffer, offset, pointer, bytes) {
        this.#device.queue.writeBuffer(buffer, offset, this.#memory.buffer, pointer, bytes);
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
        const [namePointer, nameBytes, wgsl, nBindings, paramsBytes, nSpec, spec] = this.#words(at, 7);
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
        const [namePointer, nameBytes, listPointer, nList, params, paramsBytes, transfers, nTransfers,
            nMarks] = this.#words(at, 9);
        const name = this.#text(namePointer, nameBytes);
        const program = { name, ops: [], pipelines: [], groups: [], copies: [], uploads: [],
            readbacks: [], params: null, landingBytes: 0, landings: [], nMarks, times: null,
            destroyed: false };
        this.#decode(program, this.#words(listPointer, nList));
        this.#addTransfers(program, this.#words(transfers, 5 * nTransfers));
        if (nMarks > 0) {
            const bytes = 8 * (nMarks + 1);
            program.queries = this.#device.createQuerySet({ type: 'timestamp', count: nMarks + 1 });
            program.resolved = this.#device.createBuffer({ label: name, size: bytes,
                usage: BUFFER.QUERY | BUFFER.COPY_SRC });
            program.timesAt = program.landingBytes;
            program.landingBytes += bytes;
        }
        if (paramsBytes > 0) {
            program.params = this.#createParams(program, params, paramsBytes);
        }
        this.#programs.set(this.#nextId, program);
        return this.#nextId++;
    }

    #createParams(program, pointer, size) {
        const buffer = this.#device.createBuffer({ label: `${program.name} parameters`, size,
            usage: BUFFER.UNIFORM | BUFFER.COPY_DST });
        this.#device.queue.writeBuffer(buffer, 0, this.#memory.buffer, pointer, size);
        if (this.#offsets.length < size / PARAMS_STEP) {
            this.#offsets = Uint32Array.from({ length: size / PARAMS_STEP }, (_, i) => i * PARAMS_STEP);
        }
        const group = this.#device.createBindGroup({ layout: this.#paramsLayout,
            entries: [{ binding: 0, resource: { buffer, size: PARAMS_BYTES } }] });
        return { buffer, group };
    }

    // ops are what a submit walks: dispatches with their groups, copies by number, marks.
    #decode(program, list) {
        const ops = [];
        for (let i = 0; i < list.length;) {
            switch (list[i]) {
            case OP_DISPATCH: {
                const pipeline = this.#pipelines.get(list[i + 1]);
                const n = list[i + 5];
                ops.push(OP_DISPATCH, list[i + 2], list[i + 3], list[i + 4]);
                program.pipelines.push(pipeline);
                program.groups.push(this.#bindGroup(pipeline, list.subarray(i + 6, i + 6 + 3 * n)));
                i += 6 + 3 * n;
                break;
            }
            case OP_COPY:
                ops.push(OP_COPY);
                program.copies.push({ from: this.#buffers.get(list[i + 1]), fromAt: 4 * list[i + 2],
                    to: this.#buffers.get(list[i + 3]), toAt: 4 * list[i + 4], bytes: 4 * list[i + 5] });
                i += 6;
                break;
            case OP_MARK:
                ops.push(OP_MARK);
                i += 1;
                break;
            default:
                throw new Error(`program ${program.name}: op ${list[i]} at word ${i}`);
            }
        }
        program.ops = Uint32Array.from(ops);
    }

    // A shader may leave a binding out that others of its family have.
    #bindGroup(pipeline, words) {
        const entries = pipeline.bindings.map(({ binding }) => {
            const [id, offset, size] = words.subarray(3 * binding, 3 * binding + 3);
            return { binding, resource: { buffer: this.#buffers.get(id), offset: 4 * offset,
                size: 4 * size } };
        });
        return this.#device.createBindGroup({ label: pipeline.name, layout: pipeline.group, entries });
    }

    #addTransfers(program, words) {
        for (let i = 0; i < words.length; i += 5) {
            const [id, memory, begin, end, shadow] = words.subarray(i, i + 5);
            const transfer = { id, buffer: this.#buffers.get(id), begin, bytes: end - begin, shadow };
            if (memory === MEMORY_UPLOAD) {
                program.uploads.push(transfer);
            } else {
                program.readbacks.push({ ...transfer, at: program.landingBytes });
                program.landingBytes += Math.ceil(transfer.bytes / 8) * 8;
            }
        }
    }

    #destroyProgram(id) {
        const program = this.#programs.get(id);
        if (!program) {
            return;
        }
        this.#programs.delete(id);
        program.destroyed = true; // what is in flight is thrown away when it is done
        program.params?.buffer.destroy();
        program.queries?.destroy();
        program.resolved?.destroy();
        for (const landing of program.landings.splice(0)) {
            landing.destroy();
        }
    }

    // --- Submits

    #encode(encoder, program) {
        const { ops, pipelines, groups, copies, params, queries } = program;
        let pass = null, bound = null, dispatch = 0, copy = 0, mark = 0, pending = -1;
        const begin = () => {
            pass = encoder.beginComputePass(pending < 0 ? undefined
                : { timestampWrites: { querySet: queries, beginningOfPassWriteIndex: pending } });
            pending = -1;
            bound = null;
        };
        const end = () => {
            if (pending >= 0 && !pass) {
                begin(); // a mark that no dispatch follows
            }
            pass?.end();
            pass = null;
        };
        for (let i = 0; i < ops.length;) {
            if (ops[i] === OP_DISPATCH) {
                if (!pass) {
                    begin();
                }
                const pipeline = pipelines[dispatch];
                if (pipeline !== bound) {
                    pipeline.handle ??= this.#device.createComputePipeline(pipeline.descriptor);
                    pass.setPipeline(pipeline.handle);
                    bound = pipeline;
                }
                pass.setBindGroup(0, groups[dispatch]);
                pass.setBindGroup(1, params.group, this.#offsets, dispatch, 1);
                pass.dispatchWorkgroups(ops[i + 1], ops[i + 2], ops[i + 3]);
                dispatch++;
                i += 4;
                continue;
            }
            end();
            if (ops[i] === OP_COPY) {
                const { from, fromAt, to, toAt, bytes } = copies[copy++];
                encoder.copyBufferToBuffer(from, fromAt, to, toAt, bytes);
            } else {
                pending = mark++;
            }
            i++;
        }
        end();
        if (program.nMarks > 0) {
            pending = mark;
            end();
            encoder.resolveQuerySet(queries, 0, program.nMarks + 1, program.resolved, 0);
        }
    }

    #encodeReadbacks(encoder, program) {
        if (program.landingBytes === 0) {
            return null;
        }
        const landing = program.landings.pop() ?? this.#device.createBuffer({
            label: `${program.name} results`, size: program.landingBytes,
            usage: BUFFER.MAP_READ | BUFFER.COPY_DST });
        for (const { buffer, begin, bytes, at } of program.readbacks) {
            encoder.copyBufferToBuffer(buffer, begin, landing, at, bytes);
        }
        if (program.nMarks > 0) {
            encoder.copyBufferToBuffer(program.resolved, 0, landing, program.timesAt,
                8 * (program.nMarks + 1));
        }
        return landing;
    }

    #submit(program) {
        const started = performance.now();
        const { queue } = this.#device;
        for (const { buffer, begin, bytes, shadow } of program.uploads) {
            this.#write(buffer, begin, shadow, bytes);
        }
        const encoder = this.#device.createCommandEncoder({ label: program.name });
        this.#encode(encoder, program);
        const landing = this.#encodeReadbacks(encoder, program);
        queue.submit([encoder.finish()]);
        const flight = { ticket: ++this.#submitted, program, landing, done: false };
        this.#flights.push(flight);
        (landing ? landing.mapAsync(1) : queue.onSubmittedWorkDone()).then(
            () => this.#land(flight),
            (error) => this.#fail(STATUS_DEVICE, `program ${program.name}: ${error.message}`, 'error'));
        this.#stats.submits++;
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
                this.#collect(first);
            }
            this.#finished = first.ticket;
        }
        this.#notify();
    }

    #collect({ program, landing }) {
        if (program.destroyed) {
            landing.destroy();
            return;
        }
        const mapped = landing.getMappedRange();
        for (const { id, bytes, shadow, at } of program.readbacks) {
            if (this.#buffers.has(id)) {
                this.#bytes(shadow, bytes).set(new Uint8Array(mapped, at, bytes));
                this.#stats.readBytes += bytes;
            }
        }
        if (program.nMarks > 0) {
            program.times = new BigUint64Array(mapped.slice(program.timesAt));
        }
        landing.unmap();
        program.landings.push(landing);
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
