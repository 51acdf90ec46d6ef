/* SPDX-License-Identifier: MIT
 *
 * Verdicts. docs/validation.md has the reasoning about speed in words.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/validation/validate.h"

/* A language model takes so much more of its time than its bytes tell, before a CPU device is said
 * to be busy with something else. */
#define CLEARLY_MORE 1.25

static double increase(double before, double after)
{
    return before > 0 ? 100 * (after / before - 1) : 0;
}

static void at_most(struct validation_check *check, double value, double limit)
{
    *check = (struct validation_check){.verdict = value <= limit ? VERDICT_PASSED : VERDICT_FAILED,
                                       .value = value,
                                       .limit = limit};
}

/* The least that the candidate's language model can take of a frame, were its time that of its
 * bytes, and of its dispatches at least. */
static double least_transformer(const struct validation *v, double bytes)
{
    const struct frame_times *t = &v->reference.times;
    return fmin(t->transformer,
                fmax(bytes * t->transformer, t->transformer_dispatches * t->dispatch));
}

static void say(struct validation_check *check, enum verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct validation_check *check, enum verdict verdict, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(check->reason, sizeof(check->reason), format, args);
    va_end(args);
    check->verdict = verdict;
}

/* bytes: of the candidate's matrices, relative to the reference's. Both models have times. */
static void judge_times(struct validation *v, double bytes)
{
    const struct frame_times *r = &v->reference.times, *c = &v->candidate.times;
    const double time = c->transformer / r->transformer, least = least_transformer(v, bytes);
    const double bound = r->frame / (r->frame - r->transformer + least);
    const bool cpu = !strcmp(v->device_type, "cpu");
    if (!cpu && time > CLEARLY_MORE)
        say(&v->fast, VERDICT_FAILED,
            "the candidate's language model takes longer than the reference's: %.3f ms a frame "
            "instead of %.3f ms",
            1e3 * c->transformer, 1e3 * r->transformer);
    else if (bound < v->fast.limit)
        say(&v->fast, VERDICT_EXCUSED,
            "here it can be at most %.2f times faster: of the reference's %.3f ms a frame the "
            "language model takes %.3f ms, and could not take less than %.3f ms with %.0f %% of "
            "the bytes in %u dispatches of %.1f us",
            bound, 1e3 * r->frame, 1e3 * r->transformer, 1e3 * least, 100 * bytes,
            r->transformer_dispatches, 1e6 * r->dispatch);
    else if (cpu && time > CLEARLY_MORE * bytes)
        say(&v->fast, VERDICT_EXCUSED,
            "a CPU device computes instead of waiting for weights: with %.0f %% of the bytes the "
            "language model takes %.0f %% of the time (%.3f ms a frame instead of %.3f ms)",
            100 * bytes, 100 * time, 1e3 * c->transformer, 1e3 * r->transformer);
    else
        say(&v->fast, VERDICT_FAILED,
            "by its bytes it could be %.2f times faster here: its language model takes %.3f ms a "
            "frame, the reference's %.3f ms",
            bound, 1e3 * c->transformer, 1e3 * r->transformer);
}

static void judge_missed_speed(struct validation *v)
{
    const struct validation_model *r = &v->reference, *c = &v->candidate;
    const double bytes = r->matrix_bytes ? (double)c->matrix_bytes / (double)r->matrix_bytes : 1;
    if (bytes * v->fast.limit > 1)
        say(&v->fast, VERDICT_FAILED,
            "the candidate's matrices have %.0f %% of the reference's bytes: a device that waits "
            "for nothing but them is %.2f times faster",
            100 * bytes, 1 / bytes);
    else if (r->times.frame <= 0 || c->times.transformer <= 0)
        say(&v->fast, VERDICT_FAILED,
            "the device has no timestamps, so that nothing is known about where the time goes");
    else
        judge_times(v, bytes);
}

void validation_judge(struct validation *v, const struct validate_limits *limits)
{
    const struct validation_model *r = &v->reference, *c = &v->candidate;
    v->wer_increase = 100 * (c->wer - r->wer);
    v->cer_increase = 100 * (c->cer - r->cer);
    v->perplexity_increase = increase(v->all.reference_perplexity, v->all.candidate_perplexity);
    v->text_perplexity_increase =
        increase(v->text.reference_perplexity, v->text.candidate_perplexity);
    v->speed = r->frames_per_second > 0 ? c->frames_per_second / r->frames_per_second : 0;

    at_most(&v->wer, v->wer_increase, limits->max_wer_increase);
    at_most(&v->perplexity, v->text_perplexity_increase, limits->max_perplexity_increase);
    at_most(&v->kl, v->text.kl_mean, limits->max_kl > 0 ? limits->max_kl : INFINITY);
    if (limits->max_kl <= 0)
        v->kl.limit = 0;
    if (v->text.steps == 0) {
        v->perplexity.verdict = VERDICT_FAILED;
        snprintf(v->perplexity.reason, sizeof(v->perplexity.reason),
                 "the reference says nothing: all of its tokens are padding");
    }
    v->fast = (struct validation_check){.verdict = v->speed >= limits->min_speed ? VERDICT_PASSED
                                                                                 : VERDICT_FAILED,
                                        .value = v->speed,
                                        .limit = limits->min_speed};
    if (v->fast.verdict == VERDICT_FAILED)
        judge_missed_speed(v);
    v->passed = v->wer.verdict != VERDICT_FAILED && v->perplexity.verdict != VERDICT_FAILED &&
                v->kl.verdict != VERDICT_FAILED && v->fast.verdict != VERDICT_FAILED;
}
