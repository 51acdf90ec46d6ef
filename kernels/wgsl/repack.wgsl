// SPDX-License-Identifier: MIT
//
// Twin of repack.glsl: the file's bytes as words, and where a row goes.
//!include common
@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> plane0: array<u32>;

fn load_u16(at: u32) -> u32 {
    return (source[at >> 1u] >> ((at & 1u) * 16u)) & 0xffffu;
}

// the 32-bit word at 16-bit word `at`; never touches a word that it does not need
fn load_u32(at: u32) -> u32 {
    let low = source[at >> 1u];
    if ((at & 1u) == 0u) {
        return low;
    }
    return (low >> 16u) | (source[(at >> 1u) + 1u] << 16u);
}

fn target_row(i: u32) -> u32 {
    let r = p.first_row + i;
    if (p.half == 0u) {
        return p.dst_row + r;
    }
    return p.dst_row + select(2u * (r - p.half) + 1u, 2u * r, r < p.half);
}

// where element e of a row of the planes is in the file's row
fn source_element(e: u32) -> u32 {
    if (p.taps <= 1u) {
        return e;
    }
    let channels = p.k / p.taps;
    return e % channels * p.taps + e / channels;
}
