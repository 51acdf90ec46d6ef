// SPDX-License-Identifier: MIT
//
// HTTP that survives a network that does not: requests again with a Range, with growing pauses, as
// long as bytes come at all.
import { SttError, abortError } from './errors.js';

const RETRIES = 6;
const FIRST_DELAY_MS = 500;
const RETRIED = [408, 425, 429];
/** A connection that is silent for so long is given up. */
const SILENT_MS = 30000;

function sleep(ms, signal) {
    return new Promise((resolve, reject) => {
        const abort = () => {
            clearTimeout(timer);
            reject(abortError(signal));
        };
        const timer = setTimeout(() => {
            signal?.removeEventListener('abort', abort);
            resolve();
        }, ms);
        signal?.addEventListener('abort', abort, { once: true });
    });
}

/** What `promise` gives, or an error when that takes too long. */
async function within(ms, promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`nothing came for ${ms / 1000} s`)), ms);
    });
    try {
        return await Promise.race([promise, late]);
    } finally {
        clearTimeout(timer);
    }
}

/** Counts failures in a row and waits longer after each. */
class Patience {
    #failures = 0;

    constructor(url, { signal, log, delay = FIRST_DELAY_MS }) {
        Object.assign(this, { url, signal, log, delay });
    }

    /** After a failure: waits, or throws it where there is no hope. */
    async wait(error, progress) {
        if (this.signal?.aborted) throw abortError(this.signal);
        if (error instanceof SttError) throw error;
        this.#failures = progress ? 1 : this.#failures + 1;
        if (this.#failures > RETRIES)
            throw new SttError('network', `${this.url}: ${error.message}`, { cause: error });
        this.log?.('warning', `${this.url}: ${error.message}; trying again`);
        await sleep(this.delay * 2 ** (this.#failures - 1), this.signal);
    }
}

async function request(url, options, init) {
    const { fetch = globalThis.fetch, signal, noStore, silentMs = SILENT_MS } = options;
    const own = new AbortController();
    const abort = () => own.abort(signal.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true }); // for the body, too
    const asked = { signal: own.signal, ...(noStore && { cache: 'no-store' }), ...init };
    const response = await within(silentMs, fetch(url, asked)).catch((error) => {
        own.abort(); // a request that is late would keep its connection
        throw error;
    });
    if (response.ok || response.status === 416) return response;
    await response.body?.cancel();
    const message = `HTTP ${response.status} ${response.statusText}`.trim();
    if (response.status < 500 && !RETRIED.includes(response.status))
        throw new SttError('network', `${url}: ${message}`);
    throw new Error(message);
}

/** Length of the whole file behind a response; NaN where it does not tell. */
function lengthOf(response) {
    const { headers, status } = response;
    if (status === 206 || status === 416)
        return parseInt(headers.get('Content-Range')?.split('/')[1], 10);
    return headers.get('Content-Encoding') ? NaN : parseInt(headers.get('Content-Length'), 10);
}

function checkLength({ url, bytes }, response) {
    const length = lengthOf(response);
    const wrong = `${url} has ${length || 'less'} bytes, not ${bytes}.`;
    if (response.status === 416 || length < bytes) throw new SttError('truncated', wrong);
    if (length > bytes) throw new SttError('integrity', wrong);
}

/** Changes when the file does; null where the server, or CORS, tells nothing. */
const versionOf = ({ headers }) => headers.get('ETag') ?? headers.get('Last-Modified');

/** The rest of a file must be of the file whose beginning there is. */
function checkRest({ url, version }, from, response) {
    const now = versionOf(response);
    if (version && now && now !== version)
        throw new SttError('integrity', `${url} was changed on its server meanwhile.`);
    const start = parseInt(/\d+/.exec(response.headers.get('Content-Range'))?.[0] ?? from, 10);
    if (response.status === 206 && start !== from)
        throw new SttError('network', `${url}: the server sent byte ${start} for byte ${from}.`);
}

/** The body from offset `from` on, also where the server ignores the Range. */
async function* body(shard, from, options) {
    const response = await request(
        shard.url,
        options,
        from ? { headers: { Range: `bytes=${from}-` } } : {},
    );
    checkLength(shard, response);
    if (from) checkRest(shard, from, response);
    let skip = response.status === 206 ? 0 : from;
    const reader = response.body.getReader();
    try {
        for (;;) {
            const { done, value } = await within(options.silentMs ?? SILENT_MS, reader.read());
            if (done) return;
            if (value.length > skip) yield value.subarray(skip);
            skip = Math.max(0, skip - value.length);
        }
    } finally {
        // Not awaited: a silent one may not answer. A body that broke off rejects once more.
        reader.cancel().catch(() => {});
    }
}

/**
 * Bytes [from, shard.bytes) of shard.url as they come, each array valid until the next one.
 * @param options {signal, fetch, noStore, log(level, text), delay: ms after the first failure,
 *     silentMs: until a connection that gives nothing is given up}
 */
export async function* fetchShard(shard, from, options) {
    const patience = new Patience(shard.url, options);
    let at = from;
    while (at < shard.bytes) {
        const before = at;
        try {
            for await (const bytes of body(shard, at, options)) {
                at += bytes.length;
                if (at > shard.bytes)
                    throw new SttError(
                        'integrity',
                        `${shard.url} has more than ${shard.bytes} bytes.`,
                    );
                yield bytes;
            }
            if (at === before)
                throw new SttError(
                    'truncated',
                    `${shard.url} ends at ${at} of ${shard.bytes} bytes.`,
                );
            if (at < shard.bytes) throw new Error(`ends at ${at} of ${shard.bytes} bytes`);
        } catch (error) {
            await patience.wait(error, at > before);
        }
    }
}

async function persist(url, options, work) {
    const patience = new Patience(url, options);
    for (;;) {
        try {
            return await work();
        } catch (error) {
            await patience.wait(error, false);
        }
    }
}

/** A JSON document. */
export async function fetchJson(url, options) {
    const text = await persist(url, options, async () => (await request(url, options)).text());
    try {
        return JSON.parse(text);
    } catch (error) {
        throw new SttError('bad-model', `${url} is no JSON: ${error.message}`, { cause: error });
    }
}

/** {url, bytes, version: of versionOf}. */
export async function probe(url, options) {
    const response = await persist(url, options, async () => {
        const head = await fetchHead(url, options);
        if (head && lengthOf(head) >= 0) return head;
        const first = await request(url, options, { headers: { Range: 'bytes=0-0' } });
        await first.body?.cancel();
        return first;
    });
    const bytes = lengthOf(response);
    if (!(bytes > 0))
        throw new SttError(
            'network',
            `${url}: the server does not tell how long the file is; ` +
                'a manifest of shards would.',
        );
    return { url, bytes, version: versionOf(response) };
}

/**
 * Null where the server does not like HEAD: signed URLs and rules of CORS often are for GET alone,
 * and the latter look like a network that is down.
 */
async function fetchHead(url, options) {
    try {
        return await request(url, options, { method: 'HEAD' });
    } catch (error) {
        if (options.signal?.aborted) throw error;
        return null;
    }
}
