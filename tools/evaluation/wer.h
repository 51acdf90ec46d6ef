/* SPDX-License-Identifier: MIT
 *
 * Word and character error rates: what has to be changed to turn a reference into a hypothesis.
 *
 * An alignment has the fewest errors there can be and, among those, the most words that agree. That
 * makes the numbers of substitutions, deletions and insertions unique, whatever the algorithm.
 */
#ifndef STAPES_TOOLS_WER_H
#define STAPES_TOOLS_WER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wer_counts {
    uint64_t reference; /* words or characters of the reference */
    uint64_t substitutions;
    uint64_t deletions;  /* of the reference's */
    uint64_t insertions; /* of the hypothesis's */
};

uint64_t wer_errors(const struct wer_counts *counts);
/* Errors by what the reference has, NaN where it has nothing. */
double wer_rate(const struct wer_counts *counts);
void wer_add(struct wer_counts *to, const struct wer_counts *counts);

/* Words are what stands between white space (ASCII's). Memory grows with the sum of the lengths,
 * time with their product. False: out of memory. */
bool wer_words(const char *reference, const char *hypothesis, struct wer_counts *out);
/* Characters are code points of UTF-8, a byte that is not UTF-8 is one by itself; spaces count, a
 * run of white space is one of them, and there is none at the ends. */
bool wer_characters(const char *reference, const char *hypothesis, struct wer_counts *out);

enum wer_operation { WER_SAME, WER_SUBSTITUTED, WER_DELETED, WER_INSERTED };

struct wer_span {
    const char *bytes; /* in the text that was aligned */
    size_t length;
};

struct wer_step {
    enum wer_operation operation;
    struct wer_span reference;  /* nothing where inserted */
    struct wer_span hypothesis; /* nothing where deleted */
};

struct wer_alignment {
    struct wer_step *steps; /* freed by the caller */
    size_t n;
};

/* The words of both texts, in order; points into the texts. */
bool wer_align(const char *reference, const char *hypothesis, struct wer_alignment *out);

/* Whether the hypothesis runs in a circle: a sequence of 1 to 16 words that comes WER_LOOP_TIMES or
 * more times in a row, more often than any sequence of as many words in the reference. Returns
 * false when out of memory. */
#define WER_LOOP_TIMES 4
bool wer_find_loop(const char *reference, const char *hypothesis, bool *loop);

/* What is known of an utterance. */
struct wer_score {
    struct wer_counts words, characters;
    bool loop;
    bool empty; /* nothing was heard where something was said */
};

struct wer_summary {
    size_t utterances;
    struct wer_counts words, characters;
    size_t loops, empty;
    double mean_wer;  /* over the utterances whose reference has words; NaN without any */
    double low, high; /* the corpus's word error rate, 95 % confidence; NaN without words */
};

/* The interval is that between the percentiles 2.5 and 97.5 of WER_RESAMPLES sets of n utterances
 * drawn with replacement from the n given, by a generator that starts from the same seed each time.
 * False: out of memory. */
#define WER_RESAMPLES 1000
bool wer_summarize(const struct wer_score *scores, size_t n, struct wer_summary *out);

#endif
