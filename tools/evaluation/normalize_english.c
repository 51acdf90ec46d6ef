/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "runtime/base.h"
#include "tools/evaluation/normalize_parts.h"

/* What is written for what, one after the other over the whole text. All end at the end of a word;
 * those that begin with a letter, but for n't, begin at its beginning. */
struct replacement {
    const char *from, *to;
};

static const struct replacement fillers[] = {
    {"hmm", ""}, {"mm", ""}, {"mhm", ""}, {"mmm", ""}, {"uh", ""}, {"um", ""},
};

static const struct replacement contractions[] = {
    {"won't", "will not"},
    {"can't", "can not"},
    {"let's", "let us"},
    {"ain't", "aint"},
    {"y'all", "you all"},
    {"wanna", "want to"},
    {"gotta", "got to"},
    {"gonna", "going to"},
    {"i'ma", "i am going to"},
    {"imma", "i am going to"},
    {"woulda", "would have"},
    {"coulda", "could have"},
    {"shoulda", "should have"},
    {"ma'am", "madam"},
    {"mr", "mister "},
    {"mrs", "missus "},
    {"st", "saint "},
    {"dr", "doctor "},
    {"prof", "professor "},
    {"capt", "captain "},
    {"gov", "governor "},
    {"ald", "alderman "},
    {"gen", "general "},
    {"sen", "senator "},
    {"rep", "representative "},
    {"pres", "president "},
    {"rev", "reverend "},
    {"hon", "honorable "},
    {"asst", "assistant "},
    {"assoc", "associate "},
    {"lt", "lieutenant "},
    {"col", "colonel "},
    {"jr", "junior "},
    {"sr", "senior "},
    {"esq", "esquire "},
    {"'d been", " had been"},
    {"'s been", " has been"},
    {"'d gone", " had gone"},
    {"'s gone", " has gone"},
    {"'d done", " had done"},
    {"'s got", " has got"},
    {"n't", " not"},
    {"'re", " are"},
    {"'s", " is"},
    {"'d", " would"},
    {"'ll", " will"},
    {"'t", " not"},
    {"'ve", " have"},
    {"'m", " am"},
};

static bool stands_at(const struct runes *in, size_t i, const char *from)
{
    const bool anywhere = *from == '\'' || strcmp(from, "n't") == 0;
    return in->at[i] == *from && runes_match(in, i, from) && (anywhere || runes_boundary(in, i)) &&
           runes_boundary(in, i + strlen(from));
}

static void replace(struct runes *text, struct runes *spare, const struct replacement *what)
{
    spare->n = 0;
    for (size_t i = 0; i < text->n;) {
        if (stands_at(text, i, what->from)) {
            runes_add_ascii(spare, what->to);
            i += strlen(what->from);
        } else {
            runes_add(spare, text->at[i++]);
        }
    }
    const struct runes swap = *text;
    *text = *spare;
    *spare = swap;
}

/* "it 's" */
static void join_apostrophes(struct runes *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->n; i++) {
        if (text->at[i] == '\'')
            while (n > 0 && rune_is_space(text->at[n - 1]))
                n--;
        text->at[n++] = text->at[i];
    }
    text->n = n;
}

/* 1,000 is one number (and 1,2,3 is read as 1,2 and 3, as by Whisper); a point without a digit
 * behind it ends a sentence. */
static void clean_points(const struct runes *in, struct runes *out)
{
    size_t joined = SIZE_MAX;
    for (size_t i = 0; i < in->n; i++) {
        const int32_t rune = in->at[i];
        const bool digit_follows = i + 1 < in->n && rune_is_digit(in->at[i + 1]);
        const bool between = digit_follows && i > 0 && rune_is_digit(in->at[i - 1]);
        if (rune == ',' && between && joined != i - 1)
            joined = i + 1;
        else
            runes_add(out, rune == '.' && !digit_follows ? ' ' : rune);
    }
}

void normalize_english_words(const struct runes *in, struct runes *out)
{
    struct runes a = {0}, b = {0};
    runes_add_runes(&a, in->at, in->n);
    for (size_t i = 0; i < COUNT_OF(fillers); i++)
        replace(&a, &b, &fillers[i]);
    join_apostrophes(&a);
    for (size_t i = 0; i < COUNT_OF(contractions); i++)
        replace(&a, &b, &contractions[i]);
    clean_points(&a, out);
    out->failed |= a.failed || b.failed;
    runes_deinit(&a);
    runes_deinit(&b);
}

void normalize_spelling(const struct runes *in, struct runes *out)
{
    char word[SPELLING_MAX], american[SPELLING_MAX];
    for (size_t i = 0; i < in->n;) {
        size_t end = i;
        bool ascii = true;
        while (end < in->n && !rune_is_space(in->at[end])) {
            if (end - i < SPELLING_MAX - 1)
                word[end - i] = (char)in->at[end];
            ascii &= in->at[end] < 0x80;
            end++;
        }
        word[MIN(end - i, SPELLING_MAX - 1)] = '\0';
        if (ascii && end > i && end - i < SPELLING_MAX - 1 && spelling_american(word, american))
            runes_add_ascii(out, american);
        else
            runes_add_runes(out, in->at + i, end - i);
        i = end;
        if (i < in->n)
            runes_add(out, in->at[i++]);
    }
}

static size_t skip_spaces(const struct runes *in, size_t i)
{
    while (i < in->n && rune_is_space(in->at[i]))
        i++;
    return i;
}

void normalize_number_symbols(const struct runes *in, struct runes *out)
{
    for (size_t i = 0; i < in->n; i++) {
        const int32_t rune = in->at[i];
        const size_t next = rune_is_currency(rune) ? skip_spaces(in, i + 1) : i + 1;
        const bool before_digit = next < in->n && rune_is_digit(in->at[next]);
        if (rune == '%') {
            size_t n = out->n;
            while (n > 0 && rune_is_space(out->at[n - 1]))
                n--;
            const bool after_digit = n > 0 && rune_is_digit(out->at[n - 1]);
            if (after_digit)
                out->n = n;
            runes_add(out, after_digit ? '%' : ' ');
        } else if (rune == '.' || rune_is_currency(rune)) {
            runes_add(out, before_digit ? rune : ' ');
            if (before_digit)
                i = next - 1;
        } else {
            runes_add(out, rune);
        }
    }
}
