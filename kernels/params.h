/* SPDX-License-Identifier: MIT
 *
 * Parameter structs and small layouts that C, GLSL and WGSL must agree on. Included by C and, after
 * `#define uint32_t uint`, by the shaders (kernels/common.glsl does it). Only uint32_t and float
 * members, or arrays of them, at most GPU_MAX_PARAMS_BYTES in all. All offsets and strides count
 * 32-bit words.
 *
 * Activations are f32, vectors contiguous, time first: [slot][t][channel]. A *column* is one
 * vector: column c belongs to slot c / per_slot and is its vector t = c % per_slot; its first word
 * is base + (c / per_slot) * slot_stride + (c % per_slot) * col_stride.
 *
 * Weight matrices, `rows` of k elements, as the repack kernels lay them out:
 * - f32: plane 0 has rows of align4(k) floats.
 * - f16, bf16: plane 0 has rows of align4(k) / 2 words, element 2i in the low half of word i.
 * - q8_0: plane 0 has rows of k / 4 words, signed bytes in order.
 * - the other block types: plane 0 has rows of k / 8 words, 4 words (16 bytes) each 32 elements: the
 *   low nibble of byte i is that of element i, the high one that of element i + 16.
 * Padding elements are zero. What else a block type has is in rows of plane 1, one part behind the
 * other, the row padded to four words for q5_0 and q6_k. q is the element's code.
 * - q8_0: f16 scales d of blocks 2i (low half) and 2i + 1. x = d q
 * - q4_0: the same. x = d (q - 8)
 * - q4_1: a word a block, f16 d (low half) and m. x = d q + m
 * - q5_0: a word a block, the fifth bit of element e in bit 8 (e % 4) + e / 4; then scales as q8_0's.
 *   x = d (q - 16)
 * - q5_1: fifth bits; then d and m as q4_1's. x = d q + m
 * - q4_k: four words each 256 elements, with parts of 32: f16 d and e; s of parts 0 to 3 in bits 0-23
 *   and the low 2 bits of their m in 24-31; the same of parts 4 to 7; the high 4 bits of m of all.
 *   x = (d s) q - (e m)
 * - q6_k: two words each 32 elements, the high two bits of element e in word e / 16, from bit
 *   8 (e % 4) + 2 (e / 4 % 4) on; then signed bytes s, one each 16 elements; then d of 256
 *   elements, in pairs as q8_0's. x = (d s) (q - 32)
 * k is a multiple of the block: 32, for q4_k and q6_k 256.
 */
#ifndef STAPES_KERNELS_PARAMS_H
#define STAPES_KERNELS_PARAMS_H

/* --- State of the slots ------------------------------------------------------------------------
 * `state`: STATE_HEAD words, then STATE_SLOT words a slot. Read by most kernels, written by
 * frame_begin and frame_end alone. */
#define STATE_HEAD 16u
#define STATE_SLOT 16u
#define STATE_TICK 0u      /* head: programs finished */
#define STATE_NEXT_TICK 1u /* head: STATE_TICK + 1, between frame_begin and frame_end */
#define STATE_FLAGS 0u     /* slot: SLOT_* of this tick */
#define STATE_STEP 1u      /* slot: transformer steps done before this tick = index s of this one */
#define STATE_FRAME 2u     /* slot: audio frames encoded before this tick = index of this one */

#define SLOT_STEP 1u  /* the transformer makes a step in this tick */
#define SLOT_AUDIO 2u /* Mimi encodes a frame in this tick */
#define SLOT_CODES 4u /* the host gives the frame's codes instead */
#define SLOT_RESET 8u /* everything starts anew, before the step; never with AUDIO or CODES */

/* Input ring entry, a slot: INPUT_SLOT_HEAD words, then the pcm (f32) or the codes (u32). */
#define INPUT_SLOT_HEAD 16u
#define INPUT_FLAGS 0u

/* Result ring entry, a slot: RESULT_HEAD words, then vad (n_heads floats), the depformer's tokens
 * (dep_q), and the codes passed to this step (n_codes; zero at step 0). */
#define RESULT_HEAD 8u
#define RESULT_TICK 0u   /* the tick that wrote it, plus 1: proves that the device did the work */
#define RESULT_FLAGS 1u  /* SLOT_* */
#define RESULT_STEP 2u   /* s */
#define RESULT_TOKEN 3u  /* text token */
#define RESULT_MARGIN 4u /* f32 bits: best text logit minus the second */

