/* SPDX-License-Identifier: MIT
 *
 * The lines of a text file in memory.
 */
#ifndef STAPES_TOOLS_LINES_H
#define STAPES_TOOLS_LINES_H

#include "runtime/base.h"

/* One line of a text in memory: its bytes are NUL-terminated, without the newline. */
struct line {
    char *bytes;
    size_t length;
    uint32_t number; /* from 1 */
};

/* Where the first line begins: behind the mark that some editors put before UTF-8. */
char *line_first(char *bytes, size_t size);
/* Cuts the next line off *at, in place; false at the end. */
bool line_next(char **at, char *end, struct line *line);
/* Refuses what is not UTF-8, and NULs, which would end the text early. */
enum status line_check(const struct log *log, const char *path, const struct line *line);

#endif
