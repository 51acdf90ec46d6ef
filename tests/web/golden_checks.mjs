// SPDX-License-Identifier: MIT
//
// What tests/test_goldens.c demands of the desktop, as far as it comes out of a stream. Keys and
// values are f32, as upstream's.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { readNpy } from './npy.mjs';

export const GOLDENS = fileURLToPath(new URL('../goldens/', import.meta.url));
const FRAME_SAMPLES = 1920;
const TOLERANCE = 5e-5; // bounds of test_goldens.c

const golden = (preset, name) => readNpy(join(GOLDENS, preset, 'goldens', `${name}.npy`));
const readJson = (preset, name) =>
    JSON.parse(readFileSync(join(GOLDENS, preset, 'goldens', name), 'utf8'));

/** The recording, in whole frames, with the silence that upstream appended. */
export function readSound(preset) {
    const { frames } = readJson(preset, 'manifest.json');
    const file = readFileSync(join(GOLDENS, preset, 'goldens/input.wav'));
    assert.equal(file.toString('latin1', 36, 40), 'data');
    assert.equal(file.readUInt16LE(34), 16);
    const sound = new Float32Array(frames * FRAME_SAMPLES);
    for (let i = 0; i < file.readUInt32LE(40) / 2; i++) {
        sound[i] = file.readInt16LE(44 + 2 * i) / 32768;
    }
    return sound;
}

const stepsOf = (events) => events.filter((e) => e.type === 'step');
const flatten = (steps, member) => steps.flatMap((step) => [...step[member]]);

function assertEqual(got, want, what) {
    const at = got.findIndex((value, i) => value !== want[i]);
    assert.ok(at < 0, `${what}: element ${at} is ${got[at]}, not ${want[at]}`);
    assert.equal(got.length, want.length, `${what}: elements`);
}

/** Within the tolerance of the largest that is wanted. */
function assertClose(got, want, what) {
    assert.equal(got.length, want.length, `${what}: elements`);
    const limit = TOLERANCE * want.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
    const worst = want.reduce((most, v, i) => Math.max(most, Math.abs(v - got[i])), 0);
    assert.ok(worst <= limit, `${what}: off by ${worst}, tolerance ${limit}`);
}

/** Tokens, codes and what else the steps tell; throws an AssertionError. */
export function compareSound(preset, events) {
    const steps = stepsOf(events);
    assertEqual(steps.map((s) => s.token), golden(preset, 'lm_shift/text_tokens').data, 'tokens');
    assertEqual(flatten(steps, 'codes'), golden(preset, 'mimi/codes').data, 'codes');
    assertClose(steps.map((s) => s.margin), golden(preset, 'lm_shift/text_margin').data, 'margins');
    if (preset === 'moshi-tiny') {
        assertEqual(flatten(steps, 'audio'), golden(preset, 'lm_shift/dep_tokens').data, 'audio');
        return;
    }
    const { shape: [, , width], data } = golden(preset, 'lm_shift/extra_heads');
    assertClose(flatten(steps, 'vad'), data.filter((_, i) => i % width === 0), 'vad');
}

/** The first steps alone: tokens, codes and margins. */
export function compareBeginning(preset, events, frames) {
    const steps = stepsOf(events);
    const first = (name, n) => golden(preset, name).data.slice(0, n);
    assert.equal(steps.length, frames + 1, 'steps');
    assertEqual(steps.map((s) => s.token), first('lm_shift/text_tokens', frames + 1), 'tokens');
    assertClose(steps.map((s) => s.margin), first('lm_shift/text_margin', frames + 1), 'margins');
    const codes = flatten(steps, 'codes');
    assert.ok(codes.length >= frames);
    assertEqual(codes, first('mimi/codes', codes.length), 'codes');
    if (preset === 'moshi-tiny') {
        const audio = flatten(steps, 'audio');
        assertEqual(audio, first('lm_shift/dep_tokens', audio.length), 'audio');
    }
}

/** Words and their ends as upstream's asr.rs tells them; it makes one step less. */
export function compareEvents(preset, events) {
    const { steps, events: told } = readJson(preset, 'lm_shift/asr_events.json');
    const want = told.filter((e) => e.type !== 'Step').map((e) => (e.type === 'Word'
        ? { type: 'word', time: e.start_time.toFixed(6), text: e.text, tokens: e.tokens }
        : { type: 'wordend', time: e.stop_time.toFixed(6) }));
    const got = events.filter((e) => ['word', 'wordend'].includes(e.type) && e.step < steps)
        .map((e) => (e.type === 'word'
            ? { type: e.type, time: e.start.toFixed(6), text: e.text, tokens: [...e.tokens] }
            : { type: e.type, time: e.end.toFixed(6) }));
    assert.ok(want.length > 4);
    assert.deepEqual(got, want);
}

/** Given codes; with `skip` 1 fed one frame ahead, as upstream's plain LMGen sees them. */
export async function compareCodes(preset, model, skip) {
    const { shape: [, codebooks], data } = golden(preset, 'mimi/codes');
    const events = await model.run({ codes: data.subarray(skip * codebooks), trace: true });
    assertEqual(stepsOf(events).map((s) => s.token),
        golden(preset, skip ? 'lm/text_tokens' : 'lm_shift/text_tokens').data,
        `tokens of codes, ${skip} skipped`);
}
