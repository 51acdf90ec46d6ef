/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "loader/statistics_internal.h"

#include <cblas.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Vectors that are kept before they go into a Gram matrix: each time all of it moves through the
 * caches. */
#define PENDING 128

static enum status no_memory(const struct log *log)
{
    return log_error(log, ERROR_MEMORY, "out of memory for statistics");
}

enum status statistics_create(const struct log *log, struct statistics **out)
{
    struct statistics *statistics = calloc(1, sizeof(*statistics));
    if (!statistics)
        return no_memory(log);
    *out = statistics;
    return OK;
}

static void destroy_entry(struct entry *entry)
{
    free(entry->sum2);
    free(entry->gram);
    free(entry->pending);
    free(entry->stored);
    free(entry);
}

void statistics_destroy(struct statistics **statistics)
{
    if (!statistics || !*statistics)
        return;
    struct statistics *s = *statistics;
    for (uint32_t i = 0; i < s->n_entries; i++)
        destroy_entry(s->entries[i]);
    for (uint32_t i = 0; i < s->n_datasets; i++)
        free(s->datasets[i]);
    for (uint32_t i = 0; i < s->n_files; i++)
        file_close(&s->files[i]);
    free(s->entries);
    free(s->aliases);
    free(s->datasets);
    free(s->files);
    free(s);
    *statistics = NULL;
}

/* --- Finding */

static struct entry *find_own(const struct statistics *statistics, const char *name)
{
    for (uint32_t i = 0; i < statistics->n_entries; i++)
        if (!strcmp(statistics->entries[i]->name, name))
            return statistics->entries[i];
    return NULL;
}

static const struct alias *find_alias(const struct statistics *statistics, const char *name)
{
    for (uint32_t i = 0; i < statistics->n_aliases; i++)
        if (!strcmp(statistics->aliases[i].name, name))
            return &statistics->aliases[i];
    return NULL;
}

static bool is_aliased(const struct statistics *statistics, const char *of)
{
    bool found = false;
    for (uint32_t i = 0; i < statistics->n_aliases && !found; i++)
        found = !strcmp(statistics->aliases[i].of, of);
    return found;
}

uint32_t statistics_count(const struct statistics *statistics)
{
    return statistics->n_entries;
}

const struct statistics_entry *statistics_get(const struct statistics *statistics, uint32_t index)
{
    return &statistics->entries[index]->face;
}

const struct statistics_entry *statistics_find(const struct statistics *statistics,
                                               const char *name)
{
    const struct alias *alias = find_alias(statistics, name);
    const struct entry *entry = find_own(statistics, alias ? alias->of : name);
    return entry ? &entry->face : NULL;
}

/* --- Gathering */

enum status statistics_new_entry(const struct log *log, struct statistics *statistics,
                                 const char *name, uint32_t k, struct entry **out)
{
    if (strlen(name) >= TENSOR_MAX_NAME || k == 0 || k > STATISTICS_MAX_K)
        return log_error(log, ERROR_ARGUMENT, "%s: no statistics of rows of %" PRIu32 " elements",
                         name, k);
    struct entry **entries =
        realloc(statistics->entries, (statistics->n_entries + 1) * sizeof(*entries));
    if (!entries)
        return no_memory(log);
    statistics->entries = entries;
    struct entry *entry = calloc(1, sizeof(*entry));
    if (!entry)
        return no_memory(log);
    entry->sum2 = calloc(k, sizeof(*entry->sum2));
    if (!entry->sum2) {
        free(entry);
        return no_memory(log);
    }
    memcpy(entry->name, name, strlen(name) + 1);
    entry->face = (struct statistics_entry){.name = entry->name, .k = k, .sum2 = entry->sum2};
    entries[statistics->n_entries++] = entry;
    *out = entry;
    return OK;
}

static enum status need_entry(const struct log *log, struct statistics *statistics,
                              const char *name, uint32_t k, struct entry **out)
{
    const struct alias *alias = find_alias(statistics, name);
    if (alias)
        return log_error(log, ERROR_ARGUMENT, "%s: its statistics are those of %s", name,
                         alias->of);
    struct entry *entry = find_own(statistics, name);
    if (!entry)
        return statistics_new_entry(log, statistics, name, k, out);
    if (entry->face.k != k)
        return log_error(log, ERROR_ARGUMENT,
                         "%s: statistics of rows of %" PRIu32 " and of %" PRIu32
                         " elements: of different models?",
                         name, entry->face.k, k);
    *out = entry;
    return OK;
}

static enum status need_gram(const struct log *log, struct entry *entry)
{
    size_t k = entry->face.k;
    if (!entry->gram)
        entry->gram = calloc(k * k, sizeof(*entry->gram));
    if (!entry->pending)
        entry->pending = malloc(PENDING * k * sizeof(*entry->pending));
    return entry->gram && entry->pending ? OK : no_memory(log);
}

void statistics_flush(struct entry *entry)
{
    blasint k = (blasint)entry->face.k;
    if (entry->n_pending > 0)
        cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, k, (blasint)entry->n_pending, 1,
                    entry->pending, k, 1, entry->gram, k);
    entry->n_pending = 0;
}

static bool is_finite(const float *x, uint32_t k)
{
    float sum = 0; /* of zeros, unless a value is infinite or no number */
    for (uint32_t i = 0; i < k; i++)
        sum += x[i] * 0.0f;
    return sum == 0;
}

