/* SPDX-License-Identifier: MIT
 *
 * A validation as JSON; docs/validation.md has the schema.
 */
#include "stream/stapes.h"
#include "tools/validate.h"

/* Additions to an object; the first one that fails is remembered. */
struct writer {
    bool failed;
};

static cJSON *add_object(struct writer *w, cJSON *to, const char *key)
{
    cJSON *object = cJSON_AddObjectToObject(to, key);
    w->failed |= !object;
    return object;
}

static void add_string(struct writer *w, cJSON *to, const char *key, const char *value)
{
    w->failed |= !cJSON_AddStringToObject(to, key, value);
}

static void add_number(struct writer *w, cJSON *to, const char *key, double value)
{
    w->failed |= !cJSON_AddNumberToObject(to, key, value);
}

static void add_bool(struct writer *w, cJSON *to, const char *key, bool value)
{
    w->failed |= !cJSON_AddBoolToObject(to, key, value);
}

static void add_counts(struct writer *w, cJSON *to, const char *key,
                       const struct wer_counts *counts, double rate)
{
    cJSON *object = add_object(w, to, key);
    add_number(w, object, "rate", rate);
    add_number(w, object, "reference", (double)counts->reference);
    add_number(w, object, "substitutions", (double)counts->substitutions);
    add_number(w, object, "deletions", (double)counts->deletions);
    add_number(w, object, "insertions", (double)counts->insertions);
}

static void add_times(struct writer *w, cJSON *to, const struct frame_times *times)
{
    if (times->frame <= 0) {
        w->failed |= !cJSON_AddNullToObject(to, "device_seconds_per_frame");
        return;
    }
    cJSON *object = add_object(w, to, "device_seconds_per_frame");
    add_number(w, object, "all", times->frame);
    add_number(w, object, "language_model", times->transformer);
    add_number(w, object, "cheapest_dispatch", times->dispatch);
    add_number(w, object, "language_model_dispatches", times->transformer_dispatches);
}

static void add_model(struct writer *w, cJSON *to, const char *key,
                      const struct validation_model *m)
{
    cJSON *object = add_object(w, to, key);
    add_string(w, object, "path", m->path);
    add_string(w, object, "name", m->name);
    add_string(w, object, "kind", m->kind);
    add_number(w, object, "model_bytes", (double)m->model_bytes);
    add_number(w, object, "language_model_weights", (double)m->lm_weights);
    add_number(w, object, "language_model_bytes", (double)m->lm_bytes);
    add_number(w, object, "matrix_bytes", (double)m->matrix_bytes);
    add_number(w, object, "bits_per_weight", m->bits_per_weight);
    add_number(w, object, "load_seconds", m->load_seconds);
    add_number(w, object, "host_bytes_before", (double)m->host_before_bytes);
    add_number(w, object, "host_bytes_peak", (double)m->host_peak_bytes);
    add_bool(w, object, "host_peak_of_process", m->host_peak_of_process);
    add_number(w, object, "device_bytes_peak", (double)m->device_bytes);
    add_number(w, object, "frames_per_second", m->frames_per_second);
    add_times(w, object, &m->times);
    add_counts(w, object, "words", &m->words, m->wer);
    add_counts(w, object, "characters", &m->characters, m->cer);
}

static void add_divergence(struct writer *w, cJSON *to, const char *key,
                           const struct divergence_summary *s)
{
    cJSON *object = add_object(w, to, key);
    add_number(w, object, "steps", (double)s->steps);
    cJSON *perplexity = add_object(w, object, "perplexity");
    add_number(w, perplexity, "reference", s->reference_perplexity);
    add_number(w, perplexity, "candidate", s->candidate_perplexity);
    cJSON *kl = add_object(w, object, "kl_divergence");
    add_number(w, kl, "mean", s->kl_mean);
    add_number(w, kl, "median", s->kl_median);
    add_number(w, kl, "percentile_90", s->kl_90);
    add_number(w, kl, "percentile_99", s->kl_99);
    add_number(w, kl, "percentile_99_9", s->kl_999);
    add_number(w, kl, "max", s->kl_max);
    add_number(w, object, "top_1_agreement", s->agreement);
    add_number(w, object, "rms_probability_difference", s->rms);
}

static void add_check(struct writer *w, cJSON *to, const char *key,
                      const struct validation_check *check)
{
    static const char *const verdicts[] = {
        [VERDICT_PASSED] = "passed", [VERDICT_FAILED] = "failed", [VERDICT_EXCUSED] = "excused"};
    cJSON *object = add_object(w, to, key);
    add_string(w, object, "verdict", verdicts[check->verdict]);
    add_number(w, object, "value", check->value);
    add_number(w, object, "limit", check->limit);
    if (*check->reason)
        add_string(w, object, "reason", check->reason);
}

static void add_all(struct writer *w, cJSON *root, const struct validation *v)
{
    add_string(w, root, "stapes", stapes_version());
    add_string(w, root, "device", v->device);
    add_string(w, root, "device_type", v->device_type);
    add_string(w, root, "data", v->data);
    add_number(w, root, "utterances", (double)v->utterances);
    add_number(w, root, "audio_seconds", v->audio_seconds);
    add_number(w, root, "slots", v->slots);
    add_string(w, root, "normalize", normalize_choices[v->normalize]);
    add_model(w, root, "reference", &v->reference);
    add_model(w, root, "candidate", &v->candidate);
    cJSON *forced = add_object(w, root, "teacher_forced");
    add_divergence(w, forced, "all_steps", &v->all);
    add_divergence(w, forced, "text_steps", &v->text);
    cJSON *differences = add_object(w, root, "differences");
    add_number(w, differences, "wer_points", v->wer_increase);
    add_number(w, differences, "cer_points", v->cer_increase);
    add_number(w, differences, "perplexity_percent", v->perplexity_increase);
    add_number(w, differences, "text_perplexity_percent", v->text_perplexity_increase);
    add_number(w, differences, "speed", v->speed);
    cJSON *checks = add_object(w, root, "checks");
    add_check(w, checks, "wer", &v->wer);
    add_check(w, checks, "perplexity", &v->perplexity);
    add_check(w, checks, "speed", &v->fast);
    add_bool(w, root, "passed", v->passed);
}

cJSON *validation_json(const struct validation *v)
{
    struct writer writer = {0};
    cJSON *root = cJSON_CreateObject();
    if (!root)
        return NULL;
    add_all(&writer, root, v);
    if (!writer.failed)
        return root;
    cJSON_Delete(root);
    return NULL;
}
