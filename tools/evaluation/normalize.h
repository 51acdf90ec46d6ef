/* SPDX-License-Identifier: MIT
 *
 * Texts made comparable before errors are counted: the same words however they are written.
 * docs/evaluation.md describes each step.
 */
#ifndef STAPES_TOOLS_NORMALIZE_H
#define STAPES_TOOLS_NORMALIZE_H

#include "tools/text.h"

enum normalize {
    NORMALIZE_ENGLISH, /* as Whisper's normalizer for English does, but for what the document says
                        */
    NORMALIZE_BASIC,   /* for any language: lower case, no brackets, no symbols */
    NORMALIZE_NONE,
};

/* "english", "basic", "none" and NULL, in the order of enum normalize. */
extern const char *const normalize_choices[];

/* Replaces *out by the words of `text` with single spaces between them. Bytes that are not UTF-8
 * count as U+FFFD. False: out of memory. */
bool normalize_text(enum normalize how, const char *text, struct text *out);

#endif