/* --- Repacking (at upload) ----------------------------------------------------------------------
 */
/* Element types of files and planes: enum tensor_type of the loader maps to it. */
#define TYPE_F32 0u
#define TYPE_F16 1u
#define TYPE_BF16 2u
#define TYPE_Q8_0 3u
#define TYPE_Q4_0 4u
#define TYPE_Q4_1 5u
#define TYPE_Q5_0 6u
#define TYPE_Q5_1 7u
#define TYPE_Q4_K 8u
#define TYPE_Q6_K 9u
#define WEIGHT_TYPES 10u

#define TYPE_BLOCK(type)                                                                           \
    ((type) >= TYPE_Q4_K ? 256u : (type) >= TYPE_Q8_0 ? 32u : 1u) /* elements */
/* Words of a row of k elements. */
#define ALIGN_4(n) (((n) + 3u) / 4u * 4u)
#define PLANE0_WORDS(type, k)                                                                      \
    ((type) == TYPE_F32    ? ALIGN_4(k)                                                            \
     : (type) <= TYPE_BF16 ? ALIGN_4(k) / 2u                                                       \
     : (type) == TYPE_Q8_0 ? (k) / 4u                                                              \
                           : (k) / 8u)
#define PLANE1_WORDS(type, k)                                                                      \
    ((type) <= TYPE_BF16   ? 0u                                                                    \
     : (type) <= TYPE_Q4_0 ? ((k) / 32u + 1u) / 2u                                                 \
     : (type) == TYPE_Q4_1 ? (k) / 32u                                                             \
     : (type) == TYPE_Q5_0 ? ALIGN_4((k) / 32u + ((k) / 32u + 1u) / 2u)                            \
     : (type) == TYPE_Q5_1 ? (k) / 16u                                                             \
     : (type) == TYPE_Q4_K ? (k) / 64u                                                             \
                           : ALIGN_4((k) / 16u + (k) / 64u + ((k) / 256u + 1u) / 2u))

/* Rows of a chunk of file bytes become rows of planes. The source starts at word 0 of binding 0 and
 * holds `rows` whole rows. Source row i of the chunk is row r = first_row + i of the tensor; it
 * goes to row dst_row + r, or, if half > 0 (a gated pair of halves), to dst_row + (r < half ? 2 r :
 * 2 (r - half) + 1). taps > 1: a convolution weight [out, k / taps, taps] becomes [out, taps, k /
 * taps]; not for the block types. */
struct repack_params {
    uint32_t rows, first_row, dst_row, half;
    uint32_t k, taps;
    uint32_t src_type; /* TYPE_* (repack_f32 takes F32, F16, BF16; repack_16 moves 16-bit words) */
};

/* sum[bins][dim] /= max(usage[bin], 1e-5), in place */
struct centroids_params {
    uint32_t bins, dim;
};

/* --- Matrix times columns -----------------------------------------------------------------------
 */
#define MATMUL_BIAS 1u    /* v += bias[row] */
#define MATMUL_GATE 2u    /* v[i] = silu(acc[2 i]) * acc[2 i + 1]: rows is even, outputs rows / 2 */
#define MATMUL_GELU 4u    /* v = gelu(v), the exact one */
#define MATMUL_SCALE 8u   /* v *= scale[row] */
#define MATMUL_ADD 16u    /* v += residual[...] */
#define MATMUL_ADD_TO 32u /* v += y[...]: y is also input */
#define MATMUL_ELU 64u    /* y = elu(v) instead of v */
#define MATMUL_DUAL 128u  /* y2 = elu(v) as well */
/* The columns are normalized before the product, as rmsnorm and layernorm do (see below), with eps:
 * the norm's weight (alpha) is bound as scale, its bias as bias; so neither SCALE nor BIAS may be
 * set. Not every row of kernels.def does it: kernel_set_fuses. */
#define MATMUL_NORM_RMS 256u
#define MATMUL_NORM_LAYER 512u
#define MATMUL_NORM (MATMUL_NORM_RMS | MATMUL_NORM_LAYER)

