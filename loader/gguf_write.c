/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "loader/gguf_writer.h"

#include <stdlib.h>
#include <string.h>

enum status gguf_writer_keep(struct gguf_writer *writer, enum status status)
{
    if (!writer->status)
        writer->status = status;
    return writer->status;
}

void gguf_put(struct gguf_writer *writer, struct bytes *to, const void *from, size_t bytes)
{
    if (writer->status || !bytes)
        return;
    if (bytes > to->capacity - to->size) {
        size_t capacity = MAX(to->capacity * 2, to->size + bytes + 4096);
        uint8_t *grown = realloc(to->data, capacity);
        if (!grown) {
            gguf_writer_keep(
                writer, log_error(writer->log, ERROR_MEMORY, "%s: out of memory", writer->path));
            return;
        }
        to->data = grown;
        to->capacity = capacity;
    }
    memcpy(to->data + to->size, from, bytes);
    to->size += bytes;
}

void gguf_put_u32(struct gguf_writer *writer, struct bytes *to, uint32_t value)
{
    gguf_put(writer, to, &value, sizeof(value));
}

void gguf_put_u64(struct gguf_writer *writer, struct bytes *to, uint64_t value)
{
    gguf_put(writer, to, &value, sizeof(value));
}

void gguf_put_string(struct gguf_writer *writer, struct bytes *to, const char *value)
{
    size_t length = strlen(value);
    gguf_put_u64(writer, to, length);
    gguf_put(writer, to, value, length);
}

enum status gguf_writer_create(const struct log *log, const char *path, struct gguf_writer **out)
{
    struct gguf_writer *writer = calloc(1, sizeof(*writer));
    if (!writer)
        return log_error(log, ERROR_MEMORY, "%s: out of memory", path);
    writer->log = log;
    writer->path = strdup(path);
    if (!writer->path) {
        free(writer);
        return log_error(log, ERROR_MEMORY, "%s: out of memory", path);
    }
    *out = writer;
    return OK;
}

void gguf_writer_split(struct gguf_writer *writer, uint64_t max_bytes)
{
    writer->max_bytes = max_bytes;
}

void gguf_writer_destroy(struct gguf_writer **writer)
{
    if (!writer || !*writer)
        return;
    struct gguf_writer *w = *writer;
    for (uint32_t i = 0; i < w->n_parts; i++) {
        file_discard(&w->parts[i].file);
        free(w->parts[i].path);
    }
    free(w->parts);
    free(w->values.data);
    free(w->tensors);
    free(w->path);
    free(w);
    *writer = NULL;
}

static bool begin_value(struct gguf_writer *writer, const char *key)
{
    if (!writer->status && writer->begun)
        gguf_writer_keep(writer, log_error(writer->log, ERROR_ARGUMENT,
                                           "%s: a key after the header", writer->path));
    if (writer->status)
        return false;
    gguf_put_string(writer, &writer->values, key);
    writer->n_values++;
    return true;
}

static enum status put_single(struct gguf_writer *writer, const char *key, enum gguf_type type,
                              const void *value, size_t bytes)
{
    if (begin_value(writer, key)) {
        gguf_put_u32(writer, &writer->values, type);
        gguf_put(writer, &writer->values, value, bytes);
    }
    return writer->status;
}

enum status gguf_write_u32(struct gguf_writer *writer, const char *key, uint32_t value)
{
    return put_single(writer, key, GGUF_U32, &value, sizeof(value));
}

enum status gguf_write_u64(struct gguf_writer *writer, const char *key, uint64_t value)
{
    return put_single(writer, key, GGUF_U64, &value, sizeof(value));
}

enum status gguf_write_f32(struct gguf_writer *writer, const char *key, float value)
{
    return put_single(writer, key, GGUF_F32, &value, sizeof(value));
}

enum status gguf_write_f64(struct gguf_writer *writer, const char *key, double value)
{
    return put_single(writer, key, GGUF_F64, &value, sizeof(value));
}

