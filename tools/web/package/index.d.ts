// SPDX-License-Identifier: MIT
//
// Streaming speech-to-text in a browser. See README.md for a working example.
//
// Times are seconds from the first sample of the recording; sound is 24000 mono samples a second in
// [-1, 1]. Everything runs in a worker of its own; nothing is sent anywhere.

/** What went wrong, for programs. `message` says it to people. */
export type SttErrorCode =
    | 'no-webgpu' // the browser has no WebGPU, or the page is not a secure context
    | 'no-adapter' // it has, but no adapter that it would use
    | 'device-lost' // the GPU went away: `Stt.create` again
    | 'bad-model' // no model that this program runs, or a damaged header
    | 'truncated' // a shard is shorter than announced
    | 'out-of-order' // appendModelShard: another shard is due
    | 'integrity' // a shard's SHA-256 or length is not the manifest's
    | 'network' // a server does not answer, refuses, or breaks off again and again
    | 'io' // a file or the cache cannot be read
    | 'memory' // memory of the GPU or of the page is exhausted
    | 'aborted' // an AbortSignal, or `reset()`; `name` is 'AbortError'
    | 'closed' // `close()` was called
    | 'worker' // the program itself failed
    | 'microphone-denied'
    | 'no-microphone'
    | 'argument';

export class SttError extends Error {
    constructor(code: SttErrorCode, message: string, options?: { cause?: unknown });
    readonly code: SttErrorCode;
}

export interface Word {
    text: string;
    /** Seconds. */
    start: number;
    /** Seconds; absent as long as the next word may still move it. */
    end?: number;
}

export interface FinishedWord extends Word {
    end: number;
}

export interface Transcript {
    /** The words, with a space between them. */
    text: string;
    words: FinishedWord[];
    /** Ends of turns, seconds; empty for models without voice-activity heads. */
    turns: number[];
    /** Length of the sound that was fed. */
    seconds: number;
}

export interface Shard {
    /** Where it is; relative to the page, or to the manifest that names it. */
    url: string;
    /** Its length. */
    bytes: number;
    /** SHA-256, hexadecimal. Without one, the shard is not checked. */
    sha256?: string;
}

/** What `tools/web/shard.mjs` writes. */
export interface Manifest {
    format: 'stapes-shards';
    version: 1;
    bytes: number;
    shards: Shard[];
}

export interface AppendedModel {
    /** The model comes through `appendModelShard`. */
    stream: true;
    /** Length of all shards together. */
    bytes: number;
    /** Where they are known, each appended shard is checked against its row, and its order too. */
    shards?: { bytes: number; sha256?: string }[];
}

/**
 * - a URL of a GGUF file, of the first file of a split one, or of a manifest (`.json`);
 * - URLs of the byte shards of one GGUF file, in order, or of the files of a split one;
 * - a `File`, or several: split files, or byte shards whose names sort in their order;
 * - a manifest's shards;
 * - `{stream: true, bytes}`.
 */
export type ModelSource =
    string | URL | (string | URL)[] | Blob | Blob[] | { shards: Shard[] } | AppendedModel;

export interface Progress {
    /** Bytes of the file that the GPU has got. */
    loadedBytes: number;
    /** Bytes that have arrived from the network, the disk or the cache. */
    receivedBytes: number;
    totalBytes: number;
    /** The shard that is arriving, from 0. */
    shard: number;
    shards: number;
}

export interface SttOptions {
    model: ModelSource;
    device?: {
        powerPreference?: 'low-power' | 'high-performance';
        /** Take a software adapter even where there is a GPU. */
        forceFallbackAdapter?: boolean;
        /** Bind no more of a buffer at once. Default: what the device allows, 128 MiB or more. */
        maxBindingBytes?: number;
    };
    /**
     * Forms of kernels: 'plain', 'workgroup', 'subgroup', 'integer'. Default: the best there is.
     */
    kernels?: string;
    /** Elements of the cache of keys and values. Default 'f16'. */
    kvType?: 'f32' | 'f16' | 'q8';
    /** Keep what is downloaded in the origin's private file system. Default true. */
    cache?: boolean;
    /** Gives up loading. After that it means nothing. */
    signal?: AbortSignal;
    /** At most ten times a second, and after each shard. */
    onProgress?: (progress: Progress) => void;
}

export interface SttInfo {
    name: string;
    kind: 'stt' | 'moshi';
    /** Of the adapter, as far as the browser tells. */
    device: string;
    /** Samples of a frame: 1920. */
    frameSamples: number;
    /** 0: no 'turnend' events. */
    vadHeads: number;
    /** How far text lies behind sound, seconds. */
    audioDelaySeconds: number;
    textCard: number;
    codebooks: number;
    deviceBytes: number;
    /** From the first byte to the last. */
    loadSeconds: number;
}

export interface SttStats {
    frames: number;
    /** Milliseconds of work a frame, mean since the model was loaded or reset. */
    msPerFrame: number;
    /** Work by sound: below 1 is faster than speech. */
    realTimeFactor: number;
}

