// SPDX-License-Identifier: MIT
//
// The parts of @stapes/web that need neither a server nor an engine, its types, and its size.
//
// STAPES_BUILD: the build (default: build beside the sources).
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
    existsSync,
    mkdtempSync,
    readFileSync,
    readdirSync,
    rmSync,
    symlinkSync,
    writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { toSrt, toText, toVtt } from '../../tools/web/package/formats.js';
import { normalizeModel, openModel } from '../../tools/web/package/model.js';
import { Resampler } from '../../tools/web/package/resample.js';
import { Sha256 } from '../../tools/web/package/sha256.js';
import { BlobSource, Window } from '../../tools/web/package/sources.js';
import { FakeFileReaderSync, fakeBlob } from './fixtures/fake_storage.mjs';

globalThis.FileReaderSync = FakeFileReaderSync;
const inTree = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const PACKAGE = join(process.env.STAPES_BUILD ?? inTree('build'), 'web/package');
const LIMIT_JS = 60000; // bytes
const LIMIT_WASM = 400000;

const scratch = mkdtempSync(join(tmpdir(), 'stapes-'));
after(() => rmSync(scratch, { recursive: true }));

/** Whole numbers that are the same at each run. */
function numbers(seed) {
    let state = seed;
    return (below) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
    };
}

describe('SHA-256', () => {
    test('is that of OpenSSL, in pieces of any length', () => {
        const random = numbers(1);
        for (let length = 0; length < 300; length++) {
            const bytes = randomBytes(length);
            const hash = new Sha256();
            for (let at = 0, n; at < length; at += n) {
                n = random(100);
                hash.update(bytes.subarray(at, at + n));
            }
            assert.equal(hash.hex(), createHash('sha256').update(bytes).digest('hex'));
        }
    });
});

describe('sources', () => {
    test('a window is a file, as far as it has come and was not dropped', () => {
        const random = numbers(2);
        const file = randomBytes(20000);
        const window = new Window(1000, 64);
        let low = 1000;
        while (low < file.length) {
            const wanted = file.subarray(window.end, window.end + random(100));
            const room = window.room;
            assert.equal(window.push(wanted), Math.min(room, wanted.length));
            if (window.room === 0 && random(20) === 0 && room < 500) assert.ok(window.grow());
            const at = low + random(window.end - low + 1);
            const to = Buffer.alloc(1 + random(80));
            const n = window.read(at, to);
            if (at === window.end) assert.equal(n, -9);
            else
                assert.deepEqual(
                    to.subarray(0, n),
                    file.subarray(at, Math.min(at + to.length, window.end)),
                );
            low += random(window.end - low + 1);
            window.drop(low);
            assert.equal(window.read(low - 1, to), -2);
        }
    });

    test('blobs behind each other are one file', () => {
        const random = numbers(3);
        const whole = randomBytes(5000);
        const cuts = [0, 700, 701, 3000, 5000];
        const blobs = cuts.slice(1).map((cut, i) => fakeBlob(whole.subarray(cuts[i], cut)));
        const source = new BlobSource(blobs);
        assert.equal(source.size, 5000);
        for (let i = 0; i < 200; i++) {
            const at = random(5001);
            const to = Buffer.alloc(random(3000));
            const n = source.read(at, to);
            assert.deepEqual(to.subarray(0, n), whole.subarray(at, at + to.length));
        }
        source.read(0, Buffer.alloc(1));
        blobs[0].slice = () => {
            throw new Error('deleted');
        };
        assert.equal(source.read(0, Buffer.alloc(1)), -2);
        assert.equal(source.error.code, 'io');
        assert.match(source.error.message, /deleted/);
    });

    test('files are ordered by name, split ones kept apart', async () => {
        const named = (name, text) => ({ name, blob: fakeBlob(Buffer.from(text)) });
        const read = ({ source }) => {
            const to = Buffer.alloc(source.size);
            source.read(0, to);
            return to.toString();
        };
        const open = async (blobs) => (await openModel({ blobs }, {})).files;
        const [one] = await open([named('m.10', 'c'), named('m.9', 'b'), named('m.1', 'a')]);
        assert.deepEqual([one.path, read(one)], ['m.1', 'abc']);
        const split = await open([
            named('m-00002-of-00002.gguf', 'y'),
            named('m-00001-of-00002.gguf', 'x'),
        ]);
        assert.deepEqual(
            split.map((f) => [f.path, read(f)]),
            [
                ['m-00001-of-00002.gguf', 'x'],
                ['m-00002-of-00002.gguf', 'y'],
            ],
        );
    });

    test('models are told by what was given', () => {
        const base = 'https://a/b/c.html';
        assert.deepEqual(normalizeModel('m.gguf', base), { urls: ['https://a/b/m.gguf'] });
        assert.deepEqual(normalizeModel([new URL('https://x/1'), '/2'], base), {
            urls: ['https://x/1', 'https://a/2'],
        });
        const blob = new Blob(['x']);
        assert.deepEqual(normalizeModel(blob, base), { blobs: [{ blob, name: 'model.gguf' }] });
        assert.deepEqual(normalizeModel({ stream: true, bytes: 5 }, base), {
            stream: true,
            bytes: 5,
            rows: undefined,
        });
        assert.throws(
            () => normalizeModel({ stream: true, bytes: 5, shards: [{ bytes: 4 }] }, base),
            { code: 'argument' },
        );
    });
});

