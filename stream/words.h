/* SPDX-License-Identifier: MIT
 *
 * From text tokens to words with times and ends of turns (KYUTAI.md 4.1, the rules of upstream's
 * asr.rs).
 */
#ifndef STAPES_STREAM_WORDS_H
#define STAPES_STREAM_WORDS_H

#include "runtime/base.h"

#define WORDS_MAX_TOKENS                                                                           \
    256                    /* a longer word is cut: a looping model must not grow without bound    \
                            */
#define TEXT_TOKEN_WORD 0u /* marks a word boundary; the padding token is in the configuration */

struct words {
    uint32_t delay;       /* audio delay, steps */
    uint32_t padding;     /* 3 */
    double offset;        /* subtracted from all times: silence put before the sound */
    double frame_seconds; /* 0.08 */
    double vad_threshold;

    uint32_t n_tokens;
    uint32_t tokens[WORDS_MAX_TOKENS];
    double last_stop; /* time of the last boundary: where the word in progress began */
    bool unended;     /* a word was told, its end was not */
    bool spoken;      /* something was said since the last end of turn */
};

enum words_what { WORDS_WORD, WORDS_WORD_END, WORDS_TURN_END };

/* Called for each event, in order; tokens are valid during the call. */
typedef void words_emit(void *user, enum words_what what, double seconds, const uint32_t *tokens,
                        uint32_t n_tokens);

void words_reset(struct words *words);
/* Step s sampled `token`; vad: NULL, or the probability that the speaker has stopped. At most three
 * events. */
void words_step(struct words *words, uint64_t s, uint32_t token, const float *vad, words_emit *emit,
                void *user);
/* After the last step (`steps` in all): tells the word in progress and its end, which is at most
 * `limit` (the length of the sound; infinite if unknown). At most two events. */
void words_flush(struct words *words, uint64_t steps, double limit, words_emit *emit, void *user);

#endif
