// SPDX-License-Identifier: MIT
import { openMicrophone, toSrt, toText, toVtt } from './package/index.js';
import { Captions } from './captions.js';
import { Meter } from './meter.js';
import { ModelChoice } from './model-choice.js';
import { Player } from './player.js';
import { rememberedBox, themeSwitch } from './preferences.js';
import { Notice } from './problems.js';
import { LoadProgress, megabytes } from './progress.js';
import { Session, blocksOf } from './session.js';
import { installShortcuts } from './shortcuts.js';
import { Recording, SAMPLE_RATE, SoundError, decodeSound } from './sound.js';
import { clock } from './time.js';
import { Waveform } from './waveform.js';

const FRAME_SECONDS = 0.08;
const SOUND_HINT = 'Or drop a recording anywhere on this page.';
const CPU_DEVICES = /swiftshader|llvmpipe|basic render/i;
const LAG_STEP_SECONDS = 5;

const element = (id) => document.getElementById(id);
const player = new Player((seconds, playing) => {
    waveform.setPosition(seconds);
    captions.setPosition(playing || seconds > 0 ? seconds : -1);
});
const waveform = new Waveform((seconds) => player.seek(seconds));
const captions = new Captions((seconds) => player.playFrom(seconds));
const meter = new Meter();
const progress = new LoadProgress();
const choice = new ModelChoice();
const notice = new Notice((action) => act(action));
const session = new Session({
    progress: (detail) => progress.show(detail),
    word: addWord,
    wordend: ({ end }) => captions.endWord(end),
    turnend: ({ time }) => {
        captions.endTurn(time);
        waveform.mark(time, 'turn');
    },
    frame: heardFrame,
    error: (error) => fail(error.code, error),
});

let name = 'transcript'; // of the sound, for downloads
let duration = 0; // seconds of sound there are
let heard = 0; // seconds of it that the model has heard
let again = load; // what a second try or a restart does
let busy = false;
let abort = new AbortController();
let running = Promise.resolve();
let stopMicrophone = null; // while it is on

/** A choice is incomplete; the form says so. */
class Unready extends Error {}

/* --- What goes on ----------------------------------------------------------------------------- */

/** Ends what goes on, then begins another job, a function of an AbortSignal. */
async function start(next, nextAgain = next) {
    abort.abort();
    const mine = (abort = new AbortController());
    await running;
    if (abort !== mine) return;
    again = nextAgain;
    busy = true;
    notice.hide();
    running = next(mine.signal)
        .catch((error) => {
            if (!mine.signal.aborted && !(error instanceof Unready))
                fail(error instanceof SoundError ? 'sound' : (error.code ?? 'unknown'), error);
        })
        .finally(idle);
    await running;
}

function idle() {
    busy = false;
    showLoading(false);
    element('stop').hidden = true;
}

function showLoading(on) {
    element('load').disabled = on;
    element('cancel-load').hidden = !on;
    if (on) progress.begin();
    else progress.end();
}

/* An open model takes one line; the choice comes back for another. */
function showChoice(on) {
    const focused = element('model-form').contains(document.activeElement);
    element('model-choice').hidden = !on;
    element('change-model').hidden = on;
    if (focused) (on ? element('load') : element('change-model')).focus();
}

function fail(code, error) {
    if (element('notice').dataset.code !== code) notice.show(code, error);
    element('sound-status').textContent = SOUND_HINT;
    element('model-status').textContent = describeModel();
    showChoice(!session.info);
}

function act(action) {
    if (action === 'microphone') {
        hearMicrophone();
        return;
    }
    if (action === 'restart') session.close();
    start(again);
}

function describeModel() {
    const info = session.info;
    if (!info) return 'Not loaded.';
    const device = info.device + (CPU_DEVICES.test(info.device) ? ', on the CPU' : '');
    const parts = [session.name, device, `${megabytes(info.deviceBytes)} on the device`];
    parts.push(info.vadHeads > 0 ? 'marks ends of turns' : 'no ends of turns');
    return `Ready: ${parts.filter(Boolean).join(' · ')}`;
}

