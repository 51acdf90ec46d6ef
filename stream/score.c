/* SPDX-License-Identifier: MIT
 *
 * Two copies a program: what the host gives goes over the last step's tokens before the step, the
 * text logits to where the host reads them after it.
 *
 * The depformer of step s still sees the text token that was sampled: what it makes is replaced
 * before step s + 1, and text logits depend on nothing else of it.
 */
#include "stream/internal.h"

#include <string.h>

static uint32_t made(const stapes_model *m)
{
    return 1 + m->config.lm.dep_q;
}

int score_open(const struct stapes_model_params *params, stapes_model **out)
{
    if (!params || !params->path || !out)
        return ERROR_ARGUMENT;
    return model_open_with(params, (struct model_uses){.scoring = true}, out);
}

void score_want_buffers(stapes_model *m)
{
    buffers_want_mapped(&m->buffers, &m->fed, "given tokens", (uint64_t)m->slots * made(m),
                        GPU_MEMORY_UPLOAD);
    buffers_want_mapped(&m->buffers, &m->logits, "told logits",
                        (uint64_t)m->slots * m->config.lm.text_card, GPU_MEMORY_READBACK);
}

static void record_copy(struct recorder *r, struct gpu_range from, struct gpu_range to,
                        uint32_t words)
{
    from.size = to.size = words * 4ull;
    if (r->status == OK)
        r->status = gpu_program_copy(r->program, &from, &to);
}

void score_record_begin(stapes_model *m, struct recorder *r)
{
    record_copy(r, m->fed, m->lm.tokens, r->slots * made(m));
}

void score_record_end(stapes_model *m, struct recorder *r)
{
    record_copy(r, m->lm.logits, m->logits, r->slots * m->config.lm.text_card);
}

void score_feed(stapes_model *m, const struct tick *tick)
{
    uint32_t *fed = gpu_buffer_map(m->fed.buffer);
    for (uint32_t i = 0; i < tick->slots; i++) {
        const stapes_stream *s = tick->slot[i].stream;
        if (!s || s->steps == 0) /* step 0 sees initial tokens */
            continue;
        const bool given = s->steps <= s->score.n_steps;
        memcpy(fed + (size_t)i * made(m),
               given ? s->score.tokens + (s->steps - 1) * made(m) : s->sampled,
               made(m) * sizeof(*fed));
    }
}

void score_result(stapes_stream *s, const uint32_t *result)
{
    const stapes_model *m = s->model;
    const struct lm_config *c = &m->config.lm;
    const float *logits = gpu_buffer_map(m->logits.buffer);
    s->sampled[0] = result[RESULT_TOKEN];
    memcpy(s->sampled + 1, result + RESULT_HEAD + c->extra_heads, c->dep_q * sizeof(*result));
    if (s->score.on_step)
        s->score.on_step(s->score.user, result[RESULT_STEP], s->sampled,
                         logits + (size_t)s->slot * c->text_card);
}

int score_attach(stapes_stream *s, const struct score_stream *score)
{
    if (!s || !score || (score->n_steps && !score->tokens))
        return ERROR_ARGUMENT;
    const stapes_model *m = s->model;
    if (!m->scoring || !s->fresh)
        return log_error(&m->log, ERROR_ARGUMENT,
                         "scoring: a model opened for it, and a stream before its first step");
    for (uint64_t i = 0; i < score->n_steps * made(m); i++) {
        const uint32_t card = i % made(m) ? m->config.lm.card : m->config.lm.text_card;
        if (score->tokens[i] >= card)
            return log_error(&m->log, ERROR_ARGUMENT,
                             "scoring: token %u of step %llu is not below %u", score->tokens[i],
                             (unsigned long long)(i / made(m)), card);
    }
    s->score = *score;
    return OK;
}
