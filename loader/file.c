/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#include "loader/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_MAX (1u << 30) /* a call, well below what the kernel takes */

enum status file_open(const struct log *log, const char *path, struct file *out)
{
    struct stat info;
    enum status status;

    *out = (struct file){.fd = -1};
    /* O_NONBLOCK: a pipe without a writer must not hang before it is refused. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return log_error(log, ERROR_IO, "%s: %s", path, strerror(errno));
    if (fstat(fd, &info)) {
        status = log_error(log, ERROR_IO, "%s: %s", path, strerror(errno));
        goto fail;
    }
    if (!S_ISREG(info.st_mode)) {
        status = log_error(log, ERROR_IO, "%s: %s", path,
                           S_ISDIR(info.st_mode) ? "is a directory" : "is not a regular file");
        goto fail;
    }
    out->path = strdup(path);
    if (!out->path) {
        status = log_error(log, ERROR_MEMORY, "%s: out of memory", path);
        goto fail;
    }
    out->fd = fd;
    out->size = (uint64_t)info.st_size;
    return OK;
fail:
    close(fd);
    return status;
}

void file_close(struct file *file)
{
    if (file->fd >= 0)
        close(file->fd);
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
        ssize_t n = pread(file->fd, at, (size_t)MIN(bytes, READ_MAX), (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return log_error(log, ERROR_IO, "%s: %s%s%s", file->path, part, colon, strerror(errno));
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

enum status file_load(const struct log *log, const char *path, uint64_t limit, char **out,
                      size_t *size)
{
    struct file file;
    char *bytes = NULL;

    enum status status = file_open(log, path, &file);
    if (status)
        return status;
    if (file.size > limit) {
        status = log_error(log, ERROR_FORMAT, "%s: %llu bytes, more than the %llu expected at most",
                           path, (unsigned long long)file.size, (unsigned long long)limit);
        goto fail;
    }
    bytes = malloc((size_t)file.size + 1);
    if (!bytes) {
        status = log_error(log, ERROR_MEMORY, "%s: out of memory", path);
        goto fail;
    }
    status = file_read(log, &file, NULL, 0, bytes, file.size);
    if (status)
        goto fail;
    bytes[file.size] = 0;
    *out = bytes;
    *size = (size_t)file.size;
    file_close(&file);
    return OK;
fail:
    free(bytes);
    file_close(&file);
    return status;
}

bool path_is_directory(const char *path)
{
    struct stat info;
    return !stat(path, &info) && S_ISDIR(info.st_mode);
}

bool path_exists(const char *path)
{
    struct stat info;
    return !stat(path, &info);
}

char *path_join(const char *directory, const char *name)
{
    size_t length = strlen(directory);
    size_t size = length + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s%s%s", directory, length && directory[length - 1] == '/' ? "" : "/",
                 name);
    return path;
}
