/* SPDX-License-Identifier: MIT */
#include "loader/gguf.h"
#include "loader/stt_web.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What no model comes near; they keep the memory that a hostile header takes in bounds. */
#define MAX_VALUES 65536
#define MAX_TENSORS 65536
#define MAX_METADATA_BYTES (64u << 20)
#define MAX_KEY_BYTES 65535
#define MAX_ALIGNMENT (1u << 20)
#define WINDOW 65536

/* The header is read front to back through a window; `at` never passes the end of the file. */
struct reader {
    const struct log *log;
    const struct file *file;
    uint64_t at;
    uint64_t window_at, window_bytes;
    uint8_t *window;
};

static const struct {
    const char *name;
    uint32_t bytes;
} value_types[] = {
    [GGUF_U8] = {"u8", 1},       [GGUF_I8] = {"i8", 1},     [GGUF_U16] = {"u16", 2},
    [GGUF_I16] = {"i16", 2},     [GGUF_U32] = {"u32", 4},   [GGUF_I32] = {"i32", 4},
    [GGUF_F32] = {"f32", 4},     [GGUF_BOOL] = {"bool", 1}, [GGUF_STRING] = {"string", 0},
    [GGUF_ARRAY] = {"array", 0}, [GGUF_U64] = {"u64", 8},   [GGUF_I64] = {"i64", 8},
    [GGUF_F64] = {"f64", 8},
};

const char *gguf_type_name(enum gguf_type type)
{
    return (uint32_t)type < COUNT_OF(value_types) ? value_types[type].name : NULL;
}

static uint64_t left(const struct reader *r)
{
    return r->file->size - r->at;
}

static enum status take(struct reader *r, void *to, uint64_t bytes, const char *what)
{
    uint8_t *out = to;
    if (bytes > left(r))
        return log_error(r->log, ERROR_FORMAT,
                         "%s: truncated: %s at byte %" PRIu64 " runs past the end of the file",
                         r->file->path, what, r->at);
    while (bytes > 0) {
        if (r->at < r->window_at || r->at >= r->window_at + r->window_bytes) {
            uint64_t n = MIN(left(r), WINDOW);
            enum status status = file_read(r->log, r->file, NULL, r->at, r->window, n);
            if (status)
                return status;
            r->window_at = r->at;
            r->window_bytes = n;
        }
        uint64_t n = MIN(bytes, r->window_at + r->window_bytes - r->at);
        if (out) {
            memcpy(out, r->window + (r->at - r->window_at), n);
            out += n;
        }
        r->at += n;
        bytes -= n;
    }
    return OK;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF numbers are read as they lie");

static enum status take_u32(struct reader *r, uint32_t *out, const char *what)
{
    return take(r, out, sizeof(*out), what);
}

static enum status take_u64(struct reader *r, uint64_t *out, const char *what)
{
    return take(r, out, sizeof(*out), what);
}

/* The length of a string whose bytes follow. */
static enum status take_length(struct reader *r, uint64_t limit, uint64_t *out, const char *what)
{
    uint64_t at = r->at, length;
    enum status status = take_u64(r, &length, what);
    if (status)
        return status;
    if (length > left(r))
        return log_error(r->log, ERROR_FORMAT,
                         "%s: truncated: %s at byte %" PRIu64 " claims %" PRIu64 " bytes, %" PRIu64
                         " are left",
                         r->file->path, what, at, length, left(r));
    if (length > limit)
        return log_error(r->log, ERROR_FORMAT,
                         "%s: %s at byte %" PRIu64 " is %" PRIu64
                         " bytes long, the limit is %" PRIu64,
                         r->file->path, what, at, length, limit);
    *out = length;
    return OK;
}

/* `to` has room for length + 1. */
static enum status take_text(struct reader *r, char *to, uint64_t length, const char *what)
{
    uint64_t at = r->at;
    enum status status = take(r, to, length, what);
    if (status)
        return status;
    to[length] = 0;
    if (memchr(to, 0, length))
        return log_error(r->log, ERROR_FORMAT, "%s: %s at byte %" PRIu64 " holds a NUL",
                         r->file->path, what, at);
    return OK;
}

static enum status out_of_memory(const struct reader *r)
{
    return log_error(r->log, ERROR_MEMORY, "%s: out of memory", r->file->path);
}

/* Strings are measured first and read again, so that one exact allocation holds them all. */
static enum status take_strings(struct reader *r, struct gguf_value *value)
{
    uint64_t start = r->at, total = 0, length;
    enum status status;

