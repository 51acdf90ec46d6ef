/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "stream/score.h"
#include "tools/interrupt.h"
#include "tools/validation/validate_parts.h"

struct pass;

struct listener {
    struct pass *pass;
    size_t index; /* of the recording */
};

/* One pass of a model over the recordings. */
struct pass {
    struct validate_reference *reference;
    const char *path;            /* of the model */
    struct validation_model *to; /* what counts the errors of its words; NULL: nobody */
    struct listener *listeners;  /* [n] */
    score_step_fn *on_step;
    bool gives_tokens; /* the reference's */
    float *row;        /* [text_card], where logits are compared */
    struct divergence all, text;
    double audio_seconds;
    bool failed; /* and told */
};

static bool grow(struct kept *kept, uint32_t made)
{
    if (kept->n_steps < kept->room)
        return true;
    const uint64_t room = kept->room ? 2 * kept->room : 256;
    uint32_t *tokens = realloc(kept->tokens, room * made * sizeof(*tokens));
    if (tokens)
        kept->tokens = tokens;
    uint64_t *rows = realloc(kept->rows, room * sizeof(*rows));
    if (rows)
        kept->rows = rows;
    if (!tokens || !rows)
        return false;
    kept->room = room;
    return true;
}

static bool keep(struct validate_reference *r, struct kept *kept, const uint32_t *sampled,
                 const float *logits)
{
    if (!grow(kept, r->made))
        return validate_no_memory(r);
    memcpy(kept->tokens + kept->n_steps * r->made, sampled, r->made * sizeof(*sampled));
    kept->rows[kept->n_steps++] = r->logits.rows;
    return logits_file_append(&r->logits, logits);
}

static void keep_step(void *user, uint64_t step, const uint32_t *sampled, const float *logits)
{
    const struct listener *listener = user;
    struct pass *pass = listener->pass;
    (void)step; /* in order, from 0 on */
    if (!pass->failed &&
        !keep(pass->reference, &pass->reference->kept[listener->index], sampled, logits))
        pass->failed = true;
}

static bool compare(struct pass *pass, size_t index, uint64_t step, const float *logits)
{
    struct validate_reference *r = pass->reference;
    const struct kept *kept = &r->kept[index];
    struct divergence_step measured;
    if (step >= kept->n_steps) {
        report_error(r->report, "%s: %s makes more steps of it than %s", r->paths[index],
                     pass->path, r->facts.path);
        return false;
    }
    if (!logits_file_read(&r->logits, kept->rows[step], pass->row))
        return false;
    const uint32_t token = kept->tokens[step * r->made];
    if (!divergence_measure(pass->row, logits, r->logits.card, token, &measured)) {
        report_error(r->report,
                     "%s: step %llu of %s or of %s has logits that are no finite numbers",
                     r->paths[index], (unsigned long long)step, pass->path, r->facts.path);
        return false;
    }
    if (!divergence_add(&pass->all, &measured) ||
        (token != r->facts.config.lm.text_padding_id && !divergence_add(&pass->text, &measured)))
        return validate_no_memory(r);
    return true;
}

static void compare_step(void *user, uint64_t step, const uint32_t *sampled, const float *logits)
{
    const struct listener *listener = user;
    struct pass *pass = listener->pass;
    (void)sampled;
    if (!pass->failed && !compare(pass, listener->index, step, logits))
        pass->failed = true;
}

static bool begin(void *user, size_t index, stapes_stream *stream)
{
    struct pass *pass = user;
    const struct kept *kept = &pass->reference->kept[index];
    struct score_stream score = {.on_step = pass->on_step, .user = &pass->listeners[index]};
    if (pass->gives_tokens) {
        score.tokens = kept->tokens;
        score.n_steps = kept->n_steps;
    }
    return !pass->failed && score_attach(stream, &score) == STAPES_OK;
}

static bool done(void *user, const struct transcriber_result *result)
{
    struct pass *pass = user;
    struct validate_reference *r = pass->reference;
    if (result->error) {
        report_error(r->report, "%s: %s", r->paths[result->index], result->error);
        return false;
    }
    if (pass->to && !validate_count_errors(r, result, pass->to))
        return false;
    pass->audio_seconds += result->seconds;
    return !pass->failed;
}

static int run(struct pass *pass, stapes_model *model, const char *label)
{
    struct validate_reference *r = pass->reference;
    const struct transcriber_params params = {
        .paths = r->paths, .n = r->n, .begin = begin, .done = done, .user = pass, .label = label};
    pass->listeners = calloc(r->n, sizeof(*pass->listeners));
    if (!pass->listeners) {
        validate_no_memory(r);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < r->n; i++)
        pass->listeners[i] = (struct listener){pass, i};
    const enum transcriber_end end = transcriber_run(r->report, model, &params);
    free(pass->listeners);
    if (end == TRANSCRIBER_INTERRUPTED)
        return EXIT_INTERRUPTED;
    return end == TRANSCRIBER_DONE && !pass->failed ? EXIT_SUCCESS : EXIT_FAILURE;
}

int validate_run_reference(struct validate_reference *r, stapes_model *model)
{
    struct pass pass = {
        .reference = r, .path = r->facts.path, .to = &r->measured.reference, .on_step = keep_step};
    const int status = run(&pass, model, "reference");
    r->measured.audio_seconds = pass.audio_seconds;
    return status;
}

int validate_run_free(struct validate_reference *r, stapes_model *model, const char *path,
                      struct validation_model *to)
{
    struct pass pass = {.reference = r, .path = path, .to = to};
    return run(&pass, model, "candidate");
}

int validate_run_forced(struct validate_reference *r, stapes_model *model, const char *path,
                        struct validation *out)
{
    struct pass pass = {
        .reference = r, .path = path, .on_step = compare_step, .gives_tokens = true};
    pass.row = malloc(r->logits.card * sizeof(*pass.row));
    if (!pass.row) {
        validate_no_memory(r);
        return EXIT_FAILURE;
    }
    int status = run(&pass, model, "comparing");
    if (status == EXIT_SUCCESS && pass.all.n_steps != r->logits.rows) {
        report_error(r->report, "%s: makes fewer steps of the recordings than %s", path,
                     r->facts.path);
        status = EXIT_FAILURE;
    }
    if (status == EXIT_SUCCESS) {
        divergence_summarize(&pass.all, &out->all);
        divergence_summarize(&pass.text, &out->text);
    }
    divergence_deinit(&pass.all);
    divergence_deinit(&pass.text);
    free(pass.row);
    return status;
}
