/* SPDX-License-Identifier: MIT */
#include "tools/evaluation/wer_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "runtime/base.h"

/* A cost: errors in the upper half, substitutions in the lower, so that of two alignments with as
 * many errors the one with fewer substitutions, hence more agreement, costs less. */
#define ERROR_COST (UINT64_C(1) << 32)
#define SUBSTITUTION_COST (ERROR_COST + 1)

uint64_t wer_errors(const struct wer_counts *counts)
{
    return counts->substitutions + counts->deletions + counts->insertions;
}

double wer_rate(const struct wer_counts *counts)
{
    return counts->reference ? (double)wer_errors(counts) / (double)counts->reference : NAN;
}

void wer_add(struct wer_counts *to, const struct wer_counts *counts)
{
    to->reference += counts->reference;
    to->substitutions += counts->substitutions;
    to->deletions += counts->deletions;
    to->insertions += counts->insertions;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct wer_span *wer_split(const char *text, size_t *n)
{
    struct wer_span *words = malloc((strlen(text) / 2 + 1) * sizeof(*words));
    *n = 0;
    while (words && *text) {
        if (is_space(*text)) {
            text++;
            continue;
        }
        const char *start = text;
        while (*text && !is_space(*text))
            text++;
        words[(*n)++] = (struct wer_span){start, (size_t)(text - start)};
    }
    return words;
}

static int compare_spans(const struct wer_span *a, const struct wer_span *b)
{
    int order = memcmp(a->bytes, b->bytes, MIN(a->length, b->length));
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_span_pointers(const void *a, const void *b)
{
    return compare_spans(*(const struct wer_span *const *)a, *(const struct wer_span *const *)b);
}

void wer_free_symbols(struct wer_symbols *symbols)
{
    free(symbols->a);
    free(symbols->b);
}

static bool alloc_symbols(struct wer_symbols *symbols, size_t n_a, size_t n_b)
{
    *symbols = (struct wer_symbols){malloc((n_a + 1) * sizeof(uint32_t)),
                                    malloc((n_b + 1) * sizeof(uint32_t)), n_a, n_b};
    if (symbols->a && symbols->b)
        return true;
    wer_free_symbols(symbols);
    return false;
}

bool wer_number_words(const struct wer_span *a, size_t n_a, const struct wer_span *b, size_t n_b,
                      struct wer_symbols *out)
{
    const struct wer_span **sorted = malloc((n_a + n_b + 1) * sizeof(*sorted));
    if (!sorted || !alloc_symbols(out, n_a, n_b)) {
        free(sorted);
        return false;
    }
    for (size_t i = 0; i < n_a + n_b; i++)
        sorted[i] = i < n_a ? &a[i] : &b[i - n_a];
    qsort(sorted, n_a + n_b, sizeof(*sorted), compare_span_pointers);
    uint32_t number = 0;
    for (size_t i = 0; i < n_a + n_b; i++) {
        const struct wer_span *word = sorted[i];
        if (i > 0 && compare_spans(sorted[i - 1], word) != 0)
            number++;
        if (word >= a && word < a + n_a)
            out->a[word - a] = number;
        else
            out->b[word - b] = number;
    }
    free(sorted);
    return true;
}

static size_t number_characters(const char *text, uint32_t *out)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    size_t n = 0;
    while (*at) {
        utf8proc_int32_t rune;
        utf8proc_ssize_t length = utf8proc_iterate(at, -1, &rune);
        if (length < 0) {
            rune = 0x110000 + *at; /* beyond Unicode */
            length = 1;
        }
        bool space = *at < 0x80 && is_space((char)*at);
        if (!space)
            out[n++] = (uint32_t)rune;
        else if (n > 0 && out[n - 1] != ' ')
            out[n++] = ' ';
        at += length;
    }
    return n > 0 && out[n - 1] == ' ' ? n - 1 : n;
}

void wer_fill_costs(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b, bool forward,
                    uint64_t *row)
{
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j * ERROR_COST;
    for (size_t i = 0; i < n_a; i++) {
        const uint32_t x = forward ? a[i] : a[n_a - 1 - i];
        uint64_t diagonal = row[0];
        row[0] += ERROR_COST;
        for (size_t j = 1; j <= n_b; j++) {
            const uint32_t y = forward ? b[j - 1] : b[n_b - j];
            const uint64_t matched = diagonal + (x == y ? 0 : SUBSTITUTION_COST);
            const uint64_t skipped = MIN(row[j], row[j - 1]) + ERROR_COST;
            diagonal = row[j];
            row[j] = MIN(matched, skipped);
        }
    }
}

static void trim_equal(struct wer_symbols *s, const uint32_t **a, const uint32_t **b)
{
    size_t head = 0;
    while (head < s->n_a && head < s->n_b && s->a[head] == s->b[head])
        head++;
    *a = s->a + head;
    *b = s->b + head;
    s->n_a -= head;
    s->n_b -= head;
    while (s->n_a > 0 && s->n_b > 0 && (*a)[s->n_a - 1] == (*b)[s->n_b - 1]) {
        s->n_a--;
        s->n_b--;
    }
}

/* Substitutions and errors are what the cost is made of, and deletions less insertions are the
 * difference of the lengths. */
static bool count_errors(struct wer_symbols *s, struct wer_counts *out)
{
    const uint32_t *a, *b;
    const size_t reference = s->n_a;
    trim_equal(s, &a, &b);
    uint64_t *row = malloc((s->n_b + 1) * sizeof(*row));
    if (!row)
        return false;
    wer_fill_costs(a, s->n_a, b, s->n_b, true, row);
    const uint64_t errors = row[s->n_b] >> 32, substitutions = row[s->n_b] & UINT32_MAX;
    free(row);
    const uint64_t others = errors - substitutions;
    const uint64_t deletions = (others + s->n_a - s->n_b) / 2;
    *out = (struct wer_counts){reference, substitutions, deletions, others - deletions};
    return true;
}

bool wer_words(const char *reference, const char *hypothesis, struct wer_counts *out)
{
    size_t n_a, n_b;
    struct wer_span *a = wer_split(reference, &n_a), *b = wer_split(hypothesis, &n_b);
    struct wer_symbols symbols;
    bool ok = a && b && wer_number_words(a, n_a, b, n_b, &symbols);
    if (ok) {
        ok = count_errors(&symbols, out);
        wer_free_symbols(&symbols);
    }
    free(a);
    free(b);
    return ok;
}

bool wer_characters(const char *reference, const char *hypothesis, struct wer_counts *out)
{
    struct wer_symbols symbols;
    if (!alloc_symbols(&symbols, strlen(reference), strlen(hypothesis)))
        return false;
    symbols.n_a = number_characters(reference, symbols.a);
    symbols.n_b = number_characters(hypothesis, symbols.b);
    const bool ok = count_errors(&symbols, out);
    wer_free_symbols(&symbols);
    return ok;
}
