/* SPDX-License-Identifier: MIT */
#include "tools/validation/model_facts.h"

#include <string.h>

#include "loader/tensor.h"

static bool is_embedding(const char *name)
{
    return starts_with(name, "emb.") || starts_with(name, "text_emb.") ||
           starts_with(name, "depformer_emb.") || starts_with(name, "depformer_text_emb.");
}

static void count_weights(struct model_facts *facts, const struct source *source)
{
    for (uint32_t i = 0; i < source_count(source); i++) {
        const struct tensor *t = source_tensor(source, i);
        if (starts_with(t->name, "mimi."))
            continue;
        facts->lm_weights += tensor_elements(t);
        facts->lm_bytes += t->bytes;
        if (t->n_dims == 2 && !is_embedding(t->name))
            facts->matrix_bytes += t->bytes;
    }
}

bool model_facts_read(struct model_facts *facts, struct report *report, const char *path)
{
    const struct log log = report_log(report);
    const uint32_t errors = report->errors;
    struct source *source = NULL;
    *facts = (struct model_facts){.path = path};
    enum status status = source_open(&log, path, &source);
    if (status == OK)
        status = config_read(&log, source, &facts->config);
    if (status == OK)
        status = tokenizer_open(&log, source, &facts->tokenizer);
    if (status == OK)
        count_weights(facts, source);
    else if (report->errors == errors)
        report_error(report, "%s: %s", path, status_text(status));
    source_close(&source);
    return status == OK;
}

bool model_facts_has_file(const char *model, const char *path)
{
    const struct log silent = {0};
    struct source *source = NULL;
    const bool has = source_open(&silent, model, &source) == OK && source_is(source, path);
    source_close(&source);
    return has;
}

void model_facts_deinit(struct model_facts *facts)
{
    tokenizer_close(&facts->tokenizer);
}

static bool same_number(struct report *report, const struct model_facts *reference,
                        const struct model_facts *candidate, const char *what, double a, double b)
{
    if (a == b)
        return true;
    report_error(
        report,
        "%s and %s are different models, which cannot be compared step by step: %s is %g in "
        "the one and %g in the other",
        reference->path, candidate->path, what, a, b);
    return false;
}

static bool same_pieces(struct report *report, const struct model_facts *reference,
                        const struct model_facts *candidate)
{
    for (uint32_t i = 0; i < reference->config.lm.text_card; i++) {
        const char *a = tokenizer_piece(reference->tokenizer, i);
        const char *b = tokenizer_piece(candidate->tokenizer, i);
        if (a && b && !strcmp(a, b))
            continue;
        report_error(report,
                     "%s and %s have different tokenizers, and cannot be compared step by step: "
                     "token %u is \"%s\" in the one and \"%s\" in the other",
                     reference->path, candidate->path, i, a ? a : "", b ? b : "");
        return false;
    }
    return true;
}

bool model_facts_match(const struct model_facts *reference, const struct model_facts *candidate,
                       struct report *report)
{
    const struct model_config *a = &reference->config, *b = &candidate->config;
    const struct {
        const char *what;
        double a, b;
    } numbers[] = {
        {"the text vocabulary", a->lm.text_card, b->lm.text_card},
        {"the padding token", a->lm.text_padding_id, b->lm.text_padding_id},
        {"the number of generated audio streams", a->lm.dep_q, b->lm.dep_q},
        {"the audio vocabulary", a->lm.card, b->lm.card},
        {"the delay of the text stream", a->lm.delays[0], b->lm.delays[0]},
        {"the delay of the audio (seconds)", a->audio_delay_seconds, b->audio_delay_seconds},
        {"the silence before the sound (seconds)", a->audio_silence_prefix_seconds,
         b->audio_silence_prefix_seconds},
        {"the sample rate", a->mimi.sample_rate, b->mimi.sample_rate},
        {"the length of a frame (samples)", a->mimi.frame_samples, b->mimi.frame_samples},
    };
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (!same_number(report, reference, candidate, numbers[i].what, numbers[i].a, numbers[i].b))
            return false;
    return same_pieces(report, reference, candidate);
}
