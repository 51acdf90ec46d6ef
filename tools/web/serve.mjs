#!/usr/bin/env node
// SPDX-License-Identifier: MIT
/**
 * Serves the page: node serve.mjs [--port N] [--host ADDRESS] [DIRECTORY]
 *
 * What `stapes web` does, for machines that have Node and not stapes. Nothing but GET and HEAD of
 * the files below the directory; single ranges of bytes, so that downloads can go on where they
 * broke off.
 */
import { createReadStream } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.json': 'application/json',
    '.svg': 'image/svg+xml',
    '.wasm': 'application/wasm',
    '.flac': 'audio/flac',
    '.wav': 'audio/wav',
    '.txt': 'text/plain; charset=utf-8',
};

const HEADERS = {
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-cache',
    'Accept-Ranges': 'bytes',
};

/**
 * @param {string} root
 * @param {string} target of a request
 * @returns {Promise<string | null>} the file's real path, or null where it is outside of root or
 *      missing
 */
async function findFile(root, target) {
    let path;
    try {
        path = decodeURIComponent(target.split(/[?#]/, 1)[0]);
    } catch {
        return null;
    }
    if (path.includes('\0') || !path.startsWith('/')) return null;
    if (path.endsWith('/')) path += 'index.html';
    try {
        const real = await realpath(join(root, path));
        return real.startsWith(root + sep) ? real : null;
    } catch {
        return null;
    }
}

/**
 * @param {string | undefined} header Range
 * @param {number} size of the file
 * @returns {{first: number, last: number} | null | undefined} null: no range that is understood,
 *      all of the file; undefined: nothing of the file is in it
 */
function parseRange(header, size) {
    const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
    if (!match || (match[1] === '' && match[2] === '')) return null;
    if (match[1] === '') {
        const first = Math.max(0, size - Number(match[2]));
        return first < size ? { first, last: size - 1 } : undefined;
    }
    const first = Number(match[1]);
    const last = match[2] === '' ? size - 1 : Math.min(size - 1, Number(match[2]));
    if (match[2] !== '' && Number(match[2]) < first) return null;
    return first < size ? { first, last } : undefined;
}

function refuse(response, status, text, headers = {}) {
    response.writeHead(status, { ...HEADERS, 'Content-Type': TYPES['.txt'], ...headers });
    response.end(`${text}\n`);
}

async function answer(root, request, response) {
    if (request.method !== 'GET' && request.method !== 'HEAD')
        return refuse(response, 405, 'Only GET and HEAD.', { Allow: 'GET, HEAD' });
    const path = await findFile(root, request.url);
    const file = path && (await open(path).catch(() => null));
    const stat = file && (await file.stat());
    if (!stat?.isFile()) {
        await file?.close();
        return refuse(response, 404, 'There is no such file.');
    }
    const tag = `"${stat.size.toString(16)}-${Math.round(stat.mtimeMs * 1000).toString(16)}"`;
    const same = (request.headers['if-range'] ?? tag) === tag;
    const range = same ? parseRange(request.headers.range, stat.size) : null;
    const headers = {
        ...HEADERS,
        ETag: tag,
        'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream',
    };
    if (range === undefined) {
        await file.close();
        return refuse(response, 416, 'Beyond the end of the file.', {
            'Content-Range': `bytes */${stat.size}`,
        });
    }
    const { first, last } = range ?? { first: 0, last: stat.size - 1 };
    headers['Content-Length'] = last - first + 1;
    if (range) headers['Content-Range'] = `bytes ${first}-${last}/${stat.size}`;
    response.writeHead(range ? 206 : 200, headers);
    if (request.method === 'HEAD' || stat.size === 0) {
        await file.close();
        return response.end();
    }
    pipeline(createReadStream(path, { fd: file, start: first, end: last }), response, () => {});
}

/**
 * @param {string} directory
 * @returns {Promise<import('node:http').RequestListener>} for servers that do more than serve()
 *      does
 * @throws when the directory is missing
 */
export async function filesOf(directory) {
    const root = await realpath(directory);
    return (request, response) => {
        answer(root, request, response).catch((error) => {
            console.error(`${request.url}: ${error.message}`);
            response.destroy();
        });
    };
}

/**
 * @param {import('node:http').RequestListener} listener
 * @param {{host?: string, port?: number}} options port 0: any that is free
 * @returns {Promise<{url: string, close: () => Promise<void>}>}
 * @throws when the port is taken
 */
export async function serve(listener, { host = '127.0.0.1', port = 0 } = {}) {
    const server = createServer(listener);
    await new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, resolve);
    });
    const close = () =>
        new Promise((resolve) => {
            server.close(resolve);
            server.closeAllConnections();
        });
    const name = host.includes(':') ? `[${host}]` : host;
    return { url: `http://${name}:${server.address().port}/`, close };
}

async function main() {
    const { values, positionals } = parseArgs({
        options: { port: { type: 'string', default: '8080' }, host: { type: 'string' } },
        allowPositionals: true,
    });
    const port = Number(values.port);
    if (!/^\d+$/.test(values.port) || port > 65535)
        throw new Error(`--port takes a number from 0 to 65535, not "${values.port}"`);
    if (positionals.length > 1) throw new Error('one directory at most');
    const built = fileURLToPath(new URL('../../build/web/site', import.meta.url));
    const directory = positionals[0] ?? built;
    const listener = await filesOf(directory).catch((error) => {
        throw new Error(
            `${directory}: ${error.message}; the build puts the page into BUILD/web/site`,
        );
    });
    const { url } = await serve(listener, { host: values.host, port });
    console.error(`The page is at ${url} (Ctrl-C ends it)`);
}

if (process.argv[1] && (await realpath(process.argv[1])) === fileURLToPath(import.meta.url)) {
    main().catch((error) => {
        console.error(`serve.mjs: ${error.message}`);
        process.exitCode = 1;
    });
}
