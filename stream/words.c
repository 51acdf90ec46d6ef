/* SPDX-License-Identifier: MIT */
#include "stream/words.h"

void words_reset(struct words *w)
{
    w->n_tokens = 0;
    w->last_stop = 0;
    w->unended = false;
    w->spoken = false;
}

static double shifted(const struct words *w, double seconds)
{
    return MAX(seconds - w->offset, 0.0);
}

static void emit_word(struct words *w, words_emit *emit, void *user)
{
    if (!w->n_tokens)
        return;
    emit(user, WORDS_WORD, shifted(w, w->last_stop), w->tokens, w->n_tokens);
    w->n_tokens = 0;
    w->unended = true;
}

void words_step(struct words *w, uint64_t s, uint32_t token, const float *vad, words_emit *emit,
                void *user)
{
    const uint64_t step = s + 1;
    const bool silent = token == w->padding || token == TEXT_TOKEN_WORD;
    if (step >= w->delay) {
        if (silent) {
            emit_word(w, emit, user);
        } else {
            if (w->n_tokens == WORDS_MAX_TOKENS)
                emit_word(w, emit, user);
            w->tokens[w->n_tokens++] = token;
        }
        if (token == TEXT_TOKEN_WORD) {
            const double stop = (double)(step - w->delay) * w->frame_seconds;
            if (w->unended) {
                emit(user, WORDS_WORD_END, shifted(w, stop), NULL, 0);
                w->unended = false;
            }
            w->last_stop = stop;
        }
    }
    if (!silent)
        w->spoken = true;
    if (vad && w->spoken && silent && *vad > w->vad_threshold) {
        emit(user, WORDS_TURN_END, shifted(w, (double)s * w->frame_seconds), NULL, 0);
        w->spoken = false;
    }
}

void words_flush(struct words *w, uint64_t steps, double limit, words_emit *emit, void *user)
{
    const double stop = steps > w->delay ? (double)(steps - w->delay) * w->frame_seconds : 0;
    emit_word(w, emit, user);
    if (w->unended)
        emit(user, WORDS_WORD_END, MAX(MIN(shifted(w, stop), limit), shifted(w, w->last_stop)),
             NULL, 0);
    w->unended = false;
}
