// SPDX-License-Identifier: MIT

/** Samples a second of everything that the model hears. */
export const SAMPLE_RATE = 24000;

export class SoundError extends Error {}

/**
 * Decodes a recording of any format that the browser knows.
 * @param {Blob} file
 * @returns {Promise<Float32Array>} mono at 24 kHz
 * @throws {SoundError} when it is no sound that this browser can decode, or empty
 */
export async function decodeSound(file) {
    const bytes = await file.arrayBuffer();
    const context = new OfflineAudioContext(1, 1, SAMPLE_RATE);
    let buffer;
    try {
        buffer = await context.decodeAudioData(bytes);
    } catch (error) {
        throw new SoundError(
            'This browser cannot decode it. WAV, MP3, FLAC, Ogg and MP4 work in ' +
                'most browsers.',
            { cause: error },
        );
    }
    if (buffer.length === 0) throw new SoundError('There is no sound in it.');
    const mono = buffer.getChannelData(0);
    const channels = buffer.numberOfChannels;
    for (let c = 1; c < channels; c++) {
        const other = buffer.getChannelData(c);
        for (let i = 0; i < mono.length; i++) mono[i] += other[i];
    }
    if (channels > 1) for (let i = 0; i < mono.length; i++) mono[i] /= channels;
    return mono;
}

/** A recording that grows: 16 bits a sample, 173 MB an hour. */
export class Recording {
    #blocks = [];
    #length = 0;

    /** @param {Float32Array} block at 24 kHz */
    append(block) {
        const pcm = new Int16Array(block.length);
        for (let i = 0; i < block.length; i++)
            pcm[i] = Math.max(-32768, Math.min(32767, Math.round(block[i] * 32767)));
        this.#blocks.push(pcm);
        this.#length += pcm.length;
    }

    get seconds() {
        return this.#length / SAMPLE_RATE;
    }

    /** @returns {Blob} all of it as a WAV file */
    toWav() {
        return new Blob([wavHeader(this.#length * 2), ...this.#blocks], { type: 'audio/wav' });
    }
}

function wavHeader(bytes) {
    const view = new DataView(new ArrayBuffer(44));
    const text = (offset, letters) => {
        for (let i = 0; i < letters.length; i++) view.setUint8(offset + i, letters.charCodeAt(i));
    };
    text(0, 'RIFF');
    view.setUint32(4, 36 + bytes, true);
    text(8, 'WAVEfmt ');
    view.setUint32(16, 16, true);
    view.setUint16(20, 1, true); // PCM
    view.setUint16(22, 1, true); // channels
    view.setUint32(24, SAMPLE_RATE, true);
    view.setUint32(28, SAMPLE_RATE * 2, true);
    view.setUint16(32, 2, true);
    view.setUint16(34, 16, true);
    text(36, 'data');
    view.setUint32(40, bytes, true);
    return view.buffer;
}
