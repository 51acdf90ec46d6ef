/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "tools/parity/outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "STOUTPT1"
#define MAGIC_BYTES 8u
#define NAME_BYTES 48u
#define RECORD_BYTES (NAME_BYTES + 16u) /* without its words */

static uint32_t word_at(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static int compare_keys(const struct outputs_record *a, const struct outputs_record *b)
{
    const int rows = strcmp(a->row, b->row);
    if (rows)
        return rows;
    if (a->index != b->index)
        return a->index < b->index ? -1 : 1;
    return (a->binding > b->binding) - (a->binding < b->binding);
}

static int compare_records(const void *a, const void *b)
{
    return compare_keys(a, b);
}

static enum status map_file(const struct log *log, const char *path, struct outputs *out)
{
    struct stat info;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0) {
        log_error(log, ERROR_IO, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(info.st_mode) || info.st_size == 0) { /* which cannot be mapped */
        log_error(log, ERROR_IO, "%s: is no file of outputs", path);
    } else {
        void *map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED)
            log_error(log, ERROR_IO, "%s: %s", path, strerror(errno));
        else
            *out = (struct outputs){.map = map, .bytes = (size_t)info.st_size, .path = path};
    }
    if (fd >= 0)
        close(fd);
    return out->map ? OK : ERROR_IO;
}

static enum status add_record(struct outputs *out, size_t *capacity, struct outputs_record record)
{
    if (out->n == *capacity) {
        const size_t more = *capacity ? 2 * *capacity : 256;
        struct outputs_record *records = realloc(out->records, more * sizeof(*records));
        if (!records)
            return ERROR_MEMORY;
        out->records = records;
        *capacity = more;
    }
    out->records[out->n++] = record;
    return OK;
}

static enum status read_records(const struct log *log, struct outputs *out)
{
    const uint8_t *at = out->map, *end = at + out->bytes;
    size_t capacity = 0;
    if (out->bytes < MAGIC_BYTES || memcmp(at, MAGIC, MAGIC_BYTES) != 0)
        return log_error(log, ERROR_FORMAT, "%s: is no file of outputs", out->path);
    for (at += MAGIC_BYTES; at < end;) {
        if ((size_t)(end - at) < RECORD_BYTES || at[NAME_BYTES - 1] != 0)
            return log_error(log, ERROR_FORMAT, "%s: record %zu is damaged", out->path, out->n);
        const struct outputs_record record = {
            .row = (const char *)at,
            .index = word_at(at + NAME_BYTES),
            .binding = word_at(at + NAME_BYTES + 4),
            .element = (char)word_at(at + NAME_BYTES + 8),
            .n_words = word_at(at + NAME_BYTES + 12),
            .words = at + RECORD_BYTES,
        };
        if ((size_t)(end - record.words) / 4 < record.n_words)
            return log_error(log, ERROR_FORMAT, "%s: breaks off in %s, case %u", out->path,
                             record.row, record.index);
        if (add_record(out, &capacity, record))
            return log_error(log, ERROR_MEMORY, "%s: out of memory", out->path);
        at = record.words + 4 * (size_t)record.n_words;
    }
    return OK;
}

enum status outputs_open(const struct log *log, const char *path, struct outputs *out)
{
    *out = (struct outputs){.map = NULL};
    enum status status = map_file(log, path, out);
    if (status == OK)
        status = read_records(log, out);
    if (status == OK && out->n > 0)
        qsort(out->records, out->n, sizeof(*out->records), compare_records);
    for (size_t i = 1; i < out->n && status == OK; i++)
        if (compare_keys(&out->records[i - 1], &out->records[i]) == 0)
            status = log_error(log, ERROR_FORMAT, "%s: has %s, case %u, twice", path,
                               out->records[i].row, out->records[i].index);
    if (status)
        outputs_close(out);
    return status;
}

void outputs_close(struct outputs *outputs)
{
    if (outputs->map)
        munmap(outputs->map, outputs->bytes);
    free(outputs->records);
    *outputs = (struct outputs){.map = NULL};
}

/* The first record of a row, or where it would be. */
static size_t find_row(const struct outputs *o, const char *row)
{
    size_t first = 0, last = o->n;
    while (first < last) {
        const size_t middle = first + (last - first) / 2;
        if (strcmp(o->records[middle].row, row) < 0)
            first = middle + 1;
        else
            last = middle;
    }
    return first;
}

static const struct outputs_record *record_of(const struct outputs *o, size_t i, const char *row)
{
    return i < o->n && !strcmp(o->records[i].row, row) ? &o->records[i] : NULL;
}

static double float_difference(uint32_t a, uint32_t b)
{
    float x, y;
    memcpy(&x, &a, sizeof(x));
    memcpy(&y, &b, sizeof(y));
    if (a == b || (isnan(x) && isnan(y)))
        return 0;
    const double difference = fabs((double)x - (double)y);
    return isnan(difference) ? INFINITY : difference;
}

static void compare_words(const struct outputs_record *a, const struct outputs_record *b,
                          struct outputs_difference *out)
{
    const bool floats = a->element == 'f';
    *(floats ? &out->floats : &out->others) += a->n_words;
    for (size_t i = 0; i < a->n_words; i++) {
        const uint32_t x = word_at(a->words + 4 * i), y = word_at(b->words + 4 * i);
        if (floats)
            out->largest = fmax(out->largest, float_difference(x, y));
        else
            out->others_differ += x != y;
    }
}

enum status outputs_compare(const struct log *log, const struct outputs *a, const struct outputs *b,
                            const char *row, bool part, struct outputs_difference *out)
{
    size_t i = find_row(a, row), j = find_row(b, row);
    *out = (struct outputs_difference){0};
    for (;; i++) {
        const struct outputs_record *x = record_of(a, i, row), *y = record_of(b, j, row);
        if (!x && !y)
            return OK;
        const int order = !x ? 1 : !y ? -1 : compare_keys(x, y);
        const struct outputs_record *lone = order > 0 ? y : x;
        if (order < 0 && part)
            continue;
        if (order)
            return log_error(log, ERROR_FORMAT, "%s lacks %s, case %u, binding %u",
                             order > 0 ? a->path : b->path, row, lone->index, lone->binding);
        if (x->n_words != y->n_words || x->element != y->element)
            return log_error(log, ERROR_FORMAT, "%s, case %u, binding %u: %u words and %u", row,
                             x->index, x->binding, x->n_words, y->n_words);
        compare_words(x, y, out);
        j++;
    }
}
