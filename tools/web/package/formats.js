// SPDX-License-Identifier: MIT

const endOf = (words, i) => words[i].end ?? words[i + 1]?.start ?? words[i].start;

/** Index of the turn that a word belongs to. */
function turnOf(word, turns) {
    let turn = 0;
    while (turn < turns.length && turns[turn] <= word.start) turn++;
    return turn;
}

export function toText(words, { turns = [] } = {}) {
    const lines = [];
    let last = -1;
    for (const word of words) {
        if (!word.text) continue;
        const turn = turnOf(word, turns);
        if (turn !== last) lines.push([]);
        lines.at(-1).push(word.text);
        last = turn;
    }
    return lines.map((line) => line.join(' ') + '\n').join('');
}

/** Breaks words into at most two lines; null where they do not fit. */
function wrap(words, lineLength) {
    const lines = [[]];
    let length = 0;
    for (const word of words) {
        if (word.text.length > lineLength) return null;
        if (length && length + 1 + word.text.length > lineLength) {
            lines.push([]);
            length = 0;
        }
        lines.at(-1).push(word);
        length += (length ? 1 : 0) + word.text.length;
    }
    return lines.length <= 2 ? lines : null;
}

/** Cues: [{start, end, lines: [[word]]}]. A word longer than a line gets a cue of its own. */
function cuesOf(words, { lineLength = 42, seconds = 6, pause = 1, turns = [] } = {}) {
    const cues = [];
    let cue = null;
    words.forEach((word, i) => {
        if (!word.text) return;
        const end = Math.max(word.start, endOf(words, i));
        const turn = turnOf(word, turns);
        const fits =
            cue &&
            cue.turn === turn &&
            word.start - cue.end <= pause &&
            end - cue.start <= seconds &&
            wrap([...cue.words, word], lineLength);
        if (!fits) cues.push((cue = { start: word.start, turn, words: [] }));
        cue.words.push(word);
        cue.end = end;
        cue.lines = wrap(cue.words, lineLength) ?? [cue.words];
    });
    return cues;
}

/** A cue of a single moment would never be shown. */
const SHORTEST = 0.2;

function stamp(seconds, comma) {
    const ms = Math.max(0, Math.round(seconds * 1000));
    const part = (value, width) => String(value).padStart(width, '0');
    return (
        `${part(Math.floor(ms / 3600000), 2)}:${part(Math.floor(ms / 60000) % 60, 2)}:` +
        `${part(Math.floor(ms / 1000) % 60, 2)}${comma}${part(ms % 1000, 3)}`
    );
}

/** Cues with times that do not overlap and last a moment at least. */
function timedCues(words, options) {
    const cues = cuesOf(words, options);
    cues.forEach((cue, i) => {
        const limit = cues[i + 1]?.start ?? Infinity;
        cue.end = Math.max(cue.end, Math.min(cue.start + SHORTEST, limit));
        cue.end = Math.min(cue.end, limit);
    });
    return cues;
}

export function toSrt(words, options) {
    return timedCues(words, options)
        .map((cue, i) => {
            const text = cue.lines
                .map((line) => line.map((word) => word.text).join(' '))
                .join('\n');
            return `${i + 1}\n${stamp(cue.start, ',')} --> ${stamp(cue.end, ',')}\n${text}\n`;
        })
        .join('\n');
}

const escapeVtt = (text) =>
    text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);

/** A word's own time stamp is legal strictly inside its cue only. */
function vttWord(word, cue) {
    const inside = word.start > cue.start && word.start < cue.end;
    return (inside ? `<${stamp(word.start, '.')}>` : '') + escapeVtt(word.text);
}

export function toVtt(words, options) {
    const cues = timedCues(words, options).map((cue) => {
        const text = cue.lines.map((line) => line.map((w) => vttWord(w, cue)).join(' ')).join('\n');
        return `\n${stamp(cue.start, '.')} --> ${stamp(cue.end, '.')}\n${text}\n`;
    });
    return `WEBVTT\n${cues.join('')}`;
}
