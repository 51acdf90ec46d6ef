/* SPDX-License-Identifier: MIT */
#include "loader/safetensors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/json.h"

#define MAX_HEADER_BYTES (16u << 20)
#define MAX_TENSORS 65536

static const struct {
    const char *name;
    uint32_t type;
} dtypes[] = {
    {"F32", TENSOR_F32},
    {"F16", TENSOR_F16},
    {"BF16", TENSOR_BF16},
    {"F64", 28},
    {"I64", 27},
    {"I32", 26},
    {"I16", 25},
    {"I8", 24},
    {"BOOL", TENSOR_BOOL},
    {"U8", TENSOR_U8},
    {"U16", TENSOR_U16},
    {"U32", TENSOR_U32},
    {"U64", TENSOR_U64},
    {"F8_E4M3", TENSOR_F8_E4M3},
    {"F8_E5M2", TENSOR_F8_E5M2},
};

/* Upstream's RMSNorm has [1, 1, dim], so dimensions of 1 go only where there are too many. */
static enum status read_shape(const struct log *log, const char *path, const cJSON *shape,
                              struct tensor *tensor)
{
    const cJSON *item;
    uint64_t elements = 1;
    int excess = cJSON_GetArraySize(shape) - TENSOR_MAX_DIMS;

    if (!cJSON_IsArray(shape))
        return log_error(log, ERROR_FORMAT, "%s: tensor %s: no shape", path, tensor->name);
    cJSON_ArrayForEach(item, shape)
    {
        uint64_t dim;
        if (!json_u64(item, &dim) || (dim && elements > INT64_MAX / 16 / dim))
            return log_error(log, ERROR_FORMAT, "%s: tensor %s: an impossible shape", path,
                             tensor->name);
        elements *= dim;
        if (dim == 1 && excess > 0) {
            excess--;
            continue;
        }
        if (tensor->n_dims == TENSOR_MAX_DIMS)
            return log_error(log, ERROR_UNSUPPORTED, "%s: tensor %s: more than %d dimensions", path,
                             tensor->name, TENSOR_MAX_DIMS);
        tensor->dims[tensor->n_dims++] = dim;
    }
    if (!tensor->n_dims)
        tensor->dims[tensor->n_dims++] = 1;
    return OK;
}

static enum status read_tensor(const struct log *log, const char *path, const cJSON *item,
                               uint64_t data_bytes, struct tensor *tensor)
{
    uint64_t begin, end;

    if (strlen(item->string) >= TENSOR_MAX_NAME)
        return log_error(log, ERROR_FORMAT, "%s: a tensor's name is longer than %d: %.60s...", path,
                         TENSOR_MAX_NAME - 1, item->string);
    memcpy(tensor->name, item->string, strlen(item->string) + 1);
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    if (!cJSON_IsObject(item) || !cJSON_IsString(dtype) || !cJSON_IsArray(offsets) ||
        cJSON_GetArraySize(offsets) != 2)
        return log_error(log, ERROR_FORMAT, "%s: tensor %s: no dtype, shape and data_offsets", path,
                         tensor->name);
    enum status status =
        read_shape(log, path, cJSON_GetObjectItemCaseSensitive(item, "shape"), tensor);
    if (status)
        return status;
    if (!json_u64(cJSON_GetArrayItem(offsets, 0), &begin) ||
        !json_u64(cJSON_GetArrayItem(offsets, 1), &end) || begin > end)
        return log_error(log, ERROR_FORMAT, "%s: tensor %s: impossible data_offsets", path,
                         tensor->name);
    if (end > data_bytes)
        return log_error(log, ERROR_FORMAT,
                         "%s: tensor %s: its bytes end at %" PRIu64 " of %" PRIu64 ": truncated?",
                         path, tensor->name, end, data_bytes);
    tensor->type = UINT32_MAX;
    for (size_t i = 0; i < COUNT_OF(dtypes); i++)
        if (!strcmp(dtypes[i].name, dtype->valuestring))
            tensor->type = dtypes[i].type;
    tensor->offset = begin;
    tensor->bytes = end - begin;
    const struct tensor_type_info *type = tensor_type_info(tensor->type);
    if (type && tensor->bytes != tensor_row_bytes(type, tensor_elements(tensor)))
        return log_error(log, ERROR_FORMAT, "%s: tensor %s: %" PRIu64 " bytes do not fit its shape",
                         path, tensor->name, tensor->bytes);
    return OK;
}

