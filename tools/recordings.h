/* SPDX-License-Identifier: MIT
 *
 * Recordings without transcripts: files, and all that are named like sound in directories and those
 * below them.
 */
#ifndef STAPES_TOOLS_RECORDINGS_H
#define STAPES_TOOLS_RECORDINGS_H

#include <stddef.h>
#include <stdint.h>

#include "tools/report.h"

struct recordings {
    char **paths;           /* [n], sorted, each once */
    uint64_t *most_samples; /* [n], at 24 kHz, to be taken of each at most */
    size_t n, capacity;
    size_t unreadable; /* left out with a warning */
    uint64_t samples;  /* of all together; one of unknown length counts nothing */
};

/* most_samples (0: no limit) cuts the list off after so many, in the middle of a recording; one of
 * unknown length takes what is left. Returns 0, or -1 when it has told what is wrong: a place that
 * is not there, a directory without a recording, nothing that can be read. */
int recordings_find(struct report *report, const char *const *places, size_t n_places,
                    uint64_t most_samples, struct recordings *out);
/* Whether `path` is one of them. */
bool recordings_have(const struct recordings *recordings, const char *path);
void recordings_deinit(struct recordings *recordings);

#endif