    for (uint64_t i = 0; i < value->count; i++) {
        status = take_length(r, MAX_METADATA_BYTES, &length, "a string");
        if (!status)
            status = take(r, NULL, length, "a string");
        if (status)
            return status;
        total += length + 1;
        if (total > MAX_METADATA_BYTES)
            return log_error(r->log, ERROR_UNSUPPORTED, "%s: key %.200s: the strings are too long",
                             r->file->path, value->key);
    }
    char **strings = malloc(value->count * sizeof(char *) + total + 1);
    if (!strings)
        return out_of_memory(r);
    value->data = strings;
    char *text = (char *)(strings + value->count);
    r->at = start;
    for (uint64_t i = 0; i < value->count; i++) {
        status = take_length(r, MAX_METADATA_BYTES, &length, "a string");
        if (!status && length + 1 > total) /* the file changed in between */
            status = log_error(r->log, ERROR_IO, "%s: changes while it is read", r->file->path);
        if (!status)
            status = take_text(r, text, length, "a string");
        if (status)
            return status;
        strings[i] = text;
        text += length + 1;
        total -= length + 1;
    }
    return OK;
}

static enum status take_key(struct reader *r, struct gguf_value *value)
{
    uint64_t length;

    enum status status = take_length(r, MAX_KEY_BYTES, &length, "a key");
    if (status)
        return status;
    value->key = malloc(length + 1);
    if (!value->key)
        return out_of_memory(r);
    status = take_text(r, value->key, length, "a key");
    if (!status && !length)
        status = log_error(r->log, ERROR_FORMAT, "%s: an empty key at byte %" PRIu64, r->file->path,
                           r->at);
    return status;
}

static enum status take_type(struct reader *r, struct gguf_value *value)
{
    uint32_t type = 0;

    value->count = 1;
    enum status status = take_u32(r, &type, "a value's type");
    if (!status && type == GGUF_ARRAY) {
        value->array = true;
        status = take_u32(r, &type, "an array's type");
        if (!status)
            status = take_u64(r, &value->count, "an array's length");
        if (!status && type == GGUF_ARRAY)
            return log_error(r->log, ERROR_UNSUPPORTED, "%s: key %.200s: an array of arrays",
                             r->file->path, value->key);
    }
    if (!status && type >= COUNT_OF(value_types))
        status = log_error(r->log, ERROR_FORMAT, "%s: key %.200s: unknown type %" PRIu32,
                           r->file->path, value->key, type);
    value->type = type;
    return status;
}

static enum status take_numbers(struct reader *r, struct gguf_value *value, uint32_t each)
{
    value->data = malloc(value->count * each + 1);
    if (!value->data)
        return out_of_memory(r);
    enum status status = take(r, value->data, value->count * each, "a value");
    if (status || value->type != GGUF_BOOL)
        return status;
    for (uint64_t i = 0; i < value->count; i++)
        if (((uint8_t *)value->data)[i] > 1)
            return log_error(r->log, ERROR_FORMAT, "%s: key %.200s: a bool that is neither 0 nor 1",
                             r->file->path, value->key);
    return OK;
}

static enum status take_value(struct reader *r, struct gguf_value *value)
{
    enum status status = take_key(r, value);
    if (!status)
        status = take_type(r, value);
    if (status)
        return status;
    uint32_t each = value->type == GGUF_STRING ? 8 : value_types[value->type].bytes;
    if (value->count > left(r) / each)
        return log_error(r->log, ERROR_FORMAT,
                         "%s: truncated: key %.200s claims %" PRIu64 " elements, %" PRIu64
                         " bytes are left",
                         r->file->path, value->key, value->count, left(r));
    if (value->count * each > MAX_METADATA_BYTES)
        return log_error(r->log, ERROR_UNSUPPORTED,
                         "%s: key %.200s: %" PRIu64 " elements are too many", r->file->path,
                         value->key, value->count);
    return value->type == GGUF_STRING ? take_strings(r, value) : take_numbers(r, value, each);
}

static int compare_values(const void *a, const void *b)
{
    return strcmp((*(struct gguf_value *const *)a)->key, (*(struct gguf_value *const *)b)->key);
}

static enum status check_keys(const struct reader *r, struct gguf *gguf)
{
    struct gguf_value **sorted = malloc((gguf->n_values + 1) * sizeof(struct gguf_value *));
    enum status status = OK;
    if (!sorted)
        return out_of_memory(r);
    for (uint32_t i = 0; i < gguf->n_values; i++)
        sorted[i] = &gguf->values[i];
    qsort(sorted, gguf->n_values, sizeof(*sorted), compare_values);
    for (uint32_t i = 1; i < gguf->n_values && !status; i++)
        if (!strcmp(sorted[i - 1]->key, sorted[i]->key))
            status = log_error(r->log, ERROR_FORMAT, "%s: the key %.200s is there twice",
                               r->file->path, sorted[i]->key);
    free(sorted);
    return status;
}

static enum status read_values(struct reader *r, struct gguf *gguf, uint64_t count)
{
    enum status status;
    uint64_t start = r->at;

