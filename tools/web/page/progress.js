// SPDX-License-Identifier: MIT

/** @param {number} bytes @returns {string} "34.1 MB" */
export function megabytes(bytes) {
    return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** The bar of a model that is being loaded: a segment a shard, and what they are in figures. */
export class LoadProgress {
    #element = document.getElementById('load-progress');
    #bar = document.getElementById('load-bar');
    #text = document.getElementById('load-text');

    #shown = 0;

    begin() {
        this.#shown = 0;
        this.#bar.replaceChildren();
        this.#text.textContent = 'Opening…';
        this.#bar.removeAttribute('aria-valuenow');
        this.#element.hidden = false;
    }

    end() {
        this.#element.hidden = true;
    }

    /**
     * Bytes that arrive count until all have: what is cached, or a file, then shows how it loads.
     * @param {{loadedBytes: number, receivedBytes: number, totalBytes: number, shard: number,
     *      shards: number}} progress shard counts from 0
     */
    show({ loadedBytes, receivedBytes, totalBytes, shard, shards }) {
        const bytesDone = receivedBytes < totalBytes ? receivedBytes : loadedBytes;
        const now = totalBytes > 0 ? bytesDone / totalBytes : 0;
        const part = (this.#shown = Math.max(this.#shown, now));
        while (this.#bar.childElementCount < Math.max(1, shards))
            this.#bar.append(document.createElement('i'));
        [...this.#bar.children].forEach((segment, i) => {
            const full = Math.max(0, Math.min(1, part * shards - i));
            segment.style.setProperty('--full', `${full * 100}%`);
        });
        const bytes =
            part < 1
                ? `${megabytes(part * totalBytes)} of ${megabytes(totalBytes)}`
                : `${megabytes(totalBytes)}, preparing the GPU…`;
        this.#text.textContent =
            shards > 1 ? `Shard ${Math.min(shard + 1, shards)} of ${shards} · ${bytes}` : bytes;
        this.#bar.setAttribute('aria-valuenow', `${Math.round(part * 100)}`);
        this.#bar.setAttribute('aria-valuetext', this.#text.textContent);
    }
}
