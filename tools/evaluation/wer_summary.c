/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "runtime/base.h"
#include "tools/evaluation/wer_parts.h"

enum { LONGEST_LOOP_WORDS = 16 };

#define SEED UINT64_C(1)

/* How often in a row some sequence of `period` symbols comes. */
static size_t most_repeats(const uint32_t *symbols, size_t n, size_t period)
{
    size_t streak = 0, most = 0;
    for (size_t i = period; i < n; i++) {
        streak = symbols[i] == symbols[i - period] ? streak + 1 : 0;
        most = MAX(most, streak);
    }
    return n < period ? 0 : 1 + most / period;
}

bool wer_find_loop(const char *reference, const char *hypothesis, bool *loop)
{
    size_t n_a, n_b;
    struct wer_span *a = wer_split(reference, &n_a), *b = wer_split(hypothesis, &n_b);
    struct wer_symbols symbols;
    const bool ok = a && b && wer_number_words(a, n_a, b, n_b, &symbols);
    if (ok) {
        *loop = false;
        for (size_t period = 1; period <= LONGEST_LOOP_WORDS; period++) {
            const size_t times = most_repeats(symbols.b, n_b, period);
            *loop |= times >= WER_LOOP_TIMES && times > most_repeats(symbols.a, n_a, period);
        }
        wer_free_symbols(&symbols);
    }
    free(a);
    free(b);
    return ok;
}

/* splitmix64, https://prng.di.unimi.it/splitmix64.c */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double resample(const struct wer_score *scores, size_t n, uint64_t *state)
{
    struct wer_counts sum = {0};
    for (size_t i = 0; i < n; i++)
        wer_add(&sum, &scores[next_random(state) % n].words);
    return wer_rate(&sum);
}

static int compare_rates(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* Linear between the two nearest of the sorted values. */
static double percentile(const double *sorted, size_t n, double fraction)
{
    const double at = fraction * (double)(n - 1);
    const size_t below = (size_t)at;
    const size_t above = MIN(below + 1, n - 1);
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

/* A sample without any word has no rate and is left out. */
static bool find_interval(const struct wer_score *scores, size_t n, struct wer_summary *summary)
{
    double *rates = malloc(WER_RESAMPLES * sizeof(*rates));
    uint64_t state = SEED;
    size_t n_rates = 0;
    if (!rates)
        return false;
    for (size_t i = 0; i < WER_RESAMPLES; i++) {
        const double rate = resample(scores, n, &state);
        if (!isnan(rate))
            rates[n_rates++] = rate;
    }
    qsort(rates, n_rates, sizeof(*rates), compare_rates);
    if (n_rates > 0) {
        summary->low = percentile(rates, n_rates, 0.025);
        summary->high = percentile(rates, n_rates, 0.975);
    }
    free(rates);
    return true;
}

bool wer_summarize(const struct wer_score *scores, size_t n, struct wer_summary *out)
{
    struct wer_summary summary = {.utterances = n, .mean_wer = NAN, .low = NAN, .high = NAN};
    double sum = 0;
    size_t n_rates = 0;
    for (size_t i = 0; i < n; i++) {
        wer_add(&summary.words, &scores[i].words);
        wer_add(&summary.characters, &scores[i].characters);
        summary.loops += scores[i].loop;
        summary.empty += scores[i].empty;
        if (scores[i].words.reference > 0) {
            sum += wer_rate(&scores[i].words);
            n_rates++;
        }
    }
    if (n_rates > 0) {
        summary.mean_wer = sum / (double)n_rates;
        if (!find_interval(scores, n, &summary))
            return false;
    }
    *out = summary;
    return true;
}
