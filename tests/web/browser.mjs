// SPDX-License-Identifier: MIT
/** Chromium for the tests of the page: where it is, how it is started, what a page must not do. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync);
const TIMEOUT_MS = 120000; // engines load slowly beside other tests
const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** For node:test: why the tests of the page cannot run, or false. STAPES_NO_SKIP: see dawn.mjs. */
export const skip = CHROMIUM ? false : 'CHROMIUM IS MISSING: nothing of the page is tested';
if (skip && process.env.STAPES_NO_SKIP)
    throw new Error(skip);

/** Flags that make a WAV file what the microphone hears, once, without a question to the user. */
export const microphoneFlags = (wav) => [
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    `--use-file-for-fake-audio-capture=${wav}%noloop`,
    '--autoplay-policy=no-user-gesture-required',
];

/** @returns {string} an absolute path in the tree */
export const inTree = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** The built site; the build says where it is. */
export function siteDirectory() {
    const site = process.env.STAPES_SITE;
    if (!site || !existsSync(join(site, 'index.html')))
        throw new Error(
            'STAPES_SITE names no site: run the test through ctest, or set it to ' +
                'BUILD/web/site',
        );
    return site;
}

/**
 * @param {{webgpu?: boolean, flags?: string[]}} options
 * @returns {Promise<{context: import('playwright-core').BrowserContext, close: () =>
 *      Promise<void>}>}
 */
export async function launch({ webgpu = true, flags = [] } = {}) {
    const profile = await mkdtemp(join(tmpdir(), 'stapes-chromium-'));
    const context = await chromium.launchPersistentContext(profile, {
        executablePath: CHROMIUM,
        ignoreDefaultArgs: true,
        args: [
            '--remote-debugging-pipe',
            `--user-data-dir=${profile}`,
            '--headless',
            '--no-sandbox',
            '--disable-quic',
            '--no-first-run',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
            '--hide-scrollbars',
            ...(webgpu ? WEBGPU : []),
            ...flags,
            'about:blank',
        ],
    });
    const close = async () => {
        await context.close();
        await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    };
    return { context, close };
}

/**
 * Opens the page and notes what it must not do: errors that nobody catches, lines of the console
 * that are errors or warnings, and what its content security policy blocks.
 * @param {import('playwright-core').BrowserContext} context
 * @param {string} url
 * @param {{fake?: object, size?: {width: number, height: number}}} options fake: hear these words
 *      with fixtures/fake_package.js in place of the engine
 * @returns {Promise<import('playwright-core').Page & {complaints: string[]}>}
 */
export async function openPage(context, url, { fake, size = { width: 1100, height: 900 } } = {}) {
    const page = await context.newPage();
    page.complaints = [];
    page.setDefaultTimeout(TIMEOUT_MS);
    page.on('pageerror', (error) => page.complaints.push(`uncaught: ${error.message}`));
    page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type()))
            page.complaints.push(`${message.type()}: ${message.text()}`);
    });
    await page.setViewportSize(size);
    if (fake) {
        await page.route('**/package/index.js', (route) =>
            route.fulfill({
                path: inTree('tests/web/fixtures/fake_package.js'),
                contentType: 'text/javascript',
            }),
        );
        await page.addInitScript((plan) => {
            globalThis.fake = plan;
        }, fake);
    }
    await page.goto(url);
    return page;
}

/** @returns {Promise<string>} the text of an element, without blanks around it */
export const textOf = async (page, selector) => (await page.textContent(selector)).trim();

/** Waits until the text of an element matches. */
export async function waitForText(page, selector, pattern, timeout = TIMEOUT_MS) {
    try {
        await page.waitForFunction(
            ([where, source]) =>
                new RegExp(source).test(document.querySelector(where)?.textContent ?? ''),
            [selector, pattern.source],
            { timeout, polling: 50 },
        );
    } catch (error) {
        const text = await page.textContent('body').catch(() => 'no page');
        throw new Error(
            `${selector} never matched ${pattern}; the page says: ` +
                text.replace(/\s+/g, ' ').slice(0, 600),
            { cause: error },
        );
    }
}

/** @returns {Promise<string[]>} the words of the transcript */
export const wordsOf = (page) =>
    page.$$eval('#transcript .word', (words) => words.map((word) => word.textContent));
