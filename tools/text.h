/* SPDX-License-Identifier: MIT
 *
 * A string that grows, and JSON's strings and numbers.
 */
#ifndef STAPES_TOOLS_TEXT_H
#define STAPES_TOOLS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Zero-initialized is empty. After a failed allocation `failed` is set and additions are ignored.
 */
struct text {
    char *bytes; /* NUL-terminated, NULL while empty */
    size_t length, capacity;
    bool failed;
};

void text_add(struct text *text, const char *string);
void text_addf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Control characters, which could steer a terminal or break a line, become spaces. */
void text_add_plain(struct text *text, const char *string);
/* Bytes that are not UTF-8 become U+FFFD. */
void text_add_utf8(struct text *text, const char *string);
/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void text_add_json(struct text *text, const char *string);
/* A JSON number of nine digits (a float's all); null where JSON has no number. */
void text_add_number(struct text *text, double value);
void text_clear(struct text *text);
void text_deinit(struct text *text);

#endif