/* Rows of kernels.def that multiply integers (NAME_dp) round the columns to 8 bits: x, or, with
 * MATMUL_NORM_RMS, x * alpha, in blocks of 32 elements along k. With m the largest magnitude of a
 * block, e its exponent and M the first 12 bits of its fraction, each element v becomes the integer
 * round(v * s), halves to even, and stands for that integer / s, where
 * s = floor(127 * 2^24 / (M + 2^12 + 1)) * 2^(-12 - e), a little less than 127 / m. Blocks with
 * m < 2^-100 become zeros; where an element is NaN or m >= 2^127, the result is NaN. The products
 * of a block are added up exactly. */

/* For each column c and each row r < rows: acc = sum_i W[w_row + r][i] x[c][i]; then, in this
 * order, the flags (but GATE before BIAS); output row o = r (r / 2 with GATE), and bias, scale,
 * residual, y and y2 are all indexed with row_offset + o. A convolution is this with overlapping
 * columns: col_stride = stride * C, k = taps * C. model_slots: how many the model has, of which
 * this product covers cols / per_slot; it changes nothing but the form that is chosen. */
#define MATMUL_MANY_SLOTS 16u /* a model of so many takes the forms for many columns throughout */
struct matmul_params {
    uint32_t rows, k, cols, per_slot;
    uint32_t w_row, row_offset, flags;
    uint32_t x_base, x_slot_stride, x_col_stride;
    uint32_t y_base, y_slot_stride, y_col_stride;
    uint32_t res_base, res_slot_stride, res_col_stride;
    uint32_t y2_base, y2_slot_stride, y2_col_stride;
    float eps; /* of MATMUL_NORM */
    uint32_t model_slots;
};

/* x[slot][d] = (accumulate ? x : 0) + sum_{t < tables} W[t * table_rows + id(slot, t)][d], with
 * id(slot, t) = ids[slot * ids_slot_stride + ids_base + t] - first_id; an id outside of 0 ..
 * table_rows adds nothing. */
struct embed_params {
    uint32_t slots, tables, table_rows, dim;
    uint32_t ids_base, ids_slot_stride;
    uint32_t x_slot_stride, accumulate;
    uint32_t first_id; /* of the rows that are bound: a table may come in several dispatches */
};

/* --- Norms --------------------------------------------------------------------------------------
 * rmsnorm:   y = x * (alpha * rsqrt(eps + mean(x^2)))
 * layernorm: y = (x - mean) / sqrt(var + eps) * weight + bias, biased variance
 * x and y are dense: [cols][dim]. */
struct norm_params {
    uint32_t cols, dim;
    float eps;
};

/* --- Positions and attention ---------------------------------------------------------------------
 */
/* First position of a call: */
#define POSITION_STEP 0u   /* state.step * per_slot; runs if SLOT_STEP */
#define POSITION_FRAME 1u  /* state.frame * per_slot; runs if SLOT_AUDIO */
#define POSITION_STATIC 2u /* static_position; runs if SLOT_STEP */

/* table[col][i] = (cos a, sin a), a = float(freq[i] * float(position of the column)), both rounded
 * to f32; cos and sin of that f32 angle to within 2e-7 however large it is. i < half. */
struct rope_table_params {
    uint32_t slots, per_slot, half, source;
};

/* Caches of keys and of values. A head of a position takes a whole number of units of four words,
 * padded with zeros: cache[slot][heads][capacity][units], and behind them, for KV_Q8, the scales
 * [heads][capacity][scale words]; a slot takes a whole number of units as well.
 * KV_F32  4 elements a unit
 * KV_F16  8, element 2i in the low half of word i, rounded to nearest even; beyond 65504 infinite
 * KV_Q8   16 signed bytes in order, the lowest first; an element is its byte times the scale of its
 *         block of 32, the f16 nearest to max |x| / 127; scales of blocks 2i (low half) and 2i + 1
 *         share a word */
#define KV_F32 0u
#define KV_F16 1u
#define KV_Q8 2u
#define KV_UNIT(type) (4u << (type)) /* elements */
#define KV_HEAD_UNITS(type, head_dim) (((head_dim) + KV_UNIT(type) - 1u) / KV_UNIT(type))
#define KV_SCALE_WORDS(type, head_dim) ((type) == KV_Q8 ? ((head_dim) + 63u) / 64u : 0u)
#define KV_SLOT_WORDS(type, capacity, heads, head_dim)                                             \
    (((capacity) * (heads) *                                                                       \
          (4u * KV_HEAD_UNITS(type, head_dim) + KV_SCALE_WORDS(type, head_dim)) +                  \
      3u) /                                                                                        \
     4u * 4u)
