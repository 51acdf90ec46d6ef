// SPDX-License-Identifier: MIT
import { rememberedBox } from './preferences.js';

/**
 * Single keys that act anywhere on the page but in fields; they can be turned off.
 * @param {{key: string, name?: string, does: string, act: () => void}[]} table key as
 *      KeyboardEvent.key, lower case; name: what the list calls it
 */
export function installShortcuts(table) {
    const dialog = document.getElementById('shortcuts');
    const all = [...table, { key: '?', does: 'this list', act: () => dialog.showModal() }];
    const list = document.getElementById('shortcut-list');
    for (const { key, name, does } of all) {
        const row = document.createElement('div');
        const term = document.createElement('dt');
        const keyName = document.createElement('kbd');
        const meaning = document.createElement('dd');
        keyName.textContent = name ?? key.toUpperCase();
        meaning.textContent = does;
        term.append(keyName);
        row.append(term, meaning);
        list.append(row);
    }
    let on = true;
    rememberedBox('shortcuts-on', (checked) => {
        on = checked;
    });
    document.getElementById('show-shortcuts').addEventListener('click', () => dialog.showModal());
    document.addEventListener('keydown', (event) => {
        if (!on || event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
        const row = all.find(({ key }) => key === event.key.toLowerCase());
        if (!row || takesKeys(event.target, event.key)) return;
        event.preventDefault();
        row.act();
    });
}

/* Whether the element itself has a use for the key. */
function takesKeys(element, key) {
    if (key === 'Escape') return false;
    if (element.matches('input[type=checkbox], input[type=radio], button, summary, label'))
        return (
            key === ' ' || key === 'Enter' || (key.startsWith('Arrow') && element.type === 'radio')
        );
    return element.matches('input, select, textarea, [contenteditable]');
}
