#!/usr/bin/env node
// SPDX-License-Identifier: MIT
//
// Cuts a GGUF file into shards for the browser, and writes the manifest that @stapes/web reads.
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const USAGE = `usage: shard.mjs [--mib N] MODEL.gguf DIRECTORY

Writes MODEL.gguf.00, .01, ... of N MiB (default 16) and manifest.json into DIRECTORY, with the
SHA-256 of each shard. Shards of more than 32 MiB are checked more slowly by browsers.
`;

class UsageError extends Error {}

/** The next part of the file: {bytes, sha256} of what was written to `path`. */
async function writeShard(input, position, bytes, path) {
    const buffer = Buffer.alloc(Math.min(bytes, 1 << 20));
    const hash = createHash('sha256');
    const temporary = `${path}.tmp`;
    const output = await open(temporary, 'w');
    let done = 0;
    try {
        while (done < bytes) {
            const want = Math.min(buffer.length, bytes - done);
            const { bytesRead } = await input.read(buffer, 0, want, position + done);
            if (!bytesRead) throw new Error(`it ended at ${position + done} while it was read`);
            const part = buffer.subarray(0, bytesRead);
            hash.update(part);
            await output.writeFile(part);
            done += bytesRead;
        }
    } finally {
        await output.close();
    }
    await rename(temporary, path);
    return { bytes, sha256: hash.digest('hex') };
}

/** Shards of an earlier run would only take room on the server. */
async function removeOld(directory, name, keep) {
    for (const entry of await readdir(directory))
        if (
            entry.startsWith(`${name}.`) &&
            /^\d+$/.test(entry.slice(name.length + 1)) &&
            !keep.has(entry)
        )
            await rm(join(directory, entry));
}

/**
 * @param path a GGUF file
 * @param directory made if missing
 * @param shardBytes length of all shards but the last
 * @returns the manifest, which is written to DIRECTORY/manifest.json last
 */
export async function shardFile(path, directory, shardBytes = 16 << 20) {
    const input = await open(path, 'r');
    try {
        const { size: bytes } = await input.stat();
        const magic = Buffer.alloc(4);
        await input.read(magic, 0, 4, 0);
        if (magic.toString('latin1') !== 'GGUF') throw new Error('it is no GGUF file');
        await mkdir(directory, { recursive: true });
        const name = basename(path);
        const count = Math.ceil(bytes / shardBytes);
        const width = Math.max(2, String(count - 1).length);
        const shards = [];
        for (let i = 0; i < count; i++) {
            const url = `${name}.${String(i).padStart(width, '0')}`;
            const start = i * shardBytes;
            const part = Math.min(shardBytes, bytes - start);
            shards.push({ url, ...(await writeShard(input, start, part, join(directory, url))) });
        }
        await removeOld(directory, name, new Set(shards.map((shard) => shard.url)));
        for (const shard of shards) shard.url = encodeURIComponent(shard.url);
        const manifest = { format: 'stapes-shards', version: 1, bytes, shards };
        await writeFile(join(directory, 'manifest.json'), JSON.stringify(manifest, null, 2) + '\n');
        return manifest;
    } catch (error) {
        throw new Error(`${path}: ${error.message}`, { cause: error });
    } finally {
        await input.close();
    }
}

function readArguments() {
    try {
        const { values, positionals } = parseArgs({
            allowPositionals: true,
            options: { mib: { type: 'string', default: '16' } },
        });
        const mib = Number(values.mib);
        if (positionals.length !== 2) throw new UsageError('a model and a directory are wanted');
        if (!Number.isInteger(mib) || mib < 1 || mib > 2047)
            throw new UsageError(`--mib is a whole number from 1 to 2047, not ${values.mib}`);
        return { positionals, shardBytes: mib << 20 };
    } catch (error) {
        throw new UsageError(error.message);
    }
}

async function main() {
    try {
        const { positionals, shardBytes } = readArguments();
        const { shards, bytes } = await shardFile(...positionals, shardBytes);
        console.error(`${positionals[1]}/manifest.json: ${shards.length} shards, ${bytes} bytes`);
    } catch (error) {
        console.error(`shard.mjs: ${error.message}`);
        if (error instanceof UsageError) console.error(USAGE);
        process.exitCode = error instanceof UsageError ? 2 : 1;
    }
}

if (process.argv[1] && (await realpath(process.argv[1])) === fileURLToPath(import.meta.url))
    await main();