/* Words of a head of q, which is f32, padded with zeros to the same number of elements. */
#define KV_Q_WORDS(type, head_dim) (KV_UNIT(type) * KV_HEAD_UNITS(type, head_dim))

/* qkv[col][3][heads][head_dim] -> q[col][heads][KV_Q_WORDS] rotated; keys (rotated) and values go
 * to cache slot position % capacity. rotate == 0: no rotation, the table is not read. Interleaved
 * pairs: head_dim is even then. Nothing is written to the caches of a slot that does not run (see
 * POSITION_*); q may hold anything there. */
struct rope_kv_params {
    uint32_t slots, per_slot, heads, head_dim, capacity;
    uint32_t source, static_position, rotate;
    uint32_t kv_type;
};

/* The product that makes qkv, and rope_kv, in one: rows = 3 * heads * head_dim rows of W from w_row
 * on, times columns as in matmul_params, with flags of MATMUL_NORM or none; then as rope_kv, bit
 * for bit what the two give in the same form. No padding: head_dim is a multiple of
 * KV_UNIT(kv_type). Not for KV_Q8, whose scales depend on more than a pair of rows. */
struct qkv_params {
    uint32_t rows, k, cols, per_slot;
    uint32_t w_row, flags;
    uint32_t x_base, x_slot_stride, x_col_stride;
    float eps;
    uint32_t model_slots;
    uint32_t heads, head_dim, capacity;
    uint32_t source, static_position, rotate;
    uint32_t kv_type;
};
#define QKV_TYPE_SHIFT 16u /* the shader's flags are MATMUL_*, and kv_type from this bit on */

/* With p the first position of the call and e = p + per_slot - 1 the last, the ring slot r holds
 * position j = e - ((e - r) mod capacity), and the query at position q sees it iff
 * 0 <= j <= q. n = min(e + 1, capacity) ring slots are in use, r = 0 .. n - 1.
 * out[col][heads][head_dim] = sum_r weight[r] v[r] / sum_r weight[r] over the r that the query
 * sees, weight[r] = exp(q.k[r] / sqrt(head_dim) - most), most the largest exponent.
 *
 * splits == 1: attention writes out. Otherwise it computes the same for `splits` parts of the ring
 * slots, ATTENTION_SHARE(n, splits) in each, the last ones fewer or none, and attention_combine
 * makes out from that: partials[col][heads][splits][PARTIAL_WORDS(head_dim)] holds a part's result
 * and, from word PARTIAL_MOST(head_dim) on, its most and its sum of weights; -3.0e38, 0 and zeros
 * if the query sees none of it. Parts beyond n and slots that do not run are not written.
 * A slot that does not run gets zeros in out. */
struct attention_params {
    uint32_t slots, per_slot, heads, head_dim, capacity;
    uint32_t source, static_position;
    uint32_t kv_type, splits;
};
#define ATTENTION_SHARE(n, splits) (((n)-1u) / (8u * (splits)) * 8u + 8u)
#define PARTIAL_MOST(head_dim) (((head_dim) + 3u) / 4u * 4u)
#define PARTIAL_WORDS(head_dim) (PARTIAL_MOST(head_dim) + 4u)

/* --- Quantizer -----------------------------------------------------------------------------------
 * A row a slot, VQ_ROW(bins, dim) floats: for each VQ_TILE bins a pick, then the residual r[dim]. A
 * pick: the least distance sum_i (r[i] - centroid[bin][i])^2, the least one of the others, and the
 * bins of both. Of equal ones the first counts; where none is below VQ_FARTHEST, it is that, bin 0.
 */
#define VQ_TILE 32u
#define VQ_FARTHEST 3.4e38f
#define VQ_TILES(bins) (((bins) + VQ_TILE - 1u) / VQ_TILE)
#define VQ_ROW(bins, dim) (4u * VQ_TILES(bins) + (dim))
#define VQ_MAX_DIM 2048u /* and a multiple of 4 */

/* vq_step: r of `to` = r of `from`, minus previous[best of its picks] if `picks`; then the picks of
 * `to`, by the distances from r to centroids. If `picks`, the best of `from` is that of `codebook`:
 * if SLOT_AUDIO: codes[slot][frame % codes_ring][codebook] = best. Always: info[slot][codebook] =
 * (f32 bits of sqrt(best distance), of sqrt(second best distance), index of the second). Rows of
 * codes and info have n_codes entries. Without `picks`, the picks of `from` are not read. */
