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

static void copy_blocks(const struct kernel_case *c, uint32_t block_bytes)
{
    const struct repack_params *p = &c->params.repack;
    const uint32_t blocks = p->k / 32, words = (blocks + 1) / 2;
    const uint8_t *from = c->data[0];
    for (uint32_t i = 0; i < p->rows; i++) {
        const uint32_t row = target_row(p, i);
        uint8_t *scales = (uint8_t *)((uint32_t *)c->data[2] + row * words);
        memset(scales, 0, words * 4);
        for (uint32_t b = 0; b < blocks; b++, from += block_bytes) {
            memcpy(scales + 2 * b, from, 2);
            memcpy((uint8_t *)c->data[1] + (size_t)(row * blocks + b) * (block_bytes - 2), from + 2,
                   block_bytes - 2);
        }
    }
}

/* little-endian hosts only, as everything here */
void repack_ref(const struct kernel_case *c)
{
    const struct repack_params *p = &c->params.repack;
    const uint32_t aligned = div_up(p->k, 4) * 4;
    if (c->id == KERNEL_repack_q8_0 || c->id == KERNEL_repack_q4_0) {
        copy_blocks(c, c->id == KERNEL_repack_q8_0 ? 34 : 18);
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
    const bool blocks = id == KERNEL_repack_q8_0 || id == KERNEL_repack_q4_0;
    *p = *shape;
    if (blocks) {
        p->k = div_up(p->k, 32) * 32;
        p->taps = 1;
    }
    out->id = id;
    uint32_t type = TYPE_F32;
    uint64_t bytes;
    switch (id) {
    case KERNEL_repack_16:
        p->src_type = type = TYPE_BF16;
        bytes = (uint64_t)p->rows * p->k * 2;
        break;
    case KERNEL_repack_q8_0:
        p->src_type = type = TYPE_Q8_0;
        bytes = (uint64_t)p->rows * p->k / 32 * 34;
        break;
    case KERNEL_repack_q4_0:
        p->src_type = type = TYPE_Q4_0;
        bytes = (uint64_t)p->rows * p->k / 32 * 18;
        break;
    default: bytes = (uint64_t)p->rows * p->k * (p->src_type == TYPE_F32 ? 4 : 2);
    }
    snprintf(out->text, sizeof(out->text),
             "%u rows of %u, first %u, to %u, half %u, taps %u, from type %u", p->rows, p->k,
             p->first_row, p->dst_row, p->half, p->taps, p->src_type);

    uint32_t last = 0;
    for (uint32_t i = 0; i < p->rows; i++)
        last = MAX(last, target_row(p, i));
    out->words[0] = (uint32_t)((bytes + 3) / 4);
    weights_words(type, last + 2, p->k, &out->words[1], &out->words[2]);
    if (!blocks)
        out->words[2] = 0;
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
