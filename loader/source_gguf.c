/* SPDX-License-Identifier: MIT */
#include "loader/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SPLITS 9999
#define SUFFIX_LENGTH (sizeof("-00001-of-00009.gguf") - 1)

static enum status add_part(struct source *source, const char *path, struct gguf **out)
{
    uint32_t index;
    enum status status = source_add_file(source, path, &index);
    if (status)
        return status;
    return gguf_open(&source->log, &source->files[index], out);
}

/* The key's value in a part, 0 where it is absent. */
static enum status split_key(const struct source *source, const struct gguf *gguf, const char *key,
                             uint64_t *out)
{
    *out = 0;
    if (gguf_find(gguf, key) && (!gguf_get_u64(gguf, key, out) || *out > INT32_MAX))
        return log_error(&source->log, ERROR_FORMAT, "%s: %s is no count", gguf->path, key);
    return OK;
}

static enum status add_other(struct source *source, const char *path, uint64_t no, uint64_t count)
{
    struct gguf *gguf = NULL;
    uint64_t said_no, said_count;

    if (!path_exists(path))
        return log_error(&source->log, ERROR_IO,
                         "%s: file %" PRIu64 " of %" PRIu64 " is missing: %s", source->path, no + 1,
                         count, path);
    enum status status = add_part(source, path, &gguf);
    if (status)
        goto done;
    status = split_key(source, gguf, "split.no", &said_no);
    if (!status)
        status = split_key(source, gguf, "split.count", &said_count);
    if (status)
        goto done;
    if (said_no != no || said_count != count) {
        status =
            log_error(&source->log, ERROR_FORMAT,
                      "%s: says file %" PRIu64 " of %" PRIu64 ", expected %" PRIu64 " of %" PRIu64,
                      path, said_no + 1, said_count, no + 1, count);
        goto done;
    }
    status = source_add_tensors(source, gguf->tensors, gguf->n_tensors, source->n_files - 1, "",
                                NULL, NULL);
    if (status)
        goto done;
    if (no == 0) { /* its metadata is the model's */
        gguf_close(&source->gguf);
        source->gguf = gguf;
        gguf = NULL;
    }
done:
    gguf_close(&gguf);
    return status;
}

static enum status open_others(struct source *source, uint64_t no, uint64_t count)
{
    char suffix[64];
    size_t length = strlen(source->path);
    enum status status = OK;

    if (no >= count || count > MAX_SPLITS)
        return log_error(&source->log, ERROR_FORMAT, "%s: says file %" PRIu64 " of %" PRIu64,
                         source->path, no + 1, count);
    snprintf(suffix, sizeof(suffix), "-%05d-of-%05d.gguf", (int)no + 1, (int)count);
    if (length < SUFFIX_LENGTH || strcmp(source->path + length - SUFFIX_LENGTH, suffix))
        return log_error(&source->log, ERROR_FORMAT,
                         "%s: is file %d of %d, but its name does not end in %s, so the others "
                         "cannot be found",
                         source->path, (int)no + 1, (int)count, suffix);
    char *path = malloc(length + 1);
    if (!path)
        return log_error(&source->log, ERROR_MEMORY, "%s: out of memory", source->path);
    memcpy(path, source->path, length + 1);
    for (uint64_t i = 0; i < count && !status; i++) {
        if (i == no)
            continue;
        snprintf(path + length - SUFFIX_LENGTH, SUFFIX_LENGTH + 1, "-%05d-of-%05d.gguf",
                 (int)(i % 100000) + 1, (int)(count % 100000));
        status = add_other(source, path, i, count);
    }
    free(path);
    return status;
}

enum status source_open_gguf(struct source *source)
{
    uint64_t no, count, tensors;

    enum status status = add_part(source, source->path, &source->gguf);
    if (!status)
        status = split_key(source, source->gguf, "split.count", &count);
    if (!status)
        status = split_key(source, source->gguf, "split.no", &no);
    if (!status)
        status = split_key(source, source->gguf, "split.tensors.count", &tensors);
    if (!status)
        status = source_add_tensors(source, source->gguf->tensors, source->gguf->n_tensors, 0, "",
                                    NULL, NULL);
    if (!status && count > 1)
        status = open_others(source, no, count);
    if (!status && count > 1 && tensors != source->n_tensors)
        status = log_error(&source->log, ERROR_FORMAT,
                           "%s: split.tensors.count is %" PRIu64 ", the files hold %" PRIu32,
                           source->path, tensors, source->n_tensors);
    return status;
}
