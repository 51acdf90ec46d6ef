// SPDX-License-Identifier: MIT

/** The first 32 bits of the fractional part of a root: Math's is exact enough for 32 bits. */
function fraction(x) {
    return ((x - Math.floor(x)) * 0x100000000) | 0;
}

function primes(count) {
    const found = [];
    for (let n = 2; found.length < count; n++) if (found.every((p) => n % p)) found.push(n);
    return found;
}

const K = Int32Array.from(primes(64), (p) => fraction(Math.cbrt(p)));
const START = Int32Array.from(primes(8), (p) => fraction(Math.sqrt(p)));

/**
 * SHA-256 (FIPS 180-4) of bytes that come piece by piece: crypto.subtle wants them all at once, and
 * a shard may be larger than what the page's memory should hold.
 */
export class Sha256 {
    #state = Int32Array.from(START);
    #block = new Uint8Array(64);
    #words = new Int32Array(64);
    #filled = 0;
    #length = 0;

    /** Adds the bytes, which are not kept. */
    update(bytes) {
        let at = 0;
        this.#length += bytes.length;
        if (this.#filled) {
            at = Math.min(64 - this.#filled, bytes.length);
            this.#block.set(bytes.subarray(0, at), this.#filled);
            this.#filled += at;
            if (this.#filled < 64) return this;
            this.#compress(this.#block, 0);
        }
        for (; at + 64 <= bytes.length; at += 64) this.#compress(bytes, at);
        this.#block.set(bytes.subarray(at));
        this.#filled = bytes.length - at;
        return this;
    }

    /** Ends it: 64 hexadecimal digits. */
    hex() {
        const bits = this.#length * 8;
        const padding = new Uint8Array((this.#filled < 56 ? 64 : 128) - this.#filled);
        const view = new DataView(padding.buffer);
        padding[0] = 0x80;
        view.setUint32(padding.length - 8, Math.floor(bits / 0x100000000));
        view.setUint32(padding.length - 4, bits >>> 0);
        this.update(padding);
        return Array.from(this.#state, (x) => (x >>> 0).toString(16).padStart(8, '0')).join('');
    }

    #compress(bytes, at) {
        const w = this.#words;
        const s = this.#state;
        for (let i = 0; i < 16; i++, at += 4)
            w[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
        for (let i = 16; i < 64; i++) {
            const x = w[i - 15];
            const y = w[i - 2];
            const low = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
            const high = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
            w[i] = (w[i - 16] + low + w[i - 7] + high) | 0;
        }
        let [a, b, c, d, e, f, g, h] = [s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]];
        for (let i = 0; i < 64; i++) {
            const high =
                ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
            const low =
                ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
            const t = (h + high + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
            const majority = (a & b) ^ (a & c) ^ (b & c);
            h = g;
            g = f;
            f = e;
            e = (d + t) | 0;
            d = c;
            c = b;
            b = a;
            a = (t + low + majority) | 0;
        }
        s[0] += a;
        s[1] += b;
        s[2] += c;
        s[3] += d;
        s[4] += e;
        s[5] += f;
        s[6] += g;
        s[7] += h;
    }
}
