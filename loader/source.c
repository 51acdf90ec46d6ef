/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "loader/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/stt_web.h"

#define MAX_TENSORS 65536

static enum status out_of_memory(const struct source *source)
{
    return log_error(&source->log, ERROR_MEMORY, "%s: out of memory", source->path);
}

enum status source_add_file(struct source *source, const char *path, uint32_t *index)
{
    struct file *grown = realloc(source->files, (source->n_files + 1) * sizeof(*grown));
    if (!grown)
        return out_of_memory(source);
    source->files = grown;
    enum status status =
        source->shards && source->n_files == 0
            ? file_open_shards(&source->log, source->shards, &grown[source->n_files])
            : file_open(&source->log, path, &grown[source->n_files]);
    if (status)
        return status;
    *index = source->n_files++;
    return OK;
}

enum status source_add_tensors(struct source *source, const struct tensor *tensors, uint32_t count,
                               uint32_t file, const char *prefix,
                               bool (*keep)(const void *user, const struct tensor *),
                               const void *user)
{
    size_t length = strlen(prefix);

    if (count > MAX_TENSORS - source->n_tensors)
        return log_error(&source->log, ERROR_UNSUPPORTED, "%s: more than %d tensors", source->path,
                         MAX_TENSORS);
    struct tensor *grown =
        realloc(source->tensors, ((size_t)source->n_tensors + count + 1) * sizeof(*grown));
    if (!grown)
        return out_of_memory(source);
    source->tensors = grown;
    for (uint32_t i = 0; i < count; i++) {
        if (keep && !keep(user, &tensors[i]))
            continue;
        struct tensor *tensor = &grown[source->n_tensors];
        *tensor = tensors[i];
        tensor->file = file;
        if (length + strlen(tensors[i].name) >= TENSOR_MAX_NAME)
            return log_error(&source->log, ERROR_FORMAT, "%s: a tensor's name is too long: %s",
                             source->files[file].path, tensors[i].name);
        memcpy(tensor->name, prefix, length);
        memcpy(tensor->name + length, tensors[i].name, strlen(tensors[i].name) + 1);
        source->n_tensors++;
    }
    return OK;
}

struct named {
    const char *name;
    uint32_t index;
};

