/* SPDX-License-Identifier: MIT
 *
 * What the steps of normalization share: a text as code points.
 */
#ifndef STAPES_TOOLS_NORMALIZE_PARTS_H
#define STAPES_TOOLS_NORMALIZE_PARTS_H

#include <stdint.h>

#include "tools/evaluation/normalize.h"

/* Zero-initialized is empty. After a failed allocation `failed` is set and additions are ignored.
 */
struct runes {
    int32_t *at;
    size_t n, capacity;
    bool failed;
};

void runes_add(struct runes *runes, int32_t rune);
void runes_add_ascii(struct runes *runes, const char *string);
void runes_add_runes(struct runes *runes, const int32_t *from, size_t n);
void runes_deinit(struct runes *runes);

bool rune_is_digit(int32_t rune); /* 0 to 9 */
bool rune_is_space(int32_t rune);
bool rune_is_word(int32_t rune); /* a letter, a number or _ */
/* Marks (Mc, Mn, Me), symbols and punctuation. */
bool rune_is_symbol(int32_t rune);
/* One of those that go before an amount: $, cent, euro, pound. */
bool rune_is_currency(int32_t rune);
/* Between in->at[i - 1] and in->at[i], or at an end, a word begins or ends. */
bool runes_boundary(const struct runes *in, size_t i);
/* Whether `ascii` stands at i. */
bool runes_match(const struct runes *in, size_t i, const char *ascii);

/* Every step reads one text and appends the other to an empty one. */
typedef void normalize_step(const struct runes *in, struct runes *out);

normalize_step normalize_english_words;  /* fillers, contractions, titles, points and commas */
normalize_step normalize_fold;           /* no diacritics, no symbols but those of numbers */
normalize_step normalize_split_digits;   /* from letters, but for those of 1st or 1960s */
normalize_step normalize_number_words;   /* to digits */
normalize_step normalize_cents;          /* behind the dollars, or without them */
normalize_step normalize_ones;           /* "one" for 1 */
normalize_step normalize_spelling;       /* British to American, word by word */
normalize_step normalize_number_symbols; /* none but those that belong to a number */

/* The American spelling of an English word in lower case, in `out`; false if it is the same. */
enum { SPELLING_MAX = 48 };
bool spelling_american(const char *word, char out[SPELLING_MAX]);

#endif
