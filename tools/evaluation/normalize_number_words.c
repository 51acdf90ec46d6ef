/* SPDX-License-Identifier: MIT
 *
 * Number words to digits, word by word: a value grows until a word comes that cannot belong to it.
 * It is a number, or digits in a row where words were read one by one ("one oh one").
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base.h"
#include "tools/evaluation/normalize_parts.h"

#define MAX_READ UINT64_C(1000000000000000000) /* of digits; longer ones stay text */

enum { WORD_MAX = 16, CENT = 0xa2, POUND = 0xa3, EURO = 0x20ac };

enum word_kind {
    WORD_OTHER,
    WORD_DIGITS, /* 12 or 1.5, also behind a currency's sign */
    WORD_ZERO,
    WORD_ONE,        /* to nineteen */
    WORD_TEN,        /* to ninety */
    WORD_MULTIPLIER, /* hundred and more */
    WORD_SIGN,       /* goes before the number that follows */
    WORD_CURRENCY,   /* goes before the number that it follows */
    WORD_PERCENT,
    WORD_PER,
    WORD_AND,
    WORD_REPEAT, /* double, triple */
    WORD_POINT,
};

struct number_row {
    const char *name, *plural, *ordinal;
    const char *ending; /* of the ordinal in digits */
    uint64_t value;
    enum word_kind kind;
};

static const struct number_row numbers[] = {
    {"one", "ones", "first", "st", 1, WORD_ONE},
    {"two", "twos", "second", "nd", 2, WORD_ONE},
    {"three", "threes", "third", "rd", 3, WORD_ONE},
    {"four", "fours", "fourth", "th", 4, WORD_ONE},
    {"five", "fives", "fifth", "th", 5, WORD_ONE},
    {"six", "sixes", "sixth", "th", 6, WORD_ONE},
    {"seven", "sevens", "seventh", "th", 7, WORD_ONE},
    {"eight", "eights", "eighth", "th", 8, WORD_ONE},
    {"nine", "nines", "ninth", "th", 9, WORD_ONE},
    {"ten", "tens", "tenth", "th", 10, WORD_ONE},
    {"eleven", "elevens", "eleventh", "th", 11, WORD_ONE},
    {"twelve", "twelves", "twelfth", "th", 12, WORD_ONE},
    {"thirteen", "thirteens", "thirteenth", "th", 13, WORD_ONE},
    {"fourteen", "fourteens", "fourteenth", "th", 14, WORD_ONE},
    {"fifteen", "fifteens", "fifteenth", "th", 15, WORD_ONE},
    {"sixteen", "sixteens", "sixteenth", "th", 16, WORD_ONE},
    {"seventeen", "seventeens", "seventeenth", "th", 17, WORD_ONE},
    {"eighteen", "eighteens", "eighteenth", "th", 18, WORD_ONE},
    {"nineteen", "nineteens", "nineteenth", "th", 19, WORD_ONE},
    {"twenty", "twenties", "twentieth", "th", 20, WORD_TEN},
    {"thirty", "thirties", "thirtieth", "th", 30, WORD_TEN},
    {"forty", "forties", "fortieth", "th", 40, WORD_TEN},
    {"fifty", "fifties", "fiftieth", "th", 50, WORD_TEN},
    {"sixty", "sixties", "sixtieth", "th", 60, WORD_TEN},
    {"seventy", "seventies", "seventieth", "th", 70, WORD_TEN},
    {"eighty", "eighties", "eightieth", "th", 80, WORD_TEN},
    {"ninety", "nineties", "ninetieth", "th", 90, WORD_TEN},
    {"hundred", "hundreds", "hundredth", "th", 100, WORD_MULTIPLIER},
    {"thousand", "thousands", "thousandth", "th", 1000, WORD_MULTIPLIER},
    {"million", "millions", "millionth", "th", 1000000, WORD_MULTIPLIER},
    {"billion", "billions", "billionth", "th", 1000000000, WORD_MULTIPLIER},
    {"trillion", "trillions", "trillionth", "th", 1000000000000, WORD_MULTIPLIER},
    {"quadrillion", "quadrillions", "quadrillionth", "th", 1000000000000000, WORD_MULTIPLIER},
    {"quintillion", "quintillions", "quintillionth", "th", 1000000000000000000, WORD_MULTIPLIER},
};

