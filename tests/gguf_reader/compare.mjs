// SPDX-License-Identifier: MIT
//
// compare.mjs FILE.gguf SOURCE.safetensors...: reads the GGUF (all files of a split one) with
// @huggingface/gguf, and `stapes inspect --format json` from standard input. Keys, their types and
// values, tensors' names, shapes, types, bytes and offsets must be the same in both. Tensors that are
// f32 in the GGUF and in a source (Mimi's behind "mimi.") must have the same bytes.
import { open, readFile } from "node:fs/promises";
import { GGMLQuantizationType, GGUFValueType, gguf } from "@huggingface/gguf";

const valueTypes = new Map(Object.entries({
    UINT8: "u8", INT8: "i8", UINT16: "u16", INT16: "i16", UINT32: "u32", INT32: "i32", UINT64: "u64",
    INT64: "i64", FLOAT32: "f32", FLOAT64: "f64", BOOL: "bool", STRING: "string",
}).map(([theirs, ours]) => [GGUFValueType[theirs], ours]));
// Elements and bytes of a block.
const blocks = {
    F32: [1, 4], F16: [1, 2], BF16: [1, 2], Q4_0: [32, 18], Q4_1: [32, 20], Q5_0: [32, 22],
    Q5_1: [32, 24], Q8_0: [32, 34], Q4_K: [256, 144], Q6_K: [256, 210],
};
let failures = 0;

function same(what, ours, theirs) {
    const [a, b] = [ours, theirs].map((x) => JSON.stringify(x));
    if (a === b) return true;
    console.error(`${what}: stapes ${a?.slice(0, 200)}, @huggingface/gguf ${b?.slice(0, 200)}`);
    failures++;
    return false;
}

const plain = (value) => (typeof value === "bigint" ? Number(value) : value);

// Keys that stand for the file's header in their list, and are no keys of the file.
const header = ["version", "tensor_count", "kv_count"];

function compareKeys(ours, parsed) {
    const keys = Object.keys(parsed.typedMetadata).filter((key) => !header.includes(key));
    same("keys", Object.keys(ours.metadata), keys);
    for (const key of keys) {
        const { value, type, subType } = parsed.typedMetadata[key];
        const array = type === GGUFValueType.ARRAY;
        const name = valueTypes.get(array ? subType : type);
        same(`type of ${key}`, ours.metadata_types[key], array ? `[${name}]` : name);
        const round = name === "f32" ? Math.fround : (x) => x;
        const mine = ours.metadata[key];
        same(key, array ? mine?.map(round) : round(mine), array ? value.map(plain) : plain(value));
    }
    same("version", ours.version, parsed.metadata.version);
}

function describe(tensor, path, dataOffset) {
    const dims = tensor.shape.map(Number).reverse();
    const type = GGMLQuantizationType[tensor.dtype];
    const [elements, bytes] = blocks[type];
    const rows = dims.reduce((product, dim) => product * dim, 1) / elements;
    return { name: tensor.name, type: type.toLowerCase(), dims, bytes: rows * bytes,
        offset: Number(dataOffset + tensor.offset), file: path };
}

async function readBytes(path, offset, bytes) {
    const file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, offset);
    await file.close();
    return buffer.subarray(0, bytesRead);
}

async function readSource(path) {
    const file = await readFile(path);
    const length = Number(file.readBigUInt64LE(0));
    const entries = JSON.parse(file.subarray(8, 8 + length).toString());
    const prefix = Object.keys(entries).some((name) => name.startsWith("encoder.")) ? "mimi." : "";
    return Object.entries(entries)
        .filter(([, entry]) => entry.dtype === "F32")
        .map(([name, { data_offsets: [from, to] }]) =>
            [prefix + name, file.subarray(8 + length + from, 8 + length + to)]);
}

const [path, ...sources] = process.argv.slice(2);
const ours = JSON.parse(await readFile("/dev/stdin", "utf8"));
const files = [...new Set(ours.tensors.map((tensor) => tensor.file))];
const tensors = [];
let first;
for (const file of files) {
    const parsed = await gguf(file, { allowLocalFile: true, typedMetadata: true });
    tensors.push(...parsed.tensorInfos.map((info) => describe(info, file, parsed.tensorDataOffset)));
    if (file === path) first = parsed;
}
compareKeys(ours, first);
if (files.length > 1)
    same("split.count", files.length, first.metadata["split.count"]);
const byName = (a, b) => (a.name < b.name ? -1 : 1);
const mine = ours.tensors.sort(byName);
tensors.sort(byName);
same("number of tensors", mine.length, tensors.length);
mine.forEach((tensor, i) => same(tensor.name, tensor, tensors[i]));

let compared = 0;
const originals = new Map((await Promise.all(sources.map(readSource))).flat());
for (const { name, type, file, offset, bytes } of tensors) {
    const original = originals.get(name);
    if (type !== "f32" || !original) continue;
    compared++;
    if (!original.equals(await readBytes(file, offset, bytes))) {
        console.error(`${name}: other bytes than in the checkpoint`);
        failures++;
    }
}
if (sources.length && !compared) {
    console.error("no tensor to compare with the checkpoint");
    failures++;
}
console.log(`${path}: ${files.length} file(s), ${Object.keys(ours.metadata).length} keys, ` +
    `${tensors.length} tensors, ${compared} compared by bytes, ${failures} differences`);
process.exitCode = failures ? 1 : 0;