describe('the resampler', () => {
    /** Gain in dB of a tone. */
    function gain(from, frequency) {
        const resampler = new Resampler(from, 24000);
        const block = from / 50;
        const output = [];
        for (let b = 0; b < 25; b++)
            output.push(
                ...resampler.process(
                    Float32Array.from({ length: block }, (_, i) =>
                        Math.sin((2 * Math.PI * frequency * (b * block + i)) / from),
                    ),
                ),
            );
        assert.ok(Math.abs(output.length - 12000) <= 2, `${output.length} samples`);
        const middle = output.slice(3000, 9000);
        const power = middle.reduce((sum, x) => sum + x * x, 0) / middle.length;
        return 10 * Math.log10(2 * power + 1e-12);
    }

    test('keeps speech and lets nothing alias', () => {
        for (const from of [44100, 48000, 96000, 16000]) {
            for (const frequency of [440, 3000, Math.min(9000, from * 0.4)])
                assert.ok(Math.abs(gain(from, frequency)) < 0.1, `${frequency} of ${from} Hz`);
            if (from > 24000)
                for (const frequency of [13500, 20000])
                    assert.ok(gain(from, frequency) < -60, `${frequency} of ${from} Hz`);
        }
    });
});

describe('formats', () => {
    const word = (text, start, end) => ({ text, start, end });
    const words = [
        word('Hello', 0.5, 0.8),
        word('<there>', 0.9, 1.2),
        word('', 1.2, 1.2),
        word('you', 3, 3.25),
        word('again', 3661.5),
    ];

    test('text', () => {
        assert.equal(toText(words), 'Hello <there> you again\n');
        assert.equal(toText(words, { turns: [2, 100] }), 'Hello <there>\nyou\nagain\n');
        assert.equal(toText([]), '');
    });

    test('SubRip', () => {
        assert.equal(
            toSrt(words),
            [
                '1',
                '00:00:00,500 --> 00:00:01,200',
                'Hello <there>',
                '',
                '2',
                '00:00:03,000 --> 00:00:03,250',
                'you',
                '',
                '3',
                '01:01:01,500 --> 01:01:01,700',
                'again',
                '',
            ].join('\n'),
        );
        assert.equal(toSrt([]), '');
    });

    test('WebVTT', () => {
        assert.equal(
            toVtt(words),
            [
                'WEBVTT',
                '',
                '00:00:00.500 --> 00:00:01.200',
                'Hello <00:00:00.900>&lt;there&gt;',
                '',
                '00:00:03.000 --> 00:00:03.250',
                'you',
                '',
                '01:01:01.500 --> 01:01:01.700',
                'again',
                '',
            ].join('\n'),
        );
        assert.equal(toVtt([]), 'WEBVTT\n');
    });

    test('cues are short, do not overlap, and end with turns', () => {
        const many = Array.from({ length: 300 }, (_, i) =>
            word(`word${i}`, i * 0.3, i * 0.3 + 0.35),
        );
        const cues = toSrt(many, { turns: [10.1] })
            .trim()
            .split('\n\n')
            .map((cue) => cue.split('\n'));
        const seconds = (text) =>
            text.split(/[:,]/).reduce((sum, n, i) => sum + n * [3600, 60, 1, 1e-3][i], 0);
        const times = cues.map(([, line]) => line.split(' --> ').map(seconds));
        for (let i = 0; i < cues.length; i++) {
            assert.equal(cues[i][0], String(i + 1));
            assert.ok(cues[i].length <= 4 && cues[i].slice(2).every((line) => line.length <= 42));
            assert.ok(times[i][1] > times[i][0] && times[i][1] - times[i][0] <= 6.001);
            assert.ok(i === 0 || times[i][0] >= times[i - 1][1]);
        }
        assert.ok(
            times.some(([start]) => Math.abs(start - 10.2) < 1e-6),
            'a cue begins with the turn',
        );
        assert.equal(
            cues.flatMap((cue) => cue.slice(2)).join(' '),
            many.map((w) => w.text).join(' '),
        );
    });

    test('a word longer than two lines has a cue of its own', () => {
        const long = 'x'.repeat(200);
        assert.equal(
            toSrt([word('a', 0, 1), word(long, 1, 2), word('b', 2, 3)]).match(/-->/g).length,
            3,
        );
    });
});

