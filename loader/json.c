/* SPDX-License-Identifier: MIT */
#include "loader/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 64
#define MAX_VALUES 1000000

/* cJSON takes several times the text's size and ends strings at a NUL, so both are bounded here. */
static const char *scan(const char *text, size_t size)
{
    size_t depth = 0, values = 1;
    bool quoted = false;

    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == 0)
            return "holds a NUL";
        if (quoted) {
            if (c == '\\') {
                if (size - i > 5 && !memcmp(text + i + 1, "u0000", 5))
                    return "holds a NUL";
                i++;
            } else if (c == '"') {
                quoted = false;
            }
            continue;
        }
        if (c == '"')
            quoted = true;
        else if (c == ',' || c == ':')
            values++;
        else if (c == '{' || c == '[')
            depth++, values++;
        else if ((c == '}' || c == ']') && depth)
            depth--;
        if (depth > MAX_DEPTH)
            return "is nested too deeply";
        if (values > MAX_VALUES)
            return "holds too many values";
    }
    return NULL;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sets *duplicate to a key that an object has twice, if there is one. */
static enum status find_duplicate(const cJSON *item, const char **duplicate)
{
    const cJSON *child;
    size_t n = 0;
    enum status status = OK;

    cJSON_ArrayForEach(child, item)
    {
        n++;
        if (child->child)
            status = find_duplicate(child, duplicate);
        if (status || *duplicate)
            return status;
    }
    if (!cJSON_IsObject(item) || n < 2)
        return OK;
    const char **keys = malloc(n * sizeof(*keys));
    if (!keys)
        return ERROR_MEMORY;
    n = 0;
    cJSON_ArrayForEach(child, item) keys[n++] = child->string;
    qsort(keys, n, sizeof(*keys), compare_keys);
    for (size_t i = 1; i < n && !*duplicate; i++)
        if (!strcmp(keys[i - 1], keys[i]))
            *duplicate = keys[i];
    free(keys);
    return OK;
}

static bool only_space(const char *at, const char *end)
{
    while (at < end && strchr(" \t\r\n", *at))
        at++;
    return at == end;
}

enum status json_parse(const struct log *log, const char *path, const char *text, size_t size,
                       cJSON **out)
{
    const char *end = NULL, *duplicate = NULL;
    const char *wrong = scan(text, size);
    if (wrong)
        return log_error(log, ERROR_FORMAT, "%s: the JSON %s", path, wrong);

    cJSON *json = cJSON_ParseWithLengthOpts(text, size, &end, 0);
    if (!json || !only_space(end, text + size)) {
        cJSON_Delete(json);
        return log_error(log, ERROR_FORMAT, "%s: not JSON at byte %zu", path,
                         end && end >= text ? (size_t)(end - text) : 0);
    }
    enum status status = find_duplicate(json, &duplicate);
    if (status)
        log_error(log, status, "%s: out of memory", path);
    else if (duplicate)
        status =
            log_error(log, ERROR_FORMAT, "%s: the key \"%.200s\" is there twice", path, duplicate);
    if (status) {
        cJSON_Delete(json);
        return status;
    }
    *out = json;
    return OK;
}

const cJSON *json_find(const cJSON *item, const char *path)
{
    char part[64];
    const char *dot = strchr(path, '.');
    if (dot) {
        snprintf(part, sizeof(part), "%.*s", (int)(dot - path), path);
        item = cJSON_GetObjectItemCaseSensitive(item, part);
        return cJSON_IsObject(item) ? json_find(item, dot + 1) : NULL;
    }
    item = cJSON_GetObjectItemCaseSensitive(item, path);
    return cJSON_IsNull(item) ? NULL : item;
}

bool json_u64(const cJSON *item, uint64_t *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 0x1p53))
        return false;
    uint64_t value = (uint64_t)item->valuedouble;
    if ((double)value != item->valuedouble)
        return false;
    *out = value;
    return true;
}
