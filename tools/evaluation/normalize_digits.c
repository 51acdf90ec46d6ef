/* SPDX-License-Identifier: MIT
 *
 * What is done to digits before and after number words are read.
 */
#include <string.h>

#include "runtime/base.h"
#include "tools/evaluation/normalize_parts.h"

static bool is_letter(int32_t rune)
{
    return rune >= 'a' && rune <= 'z';
}

/* Length of st, nd, rd, th or s at i where the word ends behind it. */
static size_t ending_length(const struct runes *in, size_t i)
{
    static const char *const endings[] = {"st", "nd", "rd", "th", "s"};
    for (size_t k = 0; k < COUNT_OF(endings); k++) {
        const size_t n = strlen(endings[k]);
        if (runes_match(in, i, endings[k]) && runes_boundary(in, i + n))
            return n;
    }
    return 0;
}

void normalize_split_digits(const struct runes *in, struct runes *out)
{
    for (size_t i = 0; i < in->n; i++) {
        runes_add(out, in->at[i]);
        if (i + 1 == in->n)
            break;
        const int32_t rune = in->at[i], next = in->at[i + 1];
        if (is_letter(rune) && rune_is_digit(next))
            runes_add(out, ' ');
        if (!rune_is_digit(rune))
            continue;
        size_t at = i + 1;
        while (at < in->n && rune_is_space(in->at[at]))
            at++;
        const size_t ending = ending_length(in, at);
        if (ending > 0) {
            runes_add_runes(out, in->at + at, ending);
            i = at + ending - 1;
        } else if (is_letter(next)) {
            runes_add(out, ' ');
        }
    }
}

static size_t skip_digits(const struct runes *in, size_t i)
{
    while (i < in->n && rune_is_digit(in->at[i]))
        i++;
    return i;
}

/* Where one or two digits at i end, no word going on behind them; i if there are none. */
static size_t cents_end(const struct runes *in, size_t i)
{
    const size_t end = skip_digits(in, i);
    return end - i <= 2 && runes_boundary(in, end) ? end : i;
}

static bool is_cent_sign(const struct runes *in, size_t i)
{
    return i < in->n && in->at[i] == 0xa2;
}

/* $2 and 7 cents at i: writes $2.07 and returns where it ends; i if that is not there. */
static size_t join_cents(const struct runes *in, size_t i, struct runes *out)
{
    const size_t whole = skip_digits(in, i + 1);
    if (whole == i + 1 || whole == in->n || in->at[whole] != ' ')
        return i;
    const size_t sign = whole + 1 + (runes_match(in, whole + 1, "and ") ? 4 : 0);
    const size_t end = is_cent_sign(in, sign) ? cents_end(in, sign + 1) : 0;
    if (!is_cent_sign(in, sign) || end == sign + 1)
        return i;
    runes_add_runes(out, in->at + i, whole - i);
    runes_add(out, '.');
    if (end - sign == 2)
        runes_add(out, '0');
    runes_add_runes(out, in->at + sign + 1, end - sign - 1);
    return end;
}

/* $0.07 at i: writes 7 cents. */
static size_t only_cents(const struct runes *in, size_t i, struct runes *out)
{
    if (!runes_match(in, i + 1, "0."))
        return i;
    size_t at = i + 3;
    const size_t end = cents_end(in, at);
    if (end == at)
        return i;
    if (end - at == 2 && in->at[at] == '0')
        at++;
    runes_add(out, 0xa2);
    runes_add_runes(out, in->at + at, end - at);
    return end;
}

/* 1 or 1s, a word by itself. */
static bool is_one(const struct runes *in, size_t i)
{
    if (in->at[i] != '1' || !runes_boundary(in, i))
        return false;
    return runes_boundary(in, i + 1) ||
           (i + 1 < in->n && in->at[i + 1] == 's' && runes_boundary(in, i + 2));
}

void normalize_cents(const struct runes *in, struct runes *out)
{
    for (size_t i = 0; i < in->n;) {
        size_t end = i;
        if (rune_is_currency(in->at[i]) && !is_cent_sign(in, i)) {
            end = join_cents(in, i, out);
            if (end == i)
                end = only_cents(in, i, out);
        }
        if (end == i)
            runes_add(out, in->at[end++]);
        i = end;
    }
}

void normalize_ones(const struct runes *in, struct runes *out)
{
    for (size_t i = 0; i < in->n; i++) {
        if (is_one(in, i))
            runes_add_ascii(out, "one");
        else
            runes_add(out, in->at[i]);
    }
}