describe('shard.mjs', () => {
    const run = (...args) =>
        spawnSync(process.execPath, [inTree('tools/web/shard.mjs'), ...args], { encoding: 'utf8' });
    const path = join(scratch, 'my model.gguf');
    const out = join(scratch, 'out');

    test('cuts a file and describes the parts', () => {
        const whole = randomBytes(2500000);
        whole.write('GGUF');
        writeFileSync(path, whole);
        assert.equal(run('--mib', '1', path, out).status, 0);
        const manifest = JSON.parse(readFileSync(join(out, 'manifest.json')));
        assert.deepEqual(
            [manifest.format, manifest.version, manifest.bytes],
            ['stapes-shards', 1, whole.length],
        );
        const parts = manifest.shards.map(({ url, bytes, sha256 }) => {
            const part = readFileSync(join(out, decodeURIComponent(url)));
            assert.equal(part.length, bytes);
            assert.equal(createHash('sha256').update(part).digest('hex'), sha256);
            return part;
        });
        assert.equal(parts.length, 3);
        assert.deepEqual(Buffer.concat(parts), whole);
        writeFileSync(path, whole.subarray(0, 100));
        const link = join(scratch, 'shard');
        symlinkSync(inTree('tools/web/shard.mjs'), link);
        assert.equal(spawnSync(process.execPath, [link, path, out]).status, 0);
        assert.deepEqual(readdirSync(out).sort(), ['manifest.json', 'my model.gguf.00']);
    });

    test('says what is wrong', () => {
        const cases = [
            [[path], 2, /usage/],
            [['--mib', '0', path, out], 2, /--mib/],
            [['--what', path, out], 2, /--what/],
            [[join(scratch, 'none'), out], 1, /none/],
            [[inTree('VERSION'), out], 1, /VERSION: it is no GGUF/],
        ];
        for (const [args, status, text] of cases) {
            const result = run(...args);
            assert.equal(result.status, status, result.stderr);
            assert.match(result.stderr, text);
        }
    });
});

describe('the package', () => {
    const tsc = inTree('tests/web/node_modules/typescript/bin/tsc');
    const required = Boolean(process.env.STAPES_NO_SKIP); // see dawn.mjs

    test(
        'has types that hold',
        {
            skip:
                !existsSync(tsc) &&
                !required &&
                'typescript is missing: third_party/install.sh test',
        },
        () => {
            const result = spawnSync(
                process.execPath,
                [
                    tsc,
                    '--noEmit',
                    '--strict',
                    '--exactOptionalPropertyTypes',
                    '--target',
                    'es2022',
                    '--lib',
                    'es2022,dom',
                    '--module',
                    'nodenext',
                    inTree('tests/web/fixtures/usage.ts'),
                ],
                { encoding: 'utf8' },
            );
            assert.equal(result.status, 0, result.stdout);
        },
    );

    const filesOf = (end) => readdirSync(PACKAGE).filter((name) => name.endsWith(end));
    const size = (end) =>
        filesOf(end).reduce((sum, name) => sum + readFileSync(join(PACKAGE, name)).length, 0);

    test('is complete', () => {
        const files = filesOf('').sort();
        assert.deepEqual(
            files,
            [
                ...readdirSync(inTree('tools/web/package')),
                ...readdirSync(inTree('runtime/webgpu')).filter((name) => name.endsWith('.js')),
                'stapes.wasm',
                'LICENSE',
            ].sort(),
        );
        const manifest = JSON.parse(readFileSync(join(PACKAGE, 'package.json')));
        assert.equal(manifest.version, readFileSync(inTree('VERSION'), 'utf8').trim());
        const packed = JSON.parse(
            execFileSync('npm', ['pack', '--dry-run', '--json'], {
                cwd: PACKAGE,
                encoding: 'utf8',
                stdio: ['ignore', 'pipe', 'ignore'],
            }),
        );
        assert.deepEqual(packed[0].files.map((file) => file.path).sort(), files);
    });

    test('is small', (t) => {
        const source = readFileSync(inTree('runtime/webgpu/gpu.js'));
        if (readFileSync(join(PACKAGE, 'gpu.js')).equals(source)) {
            assert.ok(!required, 'built without esbuild');
            t.skip('BUILT WITHOUT ESBUILD: the size of what is published is not checked');
            return;
        }
        t.diagnostic(`JavaScript ${size('.js')} bytes, WebAssembly ${size('.wasm')} bytes`);
        assert.ok(size('.js') <= LIMIT_JS, `${size('.js')} bytes of JavaScript`);
        assert.ok(size('.wasm') <= LIMIT_WASM, `${size('.wasm')} bytes of WebAssembly`);
    });
});