    /* The least a key takes: its length, one byte, its type, a value of one byte. */
    if (count > left(r) / 14)
        return log_error(r->log, ERROR_FORMAT,
                         "%s: truncated: %" PRIu64 " keys do not fit into the file", r->file->path,
                         count);
    if (count > MAX_VALUES)
        return log_error(r->log, ERROR_UNSUPPORTED, "%s: %" PRIu64 " keys are too many",
                         r->file->path, count);
    gguf->values = calloc(count + 1, sizeof(*gguf->values));
    if (!gguf->values)
        return out_of_memory(r);
    while (gguf->n_values < count) {
        /* Counted before it is read, so that gguf_close frees what a failed value holds. */
        status = take_value(r, &gguf->values[gguf->n_values++]);
        if (status)
            return status;
        if (r->at - start > MAX_METADATA_BYTES)
            return log_error(r->log, ERROR_UNSUPPORTED, "%s: more than %u bytes of metadata",
                             r->file->path, MAX_METADATA_BYTES);
    }
    status = check_keys(r, gguf);
    if (status)
        return status;
    gguf->alignment = 32;
    if (gguf_find(gguf, "general.alignment")) {
        uint64_t alignment;
        if (!gguf_get_u64(gguf, "general.alignment", &alignment) || alignment < 8 ||
            alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)))
            return log_error(r->log, ERROR_FORMAT,
                             "%s: general.alignment is no power of two from 8 to %u", r->file->path,
                             MAX_ALIGNMENT);
        gguf->alignment = (uint32_t)alignment;
    }
    return OK;
}

/* Name, dims, type; the offset is still relative to the data. */
static enum status take_tensor(struct reader *r, struct tensor *tensor)
{
    uint64_t length, elements = 1;
    const char *path = r->file->path, *name = tensor->name;

    enum status status = take_length(r, TENSOR_MAX_NAME - 1, &length, "a tensor's name");
    if (!status)
        status = take_text(r, tensor->name, length, "a tensor's name");
    if (!status && !length)
        status = log_error(r->log, ERROR_FORMAT, "%s: a tensor without a name at byte %" PRIu64,
                           path, r->at);
    if (!status)
        status = take_u32(r, &tensor->n_dims, "a tensor's dimensions");
    if (status)
        return status;
    if (tensor->n_dims < 1 || tensor->n_dims > TENSOR_MAX_DIMS)
        return log_error(r->log, ERROR_FORMAT,
                         "%s: tensor %s: %" PRIu32 " dimensions, expected 1 to %d", path, name,
                         tensor->n_dims, TENSOR_MAX_DIMS);
    for (uint32_t i = 0; i < tensor->n_dims; i++) {
        uint64_t dim;
        status = take_u64(r, &dim, "a tensor's dimensions");
        if (status)
            return status;
        if (dim == 0 || dim > INT64_MAX / elements)
            return log_error(r->log, ERROR_FORMAT,
                             "%s: tensor %s: dimension %" PRIu32 " is %" PRIu64, path, name, i,
                             dim);
        elements *= dim;
        tensor->dims[tensor->n_dims - 1 - i] = dim; /* the file begins with the contiguous one */
    }
    status = take_u32(r, &tensor->type, "a tensor's type");
    if (!status)
        status = take_u64(r, &tensor->offset, "a tensor's offset");
    if (status)
        return status;
    const struct tensor_type_info *type =
        tensor->type < TENSOR_BOOL ? tensor_type_info(tensor->type) : NULL;
    if (!type)
        return log_error(r->log, ERROR_FORMAT, "%s: tensor %s: unknown type %" PRIu32, path, name,
                         tensor->type);
    if (tensor->dims[tensor->n_dims - 1] % type->block)
        return log_error(r->log, ERROR_FORMAT,
                         "%s: tensor %s: rows of %" PRIu64
                         " elements are no multiple of %s's %" PRIu32,
                         path, name, tensor->dims[tensor->n_dims - 1], type->name, type->block);
    if (elements / type->block > INT64_MAX / type->bytes)
        return log_error(r->log, ERROR_FORMAT, "%s: tensor %s: too many elements", path, name);
    tensor->bytes = tensor_row_bytes(type, elements);
    return OK;
}