export interface SttEventMap {
    /** A word has come; its end is not known yet. */
    word: CustomEvent<Word>;
    /** The end of that word is known. */
    wordend: CustomEvent<FinishedWord>;
    /** The speaker has stopped. */
    turnend: CustomEvent<{ time: number }>;
    progress: CustomEvent<Progress>;
    /** After frames of 80 ms: time of the last ones each, and the real-time factor. */
    frame: CustomEvent<{ ms: number; rtf: number; frames: number }>;
    log: CustomEvent<{ level: 'error' | 'warning' | 'info' | 'debug'; message: string }>;
    /** The GPU is gone. An 'error' follows; `Stt.create` starts again. */
    lost: CustomEvent<{ reason: string; message: string }>;
    /** Nothing works any more, for this reason; only `close()` is left. */
    error: CustomEvent<SttError>;
}

/**
 * One model on the GPU and one recording at a time. Several may exist beside each other. All
 * promises are rejected with an `SttError`; after a failure of the device or the program, all of
 * them are.
 */
export class Stt extends EventTarget {
    private constructor();

    /**
     * Resolves when the model is loaded; for `{stream: true}` as soon as shards may be appended.
     */
    static create(options: SttOptions): Promise<Stt>;
    /** Deletes all cached models of this origin; those in use may fail to load. */
    static clearCache(): Promise<void>;

    /** Resolves when the model is loaded. */
    readonly ready: Promise<void>;
    /** Null until `ready`. */
    readonly info: SttInfo | null;
    readonly stats: SttStats;

    /**
     * The next bytes of a `{stream: true}` model, copied; any length. Resolves when there is room
     * for more. A shard that does not fit ('truncated', 'out-of-order', 'integrity') is left out,
     * and the right one may follow; so is one that is aborted before its turn. Later it is taken.
     */
    appendModelShard(
        bytes: Uint8Array,
        options?: { index?: number; sha256?: string; signal?: AbortSignal },
    ): Promise<void>;

    /**
     * The next samples, copied; any number. Resolves when there is room for more, after 'aborted'
     * some of them may have been heard. Values that are not finite are 'argument'.
     */
    feedAudio(samples: Float32Array, options?: { signal?: AbortSignal }): Promise<void>;
    /**
     * Resolves when everything said has come out. What is fed after this call belongs to the next
     * recording, whose times begin at 0. Aborted, it forgets its recording.
     */
    flush(options?: { signal?: AbortSignal }): Promise<Transcript>;
    /**
     * Forgets the recording, also what was fed and not heard yet: those promises resolve, a pending
     * `flush()` is rejected with 'aborted'. No event of the old recording comes after this call.
     */
    reset(): Promise<void>;
    /** The words of this recording from now on, as their ends get known. Ends with `flush()`. */
    words(options?: { signal?: AbortSignal }): AsyncIterableIterator<FinishedWord>;
    /** Frees everything. May be called again. */
    close(): void;

    addEventListener<K extends keyof SttEventMap>(
        type: K,
        listener: ((event: SttEventMap[K]) => void) | null,
        options?: boolean | AddEventListenerOptions,
    ): void;
    addEventListener(
        type: string,
        listener: EventListenerOrEventListenerObject | null,
        options?: boolean | AddEventListenerOptions,
    ): void;
    removeEventListener<K extends keyof SttEventMap>(
        type: K,
        listener: ((event: SttEventMap[K]) => void) | null,
        options?: boolean | EventListenerOptions,
    ): void;
    removeEventListener(
        type: string,
        listener: EventListenerOrEventListenerObject | null,
        options?: boolean | EventListenerOptions,
    ): void;
}

export interface Microphone extends AsyncIterable<Float32Array> {
    /** The device's name, if the browser tells. */
    readonly label: string;
    /** What the sound is captured at before it comes out at 24000; for messages. */
    readonly captureRate: number;
    /** Blocks of 20 ms at 24 kHz; an alternative to iterating. */
    onsamples: ((samples: Float32Array) => void) | null;
    /** Releases the microphone and ends the iteration. May be called again. */
    stop(): void;
}

/** Asks for the microphone. To be called from a user's gesture. */
export function openMicrophone(options?: {
    deviceId?: string;
    signal?: AbortSignal;
}): Promise<Microphone>;

export interface CueOptions {
    /** Characters of a line; a cue has at most two. Default 42. */
    lineLength?: number;
    /** Seconds of a cue. Default 6. */
    seconds?: number;
    /** A longer pause begins a new cue, seconds. Default 1. */
    pause?: number;
    /** Ends of turns, seconds: each ends its cue. */
    turns?: number[];
}

/** Running text; a new line after each turn, if `turns` are given. */
export function toText(words: readonly Word[], options?: { turns?: number[] }): string;
/** SubRip subtitles. */
export function toSrt(words: readonly Word[], options?: CueOptions): string;
/** WebVTT subtitles, with a time stamp a word. */
export function toVtt(words: readonly Word[], options?: CueOptions): string;
