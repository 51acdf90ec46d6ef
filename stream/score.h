/* SPDX-License-Identifier: MIT
 *
 * Scoring: what a stream feeds back is given from outside, and the text logits of every step are
 * told. For tools/ and tests that compare models; not part of the library's interface.
 *
 * A model opened for scoring is one for everything else, too, and says the same, bit for bit. It
 * has one tick in flight instead of eight, because the host reads the logits of a tick, and gives
 * what comes before the next one.
 */
#ifndef STAPES_STREAM_SCORE_H
#define STAPES_STREAM_SCORE_H

#include "stream/stapes.h"

/* As stapes_model_open; slots * text_card * 8 bytes more of memory. */
int score_open(const struct stapes_model_params *params, stapes_model **out);

/* A step's text logits [text_card], and what it sampled: text token, then the depformer's
 * [1 + audio_streams]. Both live during the call, which happens inside of stapes_model_run or a
 * full stapes_stream_feed; it must not call anything of this model. */
typedef void score_step_fn(void *user, uint64_t step, const uint32_t *sampled, const float *logits);

struct score_stream {
    /* [n_steps][1 + audio_streams]: row s is fed back after step s in place of what it sampled.
     * After these steps the stream feeds back its own again. NULL and 0: always its own. The
     * stream's events tell what it sampled, not what it was given. */
    const uint32_t *tokens;
    uint64_t n_steps;
    score_step_fn *on_step; /* may be NULL */
    void *user;
};

/* For a new or reset stream, until it is destroyed or told otherwise; tokens are borrowed so long.
 * ERROR_ARGUMENT: its model is not for scoring, it has made steps already, or a token is none of
 * the model's. */
int score_attach(stapes_stream *stream, const struct score_stream *score);

#endif
