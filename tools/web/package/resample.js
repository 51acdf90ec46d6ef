// SPDX-License-Identifier: MIT

/** Zero crossings of the sinc on each side: its transition is about 1/8 of the band. */
const ZEROS = 24;
const CUTOFF = 0.92;

const gcd = (a, b) => (b ? gcd(b, a % b) : a);

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Blackman's, for x in [-1, 1]. */
const window = (x) => 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);

/**
 * Sound at another rate, block by block: for browsers that do not capture at the rate they are
 * asked for. Output lags behind by half of the filter, about 1 ms.
 */
export class Resampler {
    #step;
    #phases;
    #filters;
    #half;
    #history;
    #position = 0; // of the next output sample, in 1/phases of an input sample after #history

    /** @param from, to samples a second, whole numbers */
    constructor(from, to) {
        const common = gcd(from, to);
        const band = Math.min(1, to / from) * CUTOFF;
        this.#step = from / common;
        this.#phases = to / common;
        this.#half = Math.ceil(ZEROS * Math.max(1, from / to));
        this.#history = new Float32Array(2 * this.#half);
        this.#filters = Array.from({ length: this.#phases }, (_, phase) =>
            Float32Array.from({ length: 2 * this.#half }, (_, i) => {
                const distance = i + 1 - this.#half - phase / this.#phases;
                return band * sinc(band * distance) * window(distance / this.#half);
            }),
        );
    }

    /** What can be computed now: a new array. */
    process(block) {
        const taps = 2 * this.#half;
        const input = new Float32Array(this.#history.length + block.length);
        input.set(this.#history);
        input.set(block, this.#history.length);
        const end = (input.length - taps + 1) * this.#phases;
        const count = Math.max(0, Math.ceil((end - this.#position) / this.#step));
        const output = new Float32Array(count);
        for (let n = 0; n < count; n++, this.#position += this.#step) {
            const first = Math.floor(this.#position / this.#phases);
            const filter = this.#filters[this.#position % this.#phases];
            let sum = 0;
            for (let i = 0; i < taps; i++) sum += filter[i] * input[first + i];
            output[n] = sum;
        }
        const used = Math.min(Math.floor(this.#position / this.#phases), input.length);
        this.#history = input.slice(used);
        this.#position -= used * this.#phases;
        return output;
    }
}