static int compare_offsets(const void *a, const void *b)
{
    const struct tensor *x = *(struct tensor *const *)a, *y = *(struct tensor *const *)b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty ones first */
}

/* The format leaves no byte of the data without a tensor and gives none to two. */
static enum status check_cover(const struct log *log, const char *path, struct tensor *tensors,
                               uint32_t n, uint64_t data_bytes)
{
    enum status status = OK;
    uint64_t end = 0;
    struct tensor **sorted = malloc((n + 1) * sizeof(struct tensor *));
    if (!sorted)
        return log_error(log, ERROR_MEMORY, "%s: out of memory", path);
    for (uint32_t i = 0; i < n; i++)
        sorted[i] = &tensors[i];
    qsort(sorted, n, sizeof(*sorted), compare_offsets);
    for (uint32_t i = 0; i < n && !status; i++) {
        if (sorted[i]->offset != end)
            status = log_error(log, ERROR_FORMAT,
                               "%s: tensor %s begins at %" PRIu64
                               ", where the one before ends at %" PRIu64,
                               path, sorted[i]->name, sorted[i]->offset, end);
        end = sorted[i]->offset + sorted[i]->bytes;
    }
    if (!status && end != data_bytes)
        status = log_error(log, ERROR_FORMAT,
                           "%s: the tensors end at byte %" PRIu64 " of the data's %" PRIu64, path,
                           end, data_bytes);
    free(sorted);
    return status;
}

static enum status read_tensors(const struct log *log, const char *path, const cJSON *header,
                                uint64_t data_bytes, struct tensor **out, uint32_t *count)
{
    const cJSON *item;
    uint32_t n = 0;
    enum status status;

    if (!cJSON_IsObject(header))
        return log_error(log, ERROR_FORMAT, "%s: the header is no JSON object", path);
    int size = cJSON_GetArraySize(header);
    if (size > MAX_TENSORS)
        return log_error(log, ERROR_UNSUPPORTED, "%s: %d tensors are too many", path, size);
    struct tensor *tensors = calloc((size_t)size + 1, sizeof(*tensors));
    if (!tensors)
        return log_error(log, ERROR_MEMORY, "%s: out of memory", path);
    cJSON_ArrayForEach(item, header)
    {
        if (!strcmp(item->string, "__metadata__"))
            continue;
        status = read_tensor(log, path, item, data_bytes, &tensors[n++]);
        if (status)
            goto fail;
    }
    status = check_cover(log, path, tensors, n, data_bytes);
    if (status)
        goto fail;
    *out = tensors;
    *count = n;
    return OK;
fail:
    free(tensors);
    return status;
}

enum status safetensors_read(const struct log *log, const struct file *file, struct tensor **out,
                             uint32_t *count)
{
    uint64_t length = 0;
    char *text = NULL;
    cJSON *header = NULL;
    enum status status;

    if (file->size < sizeof(length))
        return log_error(log, ERROR_FORMAT,
                         "%s: truncated: %" PRIu64 " bytes are no safetensors file", file->path,
                         file->size);
    status = file_read(log, file, NULL, 0, &length, sizeof(length));
    if (status)
        return status;
    if (length > file->size - sizeof(length))
        return log_error(log, ERROR_FORMAT,
                         "%s: truncated: a header of %" PRIu64 " bytes in a file of %" PRIu64,
                         file->path, length, file->size);
    if (length > MAX_HEADER_BYTES)
        return log_error(log, ERROR_UNSUPPORTED,
                         "%s: a header of %" PRIu64 " bytes, the limit is %u", file->path, length,
                         MAX_HEADER_BYTES);
    text = malloc(length + 1);
    if (!text)
        return log_error(log, ERROR_MEMORY, "%s: out of memory", file->path);
    status = file_read(log, file, NULL, sizeof(length), text, length);
    if (!status && (!length || text[0] != '{'))
        status = log_error(log, ERROR_FORMAT, "%s: not a safetensors file", file->path);
    if (!status)
        status = json_parse(log, file->path, text, length, &header);
    if (!status)
        status =
            read_tensors(log, file->path, header, file->size - sizeof(length) - length, out, count);
    for (uint32_t i = 0; !status && i < *count; i++)
        (*out)[i].offset += sizeof(length) + length;
    cJSON_Delete(header);
    free(text);
    return status;
}
