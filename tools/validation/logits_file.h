/* SPDX-License-Identifier: MIT
 *
 * Rows of logits in an unlinked file: more than memory should hold (an hour of sound and 8000
 * tokens are 1.4 GB), needed once, gone when closed or when the program dies.
 */
#ifndef STAPES_TOOLS_LOGITS_FILE_H
#define STAPES_TOOLS_LOGITS_FILE_H

#include "tools/report.h"

struct logits_file {
    struct report *report;
    const char *directory;
    int fd;
    uint32_t card; /* floats a row */
    uint64_t rows;
};

/* directory NULL: $TMPDIR, or /var/tmp, which is on a disk where /tmp may be in memory.
 * expected_rows: how many are going to be written; there must be room for them now. False: told. */
bool logits_file_create(struct logits_file *file, struct report *report, const char *directory,
                        uint32_t card, uint64_t expected_rows);
/* Appends row number `rows`. */
bool logits_file_append(struct logits_file *file, const float *row);
bool logits_file_read(const struct logits_file *file, uint64_t row, float *to);
void logits_file_close(struct logits_file *file);

#endif
