/* SPDX-License-Identifier: MIT
 *
 * Statistics of the vectors that the matrices of a model read: what imatrix, awq and gptq weigh
 * errors with. Gathered while recordings run through the model, kept in a file of its own
 * (docs/quantization.md has the layout). None of these functions may run at the same time as
 * another one on the same struct.
 *
 * Memory: an entry takes 8 k bytes; with a Gram matrix also 4 k^2 + 512 k (of stt-1b 180 MB a
 * layer). Who has less gathers Gram matrices of some tensors at a time, each time into a struct of
 * its own with those tensors only, writes it to a file, reads the files and merges them: Gram
 * matrices of files stay there until statistics_load_gram asks for one of them.
 */
#ifndef STAPES_LOADER_STATISTICS_H
#define STAPES_LOADER_STATISTICS_H

#include "loader/tensor.h"

struct statistics;

/* What was seen by a tensor with rows of k elements. It has the tensor's name in the file, or
 * "NAME#i" for slice i of n equal ones, of a tensor that has the weights of n steps one below the
 * other. */
struct statistics_entry {
    const char *name;
    uint32_t k;
    uint64_t count;      /* vectors in sum2 */
    uint64_t gram_count; /* vectors in the Gram matrix, 0: there is none */
    const double *sum2;  /* [k], of x_i^2 */
};

enum status statistics_create(const struct log *log, struct statistics **out);
void statistics_destroy(struct statistics **statistics);

/* Adds n vectors of k elements, the first ones of rows of `stride` floats; with `gram` to the Gram
 * matrix, too. ERROR_ARGUMENT: another k than before, or an alias; ERROR_FORMAT: a value that is no
 * finite number. */
enum status statistics_add(const struct log *log, struct statistics *statistics, const char *name,
                           uint32_t k, const float *x, uint32_t n, size_t stride, bool gram);
/* The tensor `name` reads what `of` reads: both find the entry of `of`, which need not be there
 * yet. Once is enough, more often is no error. */
enum status statistics_alias(const struct log *log, struct statistics *statistics, const char *name,
                             const char *of);
/* Says where vectors came from, for people; the same text is kept once. */
enum status statistics_add_dataset(const struct log *log, struct statistics *statistics,
                                   const char *text);
/* All of *other is added, and *other destroyed (on errors, too; `statistics` then is of no use).
 * ERROR_ARGUMENT: an entry with another k, or an alias of another tensor. */
enum status statistics_merge(const struct log *log, struct statistics *statistics,
                             struct statistics **other);

uint32_t statistics_count(const struct statistics *statistics);
/* Valid until the next change. */
const struct statistics_entry *statistics_get(const struct statistics *statistics, uint32_t index);
/* NULL if there is none for the tensor. Valid until the next change. */
const struct statistics_entry *statistics_find(const struct statistics *statistics,
                                               const char *name);
/* The sum of x x^T over gram_count vectors: [k][k], both triangles. The entry must have one. */
enum status statistics_load_gram(const struct log *log, struct statistics *statistics,
                                 const struct statistics_entry *entry, float *to);

/* The file appears, or is replaced, only when complete. One Gram matrix at a time is in memory,
 * beside those that were gathered. ERROR_ARGUMENT: nothing was seen. */
enum status statistics_write(const struct log *log, struct statistics *statistics,
                             const char *path);
/* Checks everything but the values of Gram matrices, which statistics_load_gram does. */
enum status statistics_read(const struct log *log, const char *path, struct statistics **out);
/* Whether `path` is one of the files that they were read from. */
bool statistics_is(const struct statistics *statistics, const char *path);

#endif
