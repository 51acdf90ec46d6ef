/* SPDX-License-Identifier: MIT
 *
 * Two texts beside each other, words that belong together on the same line, differences marked.
 */
#ifndef STAPES_TOOLS_SIDE_BY_SIDE_H
#define STAPES_TOOLS_SIDE_BY_SIDE_H

#include "tools/text.h"
#include "tools/evaluation/wer.h"

struct side_style {
    size_t columns; /* of the whole; each text gets half of it, but at least SIDE_MIN_COLUMNS */
    bool color;     /* differing words in bold colours; else in brackets */
};

enum { SIDE_MIN_COLUMNS = 16 };

/* Appends the two names, then the lines; between the halves of a line with a difference is a "|". A
 * word that is wider than its half stands on a line of its own. The words must hold no control
 * characters. */
void side_by_side_head(const struct side_style *style, const char *left, const char *right,
                       struct text *out);
void side_by_side(const struct side_style *style, const struct wer_alignment *alignment,
                  struct text *out);

#endif
