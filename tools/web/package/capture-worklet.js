// SPDX-License-Identifier: MIT

/** Posts its input in blocks of 20 ms, at the context's rate. Its output is silence. */
class Capture extends AudioWorkletProcessor {
    #block = new Float32Array(Math.round(sampleRate / 50));
    #filled = 0;

    process([[channel]]) {
        for (let at = 0; channel && at < channel.length;) {
            const n = Math.min(channel.length - at, this.#block.length - this.#filled);
            this.#block.set(channel.subarray(at, at + n), this.#filled);
            this.#filled += n;
            at += n;
            if (this.#filled === this.#block.length) {
                const full = this.#block;
                this.#block = new Float32Array(full.length);
                this.#filled = 0;
                this.port.postMessage(full, [full.buffer]);
            }
        }
        return true;
    }
}

registerProcessor('stapes-capture', Capture);