struct vq_step_params {
    uint32_t slots, bins, dim, picks;
    uint32_t codebook, n_codes, codes_ring;
};

/* vq_end: codes and info as above for codebook 0, from the picks of the rows `first`, and, if
 * n_codes > 1, for codebook n_codes - 1, from those of `rest`. */
struct vq_end_params {
    uint32_t slots, bins, dim;
    uint32_t n_codes, codes_ring;
};

/* --- Streaming convolution state ----------------------------------------------------------------
 * conv_state: up to CONV_STATES convolutions; number n has in binding 1 + n, for each slot,
 * prefix[n] + frame[n] vectors of channels[n]: what it keeps, then what the frame brought. At the
 * end of a tick: if SLOT_RESET the prefix becomes zero; else if SLOT_AUDIO the last prefix[n]
 * vectors move to the front. frame[n] may be smaller than prefix[n]. channels[n] is 0 for an unused
 * binding.
 */
#define CONV_STATES 7
struct conv_state_params {
    uint32_t slots;
    uint32_t prefix[CONV_STATES], frame[CONV_STATES], channels[CONV_STATES];
};

/* conv_replicate: if SLOT_AUDIO and state.frame == 0, each of the prefix vectors at
 * base + slot * slot_stride becomes a copy of the vector that follows them. */
struct conv_replicate_params {
    uint32_t slots, base, slot_stride, prefix, channels;
};

/* --- Transformer step ---------------------------------------------------------------------------
 *
 * ids[slot][1 + n_q]: what is embedded at step s = state.step. With d = delays[k],
 * the first of these that applies:
 * - s <= d: text_card if k == 0, otherwise card;
 * - k <= dep_q: tokens[slot][k], sampled at step s - 1;
 * - otherwise: codes[slot][(s - d - 1) % codes_ring][k - 1 - dep_q].
 * A code can only be asked for when its frame has been encoded in this tick or before. */
struct step_inputs_params {
    uint32_t slots, n_q, dep_q, n_codes, codes_ring;
    uint32_t card, text_card;
};

/* First maximum of logits[slot * logits_slot_stride + 0 .. n), if SLOT_STEP:
 * tokens[slot * tokens_slot_stride + index], margins the same: maximum minus the second best (0 if
 * n is 1). Where all are NaN or -infinity: token 0 and margin ARGMAX_NOTHING. */
#define ARGMAX_NOTHING (-1.0)
struct argmax_params {
    uint32_t slots, n, logits_slot_stride;
    uint32_t tokens_slot_stride, index;
};

/* probs[slot][head] = softmax(logits[slot][head][0 .. dim)) */
struct head_probs_params {
    uint32_t slots, heads, dim;
};

/* --- Frame --------------------------------------------------------------------------------------
 *
 * frame_begin: tick = state.tick; entry = input + (tick % ring) * max_slots * input_slot words.
 * For each of the first `slots` slots: state.flags = its flags; RESET: state.step = state.frame =
 * 0; AUDIO: `samples` words of pcm go to pcm[slot * pcm_slot_stride + pcm_offset ...]; CODES:
 * n_codes words to codes[slot][state.frame % codes_ring]. state.next_tick = tick + 1. */
struct frame_begin_params {
    uint32_t slots, max_slots, ring, input_slot;
    uint32_t samples, pcm_offset, pcm_slot_stride;
    uint32_t n_codes, codes_ring;
};

/* frame_end: tick = state.next_tick - 1; for each of the first `slots` slots the result entry at
 * results + ((tick % ring) * max_slots + slot) * result_slot; then STEP: state.step += 1, AUDIO or
 * CODES: state.frame += 1. state.tick = state.next_tick. probs[slot][n_heads][head_dim]: element 0
 * of each head is the vad value. tokens and margins: [slot][1 + dep_q]. The codes are those of
 * frame s - 1: codes[slot][(s - 1) % codes_ring], zeros if s == 0. */
struct frame_end_params {
    uint32_t slots, max_slots, ring, result_slot;
    uint32_t n_heads, head_dim, dep_q, n_codes, codes_ring;
};

#endif
