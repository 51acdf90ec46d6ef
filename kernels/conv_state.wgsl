// SPDX-License-Identifier: MIT
//!include common
//!include state

@group(0) @binding(1) var<storage, read_write> vectors0: array<u32>;
@group(0) @binding(2) var<storage, read_write> vectors1: array<u32>;
@group(0) @binding(3) var<storage, read_write> vectors2: array<u32>;
@group(0) @binding(4) var<storage, read_write> vectors3: array<u32>;
@group(0) @binding(5) var<storage, read_write> vectors4: array<u32>;
@group(0) @binding(6) var<storage, read_write> vectors5: array<u32>;
@group(0) @binding(7) var<storage, read_write> vectors6: array<u32>;

// of one channel of a slot: its first word, the words between vectors, and between the places that
// a value moves from and to
struct Move {
    to: u32,
    channels: u32,
    prefix: u32,
    frame_words: u32,
    reset: bool,
}

// One for each binding: pointers to storage as parameters are a language feature that not every
// browser has.
fn move0(m: Move) {
    for (var i = 0u; i < m.prefix; i++) {
        let to = m.to + i * m.channels;
        vectors0[to] = select(vectors0[to + m.frame_words], 0u, m.reset);
    }
}

fn move1(m: Move) {
    for (var i = 0u; i < m.prefix; i++) {
        let to = m.to + i * m.channels;
        vectors1[to] = select(vectors1[to + m.frame_words], 0u, m.reset);
    }
}

fn move2(m: Move) {
    for (var i = 0u; i < m.prefix; i++) {
        let to = m.to + i * m.channels;
        vectors2[to] = select(vectors2[to + m.frame_words], 0u, m.reset);
    }
}

fn move3(m: Move) {
    for (var i = 0u; i < m.prefix; i++) {
        let to = m.to + i * m.channels;
        vectors3[to] = select(vectors3[to + m.frame_words], 0u, m.reset);
    }
}

fn move4(m: Move) {
    for (var i = 0u; i < m.prefix; i++) {
        let to = m.to + i * m.channels;
        vectors4[to] = select(vectors4[to + m.frame_words], 0u, m.reset);
    }
}

fn move5(m: Move) {
    for (var i = 0u; i < m.prefix; i++) {
        let to = m.to + i * m.channels;
        vectors5[to] = select(vectors5[to + m.frame_words], 0u, m.reset);
    }
}

fn move6(m: Move) {
    for (var i = 0u; i < m.prefix; i++) {
        let to = m.to + i * m.channels;
        vectors6[to] = select(vectors6[to + m.frame_words], 0u, m.reset);
    }
}

// An invocation a channel (x, one convolution after the other) of a slot (y). The move may overlap:
// ascending.
@compute @workgroup_size(local_size)
fn main(@builtin(workgroup_id) place: vec3<u32>, @builtin(local_invocation_id) lane: vec3<u32>) {
    let prefixes = array<u32, CONV_STATES>(p.prefix_0, p.prefix_1, p.prefix_2, p.prefix_3,
                                           p.prefix_4, p.prefix_5, p.prefix_6);
    let frames = array<u32, CONV_STATES>(p.frame_0, p.frame_1, p.frame_2, p.frame_3, p.frame_4,
                                         p.frame_5, p.frame_6);
    var channels = array<u32, CONV_STATES>(p.channels_0, p.channels_1, p.channels_2, p.channels_3,
                                           p.channels_4, p.channels_5, p.channels_6);
    let slot = place.y;
    var group = place.x;
    var n = 0u;
    for (; n + 1u < CONV_STATES; n++) {
        let groups = (channels[n] + local_size - 1u) / local_size;
        if (group < groups) {
            break;
        }
        group -= groups;
    }
    let flags = slot_state(slot, STATE_FLAGS);
    let channel = group * local_size + lane.x;
    let reset = (flags & SLOT_RESET) != 0u;
    if (channel >= channels[n] || (!reset && (flags & SLOT_AUDIO) == 0u)) {
        return;
    }
    let first = slot * (prefixes[n] + frames[n]) * channels[n] + channel;
    let m = Move(first, channels[n], prefixes[n], frames[n] * channels[n], reset);
    switch n {
        case 0u: { move0(m); }
        case 1u: { move1(m); }
        case 2u: { move2(m); }
        case 3u: { move3(m); }
        case 4u: { move4(m); }
        case 5u: { move5(m); }
        default: { move6(m); }
    }
}