static int compare_named(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static enum status sort_names(struct source *source)
{
    uint32_t n = source->n_tensors;
    enum status status = OK;
    struct named *sorted = malloc((n + 1) * sizeof(*sorted));
    source->by_name = malloc((n + 1) * sizeof(*source->by_name));
    if (!sorted || !source->by_name) {
        status = out_of_memory(source);
        goto done;
    }
    for (uint32_t i = 0; i < n; i++)
        sorted[i] = (struct named){source->tensors[i].name, i};
    qsort(sorted, n, sizeof(*sorted), compare_named);
    for (uint32_t i = 0; i < n; i++) {
        source->by_name[i] = sorted[i].index;
        if (i && !strcmp(sorted[i - 1].name, sorted[i].name)) {
            const char *one = source_file(source, source->tensors[sorted[i - 1].index].file);
            const char *two = source_file(source, source->tensors[sorted[i].index].file);
            status = log_error(&source->log, ERROR_FORMAT, "%s: tensor %s is there twice%s%s", one,
                               sorted[i].name, strcmp(one, two) ? ", also in " : "",
                               strcmp(one, two) ? two : "");
            goto done;
        }
    }
done:
    free(sorted);
    return status;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* By content; by name only where the content says nothing, so that the message fits the file. */
static enum status find_kind(struct source *source)
{
    struct file file;
    uint8_t head[9] = {0};

    enum status status = file_find_shards(&source->log, source->path, &source->shards);
    if (status)
        return status;
    if (source->shards) {
        source->kind = SOURCE_GGUF;
        return OK;
    }
    if (path_is_directory(source->path)) {
        source->kind = SOURCE_DIRECTORY;
        return OK;
    }
    status = file_open(&source->log, source->path, &file);
    if (status)
        return status;
    uint64_t size = file.size;
    status = file_read(&source->log, &file, NULL, 0, head, MIN(size, sizeof(head)));
    file_close(&file);
    if (status)
        return status;
    if (!memcmp(head, "GGUF", 4) || ends_with(source->path, ".gguf"))
        source->kind = SOURCE_GGUF;
    else if (head[8] == '{' || ends_with(source->path, ".safetensors"))
        source->kind = SOURCE_SAFETENSORS;
    else
        return log_error(&source->log, ERROR_FORMAT, "%s: neither GGUF nor safetensors%s",
                         source->path, size ? "" : " (the file is empty)");
    return OK;
}

/* After the source itself. */
static enum status add_beside(struct source *source, const struct source_beside *beside)
{
    if (!beside || (!beside->mimi && !beside->tokenizer))
        return OK;
    if (source->gguf && stt_web_is(source->gguf))
        return stt_web_attach(source, beside);
    return log_error(&source->log, ERROR_ARGUMENT,
                     "%s: is no file of the browser port: it takes no %s from elsewhere",
                     source->path, beside->mimi ? "Mimi" : "tokenizer");
}

enum status source_open(const struct log *log, const char *path, struct source **out)
{
    return source_open_beside(log, path, NULL, out);
}

enum status source_open_beside(const struct log *log, const char *path,
                               const struct source_beside *beside, struct source **out)
{
    enum status status;

    if (!path || !*path)
        return log_error(log, ERROR_ARGUMENT, "no path to a model");
    struct source *source = calloc(1, sizeof(*source));
    if (!source)
        return log_error(log, ERROR_MEMORY, "%s: out of memory", path);
    if (log)
        source->log = *log;
    source->path = strdup(path);
    if (!source->path) {
        status = log_error(log, ERROR_MEMORY, "%s: out of memory", path);
        goto fail;
    }
    status = find_kind(source);
    if (status)
        goto fail;
    switch (source->kind) {
    case SOURCE_GGUF: status = source_open_gguf(source); break;
    case SOURCE_DIRECTORY: status = source_open_directory(source); break;
    case SOURCE_SAFETENSORS: status = source_open_safetensors(source); break;
    }
    if (!status)
        status = add_beside(source, beside);
    if (!status)
        status = sort_names(source);
    if (status)
        goto fail;
    *out = source;
    return OK;
fail:
    source_close(&source);
    return status;
}

void source_close(struct source **source)
{
    if (!source || !*source)
        return;
    struct source *s = *source;
    gguf_close(&s->gguf);
    for (uint32_t i = 0; i < s->n_files; i++)
        file_close(&s->files[i]);
    free(s->files);
    free(s->tensors);
    free(s->by_name);
    source_free_json(s);
    free(s->config_path);
    free(s->mimi_config_path);
    free(s->tokenizer_path);
    free(s->shards);
    free(s->path);
    free(s);
    *source = NULL;
}

enum source_kind source_get_kind(const struct source *source)
{
    return source->kind;
}

const char *source_path(const struct source *source)
{
    return source->path;
}

uint32_t source_count(const struct source *source)
{
    return source->n_tensors;
}

const struct tensor *source_tensor(const struct source *source, uint32_t index)
{
    return index < source->n_tensors ? &source->tensors[index] : NULL;
}

const struct tensor *source_find(const struct source *source, const char *name)
{
    uint32_t low = 0, high = source->n_tensors;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct tensor *tensor = &source->tensors[source->by_name[middle]];
        int order = strcmp(name, tensor->name);
        if (!order)
            return tensor;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Where the file has a row whose heads lie in halves. */
static uint64_t row_in_file(const struct tensor *tensor, uint64_t row)
{
    uint64_t rows = tensor->dims[0] / tensor->rope_heads; /* a head */
    uint64_t head = row / rows, pair = row % rows / 2, second = row % 2;
    return head * rows + second * (rows / 2) + pair;
}

static enum status read_rows(const struct source *source, const struct tensor *tensor,
                             const char *what, uint64_t offset, uint8_t *to, uint64_t bytes)
{
    uint64_t row_bytes = tensor->bytes / tensor->dims[0];
    enum status status = OK;
    while (bytes > 0 && !status) {
        uint64_t within = offset % row_bytes, n = MIN(bytes, row_bytes - within);
        uint64_t at = row_in_file(tensor, offset / row_bytes) * row_bytes + within;
        status =
            file_read(&source->log, &source->files[tensor->file], what, tensor->offset + at, to, n);
        offset += n;
        to += n;
        bytes -= n;
    }
    return status;
}

enum status source_read(const struct source *source, const struct tensor *tensor, uint64_t offset,
                        void *to, uint64_t bytes)
{
    if (offset > tensor->bytes || bytes > tensor->bytes - offset)
        return log_error(&source->log, ERROR_ARGUMENT,
                         "%s: tensor %s has %" PRIu64 " bytes, asked for up to %" PRIu64,
                         source_file(source, tensor->file), tensor->name, tensor->bytes,
                         offset + bytes);
    char what[TENSOR_MAX_NAME + 8];
    snprintf(what, sizeof(what), "tensor %s", tensor->name);
    if (tensor->rope_heads)
        return read_rows(source, tensor, what, offset, to, bytes);
    return file_read(&source->log, &source->files[tensor->file], what, tensor->offset + offset, to,
                     bytes);
}

bool source_is(const struct source *source, const char *path)
{
    for (uint32_t i = 0; i < source->n_files; i++)
        if (file_is(&source->files[i], path))
            return true;
    return path_is_same(source->config_path, path) ||
           path_is_same(source->mimi_config_path, path) ||
           path_is_same(source->tokenizer_path, path);
}

const char *source_file(const struct source *source, uint32_t file)
{
    return file < source->n_files ? source->files[file].path : source->path;
}

const struct gguf *source_gguf(const struct source *source)
{
    return source->gguf;
}
