// SPDX-License-Identifier: MIT
/** Both servers of the page, serve.mjs and `stapes web`: what they give, and what they do not. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { filesOf, serve } from '../../tools/web/serve.mjs';
import { failToServe, serveByStapes } from './stapes.mjs';

const bytes = Uint8Array.from({ length: 100000 }, (_, i) => i * 7 + (i >> 8));
let top, site;

before(async () => {
    top = await mkdtemp(join(tmpdir(), 'stapes-serve-'));
    site = join(top, 'site');
    await mkdir(join(site, 'sub'), { recursive: true });
    await mkdir(join(top, 'site-beside'));
    await writeFile(join(site, 'index.html'), '<p>page</p>');
    await writeFile(join(site, 'page.js'), 'export {};');
    await writeFile(join(site, 'engine.wasm'), 'wasm');
    await writeFile(join(site, 'a b+c.css'), 'p {}');
    await writeFile(join(site, 'empty.json'), '');
    await writeFile(join(site, 'model.gguf.00'), bytes);
    await writeFile(join(top, 'secret.txt'), 'secret');
    await writeFile(join(top, 'site-beside', 'secret.txt'), 'secret');
    await symlink(join(top, 'secret.txt'), join(site, 'link.txt'));
});
after(() => rm(top, { recursive: true }));

async function startNode() {
    return serve(await filesOf(site));
}

/** A request as it is, which fetch would tidy up. @returns {Promise<string>} the whole answer */
async function raw(url, request) {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    socket.write(`${request}\r\nHost: ${hostname}\r\nConnection: close\r\n\r\n`);
    const parts = [];
    for await (const part of socket) parts.push(part);
    return Buffer.concat(parts).toString('latin1');
}

function testServer(start) {
    let server, url;
    before(async () => {
        server = await start();
        ({ url } = server);
    });
    after(() => server.close());

    it('listens on this machine only', () => assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/));

    it('gives types and headers', async () => {
        for (const [path, type] of [
            ['', 'text/html; charset=utf-8'],
            ['index.html?x=1', 'text/html; charset=utf-8'],
            ['page.js', 'text/javascript; charset=utf-8'],
            ['engine.wasm', 'application/wasm'],
            ['a%20b+c.css', 'text/css; charset=utf-8'],
            ['empty.json', 'application/json'],
            ['model.gguf.00', 'application/octet-stream'],
        ]) {
            const response = await fetch(url + path);
            assert.equal(response.status, 200, path);
            assert.equal(response.headers.get('content-type'), type);
            assert.equal(response.headers.get('cross-origin-opener-policy'), 'same-origin');
            assert.equal(response.headers.get('cross-origin-embedder-policy'), 'require-corp');
            assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
            assert.equal(response.headers.get('accept-ranges'), 'bytes');
            assert.equal(
                (await response.arrayBuffer()).byteLength,
                Number(response.headers.get('content-length')),
            );
        }
    });

    it('gives ranges', async () => {
        const size = bytes.length;
        for (const [range, first, last] of [
            ['0-0', 0, 0],
            ['10-99', 10, 99],
            ['99990-', 99990, size - 1],
            ['-5', size - 5, size - 1],
            ['5-1000000', 5, size - 1],
            ['-1000000', 0, size - 1],
        ]) {
            const response = await fetch(`${url}model.gguf.00`, {
                headers: { Range: `bytes=${range}` },
            });
            assert.equal(response.status, 206, range);
            assert.equal(response.headers.get('content-range'), `bytes ${first}-${last}/${size}`);
            assert.deepEqual(
                new Uint8Array(await response.arrayBuffer()),
                bytes.slice(first, last + 1),
            );
        }
    });

    it('tells versions of a file, and gives no range of another', async () => {
        const part = (headers) =>
            fetch(`${url}model.gguf.00`, { headers: { Range: 'bytes=0-9', ...headers } });
        const first = await part({});
        const tag = first.headers.get('etag');
        assert.match(tag, /^"[\w.-]+"$/);
        assert.equal((await part({ 'If-Range': tag })).status, 206);
        assert.equal((await part({ 'If-Range': '"other"' })).status, 200);
        const path = join(site, 'model.gguf.00');
        await utimes(path, 1, (await stat(path)).mtimeMs / 1000 + 1);
        assert.notEqual((await part({})).headers.get('etag'), tag);
    });

    it('refuses ranges beyond the end', async () => {
        for (const range of ['100000-', '100000-100001', '-0']) {
            const response = await fetch(`${url}model.gguf.00`, {
                headers: { Range: `bytes=${range}` },
            });
            assert.equal(response.status, 416, range);
            assert.equal(response.headers.get('content-range'), 'bytes */100000');
            await response.text();
        }
    });

    it('gives the whole file for what is no single range', async () => {
        for (const range of [
            'bytes=5-1',
            'bytes=a-b',
            'bytes=0-1,5-6',
            'items=0-1',
            'bytes=-',
            'bytes=1',
        ]) {
            const response = await fetch(`${url}model.gguf.00`, { headers: { Range: range } });
            assert.equal(response.status, 200, range);
            assert.equal((await response.arrayBuffer()).byteLength, bytes.length);
        }
    });

    it('answers HEAD without a body, and nothing but GET and HEAD', async () => {
        const head = await fetch(`${url}model.gguf.00`, { method: 'HEAD' });
        assert.equal(head.headers.get('content-length'), '100000');
        assert.equal((await head.arrayBuffer()).byteLength, 0);
        for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
            assert.equal((await fetch(`${url}page.js`, { method })).status, 405, method);
    });

    it('gives nothing from outside of the directory', async () => {
        for (const path of [
            '/../secret.txt',
            '/sub/../../secret.txt',
            '/%2e%2e/secret.txt',
            '/..%2fsecret.txt',
            '/%2e%2e%2fsecret.txt',
            '/..\\secret.txt',
            '//../secret.txt',
            '/./../secret.txt',
            '/../site-beside/secret.txt',
            '/link.txt',
            '/%',
            '/missing',
            '/sub',
            '/sub/',
            '/page.js/',
            `/${'x'.repeat(5000)}`,
        ]) {
            const answer = await raw(url, `GET ${path} HTTP/1.1`);
            assert.match(answer, /^HTTP\/1\.1 4\d\d /, path);
        }
        assert.doesNotMatch(await raw(url, 'GET /page.js%00/../../secret.txt HTTP/1.1'), /secret$/);
    });
}

describe('serve.mjs', () => testServer(startNode));

describe(
    'stapes web',
    { skip: process.env.STAPES ? false : 'STAPES does not name the program' },
    () => {
        testServer(() => serveByStapes('--directory', site));

        it('names the port that is taken', async () => {
            const server = await startNode();
            const { port } = new URL(server.url);
            const { status, errors } = await failToServe('--directory', site, '--port', port);
            await server.close();
            assert.equal(status, 1);
            assert.match(errors, new RegExp(`port ${port}: .*in use.*--port`));
        });

        it('names a directory that is missing', async () => {
            const { status, errors } = await failToServe('--directory', join(top, 'missing'));
            assert.equal(status, 1);
            assert.match(errors, /missing: No such file/);
        });
    },
);