static const struct {
    const char *name;
    enum word_kind kind;
    uint64_t value; /* of a sign or a currency its character */
} others[] = {
    {"o", WORD_ZERO, 0},
    {"oh", WORD_ZERO, 0},
    {"zero", WORD_ZERO, 0},
    {"zeroth", WORD_ONE, 0},
    {"minus", WORD_SIGN, '-'},
    {"negative", WORD_SIGN, '-'},
    {"plus", WORD_SIGN, '+'},
    {"positive", WORD_SIGN, '+'},
    {"pound", WORD_CURRENCY, POUND},
    {"pounds", WORD_CURRENCY, POUND},
    {"euro", WORD_CURRENCY, EURO},
    {"euros", WORD_CURRENCY, EURO},
    {"dollar", WORD_CURRENCY, '$'},
    {"dollars", WORD_CURRENCY, '$'},
    {"cent", WORD_CURRENCY, CENT},
    {"cents", WORD_CURRENCY, CENT},
    {"percent", WORD_PERCENT, 0},
    {"per", WORD_PER, 0},
    {"and", WORD_AND, 0},
    {"double", WORD_REPEAT, 2},
    {"triple", WORD_REPEAT, 3},
    {"point", WORD_POINT, 0},
};

struct word {
    const int32_t *at;
    size_t n;
    enum word_kind kind;
    uint64_t value;
    const char *ending; /* of a plural or an ordinal, which ends its number; else NULL */
    bool integer;       /* DIGITS: `value` is all of it */
};

enum value_kind { VALUE_NONE, VALUE_NUMBER, VALUE_TEXT };

struct reader {
    struct runes *out;
    enum value_kind kind;
    uint64_t number;
    struct runes text;
    int32_t prefix; /* sign or currency before what comes next; 0: none */
};

static bool find_number(const char *name, struct word *word)
{
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        const struct number_row *row = &numbers[i];
        const bool plural = strcmp(name, row->plural) == 0;
        const bool ordinal = strcmp(name, row->ordinal) == 0;
        if (!plural && !ordinal && strcmp(name, row->name) != 0)
            continue;
        word->kind = row->kind;
        word->value = row->value;
        word->ending = plural ? "s" : ordinal ? row->ending : NULL;
        return true;
    }
    return false;
}

static void find_name(const char *name, struct word *word)
{
    if (find_number(name, word))
        return;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (strcmp(name, others[i].name) == 0) {
            word->kind = others[i].kind;
            word->value = others[i].value;
            word->ending = strcmp(name, "zeroth") == 0 ? "th" : NULL;
        }
}

/* 12 or 12.5 */
static void find_digits(const int32_t *at, size_t n, struct word *word)
{
    size_t i = 0;
    uint64_t value = 0;
    while (i < n && rune_is_digit(at[i])) {
        if (value < MAX_READ)
            value = 10 * value + (uint64_t)(at[i] - '0');
        i++;
    }
    size_t whole = i;
    bool zeros = true;
    if (i > 0 && i + 1 < n && at[i] == '.')
        for (i++; i < n && rune_is_digit(at[i]); i++)
            zeros &= at[i] == '0';
    if (whole == 0 || i < n)
        return;
    word->kind = WORD_DIGITS;
    word->value = value;
    word->integer = zeros && value < MAX_READ;
}

static void classify(struct word *word)
{
    char name[WORD_MAX];
    const size_t skip = rune_is_currency(word->at[0]);
    word->kind = WORD_OTHER;
    find_digits(word->at + skip, word->n - skip, word);
    if (word->kind == WORD_DIGITS || word->n >= WORD_MAX)
        return;
    for (size_t i = 0; i < word->n; i++) {
        if (word->at[i] >= 0x80)
            return;
        name[i] = (char)word->at[i];
    }
    name[word->n] = '\0';
    find_name(name, word);
}

static void begin_word(struct reader *reader)
{
    if (reader->out->n > 0)
        runes_add(reader->out, ' ');
    if (reader->prefix)
        runes_add(reader->out, reader->prefix);
    reader->prefix = 0;
}

static void write_word(struct reader *reader, const struct word *word)
{
    begin_word(reader);
    runes_add_runes(reader->out, word->at, word->n);
}

/* Ends the number, if there is one. */
static void write_value(struct reader *reader, const char *ending)
{
    char digits[24];
    if (reader->kind == VALUE_NONE)
        return;
    begin_word(reader);
    if (reader->kind == VALUE_NUMBER) {
        snprintf(digits, sizeof(digits), "%" PRIu64, reader->number);
        runes_add_ascii(reader->out, digits);
    } else {
        runes_add_runes(reader->out, reader->text.at, reader->text.n);
    }
    runes_add_ascii(reader->out, ending);
    reader->kind = VALUE_NONE;
}

