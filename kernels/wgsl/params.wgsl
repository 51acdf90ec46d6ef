// SPDX-License-Identifier: MIT
//
// The function-like macros of params.h; its constants and structs are generated.

fn type_block(weight_type: u32) -> u32 {
    return select(select(1u, 32u, weight_type >= TYPE_Q8_0), 256u, weight_type >= TYPE_Q4_K);
}

fn align_4(n: u32) -> u32 {
    return (n + 3u) / 4u * 4u;
}

fn plane0_words(weight_type: u32, k: u32) -> u32 {
    switch weight_type {
        case TYPE_F32: { return align_4(k); }
        case TYPE_F16, TYPE_BF16: { return align_4(k) / 2u; }
        case TYPE_Q8_0: { return k / 4u; }
        default: { return k / 8u; }
    }
}

fn plane1_words(weight_type: u32, k: u32) -> u32 {
    switch weight_type {
        case TYPE_F32, TYPE_F16, TYPE_BF16: { return 0u; }
        case TYPE_Q8_0, TYPE_Q4_0: { return (k / 32u + 1u) / 2u; }
        case TYPE_Q4_1: { return k / 32u; }
        case TYPE_Q5_0: { return align_4(k / 32u + (k / 32u + 1u) / 2u); }
        case TYPE_Q5_1: { return k / 16u; }
        case TYPE_Q4_K: { return k / 64u; }
        default: { return align_4(k / 16u + k / 64u + (k / 256u + 1u) / 2u); }
    }
}

fn kv_unit(kv_type: u32) -> u32 {
    return 4u << kv_type;
}

fn kv_head_units(kv_type: u32, head_dim: u32) -> u32 {
    return (head_dim + kv_unit(kv_type) - 1u) / kv_unit(kv_type);
}

fn kv_scale_words(kv_type: u32, head_dim: u32) -> u32 {
    return select(0u, (head_dim + 63u) / 64u, kv_type == KV_Q8);
}

fn kv_slot_words(kv_type: u32, capacity: u32, heads: u32, head_dim: u32) -> u32 {
    let words = 4u * kv_head_units(kv_type, head_dim) + kv_scale_words(kv_type, head_dim);
    return align_4(capacity * heads * words);
}

fn kv_q_words(kv_type: u32, head_dim: u32) -> u32 {
    return kv_unit(kv_type) * kv_head_units(kv_type, head_dim);
}

fn attention_share(n: u32, splits: u32) -> u32 {
    return (n - 1u) / (8u * splits) * 8u + 8u;
}

fn partial_most(head_dim: u32) -> u32 {
    return align_4(head_dim);
}

fn partial_words(head_dim: u32) -> u32 {
    return partial_most(head_dim) + 4u;
}

fn vq_tiles(bins: u32) -> u32 {
    return (bins + VQ_TILE - 1u) / VQ_TILE;
}

fn vq_row(bins: u32, dim: u32) -> u32 {
    return 4u * vq_tiles(bins) + dim;
}
