/* SPDX-License-Identifier: MIT */
#include "loader/gguf.h"

#include <string.h>

const struct gguf_value *gguf_find(const struct gguf *gguf, const char *key)
{
    for (uint32_t i = 0; i < gguf->n_values; i++)
        if (!strcmp(gguf->values[i].key, key))
            return &gguf->values[i];
    return NULL;
}

bool gguf_element_i64(const struct gguf_value *value, uint64_t index, int64_t *out)
{
    if (index >= value->count)
        return false;
    const void *data = value->data;
    switch (value->type) {
    case GGUF_BOOL:
    case GGUF_U8: *out = ((const uint8_t *)data)[index]; return true;
    case GGUF_I8: *out = ((const int8_t *)data)[index]; return true;
    case GGUF_U16: *out = ((const uint16_t *)data)[index]; return true;
    case GGUF_I16: *out = ((const int16_t *)data)[index]; return true;
    case GGUF_U32: *out = ((const uint32_t *)data)[index]; return true;
    case GGUF_I32: *out = ((const int32_t *)data)[index]; return true;
    case GGUF_I64: *out = ((const int64_t *)data)[index]; return true;
    case GGUF_U64: *out = (int64_t)((const uint64_t *)data)[index]; return *out >= 0;
    default: return false;
    }
}

bool gguf_element_u64(const struct gguf_value *value, uint64_t index, uint64_t *out)
{
    int64_t number;
    if (value->type == GGUF_U64 && index < value->count) {
        *out = ((const uint64_t *)value->data)[index];
        return true;
    }
    if (!gguf_element_i64(value, index, &number) || number < 0)
        return false;
    *out = (uint64_t)number;
    return true;
}

bool gguf_element_f64(const struct gguf_value *value, uint64_t index, double *out)
{
    if (index >= value->count || (value->type != GGUF_F32 && value->type != GGUF_F64))
        return false;
    *out = value->type == GGUF_F32 ? (double)((const float *)value->data)[index]
                                   : ((const double *)value->data)[index];
    return true;
}

const char *gguf_element_string(const struct gguf_value *value, uint64_t index)
{
    if (value->type != GGUF_STRING || index >= value->count)
        return NULL;
    return ((char *const *)value->data)[index];
}

static const struct gguf_value *find_single(const struct gguf *gguf, const char *key)
{
    const struct gguf_value *value = gguf_find(gguf, key);
    return value && !value->array ? value : NULL;
}

bool gguf_get_u64(const struct gguf *gguf, const char *key, uint64_t *out)
{
    const struct gguf_value *value = find_single(gguf, key);
    return value && value->type != GGUF_BOOL && gguf_element_u64(value, 0, out);
}

bool gguf_get_f64(const struct gguf *gguf, const char *key, double *out)
{
    const struct gguf_value *value = find_single(gguf, key);
    return value && gguf_element_f64(value, 0, out);
}

bool gguf_get_bool(const struct gguf *gguf, const char *key, bool *out)
{
    const struct gguf_value *value = find_single(gguf, key);
    if (!value || value->type != GGUF_BOOL)
        return false;
    *out = *(const uint8_t *)value->data != 0;
    return true;
}

bool gguf_get_string(const struct gguf *gguf, const char *key, const char **out)
{
    const struct gguf_value *value = find_single(gguf, key);
    if (!value || value->type != GGUF_STRING)
        return false;
    *out = gguf_element_string(value, 0);
    return true;
}
