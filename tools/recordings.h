/* SPDX-License-Identifier: MIT
 *
 * The recordings of a data set: files, and all of a kind that libsndfile reads in directories and
 * those below them, sorted by path. Transcripts and whatever else lies there is left alone.
 */
#ifndef STAPES_TOOLS_RECORDINGS_H
#define STAPES_TOOLS_RECORDINGS_H

#include <stddef.h>
#include <stdint.h>

#include "tools/report.h"

struct recording {
    char *path;
    uint64_t samples; /* at 24 kHz: how many are to be read at most; UINT64_MAX: all */
};

struct recordings {
    struct recording *items;
    size_t n, capacity;
    size_t unreadable; /* left out with a warning */
    uint64_t samples;  /* of all; a recording whose length is unknown counts nothing */
};

/* Finds them in the order of their paths, each once. most_samples (0: no limit) cuts the list off
 * after so many, in the middle of a recording. Returns 0, or -1 when it has told what is wrong: a
 * place that is not there, a directory without a recording, nothing that can be read. */
int recordings_find(struct report *report, const char *const *places, size_t n_places,
                    uint64_t most_samples, struct recordings *out);
/* Whether `path` is one of them. */
bool recordings_have(const struct recordings *recordings, const char *path);
void recordings_deinit(struct recordings *recordings);

#endif
