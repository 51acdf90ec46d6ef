/* SPDX-License-Identifier: MIT
 *
 * Statistics in a GGUF. NAME.in_sum2 and NAME.counts are what llama.cpp's programs call them.
 */
#include "loader/statistics_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/gguf.h"

#define ARCHITECTURE "stapes-statistics"
#define DATASETS "imatrix.datasets"
#define ALIASES "stapes.statistics.aliases" /* NAME=OF */

static const char sums_suffix[] = ".in_sum2", counts_suffix[] = ".counts";
static const char gram_suffix[] = ".gram", gram_counts_suffix[] = ".gram_counts";

static enum status no_memory(const struct log *log)
{
    return log_error(log, ERROR_MEMORY, "out of memory for statistics");
}

/* --- Gram matrices */

/* Adds what a file has to the upper triangle, a row at a time. */
static enum status add_stored(const struct log *log, const struct statistics *statistics,
                              const struct entry *entry, const struct stored_gram *stored,
                              float *row, float *to)
{
    const struct file *file = &statistics->files[stored->file];
    uint32_t k = entry->face.k;
    uint64_t offset = stored->offset;
    for (uint32_t i = 0; i < k; i++) {
        uint64_t bytes = (uint64_t)(k - i) * sizeof(float);
        enum status status = file_read(log, file, entry->name, offset, row, bytes);
        if (status)
            return status;
        offset += bytes;
        bool valid = row[0] >= 0;
        for (uint32_t j = i; j < k; j++) {
            valid = valid && isfinite(row[j - i]);
            to[(size_t)i * k + j] += row[j - i];
        }
        if (!valid)
            return log_error(log, ERROR_FORMAT, "%s: the Gram matrix of %s is none", file->path,
                             entry->name);
    }
    return OK;
}

static enum status load_upper(const struct log *log, const struct statistics *statistics,
                              struct entry *entry, float *to)
{
    size_t k = entry->face.k;
    enum status status = OK;

    statistics_flush(entry);
    if (entry->gram)
        memcpy(to, entry->gram, k * k * sizeof(*to));
    else
        memset(to, 0, k * k * sizeof(*to));
    if (entry->n_stored == 0)
        return OK;
    float *row = malloc(k * sizeof(*row));
    if (!row)
        return no_memory(log);
    for (uint32_t i = 0; i < entry->n_stored && !status; i++)
        status = add_stored(log, statistics, entry, &entry->stored[i], row, to);
    free(row);
    return status;
}

enum status statistics_load_gram(const struct log *log, struct statistics *statistics,
                                 const struct statistics_entry *entry, float *to)
{
    struct entry *own = NULL;
    for (uint32_t i = 0; i < statistics->n_entries; i++)
        if (&statistics->entries[i]->face == entry)
            own = statistics->entries[i];
    if (!own || own->face.gram_count == 0)
        return log_error(log, ERROR_ARGUMENT, "%s: there is no Gram matrix", entry->name);
    enum status status = load_upper(log, statistics, own, to);
    size_t k = entry->k;
    for (size_t i = 0; i < k && !status; i++)
        for (size_t j = i + 1; j < k; j++)
            to[j * k + i] = to[i * k + j];
    return status;
}

/* --- Writing */

static void declare(struct gguf_writer *writer, const struct entry *entry, const char *suffix,
                    uint32_t n_dims, uint64_t elements)
{
    const uint64_t dims[] = {n_dims == 1 ? elements : 1, elements};
    char name[TENSOR_MAX_NAME + 16];
    snprintf(name, sizeof(name), "%s%s", entry->name, suffix);
    gguf_declare(writer, name, TENSOR_F32, n_dims, dims);
}

