/* SPDX-License-Identifier: MIT */
#include "tools/evaluation/normalize_parts.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "runtime/base.h"

enum { REPLACEMENT = 0xfffd, APOSTROPHE_RIGHT = 0x2019, APOSTROPHE_LETTER = 0x2bc };

const char *const normalize_choices[] = {
    [NORMALIZE_ENGLISH] = "english", [NORMALIZE_BASIC] = "basic", [NORMALIZE_NONE] = "none", NULL};

void runes_add(struct runes *runes, int32_t rune)
{
    if (runes->failed)
        return;
    if (runes->n == runes->capacity) {
        size_t capacity = runes->capacity ? 2 * runes->capacity : 256;
        int32_t *at = realloc(runes->at, capacity * sizeof(*at));
        if (!at) {
            runes->failed = true;
            return;
        }
        runes->at = at;
        runes->capacity = capacity;
    }
    runes->at[runes->n++] = rune;
}

void runes_add_ascii(struct runes *runes, const char *string)
{
    while (*string)
        runes_add(runes, *string++);
}

void runes_add_runes(struct runes *runes, const int32_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        runes_add(runes, from[i]);
}

void runes_deinit(struct runes *runes)
{
    free(runes->at);
    *runes = (struct runes){0};
}

bool rune_is_digit(int32_t rune)
{
    return rune >= '0' && rune <= '9';
}

bool rune_is_space(int32_t rune)
{
    if (rune < 0x80)
        return rune == ' ' || (rune >= '\t' && rune <= '\r') || (rune >= 0x1c && rune <= 0x1f);
    utf8proc_category_t category = utf8proc_category(rune);
    return rune == 0x85 || (category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP);
}

