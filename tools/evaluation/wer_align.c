/* SPDX-License-Identifier: MIT
 *
 * Hirschberg's algorithm: an alignment in linear memory.
 * https://doi.org/10.1145/360825.360861
 */
#include <stdlib.h>

#include "tools/evaluation/wer_parts.h"

struct aligner {
    const struct wer_span *reference, *hypothesis; /* words not yet written */
    uint64_t *forward, *backward;                  /* [words of the hypothesis + 1] */
    struct wer_alignment *out;
};

static void add_step(struct aligner *aligner, enum wer_operation operation)
{
    struct wer_step *step = &aligner->out->steps[aligner->out->n++];
    *step = (struct wer_step){.operation = operation};
    if (operation != WER_INSERTED)
        step->reference = *aligner->reference++;
    if (operation != WER_DELETED)
        step->hypothesis = *aligner->hypothesis++;
}

/* One word against n_b > 0: it is one of them, or takes the place of the first. */
static void align_one(struct aligner *aligner, uint32_t a, const uint32_t *b, size_t n_b)
{
    size_t at = 0;
    while (at < n_b && b[at] != a)
        at++;
    const bool same = at < n_b;
    for (size_t j = 0; j < n_b; j++) {
        if (same && j == at)
            add_step(aligner, WER_SAME);
        else
            add_step(aligner, !same && j == 0 ? WER_SUBSTITUTED : WER_INSERTED);
    }
}

static void align(struct aligner *aligner, const uint32_t *a, size_t n_a, const uint32_t *b,
                  size_t n_b)
{
    if (n_a == 0 || n_b == 0) {
        for (size_t i = 0; i < n_a + n_b; i++)
            add_step(aligner, n_b == 0 ? WER_DELETED : WER_INSERTED);
        return;
    }
    if (n_a == 1) {
        align_one(aligner, *a, b, n_b);
        return;
    }
    const size_t half = n_a / 2;
    wer_fill_costs(a, half, b, n_b, true, aligner->forward);
    wer_fill_costs(a + half, n_a - half, b, n_b, false, aligner->backward);
    size_t best = 0;
    uint64_t least = UINT64_MAX;
    for (size_t j = 0; j <= n_b; j++) {
        const uint64_t cost = aligner->forward[j] + aligner->backward[n_b - j];
        if (cost < least) {
            least = cost;
            best = j;
        }
    }
    align(aligner, a, half, b, best);
    align(aligner, a + half, n_a - half, b + best, n_b - best);
}

bool wer_align(const char *reference, const char *hypothesis, struct wer_alignment *out)
{
    size_t n_a, n_b;
    struct wer_span *a = wer_split(reference, &n_a), *b = wer_split(hypothesis, &n_b);
    struct wer_symbols symbols;
    struct wer_alignment alignment = {0};
    struct aligner aligner = {.reference = a, .hypothesis = b, .out = &alignment};
    bool ok = a && b && wer_number_words(a, n_a, b, n_b, &symbols);
    if (ok) {
        aligner.forward = malloc((n_b + 1) * sizeof(*aligner.forward));
        aligner.backward = malloc((n_b + 1) * sizeof(*aligner.backward));
        alignment.steps = malloc((n_a + n_b + 1) * sizeof(*alignment.steps));
        ok = aligner.forward && aligner.backward && alignment.steps;
        if (ok)
            align(&aligner, symbols.a, n_a, symbols.b, n_b);
        wer_free_symbols(&symbols);
    }
    free(aligner.forward);
    free(aligner.backward);
    free(a);
    free(b);
    if (ok)
        *out = alignment;
    else
        free(alignment.steps);
    return ok;
}
