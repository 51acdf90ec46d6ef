/* SPDX-License-Identifier: MIT */
#include "kernels/twins/twins.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static int n_complaints;

void complain(struct place place, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (place.line)
        fprintf(stderr, "%s:%d: ", place.file, place.line);
    else
        fprintf(stderr, "%s: ", place.file);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    n_complaints++;
}

int complaints(void)
{
    return n_complaints;
}

char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t used = 0, room = 0;
    while (file && !feof(file) && !ferror(file)) {
        if (room - used < 4096) {
            char *more = realloc(text, room += 65536);
            if (!more)
                break;
            text = more;
        }
        used += fread(text + used, 1, room - used - 1, file);
    }
    if (!file || ferror(file) || !feof(file)) {
        complain((struct place){path, 0}, "cannot be read: %s", strerror(errno));
        free(text);
        text = NULL;
    } else {
        text[used] = 0;
    }
    if (file)
        fclose(file);
    return text;
}

void blank_comments(char *text, bool nested)
{
    int depth = 0;
    bool line = false;
    for (char *at = text; *at; at++) {
        if (*at == '\n') {
            line = false;
        } else if (line) {
            *at = ' ';
        } else if (at[0] == '/' && at[1] == '*' && (nested || !depth)) {
            depth++;
            at[0] = at[1] = ' ';
            at++;
        } else if (depth && at[0] == '*' && at[1] == '/') {
            depth--;
            at[0] = at[1] = ' ';
            at++;
        } else if (depth) {
            *at = ' ';
        } else if (at[0] == '/' && at[1] == '/') {
            line = true;
            *at = ' ';
        }
    }
}

const char *scalar_name(enum scalar scalar)
{
    static const char *const names[] = {"another type", "u32", "i32", "f32", "bool"};
    return names[scalar];
}
