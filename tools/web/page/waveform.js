// SPDX-License-Identifier: MIT
import { SAMPLE_RATE } from './sound.js';
import { clock, spokenTime } from './time.js';

const SAMPLES_A_PEAK = 120; // 5 ms
const PEAKS_A_SECOND = SAMPLE_RATE / SAMPLES_A_PEAK;
const LIVE_SECONDS = 12;
const STILL_SECONDS = 6; // a step of it where motion is not wanted
const RULER_HEIGHT = 16;
/** The font of figures in drawings. */
export const FIGURES = '10px ui-monospace, "SF Mono", Menlo, Consolas, monospace';

/** Lowest and highest sample of each 5 ms, in arrays that grow. */
class Peaks {
    low = new Float32Array(1 << 12);
    high = new Float32Array(1 << 12);
    length = 0;
    #filled = 0;

    /** @param {Float32Array} samples */
    append(samples) {
        for (const sample of samples) {
            if (this.#filled === 0) this.#begin();
            const at = this.length - 1;
            if (sample < this.low[at]) this.low[at] = sample;
            if (sample > this.high[at]) this.high[at] = sample;
            this.#filled = (this.#filled + 1) % SAMPLES_A_PEAK;
        }
    }

    #begin() {
        if (this.length === this.low.length) {
            for (const name of ['low', 'high']) {
                const grown = new Float32Array(this.length * 2);
                grown.set(this[name]);
                this[name] = grown;
            }
        }
        this.low[this.length] = this.high[this.length] = 0;
        this.length++;
    }
}

/**
 * The drawing of the sound, with marks at words and ends of turns, and a slider over it that is the
 * position of playback. A recording that is being made shows its last seconds.
 */
export class Waveform {
    #canvas = document.getElementById('waveform');
    #slider = document.getElementById('position');
    #peaks = new Peaks();
    #marks = [];
    #live = false;
    #seconds = 0;
    #heard = 0;
    #position = 0;
    #scheduled = false;
    #still = matchMedia('(prefers-reduced-motion: reduce)');

    /** @param {(seconds: number) => void} seek called when the visitor moves the position */
    constructor(seek) {
        this.#slider.addEventListener('input', () => seek(Number(this.#slider.value)));
        new ResizeObserver(() => this.redraw()).observe(this.#canvas);
        document.addEventListener('visibilitychange', () => this.redraw());
    }

    /** Forgets the sound. @param {boolean} live whether it shows a recording that is being made */
    begin(live) {
        this.#peaks = new Peaks();
        this.#marks = [];
        this.#live = live;
        this.#seconds = this.#heard = 0;
        this.setPosition(0);
        this.setSeekable(false);
    }

    /** Shows all that there is, from now on. */
    endLive() {
        this.#live = false;
        this.redraw();
    }

    /** @param {Float32Array} samples at 24 kHz */
    append(samples) {
        this.#peaks.append(samples);
        this.#seconds += samples.length / SAMPLE_RATE;
        this.redraw();
    }

    /** @param {number} seconds up to where the model has heard it */
    setHeard(seconds) {
        this.#heard = seconds;
        this.redraw();
    }

    /** @param {number} seconds @param {'word'|'turn'} kind */
    mark(seconds, kind) {
        this.#marks.push({ seconds, kind });
        this.redraw();
    }

    /** @param {number} seconds */
    setPosition(seconds) {
        this.#position = seconds;
        this.#slider.value = `${seconds}`;
        this.#slider.setAttribute(
            'aria-valuetext',
            `${spokenTime(seconds)} of ${spokenTime(this.#seconds)}`,
        );
        this.redraw();
    }

    /** @param {boolean} seekable */
    setSeekable(seekable) {
        this.#slider.max = `${this.#seconds}`;
        this.#slider.disabled = !seekable;
    }

