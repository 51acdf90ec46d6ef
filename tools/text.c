/* SPDX-License-Identifier: MIT */
#include "tools/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct text *text, size_t more)
{
    if (text->failed)
        return false;
    if (more < text->capacity - text->length)
        return true;
    size_t capacity = text->capacity ? text->capacity : 256;
    while (capacity <= text->length + more)
        capacity *= 2;
    char *bytes = realloc(text->bytes, capacity);
    if (!bytes) {
        text->failed = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

static void add_bytes(struct text *text, const char *bytes, size_t n)
{
    if (!reserve(text, n))
        return;
    memcpy(text->bytes + text->length, bytes, n);
    text->length += n;
    text->bytes[text->length] = '\0';
}

void text_add(struct text *text, const char *string)
{
    add_bytes(text, string, strlen(string));
}

void text_addf(struct text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n >= 0 && reserve(text, (size_t)n)) {
        vsnprintf(text->bytes + text->length, (size_t)n + 1, format, again);
        text->length += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void text_add_plain(struct text *text, const char *string)
{
    for (const char *c = string; *c; c++) {
        bool control = (unsigned char)*c < 0x20 || *c == 0x7f;
        add_bytes(text, control ? " " : c, 1);
    }
}

/* Bytes of the well-formed UTF-8 character at `s`, 0 if there is none. */
static size_t utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    /* Overlong forms, surrogates, beyond U+10FFFF. */
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

void text_add_utf8(struct text *text, const char *string)
{
    const unsigned char *s = (const unsigned char *)string;
    while (*s) {
        const size_t n = utf8_length(s);
        add_bytes(text, n ? (const char *)s : "\xef\xbf\xbd", n ? n : 3);
        s += n ? n : 1;
    }
}

void text_add_json(struct text *text, const char *string)
{
    const unsigned char *s = (const unsigned char *)string;
    text_add(text, "\"");
    while (*s) {
        size_t n = utf8_length(s);
        if (n == 0)
            text_add(text, "\\ufffd");
        else if (*s == '"' || *s == '\\')
            text_addf(text, "\\%c", *s);
        else if (*s < 0x20)
            text_addf(text, "\\u%04x", *s);
        else
            add_bytes(text, (const char *)s, n);
        s += n ? n : 1;
    }
    text_add(text, "\"");
}

void text_add_number(struct text *text, double value)
{
    if (isfinite(value))
        text_addf(text, "%.9g", value);
    else
        text_add(text, "null");
}

void text_clear(struct text *text)
{
    text->length = 0;
    if (text->bytes)
        text->bytes[0] = '\0';
}

void text_deinit(struct text *text)
{
    free(text->bytes);
    *text = (struct text){0};
}
