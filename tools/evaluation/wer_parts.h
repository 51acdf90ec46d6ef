/* SPDX-License-Identifier: MIT
 *
 * What counting errors, aligning and finding loops share.
 */
#ifndef STAPES_TOOLS_WER_PARTS_H
#define STAPES_TOOLS_WER_PARTS_H

#include "tools/evaluation/wer.h"

/* Both texts as numbers, equal where their words or characters are. */
struct wer_symbols {
    uint32_t *a, *b;
    size_t n_a, n_b;
};

/* The words of a text, freed by the caller. NULL: out of memory. */
struct wer_span *wer_split(const char *text, size_t *n);
/* False: out of memory. */
bool wer_number_words(const struct wer_span *a, size_t n_a, const struct wer_span *b, size_t n_b,
                      struct wer_symbols *out);
void wer_free_symbols(struct wer_symbols *symbols);

/* Fills row[j], j = 0 .. n_b, with the cost of turning a into the first j of b; backward, into the
 * last j, both read from their ends. The least cost is that of the best alignment. */
void wer_fill_costs(const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b, bool forward,
                    uint64_t *row);

#endif
