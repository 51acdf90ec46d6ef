/* SPDX-License-Identifier: MIT
 *
 * Files that split(1) made of one: PREFIXaa, PREFIXab, ..., PREFIXzz.
 */
#define _POSIX_C_SOURCE 200809L
#include "loader/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SHARDS (26 * 26)

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static void set_suffix(char *path, uint32_t index)
{
    size_t length = strlen(path);
    path[length - 2] = (char)('a' + index / 26);
    path[length - 1] = (char)('a' + index % 26);
}

/* Of those that are there. */
static uint32_t last_shard(char *path)
{
    for (uint32_t i = MAX_SHARDS - 1; i > 0; i--) {
        set_suffix(path, i);
        if (path_exists(path))
            return i;
    }
    return 0;
}

/* Whether the first one begins as a GGUF does, and another one is there; what is wrong with the
 * first one, if anything, is told where it is read. */
static bool begins_set(char *path)
{
    struct file file;
    char head[4] = {0};
    set_suffix(path, 0);
    if (!path_exists(path) || path_is_directory(path) || file_open(NULL, path, &file))
        return false;
    bool gguf = file.size >= sizeof(head) && !file_read(NULL, &file, NULL, 0, head, sizeof(head)) &&
                !memcmp(head, "GGUF", 4);
    file_close(&file);
    if (!gguf || !last_shard(path))
        return false;
    set_suffix(path, 0);
    return true;
}

enum status file_find_shards(const struct log *log, const char *path, char **out)
{
    size_t length = strlen(path);
    char *first;

    *out = NULL;
    if (path_is_directory(path)) {
        char *config = path_join(path, "config.json");
        bool checkpoint = config && path_exists(config);
        first = checkpoint ? NULL : path_join(path, "shard-aa");
        free(config);
        if (checkpoint)
            return OK;
    } else {
        if (length < 3 || !is_letter(path[length - 1]) || !is_letter(path[length - 2]))
            return OK;
        first = strdup(path);
    }
    if (!first)
        return log_error(log, ERROR_MEMORY, "%s: out of memory", path);
    if (begins_set(first)) {
        *out = first;
        return OK;
    }
    free(first);
    return OK;
}

static enum status add_shard(const struct log *log, const char *path, struct file *out)
{
    struct file file;
    enum status status = file_open(log, path, &file);
    if (status)
        return status;
    struct file_shard *grown = realloc(out->shards, (out->n_shards + 1) * sizeof(*grown));
    if (!grown) {
        file_close(&file);
        return log_error(log, ERROR_MEMORY, "%s: out of memory", path);
    }
    out->shards = grown;
    grown[out->n_shards++] = (struct file_shard){file.fd, out->size, file.size};
    out->size += file.size;
    out->fd = grown[0].fd;
    file.fd = -1;
    file_close(&file);
    return OK;
}

enum status file_open_shards(const struct log *log, const char *first, struct file *out)
{
    size_t size = 2 * strlen(first) + 3;
    char *path = strdup(first);
    enum status status = OK;

    *out = (struct file){.fd = -1, .path = malloc(size)};
    if (!path || !out->path) {
        status = log_error(log, ERROR_MEMORY, "%s: out of memory", first);
        goto fail;
    }
    uint32_t last = last_shard(path);
    for (uint32_t i = 0; i <= last && !status; i++) {
        set_suffix(path, i);
        status = add_shard(log, path, out);
    }
    if (status)
        goto fail;
    const char *slash = strrchr(path, '/');
    snprintf(out->path, size, "%s..%s", first, slash ? slash + 1 : path);
    free(path);
    return OK;
fail:
    free(path);
    file_close(out);
    return status;
}

bool file_is(const struct file *file, const char *path)
{
    struct stat one, other;
    if (stat(path, &one))
        return false;
    for (uint32_t i = 0; i < MAX(file->n_shards, 1u); i++) {
        int fd = file->n_shards ? file->shards[i].fd : file->fd;
        if (!fstat(fd, &other) && one.st_dev == other.st_dev && one.st_ino == other.st_ino)
            return true;
    }
    return false;
}