static enum status write_header(const struct log *log, const struct statistics *statistics,
                                struct gguf_writer *writer)
{
    uint64_t most = 0;
    gguf_write_string(writer, "general.architecture", ARCHITECTURE);
    gguf_write_string(writer, "general.type", "imatrix");
    gguf_write_array(writer, DATASETS, GGUF_STRING, statistics->datasets, statistics->n_datasets);
    for (uint32_t i = 0; i < statistics->n_entries; i++)
        most = MAX(most, statistics->entries[i]->face.count);
    gguf_write_u32(writer, "imatrix.chunk_count", (uint32_t)MIN(most, UINT32_MAX));
    gguf_write_u32(writer, "imatrix.chunk_size", 1);
    char **pairs = calloc(statistics->n_aliases + 1, sizeof(*pairs));
    bool complete = pairs != NULL;
    for (uint32_t i = 0; complete && i < statistics->n_aliases; i++) {
        pairs[i] = malloc(sizeof(statistics->aliases[i]) + 1);
        complete = pairs[i] != NULL;
        if (complete)
            sprintf(pairs[i], "%s=%s", statistics->aliases[i].name, statistics->aliases[i].of);
    }
    enum status status =
        complete ? gguf_write_array(writer, ALIASES, GGUF_STRING, pairs, statistics->n_aliases)
                 : no_memory(log);
    for (uint32_t i = 0; pairs && i < statistics->n_aliases; i++)
        free(pairs[i]);
    free(pairs);
    return status;
}

static enum status write_gram(const struct log *log, const struct statistics *statistics,
                              struct entry *entry, struct gguf_writer *writer)
{
    size_t k = entry->face.k;
    float *gram = malloc(k * k * sizeof(*gram)), count = (float)entry->face.gram_count;
    if (!gram)
        return no_memory(log);
    enum status status = load_upper(log, statistics, entry, gram);
    for (size_t i = 0; i < k && !status; i++) {
        for (size_t j = i; j < k && !status; j++)
            if (!isfinite(gram[i * k + j]))
                status =
                    log_error(log, ERROR_FORMAT, "%s: its Gram matrix is beyond f32", entry->name);
        if (!status)
            status = gguf_append(writer, gram + i * k + i, (k - i) * sizeof(*gram));
    }
    free(gram);
    return status ? status : gguf_append(writer, &count, sizeof(count));
}

static enum status write_entry(const struct log *log, const struct statistics *statistics,
                               struct entry *entry, struct gguf_writer *writer)
{
    float count = (float)entry->face.count;
    enum status status = OK;
    for (uint32_t i = 0; i < entry->face.k && !status; i++) {
        float sum = (float)entry->sum2[i];
        status = isfinite(sum) ? gguf_append(writer, &sum, sizeof(sum))
                               : log_error(log, ERROR_FORMAT,
                                           "%s: its sums of squares are beyond "
                                           "f32",
                                           entry->name);
    }
    if (!status)
        status = gguf_append(writer, &count, sizeof(count));
    if (!status && entry->face.gram_count > 0)
        status = write_gram(log, statistics, entry, writer);
    return status;
}

enum status statistics_write(const struct log *log, struct statistics *statistics, const char *path)
{
    struct gguf_writer *writer = NULL;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < statistics->n_entries; i++)
        seen += statistics->entries[i]->face.count;
    if (seen == 0)
        return log_error(log, ERROR_ARGUMENT, "%s: there are no statistics to write", path);
    enum status status = gguf_writer_create(log, path, &writer);
    if (status)
        return status;
    status = write_header(log, statistics, writer);
    for (uint32_t i = 0; i < statistics->n_entries; i++) {
        const struct entry *entry = statistics->entries[i];
        declare(writer, entry, sums_suffix, 2, entry->face.k);
        declare(writer, entry, counts_suffix, 2, 1);
        if (entry->face.gram_count == 0)
            continue;
        declare(writer, entry, gram_suffix, 1, triangle(entry->face.k));
        declare(writer, entry, gram_counts_suffix, 1, 1);
    }
    if (!status)
        status = gguf_writer_begin(writer);
    for (uint32_t i = 0; i < statistics->n_entries && !status; i++)
        status = write_entry(log, statistics, statistics->entries[i], writer);
    if (!status)
        status = gguf_writer_end(writer);
    gguf_writer_destroy(&writer);
    return status;
}

/* --- Reading */

struct reader {
    const struct log *log;
    struct statistics *statistics;
    const struct file *file; /* the statistics' only one */
    struct gguf *gguf;
};

