/* SPDX-License-Identifier: MIT
 *
 * Files in a browser: the module "file" of JavaScript opens what a model is made of, byte shards as
 * one file, and answers reads at once, or with ERROR_AGAIN where the bytes have not arrived.
 */
#include "loader/file.h"

#include <stdlib.h>
#include <string.h>

#define IMPORT(NAME) __attribute__((import_module("file"), import_name(#NAME)))
#define READ_MAX (1u << 30)

/* A number of 0 or more, or a status. */
IMPORT(open) int32_t web_open(const char *path, uint32_t bytes);
IMPORT(size) double web_size(int32_t file);
/* Bytes read, 0 at the end, or a status. */
IMPORT(read) int32_t web_read(int32_t file, double offset, void *to, uint32_t bytes);
IMPORT(close) void web_close(int32_t file);

static enum status wrong(const struct log *log, int32_t status, const char *path)
{
    if (status == ERROR_AGAIN)
        return ERROR_AGAIN;
    return log_error(log, ERROR_IO, "%s: there is no such file", path);
}

enum status file_open(const struct log *log, const char *path, struct file *out)
{
    *out = (struct file){.fd = -1};
    const int32_t fd = web_open(path, (uint32_t)strlen(path));
    if (fd < 0)
        return wrong(log, fd, path);
    out->path = strdup(path);
    if (!out->path) {
        web_close(fd);
        return log_error(log, ERROR_MEMORY, "%s: out of memory", path);
    }
    out->fd = fd;
    out->size = (uint64_t)web_size(fd);
    return OK;
}

enum status file_find_shards(const struct log *log, const char *path, char **out)
{
    (void)log;
    (void)path;
    *out = NULL;
    return OK;
}

enum status file_open_shards(const struct log *log, const char *first, struct file *out)
{
    return file_open(log, first, out);
}

void file_close(struct file *file)
{
    if (file->fd >= 0)
        web_close(file->fd);
    free(file->path);
    *file = (struct file){.fd = -1};
}

enum status file_read(const struct log *log, const struct file *file, const char *what,
                      uint64_t offset, void *to, uint64_t bytes)
{
    const char *part = what ? what : "", *colon = what ? ": " : "";
    char *at = to;

    if (offset > file->size || bytes > file->size - offset)
        return log_error(log, ERROR_IO, "%s: %s%sends before byte %llu", file->path, part, colon,
                         (unsigned long long)(offset + bytes));
    while (bytes > 0) {
        const int32_t n =
            web_read(file->fd, (double)offset, at, (uint32_t)MIN(bytes, (uint64_t)READ_MAX));
        if (n == ERROR_AGAIN)
            return ERROR_AGAIN;
        if (n < 0)
            return log_error(log, ERROR_IO, "%s: %s%scannot be read at byte %llu", file->path, part,
                             colon, (unsigned long long)offset);
        if (n == 0)
            return log_error(log, ERROR_IO,
                             "%s: %s%sthe file ends at byte %llu; it had %llu when it was opened",
                             file->path, part, colon, (unsigned long long)offset,
                             (unsigned long long)file->size);
        at += n;
        offset += (uint64_t)n;
        bytes -= (uint64_t)n;
    }
    return OK;
}

bool path_is_directory(const char *path)
{
    (void)path;
    return false;
}

/* What is not there yet, but will be, is. */
bool path_exists(const char *path)
{
    const int32_t fd = web_open(path, (uint32_t)strlen(path));
    if (fd >= 0)
        web_close(fd);
    return fd >= 0 || fd == ERROR_AGAIN;
}
