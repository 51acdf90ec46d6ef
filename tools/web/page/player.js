// SPDX-License-Identifier: MIT
import { clock } from './time.js';

/** Plays the sound that the transcript is of. */
export class Player {
    #audio = document.getElementById('player');
    #button = document.getElementById('play');
    #clock = document.getElementById('clock');
    #moved;
    #url = '';
    #duration = 0;

    /**
     * @param {(seconds: number, playing: boolean) => void} moved called while the position changes
     */
    constructor(moved) {
        this.#moved = moved;
        this.#button.addEventListener('click', () => this.toggle());
        for (const event of ['play', 'pause', 'ended', 'seeked'])
            this.#audio.addEventListener(event, () => this.#show());
        this.#audio.addEventListener('play', () => this.#follow());
    }

    /** @param {Blob} sound @param {number} seconds */
    open(sound, seconds) {
        this.close();
        this.#url = URL.createObjectURL(sound);
        this.#audio.src = this.#url;
        this.#duration = seconds;
        this.#button.disabled = false;
        this.#show();
    }

    close() {
        this.#audio.pause();
        this.#audio.removeAttribute('src');
        URL.revokeObjectURL(this.#url);
        this.#url = '';
        this.#duration = 0;
        this.#button.disabled = true;
        this.#show();
    }

    get position() {
        return this.#audio.currentTime;
    }

    /** @param {number} seconds */
    seek(seconds) {
        if (this.#url === '') return;
        this.#audio.currentTime = Math.max(0, Math.min(this.#duration, seconds));
        this.#show();
    }

    /** @param {number} seconds */
    playFrom(seconds) {
        this.seek(seconds);
        if (this.#url !== '' && this.#audio.paused) this.toggle();
    }

    toggle() {
        if (this.#url === '') return;
        if (!this.#audio.paused) this.#audio.pause();
        else
            this.#audio.play().catch((error) => {
                if (error.name !== 'AbortError')
                    // a pause before it began
                    throw error;
            });
    }

    /** @param {number} seconds of a recording that is being made */
    showRecorded(seconds) {
        this.#clock.textContent = clock(seconds);
    }

    #follow() {
        this.#show();
        if (!this.#audio.paused) requestAnimationFrame(() => this.#follow());
    }

    #show() {
        const playing = !this.#audio.paused && !this.#audio.ended;
        this.#button.textContent = playing ? 'Pause' : 'Play';
        const at = this.#audio.currentTime;
        this.#clock.textContent =
            this.#duration > 0 ? `${clock(at)} / ${clock(this.#duration)}` : clock(0);
        this.#moved(at, playing);
    }
}