static enum status bad_tensor(const struct reader *reader, const char *name, const char *what)
{
    return log_error(reader->log, ERROR_FORMAT, "%s: tensor %s %s", reader->file->path, name, what);
}

static const struct tensor *find_tensor(const struct reader *reader, const char *stem,
                                        const char *suffix)
{
    char name[TENSOR_MAX_NAME + 16];
    snprintf(name, sizeof(name), "%s%s", stem, suffix);
    for (uint32_t i = 0; i < reader->gguf->n_tensors; i++)
        if (!strcmp(reader->gguf->tensors[i].name, name))
            return &reader->gguf->tensors[i];
    return NULL;
}

static enum status read_count(const struct reader *reader, const char *stem, const char *suffix,
                              uint64_t *out)
{
    const struct tensor *tensor = find_tensor(reader, stem, suffix);
    float count;
    if (!tensor)
        return log_error(reader->log, ERROR_FORMAT, "%s: tensor %s%s is missing",
                         reader->file->path, stem, suffix);
    if (tensor->type != TENSOR_F32 || tensor_elements(tensor) != 1)
        return bad_tensor(reader, tensor->name, "is no count");
    enum status status =
        file_read(reader->log, reader->file, tensor->name, tensor->offset, &count, sizeof(count));
    if (status)
        return status;
    if (!(count >= 0 && count <= 0x1p50f) || count != floorf(count))
        return bad_tensor(reader, tensor->name, "is no count");
    *out = (uint64_t)count;
    return OK;
}

static enum status read_sums(const struct reader *reader, const struct tensor *tensor,
                             struct entry *entry)
{
    uint32_t k = entry->face.k;
    float *sums = malloc(k * sizeof(*sums));
    if (!sums)
        return no_memory(reader->log);
    enum status status =
        file_read(reader->log, reader->file, tensor->name, tensor->offset, sums, k * sizeof(*sums));
    for (uint32_t i = 0; i < k && !status; i++) {
        entry->sum2[i] = (double)sums[i];
        if (!(sums[i] >= 0) || isinf(sums[i]) || (entry->face.count == 0 && sums[i] > 0))
            status = bad_tensor(reader, tensor->name, "holds what is no sum of squares");
    }
    free(sums);
    return status;
}

static enum status read_gram(const struct reader *reader, struct entry *entry)
{
    const struct tensor *tensor = find_tensor(reader, entry->name, gram_suffix);
    if (!tensor)
        return OK;
    if (tensor->type != TENSOR_F32 || tensor_elements(tensor) != triangle(entry->face.k))
        return bad_tensor(reader, tensor->name, "is no upper triangle of the sums' size");
    enum status status =
        read_count(reader, entry->name, gram_counts_suffix, &entry->face.gram_count);
    if (status)
        return status;
    if (entry->face.gram_count == 0 || entry->face.gram_count > entry->face.count)
        return bad_tensor(reader, tensor->name, "is of no vectors, or of too many");
    entry->stored = malloc(sizeof(*entry->stored));
    if (!entry->stored)
        return no_memory(reader->log);
    *entry->stored = (struct stored_gram){.file = 0, .offset = tensor->offset};
    entry->n_stored = 1;
    return OK;
}

static enum status read_entry(const struct reader *reader, const struct tensor *tensor)
{
    char stem[TENSOR_MAX_NAME];
    struct entry *entry;
    uint64_t elements = tensor_elements(tensor);
    size_t length = strlen(tensor->name) - strlen(sums_suffix);

    if (length == 0 || tensor->type != TENSOR_F32 || elements > STATISTICS_MAX_K)
        return bad_tensor(reader, tensor->name, "is no row of sums");
    memcpy(stem, tensor->name, length);
    stem[length] = 0;
    enum status status =
        statistics_new_entry(reader->log, reader->statistics, stem, (uint32_t)elements, &entry);
    if (!status)
        status = read_count(reader, stem, counts_suffix, &entry->face.count);
    if (!status)
        status = read_sums(reader, tensor, entry);
    if (!status)
        status = read_gram(reader, entry);
    return status;
}

