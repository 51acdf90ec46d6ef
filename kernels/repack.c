/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "kernels/weights_ref.h"

static uint32_t target_row(const struct repack_params *p, uint32_t i)
{
    const uint32_t r = p->first_row + i;
    if (!p->half)
        return p->dst_row + r;
    return p->dst_row + (r < p->half ? 2 * r : 2 * (r - p->half) + 1);
}

static uint32_t source_element(const struct repack_params *p, uint32_t e)
{
    if (p->taps <= 1)
        return e;
    const uint32_t channels = p->k / p->taps;
    return e % channels * p->taps + e / channels;
}

/* A block of a file, as ggml has it (docs/gguf.md): bytes where its parts begin. */
struct format {
    enum kernel_id id;
    uint32_t type, bytes, fifth, codes; /* fifth 0: codes have no fifth bits */
};

static const struct format formats[] = {
    {KERNEL_repack_q8_0, TYPE_Q8_0, 34, 0, 2},  {KERNEL_repack_q4_0, TYPE_Q4_0, 18, 0, 2},
    {KERNEL_repack_q4_1, TYPE_Q4_1, 20, 0, 4},  {KERNEL_repack_q5_0, TYPE_Q5_0, 22, 2, 6},
    {KERNEL_repack_q5_1, TYPE_Q5_1, 24, 4, 8},  {KERNEL_repack_q4_k, TYPE_Q4_K, 144, 0, 16},
    {KERNEL_repack_q6_k, TYPE_Q6_K, 210, 0, 0},
};

static const struct format *find_format(enum kernel_id id)
{
    for (size_t i = 0; i < COUNT_OF(formats); i++)
        if (formats[i].id == id)
            return &formats[i];
    return NULL;
}

static void set_bits(uint32_t *words, uint32_t word, uint32_t bit, uint32_t bits)
{
    words[word] |= bits << bit;
}

static uint32_t half_of(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8;
}

/* code of element e of a superblock of q4_k or q6_k */
static uint32_t k_code(uint32_t type, const uint8_t *from, uint32_t e)
{
    if (type == TYPE_Q4_K)
        return from[16 + e / 64 * 32 + e % 32] >> e % 64 / 32 * 4 & 15;
    const uint32_t half = e / 128, at = e % 128;
    return (from[half * 64 + at % 64] >> at / 64 * 4 & 15) |
           (uint32_t)(from[128 + half * 32 + at % 32] >> at / 32 * 2 & 3) << 4;
}

/* the six bits of a part's scale (which 0) or minimum (1) of q4_k */
static uint32_t k_six(const uint8_t *from, uint32_t part, uint32_t which)
{
    const uint8_t *packed = from + 4, mine = packed[4 * which + part % 4];
    if (part < 4)
        return mine & 63;
    return (packed[8 + part % 4] >> 4 * which & 15) | (uint32_t)(mine >> 6) << 4;
}

static uint32_t code_of(const struct format *f, const uint8_t *from, uint32_t e)
{
    if (f->type == TYPE_Q4_K || f->type == TYPE_Q6_K)
        return k_code(f->type, from, e);
    if (f->type == TYPE_Q8_0)
        return from[f->codes + e];
    const uint32_t nibble = from[f->codes + e % 16] >> e / 16 * 4 & 15;
    return nibble | (f->fifth ? (uint32_t)(from[f->fifth + e / 8] >> e % 8 & 1) << 4 : 0);
}

/* Block b of a row: its scales, to the row's head. */
static void place_scales(const struct format *f, const uint8_t *from, uint32_t b, uint32_t k,
                         uint32_t *head)
{
    const uint32_t d = half_of(from), blocks = k / 32;
    switch (f->type) {
    case TYPE_Q4_1: head[b] = d | half_of(from + 2) << 16; break;
    case TYPE_Q5_0: set_bits(head, blocks + b / 2, b % 2 * 16, d); break;
    case TYPE_Q5_1: head[blocks + b] = d | half_of(from + 2) << 16; break;
    case TYPE_Q4_K:
        head[4 * b] = d | half_of(from + 2) << 16;
        for (uint32_t part = 0; part < 8; part++) {
            const uint32_t m = k_six(from, part, 1), word = 4 * b + 1 + part / 4;
            set_bits(head, word, 6 * (part % 4), k_six(from, part, 0));
            set_bits(head, word, 24 + 2 * (part % 4), m & 3);
            set_bits(head, 4 * b + 3, 4 * part, m >> 2);
        }
        break;
    case TYPE_Q6_K:
        for (uint32_t part = 0; part < 16; part++)
            set_bits(head, k / 16 + 4 * b + part / 4, part % 4 * 8, from[192 + part]);
        set_bits(head, k / 16 + k / 64 + b / 2, b % 2 * 16, half_of(from + 208));
        break;
    default: set_bits(head, b / 2, b % 2 * 16, d);
    }
}

/* element e of a row */
static void place_code(const struct format *f, uint32_t e, uint32_t code, uint32_t *row,
                       uint32_t *head)
{
    if (f->type == TYPE_Q8_0) {
        set_bits(row, e / 4, e % 4 * 8, code);
        return;
    }
    set_bits(row, e / 32 * 4 + e % 16 / 4, e % 4 * 8 + e % 32 / 16 * 4, code & 15);
    if (f->fifth)
        set_bits(head, e / 32, 8 * (e % 4) + e % 32 / 4, code >> 4);
    if (f->type == TYPE_Q6_K)
        set_bits(head, e / 16, 8 * (e % 4) + 2 * (e / 4 % 4), code >> 4);
}

