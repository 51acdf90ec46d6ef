/* SPDX-License-Identifier: MIT */
#include "tools/evaluation/side_by_side.h"

#include <utf8proc.h>

#include "runtime/base.h"

enum { GUTTER_COLUMNS = 3 };

static const char *const colors[] = {"\033[1;31m", "\033[1;32m"};

/* A line of one of the texts. */
struct cell {
    struct text text;
    size_t width; /* columns of the terminal */
};

struct line {
    const struct side_style *style;
    struct cell cells[2];
    bool different;
    struct text *out;
};

static size_t half_columns(const struct side_style *style)
{
    const size_t columns = MAX(style->columns, (size_t)GUTTER_COLUMNS);
    return MAX((columns - GUTTER_COLUMNS) / 2, (size_t)SIDE_MIN_COLUMNS);
}

static size_t display_width(const char *bytes, size_t length)
{
    size_t width = 0, at = 0;
    while (at < length) {
        utf8proc_int32_t rune;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)bytes + at,
                                              (utf8proc_ssize_t)(length - at), &rune);
        width += n > 0 ? (size_t)utf8proc_charwidth(rune) : 1;
        at += (size_t)MAX(n, 1);
    }
    return width;
}

static void add_spaces(struct text *out, size_t n)
{
    text_addf(out, "%*s", (int)n, "");
}

static void end_line(struct line *line)
{
    const size_t half = half_columns(line->style);
    struct cell *left = &line->cells[0], *right = &line->cells[1];
    if (left->width == 0 && right->width == 0)
        return;
    text_add(line->out, left->text.bytes ? left->text.bytes : "");
    if (right->width > 0 || line->different) {
        add_spaces(line->out, half > left->width ? half - left->width : 0);
        text_add(line->out, line->different ? " |" : "  ");
    }
    if (right->width > 0)
        text_addf(line->out, " %s", right->text.bytes ? right->text.bytes : "");
    text_add(line->out, "\n");
    line->out->failed |= left->text.failed || right->text.failed;
    for (int i = 0; i < 2; i++) {
        text_clear(&line->cells[i].text);
        line->cells[i].width = 0;
    }
    line->different = false;
}

static size_t word_width(const struct line *line, const struct wer_span *word, bool marked)
{
    return display_width(word->bytes, word->length) + (marked && !line->style->color ? 2 : 0);
}

static bool fits(const struct line *line, int side, const struct wer_span *word, bool marked)
{
    const struct cell *cell = &line->cells[side];
    return word->length == 0 || cell->width == 0 ||
           cell->width + 1 + word_width(line, word, marked) <= half_columns(line->style);
}

static void add_word(struct line *line, int side, const struct wer_span *word, bool marked)
{
    struct cell *cell = &line->cells[side];
    if (word->length == 0)
        return;
    if (cell->width > 0) {
        text_add(&cell->text, " ");
        cell->width++;
    }
    const char *before = !marked ? "" : line->style->color ? colors[side] : "[";
    const char *after = !marked ? "" : line->style->color ? "\033[0m" : "]";
    text_addf(&cell->text, "%s%.*s%s", before, (int)word->length, word->bytes, after);
    cell->width += word_width(line, word, marked);
}

void side_by_side(const struct side_style *style, const struct wer_alignment *alignment,
                  struct text *out)
{
    struct line line = {.style = style, .out = out};
    for (size_t i = 0; i < alignment->n; i++) {
        const struct wer_step *step = &alignment->steps[i];
        const bool marked = step->operation != WER_SAME;
        if (!fits(&line, 0, &step->reference, marked) || !fits(&line, 1, &step->hypothesis, marked))
            end_line(&line);
        add_word(&line, 0, &step->reference, marked);
        add_word(&line, 1, &step->hypothesis, marked);
        line.different |= marked;
    }
    end_line(&line);
    text_deinit(&line.cells[0].text);
    text_deinit(&line.cells[1].text);
}

/* The end of a name tells more than its beginning. */
static size_t cut_from(const char *name, size_t length, size_t columns)
{
    size_t at = 0;
    while (display_width(name + at, length - at) > columns) {
        at++;
        while (at < length && ((unsigned char)name[at] & 0xc0) == 0x80)
            at++;
    }
    return at;
}

void side_by_side_head(const struct side_style *style, const char *left, const char *right,
                       struct text *out)
{
    const size_t half = half_columns(style);
    struct text names[2] = {{0}, {0}};
    size_t widths[2];
    text_add_plain(&names[0], left);
    text_add_plain(&names[1], right);
    for (int i = 0; i < 2; i++) {
        struct text *name = &names[i];
        const char *bytes = name->bytes ? name->bytes : "";
        const size_t at = cut_from(bytes, name->length, half);
        widths[i] = display_width(bytes + at, name->length - at);
        text_add(out, bytes + at);
        if (i == 0)
            add_spaces(out, half - widths[0] + GUTTER_COLUMNS);
        out->failed |= name->failed;
    }
    text_add(out, "\n");
    for (size_t i = 0; i < 2 * half + GUTTER_COLUMNS; i++)
        text_add(out, i < half || i >= half + GUTTER_COLUMNS ? "-" : " ");
    text_add(out, "\n");
    text_deinit(&names[0]);
    text_deinit(&names[1]);
}
