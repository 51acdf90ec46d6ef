// SPDX-License-Identifier: MIT
import { megabytes } from './progress.js';

const DEMO_MANIFEST = 'model/manifest.json';

/** @returns {URL|null} null where it is none */
function parseUrl(text) {
    try {
        return new URL(text, document.baseURI);
    } catch {
        return null; // URL.parse and URL.canParse are younger than WebGPU
    }
}

/** The form that says which model, and how it is opened. */
export class ModelChoice {
    #form = document.getElementById('model-form');
    #url = document.getElementById('model-url');
    #picker = document.getElementById('model-files');
    #list = document.getElementById('model-files-list');
    #files = [];

    constructor() {
        this.#form.addEventListener('change', () => this.#showPanel());
        this.#picker.addEventListener('change', () => this.setFiles([...this.#picker.files]));
        this.#showPanel();
    }

    /** @param {File[]} files chosen or dropped: one file, or the shards of one */
    setFiles(files) {
        this.#files = files.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
        this.#form.elements.source.value = 'files';
        this.#showPanel();
        const bytes = files.reduce((sum, file) => sum + file.size, 0);
        const names =
            files.length === 1
                ? files[0].name
                : `${files.length} shards, ${files[0]?.name} to ${files.at(-1)?.name}`;
        this.#list.hidden = files.length === 0;
        this.#list.textContent = `${names} · ${megabytes(bytes)}`;
    }

    /**
     * @returns {{name: string, key: string, options: object} | {wrong: string}} for Stt.create; key
     *      is equal for equal choices; or what is missing, after the focus has moved there
     */
    read() {
        const source = this.#form.elements.source.value;
        const value = (id) => document.getElementById(id).value;
        const options = {
            device: { powerPreference: value('power') },
            kvType: value('kv'),
            cache: document.getElementById('cache').checked,
        };
        const choose = (name, model, identity) => ({
            name,
            options: { model, ...options },
            key: JSON.stringify([identity, options]),
        });
        if (source === 'demo')
            return choose('demo model', new URL(DEMO_MANIFEST, document.baseURI).href, 'demo');
        if (source === 'url') return this.#readUrl(choose);
        if (this.#files.length === 0)
            return this.#missing(this.#picker, 'Choose the model’s files first.');
        const files = this.#files;
        const identity = files.map((file) => [file.name, file.size, file.lastModified]);
        return choose(files[0].name, files.length === 1 ? files[0] : files, identity);
    }

    #readUrl(choose) {
        const text = this.#url.value.trim();
        const url = parseUrl(text);
        if (text === '' || !url || !/^https?:$/.test(url.protocol))
            return this.#missing(this.#url, 'Give the address of a model: https://…');
        return choose(url.pathname.split('/').at(-1), url.href, url.href);
    }

    #missing(element, wrong) {
        element.focus();
        return { wrong };
    }

    #showPanel() {
        for (const panel of this.#form.querySelectorAll('.choice-panel'))
            panel.hidden = panel.dataset.source !== this.#form.elements.source.value;
    }
}