function readChoice() {
    const wanted = choice.read();
    if (wanted.wrong) {
        element('model-status').textContent = wanted.wrong;
        throw new Unready(wanted.wrong);
    }
    return wanted;
}

async function load(signal) {
    const wanted = readChoice();
    element('model-status').textContent = `Loading ${wanted.name}…`;
    showLoading(true);
    try {
        await session.open(wanted, signal);
    } finally {
        showLoading(false);
        element('model-status').textContent = describeModel();
    }
    showChoice(false);
}

/* --- Sound ------------------------------------------------------------------------------------ */

function beginSound(soundName, live) {
    name = soundName.replace(/\.[^.]*$/, '');
    duration = heard = 0;
    player.close();
    waveform.begin(live);
    captions.clear();
    meter.clear();
    enableTools();
}

function hearFile(soundName, getBlob) {
    return start(async (signal) => {
        const status = element('sound-status');
        beginSound(soundName, false);
        status.textContent = `Reading ${soundName}…`;
        const blob = await getBlob(signal);
        const samples = await decodeSound(blob);
        signal.throwIfAborted();
        duration = samples.length / SAMPLE_RATE;
        waveform.append(samples);
        waveform.setSeekable(true);
        player.open(blob, duration);
        status.textContent = `${soundName}, ${clock(duration)}: waiting for the model.`;
        await load(signal);
        element('stop').hidden = false;
        status.textContent = `${soundName}, ${clock(duration)}: transcribing.`;
        await session.hear(blocksOf(samples), signal);
        finish();
        const count = captions.words.length;
        status.textContent = `${soundName}, ${clock(duration)}: done, ${count} words.`;
    });
}

/* What is said while the model loads, or faster than it hears, waits in the iterator. */
function hearMicrophone() {
    return start(async (signal) => {
        readChoice();
        const recording = new Recording();
        const source = await openMicrophone({ signal });
        const blocks = source[Symbol.asyncIterator]();
        beginSound('microphone', true);
        element('microphone').classList.add('recording');
        element('microphone-label').textContent = 'Stop';
        showLag();
        source.onsamples = (block) => {
            recording.append(block);
            duration = recording.seconds;
            waveform.append(block);
            player.showRecorded(duration);
        };
        stopMicrophone = () => {
            stopMicrophone = null;
            source.stop();
            element('microphone').classList.remove('recording');
            element('microphone-label').textContent = 'Microphone';
            waveform.endLive();
            waveform.setSeekable(true);
            player.open(recording.toWav(), duration);
            element('stop').hidden = false;
            element('sound-status').textContent = 'Hearing the rest.';
        };
        signal.addEventListener('abort', () => stopMicrophone?.());
        try {
            await load(signal);
            await session.hear(blocks, signal);
        } finally {
            stopMicrophone?.();
        }
        finish();
        const count = captions.words.length;
        element('sound-status').textContent = `Recorded ${clock(duration)}, ${count} words.`;
    }, load);
}

function finish() {
    heard = duration;
    waveform.setHeard(duration);
    captions.finish();
    enableTools();
}

function addWord(word) {
    captions.addWord(word);
    waveform.mark(word.start, 'word');
    enableTools();
}

function heardFrame({ ms, frames }) {
    heard = Math.min(duration, heard + frames * FRAME_SECONDS);
    waveform.setHeard(heard);
    meter.add(ms);
    if (stopMicrophone) showLag();
}

/* In coarse steps: screen readers tell each change. */
function showLag() {
    const lag = Math.floor((duration - heard) / LAG_STEP_SECONDS) * LAG_STEP_SECONDS;
    const text = lag > 0 ? `Listening, more than ${lag} s behind.` : 'Listening.';
    const status = element('sound-status');
    if (status.textContent !== text) status.textContent = text;
}

/* --- The text --------------------------------------------------------------------------------- */

