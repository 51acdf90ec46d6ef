/* SPDX-License-Identifier: MIT
 *
 * The inside of statistics: statistics.c gathers, statistics_file.c keeps them in files.
 */
#ifndef STAPES_LOADER_STATISTICS_INTERNAL_H
#define STAPES_LOADER_STATISTICS_INTERNAL_H

#include "loader/file.h"
#include "loader/statistics.h"

#define STATISTICS_MAX_K 65536

/* A Gram matrix in a file: the upper triangle, row after row. */
struct stored_gram {
    uint32_t file; /* index in the statistics' files */
    uint64_t offset;
};

struct entry {
    struct statistics_entry face; /* what callers see; name and sum2 are those below */
    char name[TENSOR_MAX_NAME];
    double *sum2;
    float *gram;    /* [k][k], the upper triangle of what was gathered; NULL: nothing was */
    float *pending; /* [n_pending][k], vectors that are not in it yet */
    uint32_t n_pending;
    struct stored_gram *stored; /* more to add to it */
    uint32_t n_stored;
};

struct alias {
    char name[TENSOR_MAX_NAME], of[TENSOR_MAX_NAME];
};

struct statistics {
    struct entry **entries;
    uint32_t n_entries;
    struct alias *aliases;
    uint32_t n_aliases;
    char **datasets;
    uint32_t n_datasets;
    struct file *files;
    uint32_t n_files;
};

/* A new one, with sums of 0; not checked against those that are there. */
enum status statistics_new_entry(const struct log *log, struct statistics *statistics,
                                 const char *name, uint32_t k, struct entry **out);
/* Pending vectors into the Gram matrix. */
void statistics_flush(struct entry *entry);
/* Elements of the upper triangle. */
static inline uint64_t triangle(uint32_t k)
{
    return (uint64_t)k * ((uint64_t)k + 1) / 2;
}

#endif