static void set_number(struct reader *reader, uint64_t number)
{
    reader->kind = VALUE_NUMBER;
    reader->number = number;
}

/* Digits from here on. A number that is 0 counts as nothing unless it is kept. */
static void to_text(struct reader *reader, bool keep_zero)
{
    char digits[24];
    if (reader->kind == VALUE_TEXT)
        return;
    reader->text.n = 0;
    if (reader->kind == VALUE_NUMBER && (reader->number > 0 || keep_zero)) {
        snprintf(digits, sizeof(digits), "%" PRIu64, reader->number);
        runes_add_ascii(&reader->text, digits);
    }
    reader->kind = VALUE_TEXT;
}

static void append_number(struct reader *reader, uint64_t number)
{
    char digits[24];
    to_text(reader, true);
    snprintf(digits, sizeof(digits), "%" PRIu64, number);
    runes_add_ascii(&reader->text, digits);
}

static bool ends_in(const struct reader *reader, int32_t rune)
{
    return reader->kind == VALUE_TEXT && reader->text.n > 0 &&
           reader->text.at[reader->text.n - 1] == rune;
}

/* one to nineteen, twenty to ninety: fills the zeros of the number so far, or goes behind it. */
static void read_small(struct reader *reader, const struct word *before, const struct word *word)
{
    const uint64_t room = word->kind == WORD_ONE && word->value < 10 ? 10 : 100;
    const bool after_one =
        word->kind == WORD_ONE && before && before->kind == WORD_ONE && !before->ending;
    const bool after_ten = before && before->kind == WORD_TEN && !before->ending;
    if (reader->kind == VALUE_NONE) {
        set_number(reader, word->value);
    } else if (reader->kind == VALUE_NUMBER && !after_one && reader->number % room == 0) {
        reader->number += word->value;
    } else {
        if (room == 10 && after_ten && ends_in(reader, '0'))
            reader->text.n--;
        append_number(reader, word->value);
    }
}