static const char *suffix_of(const char *name)
{
    static const char *const suffixes[] = {sums_suffix, gram_counts_suffix, counts_suffix,
                                           gram_suffix};
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        size_t n = strlen(name), m = strlen(suffixes[i]);
        if (n > m && !strcmp(name + n - m, suffixes[i]))
            return suffixes[i];
    }
    return NULL;
}

static enum status read_tensors(const struct reader *reader)
{
    enum status status = OK;
    for (uint32_t i = 0; i < reader->gguf->n_tensors && !status; i++) {
        const struct tensor *tensor = &reader->gguf->tensors[i];
        const char *suffix = suffix_of(tensor->name);
        char stem[TENSOR_MAX_NAME];
        if (!suffix)
            return bad_tensor(reader, tensor->name, "is no statistics");
        size_t length = strlen(tensor->name) - strlen(suffix);
        memcpy(stem, tensor->name, length);
        stem[length] = 0;
        if (find_tensor(reader, stem, suffix) != tensor)
            status = bad_tensor(reader, tensor->name, "is there twice");
        else if (suffix == sums_suffix)
            status = read_entry(reader, tensor);
        else if (!find_tensor(reader, stem, sums_suffix))
            status = bad_tensor(reader, tensor->name, "has no sums beside it");
    }
    return status;
}

static enum status read_aliases(const struct reader *reader)
{
    const struct gguf_value *value = gguf_find(reader->gguf, ALIASES);
    enum status status = OK;
    for (uint64_t i = 0; value && i < value->count && !status; i++) {
        const char *pair = gguf_element_string(value, i), *equals = pair ? strchr(pair, '=') : NULL;
        char name[TENSOR_MAX_NAME];
        if (!equals || (size_t)(equals - pair) >= sizeof(name))
            return log_error(reader->log, ERROR_FORMAT, "%s: %s is no list of NAME=OF",
                             reader->file->path, ALIASES);
        memcpy(name, pair, (size_t)(equals - pair));
        name[equals - pair] = 0;
        status = statistics_alias(reader->log, reader->statistics, name, equals + 1);
    }
    return status == ERROR_ARGUMENT ? ERROR_FORMAT : status;
}

static enum status read_datasets(const struct reader *reader)
{
    const struct gguf_value *value = gguf_find(reader->gguf, DATASETS);
    enum status status = OK;
    for (uint64_t i = 0; value && i < value->count && !status; i++) {
        const char *text = gguf_element_string(value, i);
        status = text ? statistics_add_dataset(reader->log, reader->statistics, text)
                      : log_error(reader->log, ERROR_FORMAT, "%s: %s is no list of texts",
                                  reader->file->path, DATASETS);
    }
    return status;
}

static enum status check_kind(const struct reader *reader)
{
    const char *architecture;
    if (!gguf_get_string(reader->gguf, "general.architecture", &architecture) ||
        strcmp(architecture, ARCHITECTURE) != 0)
        return log_error(reader->log, ERROR_FORMAT,
                         "%s: holds no statistics; stapes calibrate makes such files",
                         reader->file->path);
    return OK;
}

enum status statistics_read(const struct log *log, const char *path, struct statistics **out)
{
    struct reader reader = {.log = log};
    enum status status = statistics_create(log, &reader.statistics);
    if (status)
        return status;
    struct file *file = calloc(1, sizeof(*file));
    if (!file) {
        statistics_destroy(&reader.statistics);
        return no_memory(log);
    }
    status = file_open(log, path, file);
    reader.statistics->files = file;
    reader.statistics->n_files = status ? 0 : 1;
    reader.file = file;
    if (!status)
        status = gguf_open(log, file, &reader.gguf);
    if (!status)
        status = check_kind(&reader);
    if (!status)
        status = read_tensors(&reader);
    if (!status)
        status = read_aliases(&reader);
    if (!status)
        status = read_datasets(&reader);
    gguf_close(&reader.gguf);
    if (status)
        statistics_destroy(&reader.statistics);
    else
        *out = reader.statistics;
    return status;
}

bool statistics_is(const struct statistics *statistics, const char *path)
{
    bool found = false;
    for (uint32_t i = 0; i < statistics->n_files && !found; i++)
        found = file_is(&statistics->files[i], path);
    return found;
}