    /** Draws with the next frame of the screen. */
    redraw() {
        if (this.#scheduled || document.hidden) return;
        this.#scheduled = true;
        requestAnimationFrame(() => {
            this.#scheduled = false;
            this.#draw();
        });
    }

    #window() {
        if (!this.#live) return { from: 0, span: Math.max(this.#seconds, 1) };
        const past = Math.max(0, this.#seconds - LIVE_SECONDS);
        const from = this.#still.matches ? Math.ceil(past / STILL_SECONDS) * STILL_SECONDS : past;
        return { from, span: LIVE_SECONDS };
    }

    #draw() {
        const ratio = devicePixelRatio || 1;
        const width = this.#canvas.clientWidth;
        const height = this.#canvas.clientHeight;
        this.#canvas.width = Math.round(width * ratio);
        this.#canvas.height = Math.round(height * ratio);
        const context = this.#canvas.getContext('2d');
        context.scale(ratio, ratio);
        const view = { ...this.#window(), width, height: height - RULER_HEIGHT };
        const style = getComputedStyle(this.#canvas);
        const colour = (name) => style.getPropertyValue(name).trim();
        this.#drawRuler(context, view, colour);
        this.#drawSamples(context, view, colour);
        this.#drawMarks(context, view, colour);
        if (!this.#live && this.#seconds > 0) this.#drawPosition(context, view, colour);
    }

    #drawRuler(context, view, colour) {
        const fits = view.width / 56;
        const step =
            [1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600].find((s) => view.span / s <= fits) ?? 7200;
        context.font = FIGURES;
        context.textBaseline = 'bottom';
        for (let s = Math.ceil(view.from / step) * step; s < view.from + view.span; s += step) {
            const x = Math.round(((s - view.from) / view.span) * view.width);
            context.fillStyle = colour('--line');
            context.fillRect(x, 0, 1, view.height + RULER_HEIGHT);
            context.fillStyle = colour('--detail');
            if (this.#seconds > 0)
                context.fillText(clock(s).slice(0, -2), x + 4, view.height + RULER_HEIGHT - 1);
        }
    }

    #drawSamples(context, view, colour) {
        const peaks = this.#peaks;
        const middle = view.height / 2;
        const perPixel = (view.span * PEAKS_A_SECOND) / view.width;
        const first = view.from * PEAKS_A_SECOND;
        const heardAt = ((this.#heard - view.from) / view.span) * view.width;
        const [heard, unheard] = [colour('--ink'), colour('--unheard')];
        context.fillStyle = colour('--line');
        context.fillRect(0, Math.round(middle), view.width, 1);
        for (let x = 0; x < view.width; x++) {
            const begin = Math.floor(first + x * perPixel);
            const end = Math.min(peaks.length, Math.max(begin + 1, first + (x + 1) * perPixel));
            let low = 0,
                high = 0;
            for (let i = begin; i < end; i++) {
                low = Math.min(low, peaks.low[i]);
                high = Math.max(high, peaks.high[i]);
            }
            if (begin >= peaks.length) break;
            context.fillStyle = x < heardAt ? heard : unheard;
            const top = middle - loudness(high) * middle;
            context.fillRect(x, top, 1, Math.max(1, middle + loudness(-low) * middle - top));
        }
    }

    #drawMarks(context, view, colour) {
        for (const { seconds, kind } of this.#marks) {
            const x = Math.round(((seconds - view.from) / view.span) * view.width);
            context.fillStyle = colour(kind === 'turn' ? '--accent' : '--faint');
            if (kind === 'turn') context.fillRect(x, 0, 2, view.height);
            context.fillRect(x, view.height - 5, kind === 'turn' ? 2 : 1, 5);
        }
    }

    #drawPosition(context, view, colour) {
        const x = Math.min(view.width - 2, (this.#position / view.span) * view.width);
        context.fillStyle = colour('--accent');
        context.fillRect(x, 0, 2, view.height + RULER_HEIGHT);
        context.beginPath();
        context.arc(x + 1, 4, 4, 0, 2 * Math.PI);
        context.fill();
    }
}

/** Quiet speech stays visible: a square root of the amplitude, 0 to 1. */
function loudness(amplitude) {
    return Math.sqrt(Math.min(1, amplitude)) * 0.96;
}
