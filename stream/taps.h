/* SPDX-License-Identifier: MIT
 *
 * Taps: copies of intermediate arrays that a traced model makes in every tick, for slot 0.
 */
#ifndef STAPES_STREAM_TAPS_H
#define STAPES_STREAM_TAPS_H

#include "stream/buffers.h"
#include "stream/recorder.h"

enum tap {
    TAP_SEANET,
    TAP_TRANSFORMER_L0,
    TAP_TRANSFORMER,
    TAP_LATENT,
    TAP_PROJ_FIRST,
    TAP_PROJ_REST,
    TAP_CODES,   /* the ring of slot 0 */
    TAP_VQ_INFO, /* vq_step's info */
    TAP_INPUT_IDS,
    TAP_EMBEDDED,
    TAP_HIDDEN_L0,
    TAP_HIDDEN_LAST,
    TAP_TRANSFORMER_OUT,
    TAP_TEXT_LOGITS,
    TAP_EXTRA_HEADS,
    TAP_DEP_LOGITS,
    TAP_TOKENS,
    TAP_MARGINS, /* text first, then the depformer's */
    TAP_COUNT
};

struct taps {
    struct gpu_range range;
    uint32_t first[TAP_COUNT], words[TAP_COUNT]; /* in the buffer; words 0: the model has none */
    uint32_t total;
};

/* Before buffers_create: makes room for `words` words. */
void taps_want(struct taps *taps, enum tap tap, uint32_t words);
void taps_want_buffer(struct taps *taps, struct buffers *buffers);
/* What the last finished tick wrote. */
const void *taps_read(const struct taps *taps, enum tap tap);

/* Copies `words` words from word `from_word` of a range to word `at` of the tap. Nothing without
 * taps. */
void record_tap(struct recorder *r, enum tap tap, struct gpu_range from, uint32_t from_word,
                uint32_t at, uint32_t words);

#endif
