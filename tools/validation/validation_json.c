/* SPDX-License-Identifier: MIT
 *
 * A validation as JSON; docs/validation.md has the schema.
 */
#include "stream/stapes.h"
#include "tools/validation/json_writer.h"
#include "tools/validation/validate.h"

static void add_counts(struct json *json, cJSON *to, const char *key,
                       const struct wer_counts *counts, double rate)
{
    cJSON *object = json_object(json, to, key);
    json_number(json, object, "rate", rate);
    json_number(json, object, "reference", (double)counts->reference);
    json_number(json, object, "substitutions", (double)counts->substitutions);
    json_number(json, object, "deletions", (double)counts->deletions);
    json_number(json, object, "insertions", (double)counts->insertions);
}

static void add_times(struct json *json, cJSON *to, const struct frame_times *times)
{
    if (times->frame <= 0) {
        json->failed |= !cJSON_AddNullToObject(to, "device_seconds_per_frame");
        return;
    }
    cJSON *object = json_object(json, to, "device_seconds_per_frame");
    json_number(json, object, "all", times->frame);
    json_number(json, object, "language_model", times->transformer);
    json_number(json, object, "cheapest_dispatch", times->dispatch);
    json_number(json, object, "language_model_dispatches", times->transformer_dispatches);
}

static void add_model(struct json *json, cJSON *to, const char *key,
                      const struct validation_model *m)
{
    cJSON *object = json_object(json, to, key);
    json_string(json, object, "path", m->path);
    json_string(json, object, "name", m->name);
    json_string(json, object, "kind", m->kind);
    json_number(json, object, "model_bytes", (double)m->model_bytes);
    json_number(json, object, "language_model_weights", (double)m->lm_weights);
    json_number(json, object, "language_model_bytes", (double)m->lm_bytes);
    json_number(json, object, "matrix_bytes", (double)m->matrix_bytes);
    json_number(json, object, "bits_per_weight", m->bits_per_weight);
    json_number(json, object, "load_seconds", m->load_seconds);
    json_number(json, object, "host_bytes_before", (double)m->host_before_bytes);
    json_number(json, object, "host_bytes_peak", (double)m->host_peak_bytes);
    json_bool(json, object, "host_peak_of_process", m->host_peak_of_process);
    json_number(json, object, "device_bytes_peak", (double)m->device_bytes);
    json_number(json, object, "frames_per_second", m->frames_per_second);
    add_times(json, object, &m->times);
    add_counts(json, object, "words", &m->words, m->wer);
    add_counts(json, object, "characters", &m->characters, m->cer);
}

static void add_divergence(struct json *json, cJSON *to, const char *key,
                           const struct divergence_summary *s)
{
    cJSON *object = json_object(json, to, key);
    json_number(json, object, "steps", (double)s->steps);
    cJSON *perplexity = json_object(json, object, "perplexity");
    json_number(json, perplexity, "reference", s->reference_perplexity);
    json_number(json, perplexity, "candidate", s->candidate_perplexity);
    cJSON *kl = json_object(json, object, "kl_divergence");
    json_number(json, kl, "mean", s->kl_mean);
    json_number(json, kl, "median", s->kl_median);
    json_number(json, kl, "percentile_90", s->kl_90);
    json_number(json, kl, "percentile_99", s->kl_99);
    json_number(json, kl, "percentile_99_9", s->kl_999);
    json_number(json, kl, "max", s->kl_max);
    json_number(json, object, "top_1_agreement", s->agreement);
    json_number(json, object, "rms_probability_difference", s->rms);
}

static void add_check(struct json *json, cJSON *to, const char *key,
                      const struct validation_check *check)
{
    static const char *const verdicts[] = {
        [VERDICT_PASSED] = "passed", [VERDICT_FAILED] = "failed", [VERDICT_EXCUSED] = "excused"};
    cJSON *object = json_object(json, to, key);
    json_string(json, object, "verdict", verdicts[check->verdict]);
    json_number(json, object, "value", check->value);
    json_number(json, object, "limit", check->limit);
    if (*check->reason)
        json_string(json, object, "reason", check->reason);
}

static void add_all(struct json *json, cJSON *root, const struct validation *v)
{
    json_string(json, root, "stapes", stapes_version());
    json_string(json, root, "device", v->device);
    json_string(json, root, "device_type", v->device_type);
    json_string(json, root, "kv", v->kv);
    json_string(json, root, "kernels", v->kernels);
    json_string(json, root, "data", v->data);
    json_number(json, root, "utterances", (double)v->utterances);
    json_number(json, root, "audio_seconds", v->audio_seconds);
    json_number(json, root, "slots", v->slots);
    json_string(json, root, "normalize", normalize_choices[v->normalize]);
    add_model(json, root, "reference", &v->reference);
    add_model(json, root, "candidate", &v->candidate);
    cJSON *forced = json_object(json, root, "teacher_forced");
    add_divergence(json, forced, "all_steps", &v->all);
    add_divergence(json, forced, "text_steps", &v->text);
    cJSON *differences = json_object(json, root, "differences");
    json_number(json, differences, "wer_points", v->wer_increase);
    json_number(json, differences, "cer_points", v->cer_increase);
    json_number(json, differences, "perplexity_percent", v->perplexity_increase);
    json_number(json, differences, "text_perplexity_percent", v->text_perplexity_increase);
    json_number(json, differences, "speed", v->speed);
    cJSON *checks = json_object(json, root, "checks");
    add_check(json, checks, "wer", &v->wer);
    add_check(json, checks, "perplexity", &v->perplexity);
    if (v->kl.limit > 0)
        add_check(json, checks, "kl_divergence", &v->kl);
    add_check(json, checks, "speed", &v->fast);
    json_bool(json, root, "passed", v->passed);
}

cJSON *validation_json(const struct validation *v)
{
    struct json json;
    json_begin(&json);
    if (json.root)
        add_all(&json, json.root, v);
    if (json.failed)
        json_end(&json);
    return json.root;
}