bool rune_is_word(int32_t rune)
{
    utf8proc_category_t category = utf8proc_category(rune);
    return rune == '_' || (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
           (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

bool rune_is_symbol(int32_t rune)
{
    utf8proc_category_t category = utf8proc_category(rune);
    return (category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME) ||
           (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_SO);
}

bool rune_is_currency(int32_t rune)
{
    return rune == '$' || rune == 0xa2 || rune == 0x20ac || rune == 0xa3;
}

bool runes_boundary(const struct runes *in, size_t i)
{
    const bool before = i > 0 && rune_is_word(in->at[i - 1]);
    const bool after = i < in->n && rune_is_word(in->at[i]);
    return before != after;
}

bool runes_match(const struct runes *in, size_t i, const char *ascii)
{
    while (*ascii && i < in->n && in->at[i] == *ascii) {
        ascii++;
        i++;
    }
    return *ascii == '\0';
}

static void decode(const char *text, struct runes *out)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    while (*at) {
        utf8proc_int32_t rune;
        utf8proc_ssize_t n = utf8proc_iterate(at, -1, &rune);
        runes_add(out, n > 0 ? rune : REPLACEMENT);
        at += MAX(n, 1);
    }
}

/* Words with single spaces between them. */
static void encode(const struct runes *in, struct text *out)
{
    bool space = false;
    for (size_t i = 0; i < in->n; i++) {
        char bytes[5];
        if (rune_is_space(in->at[i])) {
            space = out->length > 0;
            continue;
        }
        bytes[utf8proc_encode_char(in->at[i], (utf8proc_uint8_t *)bytes)] = '\0';
        if (space)
            text_add(out, " ");
        text_add(out, bytes);
        space = false;
    }
}

static void lower(const struct runes *in, struct runes *out)
{
    for (size_t i = 0; i < in->n; i++)
        runes_add(out, utf8proc_tolower(in->at[i]));
}

static void lower_english(const struct runes *in, struct runes *out)
{
    for (size_t i = 0; i < in->n; i++) {
        int32_t rune = in->at[i];
        if (rune == APOSTROPHE_RIGHT || rune == APOSTROPHE_LETTER)
            rune = '\'';
        runes_add(out, utf8proc_tolower(rune));
    }
}

/* Where what is bracketed at i ends; i if nothing is: [...], <...>, also mixed, and (...) unless
 * empty. */
static size_t bracket_end(const struct runes *in, size_t i)
{
    const bool round = in->at[i] == '(';
    if (!round && in->at[i] != '[' && in->at[i] != '<')
        return i;
    for (size_t j = i + 1; j < in->n; j++) {
        const int32_t rune = in->at[j];
        if (round ? rune == ')' && j > i + 1 : rune == ']' || rune == '>')
            return j + 1;
        if (round && rune == ')')
            return i;
    }
    return i;
}

static void drop_brackets(const struct runes *in, struct runes *out)
{
    for (size_t i = 0; i < in->n;) {
        const size_t end = bracket_end(in, i);
        if (end == i)
            runes_add(out, in->at[i++]);
        else
            i = end;
    }
}

/* Unicode's normalization; `options` as utf8proc_map takes them. */
static void compose(const struct runes *in, utf8proc_option_t options, struct runes *out)
{
    struct text text = {0};
    utf8proc_uint8_t *mapped = NULL;
    for (size_t i = 0; i < in->n; i++) {
        char bytes[5];
        bytes[utf8proc_encode_char(in->at[i], (utf8proc_uint8_t *)bytes)] = '\0';
        text_add(&text, bytes);
    }
    if (text.failed ||
        (text.length > 0 && utf8proc_map((utf8proc_uint8_t *)text.bytes,
                                         (utf8proc_ssize_t)text.length, &mapped, options) < 0))
        out->failed = true;
    else if (mapped)
        decode((const char *)mapped, out);
    free(mapped);
    text_deinit(&text);
}

static void compose_compatible(const struct runes *in, struct runes *out)
{
    compose(in, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT, out);
}

static void decompose_compatible(const struct runes *in, struct runes *out)
{
    compose(in, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, out);
}

static void drop_symbols(const struct runes *in, struct runes *out)
{
    for (size_t i = 0; i < in->n; i++)
        runes_add(out, rune_is_symbol(in->at[i]) ? ' ' : in->at[i]);
}

/* Letters that Unicode does not decompose. */
static const char *plain_letters(int32_t rune)
{
    switch (rune) {
    case 0x153: return "oe";
    case 0xf8: return "o";
    case 0xe6: return "ae";
    case 0xdf: return "ss";
    case 0x111:
    case 0xf0: return "d";
    case 0xfe: return "th";
    case 0x142: return "l";
    default: return NULL;
    }
}

void normalize_fold(const struct runes *in, struct runes *out)
{
    for (size_t i = 0; i < in->n; i++) {
        const int32_t rune = in->at[i];
        const char *letters = plain_letters(rune);
        if (letters)
            runes_add_ascii(out, letters);
        else if (rune == '.' || rune == '%' || rune_is_currency(rune))
            runes_add(out, rune);
        else if (utf8proc_category(rune) != UTF8PROC_CATEGORY_MN)
            runes_add(out, rune_is_symbol(rune) ? ' ' : rune);
    }
}

static normalize_step *const english_steps[] = {
    lower_english,  drop_brackets,          normalize_english_words,  decompose_compatible,
    normalize_fold, normalize_split_digits, normalize_number_words,   normalize_cents,
    normalize_ones, normalize_spelling,     normalize_number_symbols,
};

static normalize_step *const basic_steps[] = {
    lower, drop_brackets, compose_compatible, drop_symbols, lower,
};

bool normalize_text(enum normalize how, const char *text, struct text *out)
{
    normalize_step *const *steps = how == NORMALIZE_ENGLISH ? english_steps : basic_steps;
    size_t n = how == NORMALIZE_ENGLISH ? COUNT_OF(english_steps) : COUNT_OF(basic_steps);
    struct runes a = {0}, b = {0};
    if (how == NORMALIZE_NONE)
        n = 0;
    decode(text, &a);
    for (size_t i = 0; i < n; i++) {
        b.n = 0;
        steps[i](&a, &b);
        const struct runes swap = a;
        a = b;
        b = swap;
    }
    text_clear(out);
    encode(&a, out);
    const bool ok = !a.failed && !b.failed && !out->failed;
    runes_deinit(&a);
    runes_deinit(&b);
    return ok;
}
