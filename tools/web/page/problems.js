// SPDX-License-Identifier: MIT
/** What went wrong, in words for the visitor, with what can be done. */

const BROWSERS = [
    'Chrome and Edge 113 or newer on Windows, macOS and ChromeOS, 121 or newer on Android.',
    'Safari 26 or newer.',
    'Firefox 141 or newer on Windows, 145 or newer on Macs with Apple silicon.',
    'Chrome and Edge on Linux: if it is off, start them with --enable-unsafe-webgpu ' +
        '--enable-features=Vulkan, or enable “Unsafe WebGPU Support” in chrome://flags.',
];

/* Code of an SttError: title, explanation, actions in order, the first one preferred. */
const PROBLEMS = {
    'no-webgpu': [
        'This browser has no WebGPU',
        'The model runs on the graphics processor, through WebGPU. These browsers have it:',
        ['retry'],
    ],
    'no-adapter': [
        'No graphics processor can be used',
        'The browser has WebGPU, but gave out no device: the GPU or its driver may be on the ' +
            'browser’s block list, or hardware acceleration is off. See chrome://gpu or ' +
            'about:support, turn on hardware acceleration, then try again.',
        ['retry'],
    ],
    'device-lost': [
        'The graphics processor was lost',
        'Its driver was reset, or the browser took the device away. What was heard is kept ' +
            'below. A restart loads the model again.',
        ['restart'],
    ],
    'bad-model': [
        'This is no model that can be run',
        'Choose a GGUF file that stapes quantize has made, or all shards of one.',
        [],
    ],
    truncated: [
        'The model ends too early',
        'A shard is shorter than it should be. Copy or download it again, then load it anew.',
        ['retry'],
    ],
    'out-of-order': [
        'The shards are in the wrong order',
        'Name them so that their names sort in their order, as split and shard.mjs do.',
        [],
    ],
    integrity: [
        'The model is damaged',
        'A shard is not what its checksum says. Another try downloads it again.',
        ['retry'],
    ],
    network: [
        'The model could not be downloaded',
        'Check the address and the connection. Another server has to let this page read from ' +
            'it (CORS). What has arrived is kept: another try goes on from there.',
        ['retry'],
    ],
    io: [
        'A file could not be read',
        'It may have been moved or changed since it was chosen. Choose it again.',
        ['retry'],
    ],
    memory: [
        'There is not enough memory',
        'Close other tabs or programs that use the GPU, choose a smaller model, or keys and ' +
            'values of 8 bits in the settings.',
        ['retry'],
    ],
    worker: [
        'The engine stopped',
        'The worker that runs the model has failed. A restart loads the model again.',
        ['restart'],
    ],
    'microphone-denied': [
        'The microphone may not be used',
        'Allow it for this page: in most browsers with the icon left of the address.',
        ['microphone'],
    ],
    'no-microphone': [
        'There is no microphone',
        'Connect one, or close the program that holds it, then try again.',
        ['microphone'],
    ],
    sound: ['This recording cannot be read', '', []],
};

const ACTIONS = { retry: 'Try again', restart: 'Restart', microphone: 'Try the microphone again' };

function texts(code) {
    if (!isSecureContext && (code === 'no-webgpu' || code.includes('microphone')))
        return [
            'This page needs a secure address',
            'Browsers give WebGPU and microphones only to pages from https:// or this machine ' +
                '(http://127.0.0.1). Open it from there.',
            [],
        ];
    return PROBLEMS[code] ?? ['Something went wrong', '', ['retry']];
}

/** The panel on top of the page. It is an alert: screen readers tell it at once. */
export class Notice {
    #element = document.getElementById('notice');
    #act;

    /**
     * @param {(action: 'retry'|'restart'|'microphone') => void} act called when a button is pressed
     */
    constructor(act) {
        this.#act = act;
    }

    hide() {
        this.#element.replaceChildren();
        delete this.#element.dataset.code;
    }

    /** @param {string} code an SttError's, or 'sound' @param {Error} error */
    show(code, error) {
        const [title, text, actions] = texts(code);
        const panel = document.createElement('div');
        const add = (name, content) => {
            const element = document.createElement(name);
            element.textContent = content;
            panel.append(element);
            return element;
        };
        add('h2', title);
        add('p', text);
        if (code === 'no-webgpu' && isSecureContext)
            add('ul', '').append(
                ...BROWSERS.map((line) => {
                    const item = document.createElement('li');
                    item.textContent = line;
                    return item;
                }),
            );
        add('p', error.message).className = 'cause';
        this.#addButtons(panel, actions);
        this.#element.dataset.code = code;
        this.#element.replaceChildren(panel);
    }

    #addButtons(panel, actions) {
        const row = document.createElement('div');
        row.className = 'row';
        const button = (name, className, pressed) => {
            const element = document.createElement('button');
            element.type = 'button';
            element.className = className;
            element.textContent = name;
            element.addEventListener('click', () => {
                this.hide();
                pressed();
            });
            row.append(element);
        };
        for (const action of actions) button(ACTIONS[action], 'primary', () => this.#act(action));
        button('Dismiss', '', () => {});
        panel.append(row);
    }
}
