/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/validation/validate.h"

#define ROW "%-28s %14s %14s  %s\n"

static void row(struct text *out, const char *what, const char *a, const char *b, const char *note)
{
    text_addf(out, *note ? ROW : "%-28s %14s %14s%s\n", what, a, b, note);
}

/* One number of each, in the same format; note: NULL for none. */
static void pair(struct text *out, const char *what, const char *format, double a, double b,
                 const char *note)
{
    char left[32], right[32];
    snprintf(left, sizeof(left), format, a);
    snprintf(right, sizeof(right), format, b);
    row(out, what, left, right, note ? note : "");
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static double host_megabytes(const struct validation_model *m)
{
    return ((double)m->host_peak_bytes - (double)m->host_before_bytes) / 1e6;
}

static void add_models(struct text *out, const struct validation *v)
{
    const struct validation_model *r = &v->reference, *c = &v->candidate;
    char note[64];
    pair(out, "size, MB", "%.2f", (double)r->model_bytes / 1e6, (double)c->model_bytes / 1e6, NULL);
    pair(out, "bits a weight", "%.3f", r->bits_per_weight, c->bits_per_weight,
         "of the language model");
    pair(out, "time of loading, s", "%.2f", r->load_seconds, c->load_seconds, NULL);
    if (r->host_peak_of_process)
        pair(out, "host memory, MB", "%.1f", (double)r->host_peak_bytes / 1e6,
             (double)c->host_peak_bytes / 1e6, "at most, of the whole process");
    else
        pair(out, "host memory, MB", "%.1f", host_megabytes(r), host_megabytes(c),
             "at most, beyond what was there before");
    pair(out, "device memory, MB", "%.1f", (double)r->device_bytes / 1e6,
         (double)c->device_bytes / 1e6, "at most");
    snprintf(note, sizeof(note), "%.2f times, %u slot%s", v->speed, v->slots,
             v->slots == 1 ? "" : "s");
    pair(out, "frames a second", "%.1f", r->frames_per_second, c->frames_per_second, note);
    if (r->times.frame > 0 && c->times.frame > 0)
        pair(out, "language model's share, %", "%.1f", 100 * r->times.transformer / r->times.frame,
             100 * c->times.transformer / c->times.frame, "of the device's time");
    snprintf(note, sizeof(note), "%+.2f points", v->wer_increase);
    pair(out, "word error rate, %", "%.2f", 100 * r->wer, 100 * c->wer, note);
    snprintf(note, sizeof(note), "%+.2f points", v->cer_increase);
    pair(out, "character error rate, %", "%.2f", 100 * r->cer, 100 * c->cer, note);
    snprintf(note, sizeof(note), "%+.2f %%, all steps", v->perplexity_increase);
    pair(out, "perplexity", "%.5f", v->all.reference_perplexity, v->all.candidate_perplexity, note);
    snprintf(note, sizeof(note), "%+.2f %%, steps with text", v->text_perplexity_increase);
    pair(out, "", "%.5f", v->text.reference_perplexity, v->text.candidate_perplexity, note);
}

static void add_divergences(struct text *out, const struct validation *v)
{
    const struct divergence_summary *a = &v->all, *t = &v->text;
    pair(out, "steps", "%.0f", (double)a->steps, (double)t->steps, NULL);
    pair(out, "KL divergence, mean", "%.4g", a->kl_mean, t->kl_mean, "nats");
    pair(out, "  median", "%.4g", a->kl_median, t->kl_median, NULL);
    pair(out, "  90 %", "%.4g", a->kl_90, t->kl_90, NULL);
    pair(out, "  99 %", "%.4g", a->kl_99, t->kl_99, NULL);
    pair(out, "  99.9 %", "%.4g", a->kl_999, t->kl_999, NULL);
    pair(out, "  max", "%.4g", a->kl_max, t->kl_max, NULL);
    pair(out, "same best token, %", "%.3f", 100 * a->agreement, 100 * t->agreement, NULL);
    pair(out, "probability moved, %", "%.3f", 100 * a->rms, 100 * t->rms,
         "RMS, of the reference's token");
}

static void add_check(struct text *out, const char *what, int digits, const char *unit,
                      const struct validation_check *check, const char *bound)
{
    static const char *const verdicts[] = {
        [VERDICT_PASSED] = "passed", [VERDICT_FAILED] = "FAILED", [VERDICT_EXCUSED] = "excused"};
    text_addf(out, "%-28s %s: %.*f%s, %s %g%s\n", what, verdicts[check->verdict], digits,
              check->value, unit, bound, check->limit, unit);
    if (*check->reason)
        text_addf(out, "    %s\n", check->reason);
}

void validation_table(const struct validation *v, struct text *out)
{
    text_add_plain(out, v->data);
    text_addf(out, ": %llu recording%s, %.1f s, on ", (unsigned long long)v->utterances,
              v->utterances == 1 ? "" : "s", v->audio_seconds);
    text_add_plain(out, v->device);
    text_add(out, "\n\n");
    row(out, "", "reference", "candidate", "");
    row(out, "", file_name(v->reference.path), file_name(v->candidate.path), "");
    add_models(out, v);
    text_add(out, "\n");
    row(out, "given the reference's tokens", "all steps", "with text", "");
    add_divergences(out, v);
    text_add(out, "\n");
    add_check(out, "word error rate", 2, " points", &v->wer, "at most");
    add_check(out, "perplexity of the text", 2, " %", &v->perplexity, "at most");
    if (v->kl.limit > 0)
        add_check(out, "KL divergence of the text", 5, " nats", &v->kl, "at most");
    add_check(out, "speed", 2, " times", &v->fast, "at least");
    text_addf(out, "%-28s %s\n", "verdict", v->passed ? "passed" : "FAILED");
}
