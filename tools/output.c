/* SPDX-License-Identifier: MIT */
#include "tools/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool output_text(struct report *report, struct text *text)
{
    if (text->failed) {
        report_error(report, "out of memory");
        return false;
    }
    size_t n = text->length;
    errno = 0;
    if (n > 0 && (fwrite(text->bytes, 1, n, stdout) != n || fflush(stdout) != 0)) {
        if (errno != EPIPE && errno != EBADF)
            report_error(report, "standard output: %s", strerror(errno));
        return false;
    }
    text_clear(text);
    return true;
}

bool output_file(struct report *report, const char *path, struct text *text)
{
    if (!strcmp(path, "-"))
        return output_text(report, text);
    FILE *file = text->failed ? NULL : fopen(path, "w");
    bool good = file && fwrite(text->bytes, 1, text->length, file) == text->length;
    if (file && fclose(file) != 0)
        good = false;
    if (!good)
        report_error(report, "%s: %s", path, text->failed ? "out of memory" : strerror(errno));
    text_clear(text);
    return good;
}
