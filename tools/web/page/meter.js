// SPDX-License-Identifier: MIT
import { FIGURES } from './waveform.js';

const FRAMES_SHOWN = 96;
const FRAME_MS = 80;
const REDRAW_MS = 200;
const NOTHING = 'no frames yet';

/**
 * How long the model needs for a frame of sound, beside the 80 ms that the frame lasts: the last
 * frames as bars under the line of real time, and the mean in figures.
 */
export class Meter {
    #element = document.getElementById('meter');
    #canvas = document.getElementById('meter-canvas');
    #text = document.getElementById('meter-text');
    #times = [];
    #timer = 0;

    constructor() {
        this.clear();
        new ResizeObserver(() => this.redraw()).observe(this.#canvas);
    }

    clear() {
        this.#times = [];
        this.#text.textContent = NOTHING;
        this.#element.setAttribute('aria-valuenow', '0');
        this.#element.setAttribute('aria-valuetext', NOTHING);
        this.redraw();
    }

    /** @param {number} ms that one frame took */
    add(ms) {
        this.#times.push(ms);
        if (this.#times.length > FRAMES_SHOWN) this.#times.shift();
        this.#timer ||= setTimeout(() => this.#show(), REDRAW_MS);
    }

    #show() {
        this.#timer = 0;
        if (this.#times.length === 0) return;
        const ms = this.#times.reduce((sum, time) => sum + time, 0) / this.#times.length;
        const factor = ms / FRAME_MS;
        const kept = factor <= 1 ? 'keeps up' : 'too slow for live sound';
        const figures = `${ms.toFixed(1)} ms of 80 · ${factor.toFixed(2)} × real time`;
        this.#text.textContent = `${figures}, ${kept}`;
        this.#element.setAttribute('aria-valuenow', Math.min(2, factor).toFixed(2));
        this.#element.setAttribute(
            'aria-valuetext',
            `${factor.toFixed(2)} times real time, ${kept}`,
        );
        this.redraw();
    }

    redraw() {
        const ratio = devicePixelRatio || 1;
        const { clientWidth: width, clientHeight: height } = this.#canvas;
        this.#canvas.width = Math.round(width * ratio);
        this.#canvas.height = Math.round(height * ratio);
        const context = this.#canvas.getContext('2d');
        context.scale(ratio, ratio);
        const style = getComputedStyle(this.#canvas);
        const bar = width / FRAMES_SHOWN;
        const limit = Math.round(height / 2); // the top is twice real time
        this.#times.forEach((ms, i) => {
            const tall = Math.min(height, Math.max(1, (ms / FRAME_MS) * limit));
            context.fillStyle = style.getPropertyValue(ms > FRAME_MS ? '--accent' : '--ink');
            context.fillRect(i * bar, height - tall, Math.max(1, bar - 1), tall);
        });
        context.fillStyle = style.getPropertyValue('--faint');
        for (let x = 0; x < width; x += 4) context.fillRect(x, limit, 2, 1);
        context.fillStyle = style.getPropertyValue('--detail');
        context.font = FIGURES;
        context.textAlign = 'right';
        context.fillText('80 ms', width, limit - 3);
    }
}
