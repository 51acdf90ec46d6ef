// SPDX-License-Identifier: MIT
import { shortClock } from './time.js';

const PAUSE_SECONDS = 2; // begins a new paragraph in a text without ends of turns
const PLAYED_SECONDS = 0.5; // for so long a word stays marked
const ANNOUNCE_AFTER_MS = 2000;
const STAY_AT_END_PIXELS = 80;

/**
 * The transcript: words with their times, in paragraphs that end where a turn ends. It holds the
 * words that are copied and downloaded. Screen readers hear phrases of it from a log beside it:
 * told word by word they could not follow.
 */
export class Captions {
    /** @type {{text: string, start: number, end?: number}[]} */
    words = [];
    /** Ends of turns, seconds. @type {number[]} */
    turns = [];
    #spans = [];
    #region = document.getElementById('transcript');
    #log = document.getElementById('captions');
    #paragraph = null;
    #placeholder = this.#region.firstElementChild;
    #nothingYet = this.#placeholder.textContent;
    #unsaid = [];
    #timer = 0;
    #playing = -1;
    #seek;

    /** @param {(seconds: number) => void} seek called with the start of a word that was chosen */
    constructor(seek) {
        this.#seek = seek;
        this.#region.addEventListener('click', (event) => this.#clicked(event));
        this.#region.addEventListener('keydown', (event) => this.#pressed(event));
    }

    clear() {
        this.words = [];
        this.turns = [];
        this.#spans = [];
        this.#paragraph = null;
        this.#playing = -1;
        this.#placeholder.textContent = this.#nothingYet;
        this.#region.replaceChildren(this.#placeholder);
        this.#log.replaceChildren();
        clearTimeout(this.#timer);
        this.#timer = 0;
        this.#unsaid = [];
    }

    /** @param {{text: string, start: number}} word */
    addWord(word) {
        const last = this.words.at(-1);
        if (last && word.start - (last.end ?? last.start) > PAUSE_SECONDS) this.#paragraph = null;
        const span = document.createElement('span');
        span.className = 'word open';
        span.dataset.time = shortClock(word.start);
        span.tabIndex = -1;
        span.textContent = word.text;
        this.#spans.at(-1)?.classList.remove('open');
        this.#follow(() => this.#current().append(span, ' '));
        this.words.push({ text: word.text, start: word.start });
        this.#spans.push(span);
        this.#announce(word.text);
    }

    /** @param {number} seconds where the last word ends */
    endWord(seconds) {
        const last = this.words.at(-1);
        if (!last) return;
        last.end = seconds;
        this.#spans.at(-1).classList.remove('open');
    }

    /** @param {number} seconds where the speaker stopped; ends the paragraph */
    endTurn(seconds) {
        if (!this.#paragraph) return;
        this.turns.push(seconds);
        const mark = document.createElement('span');
        mark.className = 'turn';
        mark.textContent = 'end of turn';
        mark.dataset.time = shortClock(seconds);
        this.#follow(() => this.#paragraph.append(mark));
        this.#paragraph = null;
        this.#say();
    }

    /** Nothing more comes. */
    finish() {
        this.#spans.at(-1)?.classList.remove('open');
        this.#say();
        if (this.words.length === 0) this.#placeholder.textContent = 'No words were heard.';
    }

    /** @param {number} seconds of playback; its word is marked */
    setPosition(seconds) {
        let at = this.words.findLastIndex((word) => word.start <= seconds);
        const word = this.words[at];
        if (word && seconds > (word.end ?? word.start) + PLAYED_SECONDS) at = -1;
        if (at === this.#playing) return;
        this.#spans[this.#playing]?.classList.remove('playing');
        this.#spans[at]?.classList.add('playing');
        this.#playing = at;
        if (at >= 0) this.#reveal(this.#spans[at]);
    }

    /* scrollIntoView would move the page, too. */
    #reveal(span) {
        const region = this.#region;
        const above = span.offsetTop - span.offsetHeight < region.scrollTop;
        const below =
            span.offsetTop + 2 * span.offsetHeight > region.scrollTop + region.clientHeight;
        if (above || below) region.scrollTop = span.offsetTop - region.clientHeight / 3;
    }

    #current() {
        if (!this.#paragraph) {
            this.#placeholder.remove();
            this.#paragraph = document.createElement('p');
            this.#region.append(this.#paragraph);
        }
        return this.#paragraph;
    }

    /* What is read scrolls along, unless the visitor has scrolled back. At once: a smooth scroll that
     * is still on its way looks like that. */
    #follow(change) {
        const region = this.#region;
        const atEnd =
            region.scrollHeight - region.scrollTop - region.clientHeight < STAY_AT_END_PIXELS;
        change();
        if (atEnd) region.scrollTo({ top: region.scrollHeight, behavior: 'instant' });
    }

    #announce(text) {
        this.#unsaid.push(text);
        this.#timer ||= setTimeout(() => this.#say(), ANNOUNCE_AFTER_MS);
    }

    #say() {
        clearTimeout(this.#timer);
        this.#timer = 0;
        if (this.#unsaid.length === 0) return;
        const phrase = document.createElement('p');
        phrase.textContent = this.#unsaid.join(' ');
        this.#unsaid = [];
        this.#log.append(phrase);
    }

    #clicked(event) {
        const at = this.#spans.indexOf(event.target.closest('.word'));
        if (at >= 0 && getSelection().isCollapsed) this.#choose(at);
    }

    #choose(at) {
        this.#spans[at].focus({ preventScroll: true });
        this.#seek(this.words[at].start);
    }

    #pressed(event) {
        if (event.ctrlKey || event.metaKey || event.altKey || this.#spans.length === 0) return;
        const at = this.#spans.indexOf(document.activeElement);
        const last = this.#spans.length - 1;
        const to = {
            ArrowRight: at + 1,
            ArrowDown: at + 1,
            ArrowLeft: at - 1,
            ArrowUp: at - 1,
            Home: 0,
            End: last,
        }[event.key];
        if (to !== undefined) this.#spans[Math.max(0, Math.min(last, to))].focus();
        else if ((event.key === 'Enter' || event.key === ' ') && at >= 0) this.#choose(at);
        else return;
        event.preventDefault();
        event.stopPropagation();
    }
}
