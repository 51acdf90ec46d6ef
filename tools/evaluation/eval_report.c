/* SPDX-License-Identifier: MIT */
#include "tools/evaluation/eval_report.h"

#include <inttypes.h>
#include <math.h>

static double real_time_factor(const struct eval_report *report)
{
    return report->run_seconds > 0 ? report->wall_seconds / report->run_seconds : NAN;
}

static void add_name(struct text *out, const char *name)
{
    text_addf(out, "%-17s ", name);
}

static void add_percent(struct text *out, double fraction)
{
    if (isnan(fraction))
        text_add(out, "-");
    else
        text_addf(out, "%.2f %%", 100 * fraction);
}

static void add_text_row(struct text *out, const char *name, const char *value)
{
    add_name(out, name);
    text_add_plain(out, value);
    text_add(out, "\n");
}

static void add_errors(struct text *out, const char *name, const struct wer_counts *counts,
                       const char *unit)
{
    add_name(out, name);
    add_percent(out, wer_rate(counts));
    text_addf(out,
              "  (%" PRIu64 " of %" PRIu64 " %s: %" PRIu64 " S, %" PRIu64 " D, %" PRIu64 " I)\n",
              wer_errors(counts), counts->reference, unit, counts->substitutions, counts->deletions,
              counts->insertions);
}

static void add_share(struct text *out, const char *name, size_t count, size_t n)
{
    add_name(out, name);
    add_percent(out, n > 0 ? (double)count / (double)n : NAN);
    text_addf(out, "  (%zu)\n", count);
}

void eval_report_table(const struct eval_report *report, struct text *out)
{
    const struct wer_summary *s = &report->summary;
    const double factor = real_time_factor(report);
    add_text_row(out, "model", report->model);
    add_text_row(out, "data", report->data);
    add_text_row(out, "normalization", report->normalize);
    add_name(out, "utterances");
    text_addf(out, "%zu  (%.1f s)\n", s->utterances, report->seconds);
    if (report->unreadable > 0) {
        add_name(out, "not read");
        text_addf(out, "%zu\n", report->unreadable);
    }
    add_errors(out, "WER", &s->words, "words");
    add_name(out, "95 % interval");
    add_percent(out, s->low);
    text_add(out, " to ");
    add_percent(out, s->high);
    text_add(out, "\n");
    add_name(out, "mean WER");
    add_percent(out, s->mean_wer);
    text_add(out, "\n");
    add_errors(out, "CER", &s->characters, "characters");
    add_share(out, "loops", s->loops, s->utterances);
    add_share(out, "empty", s->empty, s->utterances);
    add_name(out, "real-time factor");
    if (isnan(factor))
        text_add(out, "-\n");
    else
        text_addf(out, "%.3f  (%.1f s for %.1f s, %s)\n", factor, report->wall_seconds,
                  report->run_seconds, report->device);
}

static void add_string(struct text *out, const char *key, const char *value)
{
    text_addf(out, ",\"%s\":", key);
    text_add_json(out, value);
}

static void add_number(struct text *out, const char *key, double value)
{
    text_addf(out, ",\"%s\":", key);
    text_add_number(out, value);
}

static void add_count(struct text *out, const char *key, uint64_t value)
{
    text_addf(out, ",\"%s\":%" PRIu64, key, value);
}

static void add_counts(struct text *out, const char *key, const struct wer_counts *counts)
{
    text_addf(out, ",\"%s\":{\"reference\":%" PRIu64, key, counts->reference);
    add_count(out, "substitutions", counts->substitutions);
    add_count(out, "deletions", counts->deletions);
    add_count(out, "insertions", counts->insertions);
    text_add(out, "}");
}

void eval_report_json(const struct eval_report *report, struct text *out)
{
    const struct wer_summary *s = &report->summary;
    text_add(out, "{\"type\":\"summary\"");
    add_string(out, "model", report->model);
    add_string(out, "data", report->data);
    add_string(out, "normalize", report->normalize);
    add_count(out, "utterances", s->utterances);
    add_count(out, "unreadable", report->unreadable);
    add_number(out, "seconds", report->seconds);
    add_number(out, "wer", wer_rate(&s->words));
    add_number(out, "wer_low", s->low);
    add_number(out, "wer_high", s->high);
    add_number(out, "mean_wer", s->mean_wer);
    add_counts(out, "words", &s->words);
    add_number(out, "cer", wer_rate(&s->characters));
    add_counts(out, "characters", &s->characters);
    add_count(out, "loops", s->loops);
    add_count(out, "empty", s->empty);
    add_number(out, "real_time_factor", real_time_factor(report));
    add_number(out, "wall_seconds", report->wall_seconds);
    add_string(out, "device", report->device);
    text_add(out, "}\n");
}
