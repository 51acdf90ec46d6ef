/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "loader/gguf_writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ALIGNMENT 32
#define MAX_PARTS 9999
#define SPLIT_KEYS 3

static enum status out_of_memory(struct gguf_writer *writer)
{
    return gguf_writer_keep(
        writer, log_error(writer->log, ERROR_MEMORY, "%s: out of memory", writer->path));
}

static uint64_t info_bytes(const struct tensor *tensor)
{
    return 8 + strlen(tensor->name) + 4 + 8 * (uint64_t)tensor->n_dims + 4 + 8;
}

/* A split file's keys, with the types that gguf-split gives them. */
static void put_split_keys(struct gguf_writer *writer, struct bytes *to, uint32_t part)
{
    uint16_t no = (uint16_t)part, count = (uint16_t)writer->n_parts;
    gguf_put_string(writer, to, "split.no");
    gguf_put_u32(writer, to, GGUF_U16);
    gguf_put(writer, to, &no, sizeof(no));
    gguf_put_string(writer, to, "split.count");
    gguf_put_u32(writer, to, GGUF_U16);
    gguf_put(writer, to, &count, sizeof(count));
    gguf_put_string(writer, to, "split.tensors.count");
    gguf_put_u32(writer, to, GGUF_I32);
    gguf_put_u32(writer, to, writer->n_tensors);
}

/* What a file has before its tensors' entries. */
static void put_head(struct gguf_writer *writer, struct bytes *to, uint32_t part)
{
    uint64_t split_keys = writer->max_bytes ? SPLIT_KEYS : 0;
    gguf_put(writer, to, "GGUF", 4);
    gguf_put_u32(writer, to, 3);
    gguf_put_u64(writer, to, writer->parts[part].n);
    gguf_put_u64(writer, to, split_keys + (part == 0 ? writer->n_values : 0));
    if (part == 0)
        gguf_put(writer, to, writer->values.data, writer->values.size);
    if (split_keys)
        put_split_keys(writer, to, part);
}

static bool add_part(struct gguf_writer *writer, uint32_t first)
{
    struct gguf_part *grown = realloc(writer->parts, (writer->n_parts + 1) * sizeof(*grown));
    if (!grown) {
        out_of_memory(writer);
        return false;
    }
    writer->parts = grown;
    writer->parts[writer->n_parts++] = (struct gguf_part){.file = {.fd = -1}, .first = first};
    return true;
}

static uint64_t head_bytes(struct gguf_writer *writer, uint32_t part)
{
    struct bytes head = {0};
    put_head(writer, &head, part);
    free(head.data);
    return head.size;
}

/* Tensors stay in order; a file is closed before the one that would take it over the limit. */
static void assign_parts(struct gguf_writer *writer)
{
    uint64_t head = 0, data = 0;
    for (uint32_t i = 0; i < writer->n_tensors && !writer->status; i++) {
        struct tensor *tensor = &writer->tensors[i];
        struct gguf_part *part = &writer->parts[writer->n_parts - 1];
        uint64_t padded = align_up(tensor->bytes, ALIGNMENT);
        if (!head)
            head = head_bytes(writer, writer->n_parts - 1);
        uint64_t size = align_up(head + info_bytes(tensor), ALIGNMENT) + data + padded;
        if (writer->max_bytes && size > writer->max_bytes && part->n > 0) {
            if (!add_part(writer, i))
                return;
            part = &writer->parts[writer->n_parts - 1];
            head = head_bytes(writer, writer->n_parts - 1);
            data = 0;
            size = align_up(head + info_bytes(tensor), ALIGNMENT) + padded;
        }
        if (writer->max_bytes && size > writer->max_bytes)
            log_write(writer->log, LOG_WARNING,
                      "%s: tensor %s alone makes a file of %" PRIu64 " bytes", writer->path,
                      tensor->name, size);
        head += info_bytes(tensor);
        tensor->offset = data;
        data += padded;
        part->n++;
    }
}

static void name_parts(struct gguf_writer *writer)
{
    static const char suffix[] = ".gguf";
    size_t length = strlen(writer->path), size = length + 64;
    if (length >= sizeof(suffix) && !strcmp(writer->path + length - sizeof(suffix) + 1, suffix))
        length -= sizeof(suffix) - 1;
    for (uint32_t i = 0; i < writer->n_parts && !writer->status; i++) {
        char *path = malloc(size);
        if (!path) {
            out_of_memory(writer);
            return;
        }
        if (writer->max_bytes)
            snprintf(path, size, "%.*s-%05u-of-%05u.gguf", (int)length, writer->path, i + 1,
                     writer->n_parts);
        else
            snprintf(path, size, "%s", writer->path);
        writer->parts[i].path = path;
    }
}