/* The decimal text times the multiplier, where that is a whole number. */
static bool multiply_text(const struct runes *text, uint64_t multiplier, uint64_t *out)
{
    uint64_t value = 0, divisor = 1;
    bool point = false;
    for (size_t i = 0; i < text->n; i++) {
        if (text->at[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (!rune_is_digit(text->at[i]) || value > MAX_READ / 10 || divisor > MAX_READ / 10)
            return false;
        value = 10 * value + (uint64_t)(text->at[i] - '0');
        divisor *= point ? 10 : 1;
    }
    uint64_t product;
    if (__builtin_mul_overflow(value, multiplier, &product) || product % divisor)
        return false;
    *out = product / divisor;
    return true;
}

/* hundred and above: applies to what is below a thousand of the number so far. */
static void read_multiplier(struct reader *reader, uint64_t multiplier)
{
    uint64_t product, number;
    bool fits = false;
    if (reader->kind == VALUE_TEXT) {
        fits = multiply_text(&reader->text, multiplier, &number);
    } else if (reader->kind == VALUE_NUMBER) {
        number = reader->number - reader->number % 1000;
        fits = !__builtin_mul_overflow(reader->number % 1000, multiplier, &product) &&
               !__builtin_add_overflow(number, product, &number);
    }
    if (!fits) {
        write_value(reader, "");
        number = multiplier;
    }
    set_number(reader, number);
}

static void read_digits(struct reader *reader, const struct word *word)
{
    const bool currency = rune_is_currency(word->at[0]);
    if (ends_in(reader, '.')) {
        runes_add_runes(&reader->text, word->at, word->n);
        return;
    }
    write_value(reader, "");
    if (currency)
        reader->prefix = word->at[0];
    if (word->integer) {
        set_number(reader, word->value);
    } else {
        reader->kind = VALUE_TEXT;
        reader->text.n = 0;
        runes_add_runes(&reader->text, word->at + currency, word->n - currency);
    }
}

static bool is_numeric(const struct word *next)
{
    return next && next->kind != WORD_OTHER &&
           !(next->kind == WORD_DIGITS && rune_is_currency(next->at[0]));
}

static bool is_decimal(const struct word *word)
{
    return word && !word->ending &&
           (word->kind == WORD_ZERO || word->kind == WORD_ONE || word->kind == WORD_TEN);
}

static void write_both(struct reader *reader, const struct word *word)
{
    write_value(reader, "");
    write_word(reader, word);
}

/* and, double, triple, point. Returns whether the next word is taken, too. */
static bool read_special(struct reader *reader, const struct word *before, const struct word *word,
                         const struct word *next)
{
    const bool digit = next && !next->ending && (next->kind == WORD_ZERO || next->kind == WORD_ONE);
    if (word->kind == WORD_AND && is_numeric(next) && before && before->kind == WORD_MULTIPLIER &&
        !before->ending)
        return false;
    if (word->kind == WORD_REPEAT && digit) {
        to_text(reader, false);
        for (uint64_t i = 0; i < word->value; i++)
            append_number(reader, next->value);
        return true;
    }
    if (word->kind == WORD_POINT && is_numeric(next) &&
        (is_decimal(next) || next->kind == WORD_DIGITS)) {
        to_text(reader, false);
        runes_add(&reader->text, '.');
        return false;
    }
    write_both(reader, word);
    return false;
}

/* Returns whether the next word is taken, too. */
static bool read_word(struct reader *reader, const struct word *before, const struct word *word,
                      const struct word *next)
{
    switch (word->kind) {
    case WORD_DIGITS: read_digits(reader, word); break;
    case WORD_ZERO:
        to_text(reader, false);
        append_number(reader, 0);
        break;
    case WORD_ONE:
    case WORD_TEN: read_small(reader, before, word); break;
    case WORD_MULTIPLIER: read_multiplier(reader, word->value); break;
    case WORD_SIGN:
        write_value(reader, "");
        if (is_numeric(next))
            reader->prefix = (int32_t)word->value;
        else
            write_word(reader, word);
        break;
    case WORD_CURRENCY:
        if (reader->kind == VALUE_NONE) {
            write_word(reader, word);
        } else {
            reader->prefix = (int32_t)word->value;
            write_value(reader, "");
        }
        break;
    case WORD_PERCENT:
        if (reader->kind == VALUE_NONE)
            write_word(reader, word);
        else
            write_value(reader, "%");
        break;
    case WORD_PER:
        if (reader->kind != VALUE_NONE && next && next->kind == WORD_CURRENCY &&
            next->value == CENT && next->n == 4) {
            write_value(reader, "%");
            return true;
        }
        write_both(reader, word);
        break;
    case WORD_AND:
    case WORD_REPEAT:
    case WORD_POINT: return read_special(reader, before, word, next);
    case WORD_OTHER: write_both(reader, word); break;
    }
    if (word->ending)
        write_value(reader, word->ending);
    return false;
}

/* NULL: out of memory. */
static struct word *split_words(const struct runes *in, size_t *n)
{
    struct word *words = malloc((in->n / 2 + 1) * sizeof(*words));
    *n = 0;
    for (size_t i = 0; words && i < in->n;) {
        const size_t start = i;
        while (i < in->n && !rune_is_space(in->at[i]))
            i++;
        if (i == start) {
            i++;
            continue;
        }
        struct word *word = &words[(*n)++];
        *word = (struct word){.at = in->at + start, .n = i - start};
        classify(word);
    }
    return words;
}

static bool is_word(const struct word *word, const char *ascii)
{
    for (size_t i = 0; i < word->n; i++)
        if (ascii[i] == '\0' || word->at[i] != ascii[i])
            return false;
    return ascii[word->n] == '\0';
}

/* "two and a half" is two point five. */
static size_t read_halves(struct word *words, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const struct word *before = kept > 0 ? &words[kept - 1] : NULL;
        const bool half =
            before && i + 2 < n && is_word(&words[i], "and") && is_word(&words[i + 1], "a") &&
            is_word(&words[i + 2], "half") &&
            (is_decimal(before) || (before->kind == WORD_MULTIPLIER && !before->ending));
        if (!half) {
            words[kept++] = words[i];
            continue;
        }
        words[kept++] = (struct word){.at = words[i].at, .n = words[i].n, .kind = WORD_POINT};
        words[kept++] =
            (struct word){.at = words[i].at, .n = words[i].n, .kind = WORD_ONE, .value = 5};
        i += 2;
    }
    return kept;
}

void normalize_number_words(const struct runes *in, struct runes *out)
{
    size_t n;
    struct reader reader = {.out = out};
    struct word *words = split_words(in, &n);
    if (!words) {
        out->failed = true;
        return;
    }
    n = read_halves(words, n);
    for (size_t i = 0; i < n; i++) {
        const struct word *before = i > 0 ? &words[i - 1] : NULL;
        const struct word *next = i + 1 < n ? &words[i + 1] : NULL;
        i += read_word(&reader, before, &words[i], next);
    }
    write_value(&reader, "");
    out->failed |= reader.text.failed;
    runes_deinit(&reader.text);
    free(words);
}
