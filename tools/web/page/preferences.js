// SPDX-License-Identifier: MIT
/** What the visitor chose, kept in this browser; defaults where it keeps nothing. */

const THEMES = ['system', 'light', 'dark'];

/** @param {string} key @param {string} fallback @returns {string} */
export function recall(key, fallback) {
    try {
        return localStorage.getItem(`stapes.${key}`) ?? fallback;
    } catch {
        return fallback; // storage is denied: a choice then lasts as long as the page
    }
}

/** @param {string} key @param {string} value */
export function remember(key, value) {
    try {
        localStorage.setItem(`stapes.${key}`, value);
    } catch {
        return;
    }
}

/**
 * The button that goes through the themes.
 * @param {() => void} changed called after colours have changed, also by the system
 * @returns {{next: () => void}}
 */
export function themeSwitch(changed) {
    const button = document.getElementById('theme');
    const name = document.getElementById('theme-name');
    const apply = (theme) => {
        document.documentElement.dataset.theme = theme;
        name.textContent = theme;
        changed();
    };
    const next = () => {
        const at = THEMES.indexOf(document.documentElement.dataset.theme);
        const theme = THEMES[(at + 1) % THEMES.length];
        remember('theme', theme);
        apply(theme);
    };
    const theme = recall('theme', 'system');
    apply(THEMES.includes(theme) ? theme : 'system');
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
    button.addEventListener('click', next);
    return { next };
}

/**
 * A check box that remembers its state.
 * @param {string} id of the element, and the key
 * @param {(on: boolean) => void} changed called at once and after each change
 * @returns {HTMLInputElement}
 */
export function rememberedBox(id, changed) {
    const box = document.getElementById(id);
    box.checked = recall(id, box.checked ? 'on' : 'off') === 'on';
    box.addEventListener('change', () => {
        remember(id, box.checked ? 'on' : 'off');
        changed(box.checked);
    });
    changed(box.checked);
    return box;
}