static void place_blocks(const struct kernel_case *c, const struct format *f)
{
    const struct repack_params *p = &c->params.repack;
    const uint32_t size = TYPE_BLOCK(f->type);
    const uint32_t words[2] = {PLANE0_WORDS(f->type, p->k), PLANE1_WORDS(f->type, p->k)};
    const uint8_t *from = c->data[0];
    for (uint32_t i = 0; i < p->rows; i++) {
        uint32_t *row = (uint32_t *)c->data[1] + target_row(p, i) * words[0];
        uint32_t *head = (uint32_t *)c->data[2] + target_row(p, i) * words[1];
        memset(row, 0, words[0] * 4);
        memset(head, 0, words[1] * 4);
        for (uint32_t b = 0; b < p->k / size; b++, from += f->bytes) {
            place_scales(f, from, b, p->k, head);
            for (uint32_t e = 0; e < size; e++)
                place_code(f, b * size + e, code_of(f, from, e), row, head);
        }
    }
}

/* little-endian hosts only, as everything here */
void repack_ref(const struct kernel_case *c)
{
    const struct repack_params *p = &c->params.repack;
    const uint32_t aligned = div_up(p->k, 4) * 4;
    const struct format *format = find_format(c->id);
    if (format) {
        place_blocks(c, format);
        return;
    }
    const uint16_t *from16 = c->data[0];
    const uint32_t *from32 = c->data[0];
    for (uint32_t i = 0; i < p->rows; i++) {
        for (uint32_t e = 0; e < aligned; e++) {
            const size_t from = (size_t)i * p->k + source_element(p, MIN(e, p->k - 1));
            const size_t to = (size_t)target_row(p, i) * aligned + e;
            const bool padding = e >= p->k;
            if (c->id == KERNEL_repack_16) {
                ((uint16_t *)c->data[1])[to] = padding ? 0 : from16[from];
                continue;
            }
            uint32_t bits = 0;
            if (p->src_type == TYPE_F32)
                bits = from32[from];
            else if (p->src_type == TYPE_BF16)
                bits = (uint32_t)from16[from] << 16;
            else {
                const float f = f16_to_float(from16[from]);
                memcpy(&bits, &f, sizeof(bits));
            }
            ((uint32_t *)c->data[1])[to] = padding ? 0 : bits;
        }
    }
}

static const struct repack_params shapes[] = {
    /* rows, first_row, dst_row, half, k, taps, src_type of repack_f32 */
    {1, 0, 0, 0, 1, 1, TYPE_F32},      {3, 0, 0, 0, 5, 1, TYPE_F16},
    {5, 2, 1, 0, 7, 7, TYPE_F32},      {4, 0, 3, 0, 36, 3, TYPE_F32},
    {6, 0, 0, 3, 34, 1, TYPE_BF16},    {5, 2, 4, 4, 96, 1, TYPE_F16},
    {3, 5, 0, 4, 33, 11, TYPE_BF16},   {64, 0, 0, 32, 256, 1, TYPE_F32},
    {257, 100, 0, 0, 40, 5, TYPE_F16}, {33, 0, 2, 0, 160, 0, TYPE_F16},
};
static const struct repack_params bench_shapes[] = {{6144, 0, 0, 0, 2048, 1, TYPE_F32}};

bool repack_cases(enum kernel_id id, uint32_t index, const struct case_source *s,
                  struct kernel_case *out)
{
    const struct repack_params *shape = CASE_SHAPE(index, shapes, bench_shapes);
    if (!shape)
        return false;
    struct repack_params *p = &out->params.repack;
    const struct format *format = find_format(id);
    *p = *shape;
    out->id = id;
    uint32_t type = TYPE_F32;
    uint64_t bytes;
    if (format) {
        p->src_type = type = format->type;
        p->taps = 1;
        p->k = weights_round_up(type, p->k);
        bytes = (uint64_t)p->rows * p->k / TYPE_BLOCK(type) * format->bytes;
    } else {
        if (id == KERNEL_repack_16)
            p->src_type = type = TYPE_BF16;
        bytes = (uint64_t)p->rows * p->k * (p->src_type == TYPE_F32 ? 4 : 2);
    }
    snprintf(out->text, sizeof(out->text),
             "%u rows of %u, first %u, to %u, half %u, taps %u, from type %u", p->rows, p->k,
             p->first_row, p->dst_row, p->half, p->taps, p->src_type);

    uint32_t last = 0;
    for (uint32_t i = 0; i < p->rows; i++)
        last = MAX(last, target_row(p, i));
    out->words[0] = (uint32_t)((bytes + 3) / 4);
    weights_words(type, last + 2, p->k, &out->words[1], &out->words[2]);
    for (uint32_t b = 0; b < 3; b++)
        out->data[b] = out->words[b] ? s->alloc(s->state, (size_t)out->words[b] * 4) : NULL;
    uint32_t *source = out->data[0];
    for (uint32_t i = 0; i < out->words[0]; i++)
        source[i] = s->random(s->state);
    if (id == KERNEL_repack_f32 &&
        p->src_type == TYPE_F16) /* denormals, both zeros, the extremes */
        for (uint32_t i = 0; i < out->words[0] && i < 64; i++)
            source[i] = (i * 37 & 1023) | (i % 3 == 0 ? 0x80007bffu : 0x04008000u);
    if (id == KERNEL_repack_f32) /* infinities and NaNs are nothing that weights hold */
        for (uint32_t i = 0; i < out->words[0]; i++)
            source[i] &= p->src_type == TYPE_F16 ? 0xbbffbbffu : 0xbf7fbf7fu;

    out->bytes = (double)bytes + 4.0 * (out->words[1] + out->words[2]);
    return true;
}
