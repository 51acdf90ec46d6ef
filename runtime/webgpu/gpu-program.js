// SPDX-License-Identifier: MIT
//
// A program: what its list of words means, made into WebGPU's objects once, and walked at each
// submit.

const MEMORY_UPLOAD = 1; // enum gpu_memory of runtime/gpu.h

const OP_DISPATCH = 0; // enum webgpu_op of webgpu.h
const OP_COPY = 1;
const OP_MARK = 2;

const PARAMS_STEP = 256; // GPU_OFFSET_ALIGNMENT
const PARAMS_BYTES = 128; // GPU_MAX_PARAMS_BYTES

const MAP_READ = 1, COPY_SRC = 4, COPY_DST = 8, UNIFORM = 64, QUERY_RESOLVE = 512; // GPUBufferUsage

export class Program {
    #device;
    #ops; // dispatches with their groups, copies, marks
    #pipelines = [];
    #groups = []; // a bind group a dispatch
    #copies = [];
    #uploads = [];
    #readbacks = [];
    #params = null;
    #offsets = null; // of each dispatch's parameters
    #landings = []; // mapped buffers that wait for use
    #landingBytes = 0;
    #timesAt = 0;
    #nMarks;
    #queries = null;
    #resolved = null;
    #destroyed = false;

    /** Nanoseconds when each mark was reached, and the end, in the last submit collected. */
    times = null;

    /**
     * @param {GPUDevice} device
     * @param {{name: string, list: Uint32Array, params: Uint8Array, transfers: Uint32Array,
     *     nMarks: number}} recorded views of the module's memory, as webgpu.h describes them
     * @param {{pipelines: Map, buffers: Map, paramsLayout: GPUBindGroupLayout}} objects by number
     */
    constructor(device, { name, list, params, transfers, nMarks }, objects) {
        this.#device = device;
        this.name = name;
        this.#nMarks = nMarks;
        this.#decode(list, objects);
        this.#addTransfers(transfers, objects.buffers);
        if (nMarks > 0) {
            this.#createTimers();
        }
        if (params.length > 0) {
            this.#createParams(params, objects.paramsLayout);
        }
    }