enum status gguf_write_bool(struct gguf_writer *writer, const char *key, bool value)
{
    uint8_t byte = value;
    return put_single(writer, key, GGUF_BOOL, &byte, sizeof(byte));
}

enum status gguf_write_string(struct gguf_writer *writer, const char *key, const char *value)
{
    if (begin_value(writer, key)) {
        gguf_put_u32(writer, &writer->values, GGUF_STRING);
        gguf_put_string(writer, &writer->values, value);
    }
    return writer->status;
}

static size_t element_bytes(enum gguf_type type)
{
    switch (type) {
    case GGUF_U8:
    case GGUF_I8:
    case GGUF_BOOL: return 1;
    case GGUF_U16:
    case GGUF_I16: return 2;
    case GGUF_U32:
    case GGUF_I32:
    case GGUF_F32: return 4;
    default: return 8;
    }
}

static void put_elements(struct gguf_writer *writer, enum gguf_type type, const void *elements,
                         uint64_t count)
{
    if (type != GGUF_STRING) {
        gguf_put(writer, &writer->values, elements, count * element_bytes(type));
        return;
    }
    for (uint64_t i = 0; i < count; i++)
        gguf_put_string(writer, &writer->values, ((char *const *)elements)[i]);
}

enum status gguf_write_array(struct gguf_writer *writer, const char *key, enum gguf_type type,
                             const void *elements, uint64_t count)
{
    if (begin_value(writer, key)) {
        gguf_put_u32(writer, &writer->values, GGUF_ARRAY);
        gguf_put_u32(writer, &writer->values, type);
        gguf_put_u64(writer, &writer->values, count);
        put_elements(writer, type, elements, count);
    }
    return writer->status;
}

enum status gguf_write_value(struct gguf_writer *writer, const struct gguf_value *value)
{
    if (value->array)
        return gguf_write_array(writer, value->key, value->type, value->data, value->count);
    if (begin_value(writer, value->key)) {
        gguf_put_u32(writer, &writer->values, value->type);
        put_elements(writer, value->type, value->data, 1);
    }
    return writer->status;
}

/* 0 if it is 0 or does not fit. */
static uint64_t dims_product(uint32_t n_dims, const uint64_t *dims)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < n_dims; i++) {
        if (!dims[i] || n > INT64_MAX / 16 / dims[i])
            return 0;
        n *= dims[i];
    }
    return n;
}

enum status gguf_declare(struct gguf_writer *writer, const char *name, uint32_t type,
                         uint32_t n_dims, const uint64_t *dims)
{
    const struct tensor_type_info *info = tensor_type_info(type);
    if (writer->status)
        return writer->status;
    if (writer->begun || !info || type >= TENSOR_BOOL || n_dims < 1 || n_dims > TENSOR_MAX_DIMS ||
        strlen(name) >= TENSOR_MAX_NAME || dims[n_dims - 1] % info->block ||
        !dims_product(n_dims, dims))
        return gguf_writer_keep(writer,
                                log_error(writer->log, ERROR_ARGUMENT,
                                          "%s: tensor %s cannot be written", writer->path, name));
    if (writer->n_tensors == writer->capacity) {
        uint32_t capacity = writer->capacity * 2 + 64;
        struct tensor *grown = realloc(writer->tensors, capacity * sizeof(*grown));
        if (!grown)
            return gguf_writer_keep(
                writer, log_error(writer->log, ERROR_MEMORY, "%s: out of memory", writer->path));
        writer->tensors = grown;
        writer->capacity = capacity;
    }
    struct tensor *tensor = &writer->tensors[writer->n_tensors++];
    *tensor = (struct tensor){.type = type, .n_dims = n_dims};
    memcpy(tensor->name, name, strlen(name) + 1);
    memcpy(tensor->dims, dims, n_dims * sizeof(*dims));
    tensor->bytes = tensor_row_bytes(info, tensor_elements(tensor));
    return writer->status;
}