static void append(struct gguf_writer *writer, const void *from, uint64_t bytes)
{
    if (!writer->status)
        gguf_writer_keep(writer, file_append(&writer->parts[writer->part].file, from, bytes));
}

static void pad(struct gguf_writer *writer, uint64_t written)
{
    static const uint8_t zeros[ALIGNMENT];
    append(writer, zeros, align_up(written, ALIGNMENT) - written);
}

static void put_info(struct gguf_writer *writer, struct bytes *to, const struct tensor *tensor)
{
    gguf_put_string(writer, to, tensor->name);
    gguf_put_u32(writer, to, tensor->n_dims);
    for (uint32_t i = tensor->n_dims; i-- > 0;) /* the file begins with the contiguous one */
        gguf_put_u64(writer, to, tensor->dims[i]);
    gguf_put_u32(writer, to, tensor->type);
    gguf_put_u64(writer, to, tensor->offset);
}

/* Creates the current file and writes what comes before its data. */
static void begin_part(struct gguf_writer *writer)
{
    struct gguf_part *part = &writer->parts[writer->part];
    struct bytes head = {0};
    put_head(writer, &head, writer->part);
    for (uint32_t i = 0; i < part->n; i++)
        put_info(writer, &head, &writer->tensors[part->first + i]);
    if (!writer->status)
        gguf_writer_keep(writer, file_create(writer->log, part->path, &part->file));
    append(writer, head.data, head.size);
    pad(writer, head.size);
    free(head.data);
}

enum status gguf_writer_begin(struct gguf_writer *writer)
{
    if (writer->status || !add_part(writer, 0))
        return writer->status;
    assign_parts(writer);
    if (!writer->status && writer->n_parts > MAX_PARTS)
        gguf_writer_keep(writer, log_error(writer->log, ERROR_ARGUMENT,
                                           "%s: more than %d files of at most %" PRIu64 " bytes",
                                           writer->path, MAX_PARTS, writer->max_bytes));
    if (!writer->status)
        name_parts(writer);
    if (!writer->status)
        begin_part(writer);
    writer->begun = true;
    return writer->status;
}

uint32_t gguf_writer_files(const struct gguf_writer *writer)
{
    return writer->n_parts;
}

const char *gguf_writer_path(const struct gguf_writer *writer, uint32_t file)
{
    return writer->parts[file].path;
}

static void next_tensor(struct gguf_writer *writer)
{
    struct gguf_part *part = &writer->parts[writer->part];
    pad(writer, writer->written);
    writer->written = 0;
    writer->current++;
    if (writer->status || writer->current < part->first + part->n ||
        writer->part + 1 == writer->n_parts)
        return;
    gguf_writer_keep(writer, file_finish(&part->file));
    writer->part++;
    if (!writer->status)
        begin_part(writer);
}

enum status gguf_append(struct gguf_writer *writer, const void *from, uint64_t bytes)
{
    const uint8_t *at = from;
    while (!writer->status && bytes > 0) {
        if (!writer->begun || writer->current == writer->n_tensors)
            return gguf_writer_keep(writer, log_error(writer->log, ERROR_ARGUMENT,
                                                      "%s: more data than declared", writer->path));
        uint64_t size = writer->tensors[writer->current].bytes;
        uint64_t n = MIN(bytes, size - writer->written);
        append(writer, at, n);
        at += n;
        bytes -= n;
        writer->written += n;
        if (!writer->status && writer->written == size)
            next_tensor(writer);
    }
    return writer->status;
}

/* The first file last: a reader that finds it finds all. */
static void commit_parts(struct gguf_writer *writer)
{
    uint32_t left = writer->n_parts;
    while (left > 0 && !writer->status)
        gguf_writer_keep(writer, file_commit(&writer->parts[--left].file));
    for (uint32_t i = left + 1; writer->status && i < writer->n_parts; i++)
        unlink(writer->parts[i].path);
}

enum status gguf_writer_end(struct gguf_writer *writer)
{
    if (!writer->status && (!writer->begun || writer->current != writer->n_tensors))
        gguf_writer_keep(writer, log_error(writer->log, ERROR_ARGUMENT,
                                           "%s: tensors are incomplete", writer->path));
    if (!writer->status)
        gguf_writer_keep(writer, file_finish(&writer->parts[writer->part].file));
    if (!writer->status)
        commit_parts(writer);
    return writer->status;
}
