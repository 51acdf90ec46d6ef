// SPDX-License-Identifier: MIT

const FRAME_SECONDS = 1920 / 24000;

/** What has been heard of one recording, and how it is told. */
export class Recording {
    words = [];
    turns = [];
    samples = 0;
    #open = null;

    /** @param emit (type, detail) of events 'word', 'wordend', 'turnend' */
    constructor(delaySeconds, emit) {
        this.delaySeconds = delaySeconds;
        this.emit = emit;
    }

    /** One event of the engine. */
    add(event) {
        if (event.type === 'word') {
            this.#end(-Infinity);
            // Until its end is told, a word ends where its last token came.
            const end = (event.step + 1) * FRAME_SECONDS - this.delaySeconds;
            this.#open = { text: event.text, start: event.start, end };
            this.emit('word', { text: event.text, start: event.start });
        } else if (event.type === 'wordend') {
            this.#end(event.end);
        } else if (event.type === 'turnend') {
            this.turns.push(event.end);
            this.emit('turnend', { time: event.end });
        } else if (event.type === 'end') {
            this.#end(-Infinity);
        }
    }

    #end(seconds) {
        const word = this.#open;
        if (!word) return;
        this.#open = null;
        word.end = Math.max(word.start, seconds === -Infinity ? word.end : seconds);
        this.words.push(word);
        this.emit('wordend', { ...word });
    }

    transcript() {
        const { words, turns } = this;
        const text = words
            .map((word) => word.text)
            .filter(Boolean)
            .join(' ');
        return { text, words, turns, seconds: this.samples / 24000 };
    }
}
