// SPDX-License-Identifier: MIT
/** The page, in Chromium, over an engine that hears what the test tells it to. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { filesOf, serve } from '../../tools/web/serve.mjs';
import {
    inTree,
    launch,
    openPage,
    siteDirectory,
    skip,
    textOf,
    waitForText,
    wordsOf,
} from './browser.mjs';

const SAID = ['how far is it from chicago to vienna', 'my number is four six two two four five'];
const words = [];
const turns = [];
let seconds = 0.4;
for (const turn of SAID) {
    for (const text of turn.split(' ')) {
        words.push({ text, start: seconds, end: seconds + 0.3 });
        seconds += 0.38;
    }
    turns.push(seconds + 0.3);
    seconds += 0.8;
}
const EXAMPLE_SECONDS = 7.46;

describe('the page', { skip }, () => {
    let server, browser, page;
    const open = async (fake = {}, options = {}) => {
        page = await openPage(browser.context, server.url, {
            fake: { words, turns, ...fake },
            ...options,
        });
        return page;
    };
    const transcribe = async (fake, options) => {
        await open(fake, options);
        await page.click('#run-sample');
        await waitForText(page, '#sound-status', /done/);
        return page;
    };
    before(async () => {
        server = await serve(await filesOf(siteDirectory()));
        browser = await launch();
        await browser.context.grantPermissions(['clipboard-read', 'clipboard-write']);
    });
    after(async () => {
        await browser?.close();
        await server?.close();
    });
    afterEach(async () => {
        assert.deepEqual(page.complaints, []);
        await page.close();
    });

    it('shows words, times, turns and figures', async () => {
        await transcribe();
        assert.deepEqual(await wordsOf(page), SAID.join(' ').split(' '));
        assert.equal(await page.getAttribute('.word', 'data-time'), '0.4');
        assert.equal(await page.locator('#transcript p').count(), SAID.length);
        assert.deepEqual(await page.$$eval('.turn', (all) => all.map((mark) => mark.textContent)), [
            'end of turn',
            'end of turn',
        ]);
        assert.match(await textOf(page, '#sound-status'), /021\.flac, 0:07\.5: done, 17 words/);
        assert.match(await textOf(page, '#meter-text'), /ms of 80 · 0\.0\d × real time, keeps up/);
        assert.match(
            await page.getAttribute('#meter', 'aria-valuetext'),
            /times real time, keeps up/,
        );
        assert.match(
            await textOf(page, '#model-status'),
            /Ready: demo model · no device · 50\.3 MB/,
        );
        assert.equal(await page.locator('.word.open').count(), 0);
    });

    it('tells screen readers phrases, once', async () => {
        await transcribe();
        const said = await page.$$eval('#captions p', (all) =>
            all.map((phrase) => phrase.textContent),
        );
        assert.equal(said.join(' '), SAID.join(' '));
        assert.ok(said.length < words.length / 2, `${said.length} announcements`);
        assert.equal(await page.getAttribute('#captions', 'aria-live'), 'polite');
        assert.equal(await page.getAttribute('#transcript', 'aria-live'), null);
    });

    for (const colorScheme of ['light', 'dark'])
        it(`keeps the rules of accessibility, ${colorScheme}`, async () => {
            const axe = await readFile(
                inTree('tests/web/node_modules/axe-core/axe.min.js'),
                'utf8',
            );
            const check = async (state) => {
                await page.evaluate(axe);
                const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
                const found = violations.map(({ help, nodes }) => `${help}: ${nodes[0].html}`);
                assert.deepEqual(found, [], state);
                assert.ok(passes.length > 15, `${passes.length} rules, ${state}`);
            };
            await open();
            await page.emulateMedia({ colorScheme });
            await check('empty');
            await page.click('#run-sample');
            await waitForText(page, '#sound-status', /done/);
            await page.click('.word');
            await check('done');
            await page.click('#change-model');
            await page.click('.settings summary');
            await page.check('input[value=url]', { force: true });
            await page.evaluate(() => {
                globalThis.fake.failLoad = { code: 'no-webgpu', message: 'the cause' };
            });
            await page.fill('#model-url', 'https://example.org/model.gguf');
            await page.click('#load');
            await waitForText(page, '#notice', /the cause/);
            await check('failed');
            await page.click('#show-shortcuts');
            await check('shortcuts');
        });

    it('draws the samples', async () => {
        await transcribe();
        const drawn = await page.evaluate(
            () =>
                new Promise((resolve) =>
                    requestAnimationFrame(() => {
                        const canvas = document.getElementById('waveform');
                        const { data, width, height } = canvas
                            .getContext('2d')
                            .getImageData(0, 0, canvas.width, canvas.height - 20);
                        const dark = (x) => {
                            let n = 0;
                            for (let y = 0; y < height; y++)
                                n +=
                                    data[4 * (y * width + x) + 3] > 0 &&
                                    data[4 * (y * width + x)] < 60;
                            return n;
                        };
                        const at = (s) => dark(Math.round((s / 7.46) * width));
                        resolve({ pause: at(3.3), speech: Math.max(at(0.6), at(0.8), at(1.0)) });
                    }),
                ),
        );
        assert.ok(drawn.speech > 3 * drawn.pause && drawn.pause > 0, JSON.stringify(drawn));
    });

    it('seeks by words and by the slider', async () => {
        await transcribe();
        await page.click('.word:nth-of-type(6)');
        await page.waitForFunction(() => !document.getElementById('player').paused);
        await page.waitForFunction(
            () => document.querySelector('.word.playing')?.textContent === 'chicago',
        );
        await page.click('#play');
        await page.waitForFunction(() => document.getElementById('player').paused);
        await page.fill('#position', '5');
        assert.ok(Math.abs((await page.$eval('#player', (audio) => audio.currentTime)) - 5) < 0.1);
        assert.match(
            await page.getAttribute('#position', 'aria-valuetext'),
            /^5\.0 seconds of 7\.5 seconds$/,
        );
        assert.match(await textOf(page, '#clock'), /^0:05\.0 \/ 0:07\.5$/);
    });

    it('keeps the word that is played in view', async () => {
        const many = [...Array(400).keys()].map((i) => ({
            text: `word${i}`,
            start: i * 0.018,
            end: i * 0.018 + 0.015,
        }));
        await transcribe({ words: many, turns: [] });
        const region = page.locator('#transcript');
        const scrolled = () => region.evaluate(({ scrollTop }) => scrollTop);
        assert.ok((await scrolled()) > 0, 'it does not follow what is said');
        await page.fill('#position', '0.2');
        await page.waitForFunction(() => document.getElementById('transcript').scrollTop < 10);
        await page.fill('#position', '7');
        await page.waitForFunction(() => {
            const word = document.querySelector('.playing')?.getBoundingClientRect();
            const view = document.getElementById('transcript').getBoundingClientRect();
            return word && word.top >= view.top && word.bottom <= view.bottom;
        });
    });

    it('lets words be selected and copied', async () => {
        await transcribe();
        const selected = await page.evaluate(() => {
            getSelection().selectAllChildren(document.querySelector('#transcript p'));
            return getSelection().toString().trim();
        });
        assert.equal(selected.replace(/\s*end of turn$/, ''), SAID[0]);
        await page.click('#copy');
        await waitForText(page, '#message', /Copied/);
        assert.equal(
            await page.evaluate(() => navigator.clipboard.readText()),
            `${SAID.join('\n')}\n`,
        );
    });

    it('saves text, SRT and VTT', async () => {
        await transcribe();
        const expected = {
            txt: new RegExp(`^${SAID[0]}\n${SAID[1]}\n$`),
            srt: /^1\n00:00:00,400 --> 00:00:\d\d,\d{3}\nhow far is it from chicago/,
            vtt: /^WEBVTT\n\n00:00:00\.400 --> /,
        };
        for (const [format, pattern] of Object.entries(expected)) {
            const download = page.waitForEvent('download');
            await page.click(`[data-format=${format}]`);
            assert.equal((await download).suggestedFilename(), `021.${format}`);
            assert.match(await readFile(await (await download).path(), 'utf8'), pattern);
        }
    });

    it('runs by keyboard alone', async () => {
        await open({ msPerFrame: 1 });
        const visited = [];
        for (let i = 0; i < 40 && visited.at(-1) !== 'transcript'; i++) {
            await page.keyboard.press('Tab');
            visited.push(
                await page.evaluate(
                    () =>
                        document.activeElement.id ||
                        document.activeElement.name ||
                        document.activeElement.className ||
                        'summary',
                ),
            );
            assert.ok(
                await page.evaluate(() => {
                    const element = document.activeElement;
                    const seen = [
                        element,
                        element.nextElementSibling,
                        document.querySelector(`label[for="${element.id}"]`),
                    ];
                    return seen.some((one) => one && getComputedStyle(one).outlineStyle !== 'none');
                }),
                `no focus to be seen at ${visited.at(-1)}`,
            );
        }
        assert.deepEqual(visited, [
            'skip',
            'theme',
            'show-shortcuts',
            'source',
            'load',
            'summary',
            'microphone',
            'sound-file',
            'sample',
            'run-sample',
            'times',
            'transcript',
        ]);
        await page.keyboard.press('e');
        await waitForText(page, '#sound-status', /done/);
        await page.focus('#transcript');
        await page.keyboard.press('ArrowRight');
        await page.keyboard.press('ArrowRight');
        assert.equal(await page.evaluate(() => document.activeElement.textContent), 'far');
        await page.keyboard.press('Enter');
        await page.waitForFunction(() => document.getElementById('player').currentTime >= 0.77);
        await page.keyboard.press('End');
        assert.equal(await page.evaluate(() => document.activeElement.textContent), 'five');
        await page.keyboard.press('c');
        await waitForText(page, '#message', /Copied/);
        await page.keyboard.press('?');
        assert.ok(await page.isVisible('#shortcuts'));
        await page.keyboard.press('Escape');
        assert.ok(!(await page.isVisible('#shortcuts')));
    });

    it('can do without shortcuts', async () => {
        await open();
        await page.click('#show-shortcuts');
        await page.uncheck('#shortcuts-on');
        await page.keyboard.press('Escape');
        await page.keyboard.press('e');
        await page.waitForTimeout(200);
        assert.equal(
            await textOf(page, '#sound-status'),
            'Or drop a recording anywhere on this page.',
        );
        await page.click('#show-shortcuts');
        await page.check('#shortcuts-on');
    });

    it('shows progress by shard, and cancels', async () => {
        await open({ loadMs: 20000, shards: 12 });
        await page.click('#load');
        await waitForText(page, '#load-text', /Shard 1 of 12 · \d+\.\d MB of 201\.3 MB/);
        assert.equal(await page.locator('#load-bar i').count(), 12);
        assert.equal(await page.getAttribute('#load-bar', 'role'), 'progressbar');
        await page.click('#cancel-load');
        await waitForText(page, '#model-status', /Not loaded/);
        assert.ok(!(await page.isVisible('#load-progress')));
    });

    it('opens what is dropped: a recording or a model', async () => {
        await open();
        const wav = await readFile(inTree('tests/goldens/stt-tiny/goldens/input.wav'));
        const drop = (names, base64) =>
            page.evaluate(
                ([files, data]) => {
                    const transfer = new DataTransfer();
                    const content = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
                    for (const name of files) transfer.items.add(new File([content], name));
                    dispatchEvent(
                        new DragEvent('drop', {
                            dataTransfer: transfer,
                            bubbles: true,
                            cancelable: true,
                        }),
                    );
                },
                [names, base64],
            );
        await drop(['talk.wav'], wav.toString('base64'));
        await waitForText(page, '#sound-status', /talk\.wav.*done/);
        await drop(['m.gguf.10', 'm.gguf.9', 'm.gguf.08'], 'AAAA');
        await waitForText(page, '#model-status', /Ready/);
        await page.click('#change-model');
        assert.match(
            await textOf(page, '#model-files-list'),
            /3 shards, m\.gguf\.08 to m\.gguf\.10/,
        );
        await drop(['notes.txt'], 'AAAA');
        await waitForText(page, '#notice', /This recording cannot be read/);
    });

    it('asks for what a choice lacks', async () => {
        await open();
        await page.check('input[value=url]', { force: true });
        await page.fill('#model-url', 'ftp://example.org/model.gguf');
        await page.click('#load');
        await waitForText(page, '#model-status', /Give the address of a model/);
        assert.equal(await page.evaluate(() => document.activeElement.id), 'model-url');
        await page.check('input[value=files]', { force: true });
        await page.click('#load');
        await waitForText(page, '#model-status', /Choose the model.s files/);
        assert.ok(!(await page.isVisible('#notice h2')));
    });

    it('offers another try after a failure of the network', async () => {
        await open({
            failLoad: {
                code: 'network',
                message: 'model.gguf.01: the connection broke',
                once: true,
            },
        });
        await page.click('#run-sample');
        await waitForText(page, '#notice', /could not be downloaded.*model\.gguf\.01/);
        assert.equal(await page.getAttribute('#notice', 'role'), 'alert');
        await page.click('#notice button:text-is("Try again")');
        await waitForText(page, '#sound-status', /done, 17 words/);
        assert.equal(await page.$eval('#notice', (notice) => notice.childElementCount), 0);
    });

    it('explains every code', async () => {
        const titles = {
            'no-adapter': /No graphics processor/,
            'bad-model': /no model/,
            truncated: /ends too early/,
            integrity: /damaged/,
            memory: /not enough memory/,
            io: /could not be read/,
            'out-of-order': /wrong order/,
            worker: /engine stopped/,
        };
        await open();
        for (const [code, title] of Object.entries(titles)) {
            await page.evaluate(
                (failLoad) => {
                    globalThis.fake.failLoad = failLoad;
                },
                { code, message: `the cause of ${code}` },
            );
            await page.click('#load');
            await waitForText(page, '#notice', title);
            await waitForText(page, '#notice', new RegExp(`the cause of ${code}`));
            await page.click('#notice button:text-is("Dismiss")');
        }
    });

    it('keeps what was heard when the device is lost, and restarts', async () => {
        await open({ failAfterSeconds: 3 });
        await page.click('#run-sample');
        await waitForText(page, '#notice', /processor was lost/);
        assert.equal((await wordsOf(page)).join(' ').slice(0, 21), SAID[0].slice(0, 21));
        await page.click('#notice button:text-is("Restart")');
        await waitForText(page, '#sound-status', /done, 17 words/);
        assert.deepEqual(await wordsOf(page), SAID.join(' ').split(' '));
    });

    it('follows what is said, unless it is scrolled back', async () => {
        const words = Array.from({ length: 300 }, (_, i) => ({
            text: `word${i}`,
            start: 0.02 * i,
            end: 0.02 * i + 0.01,
        }));
        await open({ words, turns: [], msPerFrame: 10 });
        const below = () =>
            page.$eval('#transcript', (r) => r.scrollHeight - r.clientHeight - r.scrollTop);
        await page.click('#run-sample');
        await waitForText(page, '#sound-status', /done/);
        assert.ok((await below()) < 2, `${await below()} pixels are below`);
        await page.click('#run-sample');
        await page.waitForFunction(
            () => document.getElementById('transcript').scrollTop > 300,
            null,
            { polling: 20 },
        );
        await page.$eval('#transcript', (r) => r.scrollTo({ top: 0, behavior: 'instant' }));
        await waitForText(page, '#sound-status', /done/);
        assert.equal(await page.$eval('#transcript', (r) => r.scrollTop), 0);
    });

    it('stops, and hears another recording after that', async () => {
        await open({ msPerFrame: 40 });
        await page.click('#run-sample');
        await page.waitForSelector('.word');
        await page.keyboard.press('Escape');
        await waitForText(page, '#sound-status', /Stopped/);
        await page.evaluate(() => {
            globalThis.fake.msPerFrame = 1;
        });
        await page.selectOption('#sample', 'samples/000.flac');
        await page.click('#run-sample');
        await waitForText(page, '#sound-status', /000\.flac.*done/);
        assert.deepEqual(await wordsOf(page), SAID.join(' ').split(' '));
    });

    it('stops while the rest is heard', async () => {
        await open({ words: [], turns: [], msPerFrame: 0, flushMs: 600000 });
        await page.click('#run-sample');
        await waitForText(page, '#sound-status', /transcribing/);
        await page.evaluate(() => {
            globalThis.fake.flushMs = 0; // of the next one
        });
        await page.click('#stop');
        await waitForText(page, '#sound-status', /Stopped/);
        await page.click('#run-sample');
        await waitForText(page, '#sound-status', /done, 0 words/);
        assert.match(await textOf(page, '#transcript'), /No words were heard/);
        await page.evaluate(() => {
            globalThis.fake.msPerFrame = 40;
        });
        await page.click('#run-sample');
        await waitForText(page, '#sound-status', /transcribing/);
        assert.match(await textOf(page, '#transcript'), /Words appear here/);
    });

    it('remembers theme and times, and follows the system', async () => {
        await transcribe();
        const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const light = await paper();
        await page.emulateMedia({ colorScheme: 'dark' });
        const dark = await paper();
        assert.notEqual(light, dark);
        await page.click('#theme');
        assert.equal(await paper(), light);
        await page.uncheck('#times');
        await page.reload();
        assert.equal(await textOf(page, '#theme-name'), 'light');
        assert.equal(await page.isChecked('#times'), false);
        await page.click('#theme');
        assert.equal(await paper(), dark);
        await page.click('#theme');
        await page.check('#times');
        await page.emulateMedia({ colorScheme: null });
    });

    it('fits a phone', async () => {
        await transcribe({}, { size: { width: 320, height: 640 } });
        const { scroll, client } = await page.evaluate(() => ({
            scroll: document.documentElement.scrollWidth,
            client: document.documentElement.clientWidth,
        }));
        assert.ok(scroll <= client, `${scroll} px wide in a window of ${client}`);
    });

    it('keeps still where motion is not wanted', async () => {
        await open();
        await page.emulateMedia({ reducedMotion: 'reduce' });
        await page.evaluate(() => document.getElementById('microphone').classList.add('recording'));
        assert.equal(
            await page.$eval('.lamp', (lamp) => getComputedStyle(lamp).animationName),
            'none',
        );
    });

    it('runs nothing that is not its own', async () => {
        await open();
        const blocked = await page.evaluate(async () => {
            const seen = [];
            document.addEventListener('securitypolicyviolation', (event) =>
                seen.push(event.effectiveDirective),
            );
            const script = document.createElement('script');
            script.textContent = 'globalThis.injected = true';
            document.body.append(script);
            const image = new Image();
            image.src = 'https://example.org/pixel.png';
            await new Promise((resolve) => setTimeout(resolve, 300));
            return { seen, injected: globalThis.injected };
        });
        assert.equal(blocked.injected, undefined);
        assert.deepEqual(blocked.seen.sort(), ['img-src', 'script-src-elem']);
        page.complaints.length = 0; // they tell just that
    });
});
