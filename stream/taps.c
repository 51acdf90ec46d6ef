/* SPDX-License-Identifier: MIT */
#include "stream/taps.h"

void taps_want(struct taps *taps, enum tap tap, uint32_t words)
{
    taps->first[tap] = taps->total;
    taps->words[tap] = words;
    taps->total += words;
}

void taps_want_buffer(struct taps *taps, struct buffers *buffers)
{
    buffers_want_mapped(buffers, &taps->range, "taps", taps->total, GPU_MEMORY_READBACK);
}

const void *taps_read(const struct taps *taps, enum tap tap)
{
    return (const uint32_t *)gpu_buffer_map(taps->range.buffer) + taps->first[tap];
}

void record_tap(struct recorder *r, enum tap tap, struct gpu_range from, uint32_t from_word,
                uint32_t at, uint32_t words)
{
    if (!r->taps || r->status != OK)
        return;
    const struct gpu_range source = {from.buffer, from.offset + from_word * 4ull, words * 4ull};
    const struct gpu_range target = {r->taps->range.buffer, (r->taps->first[tap] + at) * 4ull,
                                     words * 4ull};
    r->status = gpu_program_copy(r->program, &source, &target);
}