enum status statistics_add(const struct log *log, struct statistics *statistics, const char *name,
                           uint32_t k, const float *x, uint32_t n, size_t stride, bool gram)
{
    struct entry *entry = NULL;
    enum status status = need_entry(log, statistics, name, k, &entry);
    if (!status && gram)
        status = need_gram(log, entry);
    for (uint32_t v = 0; v < n && !status; v++, x += stride) {
        if (!is_finite(x, k))
            return log_error(log, ERROR_FORMAT, "%s: reads values that are no finite numbers",
                             name);
        for (uint32_t i = 0; i < k; i++)
            entry->sum2[i] += (double)x[i] * (double)x[i];
        entry->face.count++;
        if (!gram)
            continue;
        memcpy(entry->pending + (size_t)entry->n_pending++ * k, x, k * sizeof(*x));
        entry->face.gram_count++;
        if (entry->n_pending == PENDING)
            statistics_flush(entry);
    }
    return status;
}

enum status statistics_alias(const struct log *log, struct statistics *statistics, const char *name,
                             const char *of)
{
    const struct alias *there = find_alias(statistics, name);
    if (there && !strcmp(there->of, of))
        return OK;
    if (there || find_own(statistics, name) || find_alias(statistics, of) ||
        is_aliased(statistics, name) || !strcmp(name, of) || strlen(name) >= TENSOR_MAX_NAME ||
        strlen(of) >= TENSOR_MAX_NAME)
        return log_error(log, ERROR_ARGUMENT, "%s: cannot have the statistics of %s", name, of);
    struct alias *aliases =
        realloc(statistics->aliases, (statistics->n_aliases + 1) * sizeof(*aliases));
    if (!aliases)
        return no_memory(log);
    statistics->aliases = aliases;
    struct alias *alias = &aliases[statistics->n_aliases++];
    memcpy(alias->name, name, strlen(name) + 1);
    memcpy(alias->of, of, strlen(of) + 1);
    return OK;
}

enum status statistics_add_dataset(const struct log *log, struct statistics *statistics,
                                   const char *text)
{
    for (uint32_t i = 0; i < statistics->n_datasets; i++)
        if (!strcmp(statistics->datasets[i], text))
            return OK;
    char **datasets =
        realloc(statistics->datasets, (statistics->n_datasets + 1) * sizeof(*datasets));
    if (!datasets)
        return no_memory(log);
    statistics->datasets = datasets;
    datasets[statistics->n_datasets] = strdup(text);
    if (!datasets[statistics->n_datasets])
        return no_memory(log);
    statistics->n_datasets++;
    return OK;
}

/* --- Merging */

/* The files go over; *first is the index of the first one. */
static enum status move_files(const struct log *log, struct statistics *to, struct statistics *from,
                              uint32_t *first)
{
    *first = to->n_files;
    if (from->n_files == 0)
        return OK;
    struct file *files = realloc(to->files, (to->n_files + from->n_files) * sizeof(*files));
    if (!files)
        return no_memory(log);
    memcpy(files + to->n_files, from->files, from->n_files * sizeof(*files));
    to->files = files;
    to->n_files += from->n_files;
    from->n_files = 0;
    return OK;
}

static enum status merge_gram(const struct log *log, struct entry *to, struct entry *from,
                              uint32_t first_file)
{
    size_t k = to->face.k;
    statistics_flush(from);
    if (!to->gram) {
        to->gram = from->gram;
        from->gram = NULL;
    } else if (from->gram) {
        for (size_t i = 0; i < k; i++) /* k * k may be more than a blasint holds */
            cblas_saxpy((blasint)(k - i), 1, from->gram + i * k + i, 1, to->gram + i * k + i, 1);
    }
    if (from->n_stored == 0)
        return OK;
    struct stored_gram *stored =
        realloc(to->stored, (to->n_stored + from->n_stored) * sizeof(*stored));
    if (!stored)
        return no_memory(log);
    to->stored = stored;
    for (uint32_t i = 0; i < from->n_stored; i++)
        stored[to->n_stored++] = (struct stored_gram){.file = first_file + from->stored[i].file,
                                                      .offset = from->stored[i].offset};
    return OK;
}

static enum status merge_entry(const struct log *log, struct statistics *statistics,
                               struct entry *from, uint32_t first_file)
{
    struct entry *to = NULL;
    enum status status = need_entry(log, statistics, from->name, from->face.k, &to);
    if (status)
        return status;
    for (uint32_t i = 0; i < to->face.k; i++)
        to->sum2[i] += from->sum2[i];
    to->face.count += from->face.count;
    to->face.gram_count += from->face.gram_count;
    return merge_gram(log, to, from, first_file);
}

enum status statistics_merge(const struct log *log, struct statistics *statistics,
                             struct statistics **other)
{
    struct statistics *from = *other;
    uint32_t first_file = 0;
    enum status status = move_files(log, statistics, from, &first_file);
    for (uint32_t i = 0; i < from->n_entries && !status; i++)
        status = merge_entry(log, statistics, from->entries[i], first_file);
    for (uint32_t i = 0; i < from->n_aliases && !status; i++)
        status = statistics_alias(log, statistics, from->aliases[i].name, from->aliases[i].of);
    for (uint32_t i = 0; i < from->n_datasets && !status; i++)
        status = statistics_add_dataset(log, statistics, from->datasets[i]);
    statistics_destroy(other);
    return status;
}
