/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/evaluation/dataset_parts.h"
#include "tools/evaluation/hash.h"

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

char *dataset_trim(const char *bytes, size_t n)
{
    char *text = malloc(n + 1);
    size_t length = 0;
    if (!text)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (!is_space(bytes[i]))
            text[length++] = bytes[i];
        else if (length > 0 && text[length - 1] != ' ')
            text[length++] = ' ';
    }
    if (length > 0 && text[length - 1] == ' ')
        length--;
    text[length] = '\0';
    return text;
}

enum status dataset_add(const struct log *log, struct dataset *set, char *id, char *path,
                        char *text)
{
    if (set->n == set->capacity) {
        size_t capacity = set->capacity ? 2 * set->capacity : 64;
        struct utterance *items = realloc(set->items, capacity * sizeof(*items));
        if (!items)
            return log_error(log, ERROR_MEMORY, "%s: out of memory", path);
        set->items = items;
        set->capacity = capacity;
    }
    set->items[set->n++] = (struct utterance){.id = id, .path = path, .text = text};
    return OK;
}

void dataset_deinit(struct dataset *set)
{
    for (size_t i = 0; i < set->n; i++) {
        free(set->items[i].id);
        free(set->items[i].path);
        free(set->items[i].text);
    }
    free(set->items);
    *set = (struct dataset){0};
}

static int compare_ids(const void *a, const void *b)
{
    const struct utterance *left = a, *right = b;
    int order = strcmp(left->id, right->id);
    return order ? order : strcmp(left->path, right->path);
}

static enum status check_set(const struct log *log, const char *path, struct dataset *set)
{
    if (set->n == 0)
        return log_error(log, ERROR_FORMAT,
                         "%s: no utterance: neither *.trans.txt files, nor sound with a .txt file "
                         "beside it, nor lines of a manifest",
                         path);
    qsort(set->items, set->n, sizeof(*set->items), compare_ids);
    for (size_t i = 1; i < set->n; i++) {
        const struct utterance *a = &set->items[i - 1], *b = &set->items[i];
        if (strcmp(a->id, b->id) == 0)
            return log_error(log, ERROR_FORMAT,
                             "%s: the utterance \"%s\" is there twice: %s and %s", path, a->id,
                             a->path, b->path);
    }
    for (size_t i = 0; i < set->n; i++)
        if (access(set->items[i].path, R_OK) != 0)
            return log_error(log, ERROR_IO, "%s: %s", set->items[i].path, strerror(errno));
    return OK;
}

enum status dataset_open(const struct log *log, const char *path, struct dataset *out)
{
    struct dataset set = {0};
    struct stat st;
    if (stat(path, &st) != 0)
        return log_error(log, ERROR_IO, "%s: %s", path, strerror(errno));
    enum status status = S_ISDIR(st.st_mode) ? dataset_read_directory(log, path, &set)
                                             : dataset_read_manifest(log, path, &set);
    if (!status)
        status = check_set(log, path, &set);
    if (status)
        dataset_deinit(&set);
    else
        *out = set;
    return status;
}

uint64_t dataset_fingerprint(const struct dataset *set)
{
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < set->n; i++) {
        const struct utterance *item = &set->items[i];
        struct stat st;
        uint64_t bytes = stat(item->path, &st) == 0 ? (uint64_t)st.st_size : 0;
        hash = hash_bytes(hash, item->id, strlen(item->id) + 1);
        hash = hash_bytes(hash, item->text, strlen(item->text) + 1);
        hash = hash_bytes(hash, &bytes, sizeof(bytes));
    }
    return hash;
}