    #createTimers() {
        const size = 8 * (this.#nMarks + 1);
        this.#queries = this.#device.createQuerySet({ type: 'timestamp', count: this.#nMarks + 1 });
        this.#resolved = this.#device.createBuffer({ label: this.name, size,
            usage: QUERY_RESOLVE | COPY_SRC });
        this.#timesAt = this.#landingBytes;
        this.#landingBytes += size;
    }

    #createParams(params, layout) {
        const buffer = this.#device.createBuffer({ label: `${this.name} parameters`,
            size: params.length, usage: UNIFORM | COPY_DST });
        this.#device.queue.writeBuffer(buffer, 0, params);
        const group = this.#device.createBindGroup({ layout,
            entries: [{ binding: 0, resource: { buffer, size: PARAMS_BYTES } }] });
        this.#params = { buffer, group };
        this.#offsets = Uint32Array.from({ length: params.length / PARAMS_STEP },
            (_, i) => i * PARAMS_STEP);
    }

    #decode(list, { pipelines, buffers }) {
        const ops = [];
        for (let i = 0; i < list.length;) {
            switch (list[i]) {
            case OP_DISPATCH: {
                const pipeline = pipelines.get(list[i + 1]);
                const end = i + 6 + 3 * list[i + 5];
                ops.push(OP_DISPATCH, list[i + 2], list[i + 3], list[i + 4]);
                this.#pipelines.push(pipeline);
                this.#groups.push(this.#bindGroup(pipeline, list.subarray(i + 6, end), buffers));
                i = end;
                break;
            }
            case OP_COPY:
                ops.push(OP_COPY);
                this.#copies.push([buffers.get(list[i + 1]), 4 * list[i + 2],
                    buffers.get(list[i + 3]), 4 * list[i + 4], 4 * list[i + 5]]);
                i += 6;
                break;
            case OP_MARK:
                ops.push(OP_MARK);
                i += 1;
                break;
            default:
                throw new Error(`program ${this.name}: op ${list[i]} at word ${i}`);
            }
        }
        this.#ops = Uint32Array.from(ops);
    }

    // A shader may leave a binding out that others of its family have.
    #bindGroup(pipeline, words, buffers) {
        const entries = pipeline.bindings.map(({ binding }) => {
            const [id, offset, size] = words.subarray(3 * binding, 3 * binding + 3);
            return { binding,
                resource: { buffer: buffers.get(id), offset: 4 * offset, size: 4 * size } };
        });
        return this.#device.createBindGroup({ label: pipeline.name, layout: pipeline.group,
            entries });
    }

    #addTransfers(words, buffers) {
        for (let i = 0; i < words.length; i += 5) {
            const [id, memory, begin, end, shadow] = words.subarray(i, i + 5);
            const transfer = { id, buffer: buffers.get(id), begin, bytes: end - begin, shadow };
            if (memory === MEMORY_UPLOAD) {
                this.#uploads.push(transfer);
            } else {
                this.#readbacks.push({ ...transfer, at: this.#landingBytes });
                this.#landingBytes += Math.ceil(transfer.bytes / 8) * 8;
            }
        }
    }

    /** What is in flight is thrown away when it is done. */
    destroy() {
        this.#destroyed = true;
        this.#params?.buffer.destroy();
        this.#queries?.destroy();
        this.#resolved?.destroy();
        for (const landing of this.#landings.splice(0)) {
            landing.destroy();
        }
    }

    /**
     * Writes what the program reads of mapped buffers, and submits it.
     *
     * @param {ArrayBuffer} memory the module's
     * @returns {{landing: GPUBuffer|null, uploaded: number}} landing: to be mapped, then given to
     *     collect(); null if nothing comes back
     */
    submit(memory) {
        const { queue } = this.#device;
        let uploaded = 0;
        for (const { buffer, begin, bytes, shadow } of this.#uploads) {
            queue.writeBuffer(buffer, begin, memory, shadow, bytes);
            uploaded += bytes;
        }
        const encoder = this.#device.createCommandEncoder({ label: this.name });
        this.#encode(encoder);
        const landing = this.#landingBytes > 0 ? this.#land(encoder) : null;
        queue.submit([encoder.finish()]);
        return { landing, uploaded };
    }

    #encode(encoder) {
        const ops = this.#ops;
        let pass = null, bound = null, dispatch = 0, copy = 0, mark = 0, pending = -1;
        const begin = () => {
            pass = encoder.beginComputePass(pending < 0 ? undefined : { timestampWrites: {
                querySet: this.#queries, beginningOfPassWriteIndex: pending } });
            pending = -1;
            bound = null;
        };
        const end = () => {
            if (pending >= 0) {
                begin(); // a mark that no dispatch follows
            }
            pass?.end();
            pass = null;
        };
        for (let i = 0; i < ops.length; i++) {
            if (ops[i] === OP_DISPATCH) {
                if (!pass) {
                    begin();
                }
                const pipeline = this.#pipelines[dispatch];
                if (pipeline !== bound) {
                    pipeline.handle ??= this.#device.createComputePipeline(pipeline.descriptor);
                    pass.setPipeline(pipeline.handle);
                    bound = pipeline;
                }
                pass.setBindGroup(0, this.#groups[dispatch]);
                pass.setBindGroup(1, this.#params.group, this.#offsets, dispatch, 1);
                pass.dispatchWorkgroups(ops[i + 1], ops[i + 2], ops[i + 3]);
                dispatch++;
                i += 3;
                continue;
            }
            end();
            if (ops[i] === OP_COPY) {
                encoder.copyBufferToBuffer(...this.#copies[copy++]);
            } else {
                pending = mark++;
            }
        }
        end();
        if (this.#nMarks > 0) {
            pending = mark;
            end();
            encoder.resolveQuerySet(this.#queries, 0, mark + 1, this.#resolved, 0);
        }
    }

    #land(encoder) {
        const landing = this.#landings.pop() ?? this.#device.createBuffer({
            label: `${this.name} results`, size: this.#landingBytes, usage: MAP_READ | COPY_DST });
        for (const { buffer, begin, bytes, at } of this.#readbacks) {
            encoder.copyBufferToBuffer(buffer, begin, landing, at, bytes);
        }
        if (this.#nMarks > 0) {
            encoder.copyBufferToBuffer(this.#resolved, 0, landing, this.#timesAt,
                8 * (this.#nMarks + 1));
        }
        return landing;
    }

    /**
     * Copies what came back to where the module looks for it.
     *
     * @param {GPUBuffer} landing of a submit, mapped
     * @param {ArrayBuffer} memory the module's
     * @param {Map} buffers those that still are there
     * @returns {number} bytes
     */
    collect(landing, memory, buffers) {
        let copied = 0;
        if (this.#destroyed) {
            landing.destroy();
            return copied;
        }
        const mapped = landing.getMappedRange();
        for (const { id, bytes, shadow, at } of this.#readbacks) {
            if (buffers.has(id)) {
                new Uint8Array(memory, shadow, bytes).set(new Uint8Array(mapped, at, bytes));
                copied += bytes;
            }
        }
        if (this.#nMarks > 0) {
            this.times = new BigUint64Array(mapped.slice(this.#timesAt));
        }
        landing.unmap();
        this.#landings.push(landing);
        return copied;
    }
}
