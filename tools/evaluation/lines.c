/* SPDX-License-Identifier: MIT */
#include "tools/evaluation/lines.h"

#include <string.h>
#include <utf8proc.h>

char *line_first(char *bytes, size_t size)
{
    return size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? bytes + 3 : bytes;
}

bool line_next(char **at, char *end, struct line *line)
{
    if (*at >= end)
        return false;
    char *newline = memchr(*at, '\n', (size_t)(end - *at));
    char *stop = newline ? newline : end;
    line->bytes = *at;
    line->length = (size_t)(stop - *at);
    line->number++;
    *stop = '\0';
    *at = newline ? newline + 1 : end;
    return true;
}

enum status line_check(const struct log *log, const char *path, const struct line *line)
{
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)line->bytes;
    size_t at = 0;
    while (at < line->length) {
        utf8proc_int32_t rune;
        utf8proc_ssize_t n =
            utf8proc_iterate(bytes + at, (utf8proc_ssize_t)(line->length - at), &rune);
        if (n < 0)
            return log_error(log, ERROR_FORMAT, "%s:%u: byte %zu is not UTF-8", path, line->number,
                             at + 1);
        if (rune == 0)
            return log_error(log, ERROR_FORMAT, "%s:%u: byte %zu is a NUL", path, line->number,
                             at + 1);
        at += (size_t)n;
    }
    return OK;
}
