/* SPDX-License-Identifier: MIT
 *
 * stapes_stream_dump: the taps of the last tick under the names of upstream's arrays
 * (stream/taps.h has the raw copies; some arrays are made from them here).
 */
#include "stream/internal.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ARRAYS 32
#define SILENT_TOKEN (-2) /* what upstream returns for a stream that has no token yet */

struct list {
    struct stapes_array arrays[MAX_ARRAYS];
    uint32_t count;
    uint32_t *scratch; /* words for the arrays that are made here */
};

static void add(struct list *l, const char *name, bool is_int, uint32_t rows, const void *data,
                uint32_t n_dims, uint32_t d0, uint32_t d1)
{
    l->arrays[l->count++] = (struct stapes_array){.name = name,
                                                  .is_int = is_int,
                                                  .n_dims = n_dims,
                                                  .dims = {d0, d1},
                                                  .rows = rows,
                                                  .data = data};
}

static void add_tap(struct list *l, const struct taps *t, enum tap tap, const char *name,
                    uint32_t rows, uint32_t n_dims, uint32_t d0, uint32_t d1)
{
    if (t->words[tap])
        add(l, name, tap == TAP_INPUT_IDS, rows, taps_read(t, tap), n_dims, d0, d1);
}

static uint32_t *make(struct list *l, uint32_t words)
{
    uint32_t *at = l->scratch;
    l->scratch += words;
    return at;
}

static void add_mimi(struct list *l, const stapes_model *m, bool ran)
{
    const struct mimi_config *c = &m->config.mimi;
    const struct taps *t = &m->taps;
    const uint32_t n = m->n_codes, rows = ran ? 1 : 0;
    static const char *const decisions[] = {"mimi/best_dist", "mimi/second_dist",
                                            "mimi/second_code"};
    add_tap(l, t, TAP_SEANET, "mimi/seanet", rows * MIMI_PER_FRAME, 1, c->dimension, 0);
    add_tap(l, t, TAP_TRANSFORMER_L0, "mimi/transformer_l0", rows * MIMI_PER_FRAME, 1, c->dimension,
            0);
    add_tap(l, t, TAP_TRANSFORMER, "mimi/transformer", rows * MIMI_PER_FRAME, 1, c->dimension, 0);
    add_tap(l, t, TAP_LATENT, "mimi/latent", rows, 1, c->dimension, 0);
    add_tap(l, t, TAP_PROJ_FIRST, "mimi/proj_first", rows, 1, c->codebook_dim, 0);
    add_tap(l, t, TAP_PROJ_REST, "mimi/proj_rest", rows, 1, c->codebook_dim, 0);

    /* The tick of step s encodes frame s - 1. */
    const uint32_t *codes = taps_read(t, TAP_CODES), *info = taps_read(t, TAP_VQ_INFO);
    if (ran)
        codes += (size_t)((m->last_step - 1) % m->lm.codes_ring) * n;
    add(l, "mimi/codes", true, rows, codes, 1, n, 0);
    for (uint32_t part = 0; part < COUNT_OF(decisions); part++) {
        uint32_t *values = make(l, n);
        for (uint32_t k = 0; k < n; k++)
            values[k] = info[k * 3 + part];
        add(l, decisions[part], part == 2, rows, values, 1, n, 0);
    }
}

/* What upstream's LMGen returns at step s: streams aligned, once all of them are known
 * (KYUTAI.md 3.6). */
static void add_returned(struct list *l, stapes_stream *s, uint32_t rows)
{
    const stapes_model *m = s->model;
    const struct lm_config *c = &m->config.lm;
    const uint32_t made = 1 + c->dep_q, ring = m->lm.codes_ring, max_delay = ring - 2;
    int32_t *returned = (int32_t *)make(l, made);
    if (rows)
        memcpy(s->history + (size_t)(m->last_step % ring) * made, taps_read(&m->taps, TAP_TOKENS),
               made * 4);
    for (uint32_t k = 0; k < made; k++) {
        const uint32_t step = m->last_step - max_delay + c->delays[k];
        returned[k] = m->last_step < max_delay
                          ? SILENT_TOKEN
                          : (int32_t)s->history[(size_t)(step % ring) * made + k];
    }
    add(l, "lm_shift/returned", true, rows, returned, 1, made, 0);
}

static void add_lm(struct list *l, stapes_stream *s, uint32_t rows)
{
    const stapes_model *m = s->model;
    const struct lm_config *c = &m->config.lm;
    const struct taps *t = &m->taps;
    const uint32_t *tokens = taps_read(t, TAP_TOKENS), *margins = taps_read(t, TAP_MARGINS);
    add_tap(l, t, TAP_INPUT_IDS, "lm_shift/input_ids", rows, 1, 1 + c->n_q, 0);
    add_tap(l, t, TAP_EMBEDDED, "lm_shift/embedded", rows, 1, c->dim, 0);
    add_tap(l, t, TAP_HIDDEN_L0, "lm_shift/hidden_l0", rows, 1, c->dim, 0);
    add_tap(l, t, TAP_HIDDEN_LAST, "lm_shift/hidden_last", rows, 1, c->dim, 0);
    add_tap(l, t, TAP_TRANSFORMER_OUT, "lm_shift/transformer_out", rows, 1, c->dim, 0);
    add_tap(l, t, TAP_TEXT_LOGITS, "lm_shift/text_logits", rows, 1, c->text_card, 0);
    add(l, "lm_shift/text_tokens", true, rows, tokens, 0, 0, 0);
    add(l, "lm_shift/text_margin", false, rows, margins, 0, 0, 0);
    add_tap(l, t, TAP_EXTRA_HEADS, "lm_shift/extra_heads", rows, 2, c->extra_heads,
            c->extra_heads_dim);
    if (c->dep_q) {
        add_tap(l, t, TAP_DEP_LOGITS, "lm_shift/dep_logits", rows, 2, c->dep_q, c->card);
        add(l, "lm_shift/dep_tokens", true, rows, tokens + 1, 1, c->dep_q, 0);
        add(l, "lm_shift/dep_margin", false, rows, margins + 1, 1, c->dep_q, 0);
    }
    add_returned(l, s, rows);
}

int stapes_stream_dump(stapes_stream *s, struct stapes_array *arrays, uint32_t *count)
{
    struct list l = {.count = 0};
    if (!s || !count || (*count && !arrays))
        return ERROR_ARGUMENT;
    stapes_model *m = s->model;
    if (!m->has_taps)
        return log_error(&m->log, ERROR_ARGUMENT, "the model was not opened with trace");
    if (m->collected != m->submitted || !m->collected)
        return log_error(&m->log, ERROR_ARGUMENT,
                         "the tick to dump has not finished: run the model with WAIT first");
    if (!m->dump_scratch)
        m->dump_scratch = calloc(3 * m->n_codes + 1 + m->config.lm.dep_q, sizeof(uint32_t));
    if (!m->dump_scratch)
        return log_error(&m->log, ERROR_MEMORY, "out of memory");
    l.scratch = m->dump_scratch;
    add_mimi(&l, m, m->last_flags & SLOT_AUDIO);
    add_lm(&l, s, m->last_flags & SLOT_STEP ? 1 : 0);
    for (uint32_t i = 0; i < MIN(*count, l.count); i++)
        arrays[i] = l.arrays[i];
    *count = l.count;
    return OK;
}