const formats = {
    txt: { type: 'text/plain', make: toText },
    srt: { type: 'application/x-subrip', make: toSrt },
    vtt: { type: 'text/vtt', make: toVtt },
};

function enableTools() {
    for (const button of document.querySelectorAll('.tools button'))
        button.disabled = captions.words.length === 0;
}

async function copy() {
    if (captions.words.length === 0) return;
    try {
        await navigator.clipboard.writeText(toText(captions.words, captions));
        element('message').textContent = 'Copied.';
    } catch {
        element('message').textContent =
            'The browser did not allow to copy. Select the text instead.';
    }
}

function save(format) {
    const { type, make } = formats[format];
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([make(captions.words, captions)], { type }));
    link.download = `${name}.${format}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    element('message').textContent = `Saved ${link.download}.`;
}

/* --- Wiring ----------------------------------------------------------------------------------- */

function toggleMicrophone() {
    if (stopMicrophone) stopMicrophone();
    else hearMicrophone();
}

function hearExample() {
    const url = element('sample').value;
    hearFile(url.split('/').at(-1), async (signal) => {
        const response = await fetch(url, { signal });
        if (!response.ok) throw new SoundError(`${url}: ${response.status} ${response.statusText}`);
        return response.blob();
    });
}

function openFiles(files) {
    const parts = files.filter((file) => /\.gguf(\.\d+)?$/i.test(file.name));
    if (parts.length > 0) {
        choice.setFiles(parts);
        start(load);
    } else if (files.length > 0) {
        hearFile(files[0].name, async () => files[0]);
    }
}

function stop() {
    if (!busy) return;
    abort.abort();
    element('sound-status').textContent = 'Stopped.';
}

function installDrop() {
    const dropping = (on) => document.body.classList.toggle('dropping', on);
    addEventListener('dragover', (event) => {
        event.preventDefault();
        dropping(true);
    });
    addEventListener('dragleave', (event) => dropping(event.relatedTarget !== null));
    addEventListener('drop', (event) => {
        event.preventDefault();
        dropping(false);
        openFiles([...event.dataTransfer.files]);
    });
}

function installButtons() {
    const click = (id, action) => element(id).addEventListener('click', action);
    element('model-form').addEventListener('submit', (event) => {
        event.preventDefault();
        start(load);
    });
    click('cancel-load', stop);
    click('change-model', () => showChoice(true));
    click('microphone', toggleMicrophone);
    click('run-sample', hearExample);
    click('stop', stop);
    click('copy', copy);
    for (const button of document.querySelectorAll('[data-format]'))
        button.addEventListener('click', () => save(button.dataset.format));
    element('sound-file').addEventListener('change', ({ target }) => {
        openFiles([...target.files]);
        target.value = ''; // so that the same file can be chosen again
    });
}

installButtons();
installDrop();
const theme = themeSwitch(() => {
    waveform.redraw();
    meter.redraw();
});
const times = rememberedBox('times', (on) => document.body.classList.toggle('times', on));
installShortcuts([
    { key: ' ', name: 'Space', does: 'play or pause', act: () => player.toggle() },
    { key: 'arrowleft', name: '←', does: '2 s back', act: () => player.seek(player.position - 2) },
    { key: 'arrowright', name: '→', does: '2 s on', act: () => player.seek(player.position + 2) },
    { key: 'm', does: 'microphone on or off', act: toggleMicrophone },
    { key: 'o', does: 'open a recording', act: () => element('sound-file').click() },
    { key: 'e', does: 'transcribe the example', act: hearExample },
    { key: 'l', does: 'load the model', act: () => start(load) },
    { key: 'escape', name: 'Esc', does: 'stop', act: stop },
    { key: 'c', does: 'copy the text', act: copy },
    { key: 't', does: 'times of words on or off', act: () => times.click() },
    { key: 'd', does: 'dark, light, or as the system', act: theme.next },
]);
if (!navigator.gpu)
    fail('no-webgpu', new Error(`navigator.gpu is missing in ${navigator.userAgent}`));