static int compare_offsets(const void *a, const void *b)
{
    const struct tensor *x = *(struct tensor *const *)a, *y = *(struct tensor *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static enum status check_offsets(const struct reader *r, struct gguf *gguf)
{
    const char *path = r->file->path;
    uint64_t size = r->file->size, start = gguf->data_offset;
    enum status status = OK;

    for (uint32_t i = 0; i < gguf->n_tensors; i++) {
        struct tensor *tensor = &gguf->tensors[i];
        if (!gguf->packed && tensor->offset % gguf->alignment)
            return log_error(r->log, ERROR_FORMAT,
                             "%s: tensor %s: offset %" PRIu64
                             " is no multiple of the alignment %" PRIu32,
                             path, tensor->name, tensor->offset, gguf->alignment);
        if (start > size || tensor->offset > size - start ||
            tensor->bytes > size - start - tensor->offset)
            return log_error(r->log, ERROR_FORMAT,
                             "%s: tensor %s: its %" PRIu64 " bytes run past the end of the file "
                             "(%" PRIu64 " bytes): truncated?",
                             path, tensor->name, tensor->bytes, size);
        tensor->offset += start;
    }
    struct tensor **sorted = malloc((gguf->n_tensors + 1) * sizeof(struct tensor *));
    if (!sorted)
        return out_of_memory(r);
    for (uint32_t i = 0; i < gguf->n_tensors; i++)
        sorted[i] = &gguf->tensors[i];
    qsort(sorted, gguf->n_tensors, sizeof(*sorted), compare_offsets);
    for (uint32_t i = 1; i < gguf->n_tensors && !status; i++)
        if (sorted[i - 1]->offset + sorted[i - 1]->bytes > sorted[i]->offset)
            status = log_error(r->log, ERROR_FORMAT, "%s: tensors %s and %s overlap", path,
                               sorted[i - 1]->name, sorted[i]->name);
    free(sorted);
    return status;
}

static enum status read_tensors(struct reader *r, struct gguf *gguf, uint64_t count)
{
    /* The least a tensor takes: name, one dimension, type, offset. */
    if (count > left(r) / 33)
        return log_error(r->log, ERROR_FORMAT,
                         "%s: truncated: %" PRIu64 " tensors do not fit into the file",
                         r->file->path, count);
    if (count > MAX_TENSORS)
        return log_error(r->log, ERROR_UNSUPPORTED, "%s: %" PRIu64 " tensors are too many",
                         r->file->path, count);
    gguf->tensors = calloc(count + 1, sizeof(*gguf->tensors));
    if (!gguf->tensors)
        return out_of_memory(r);
    while (gguf->n_tensors < count) {
        enum status status = take_tensor(r, &gguf->tensors[gguf->n_tensors++]);
        if (status)
            return status;
    }
    gguf->data_offset = align_up(r->at, gguf->alignment);
    gguf->packed = stt_web_is(gguf);
    return check_offsets(r, gguf);
}

static enum status read_header(struct reader *r, struct gguf *gguf)
{
    char magic[4];
    uint64_t n_tensors = 0, n_values = 0;

    enum status status = take(r, magic, sizeof(magic), "the magic");
    if (status)
        return status;
    if (memcmp(magic, "GGUF", 4))
        return log_error(r->log, ERROR_FORMAT, "%s: not a GGUF file", r->file->path);
    status = take_u32(r, &gguf->version, "the version");
    if (status)
        return status;
    if (gguf->version >= 1u << 24 && !(gguf->version & 0xffffff))
        return log_error(r->log, ERROR_UNSUPPORTED, "%s: a big-endian GGUF", r->file->path);
    if (gguf->version != 2 &&
        gguf->version != 3) /* they differ in nothing but the big-endian variant */
        return log_error(r->log, ERROR_UNSUPPORTED, "%s: GGUF version %" PRIu32 ", expected 3",
                         r->file->path, gguf->version);
    status = take_u64(r, &n_tensors, "the number of tensors");
    if (!status)
        status = take_u64(r, &n_values, "the number of keys");
    if (!status)
        status = read_values(r, gguf, n_values);
    if (!status)
        status = read_tensors(r, gguf, n_tensors);
    return status;
}

enum status gguf_open(const struct log *log, const struct file *file, struct gguf **out)
{
    struct reader reader = {.log = log, .file = file};
    enum status status;

    struct gguf *gguf = calloc(1, sizeof(*gguf));
    reader.window = malloc(WINDOW);
    if (!gguf || !reader.window) {
        status = out_of_memory(&reader);
        goto fail;
    }
    gguf->path = file->path;
    status = read_header(&reader, gguf);
    if (status)
        goto fail;
    free(reader.window);
    *out = gguf;
    return OK;
fail:
    free(reader.window);
    gguf_close(&gguf);
    return status;
}

void gguf_close(struct gguf **gguf)
{
    if (!gguf || !*gguf)
        return;
    for (uint32_t i = 0; i < (*gguf)->n_values; i++) {
        free((*gguf)->values[i].key);
        free((*gguf)->values[i].data);
    }
    free((*gguf)->values);
    free((*gguf)->tensors);
    free(*gguf);
    *gguf = NULL;
}
