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
    for (uint32_t i = 0; i < file->n_shards; i++)
        close(file->shards[i].fd);
    if (file->fd >= 0 && !file->n_shards)
        close(file->fd);
    free(file->shards);
    free(file->path);
    *file = (struct file){.fd = -1};
}

/* The descriptor that holds byte `offset`; *at is where in it, *left how many bytes follow there.
 */
static int locate(const struct file *file, uint64_t offset, uint64_t *at, uint64_t *left)
{
    uint32_t i = 0;
    *at = offset;
    *left = file->size - offset;
    if (!file->n_shards)
        return file->fd;
    while (offset - file->shards[i].start >= file->shards[i].bytes)
        i++;
    *at = offset - file->shards[i].start;
    *left = file->shards[i].bytes - *at;
    return file->shards[i].fd;
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
        uint64_t from, left;
        int fd = locate(file, offset, &from, &left);
        ssize_t n = pread(fd, at, (size_t)MIN(MIN(bytes, left), READ_MAX), (off_t)from);
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

bool path_is_same(const char *a, const char *b)
{
    struct stat one, other;
    return a && b && !stat(a, &one) && !stat(b, &other) && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
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

void path_name(const char *path, const char *fallback, char *name, size_t size)
{
    const char *end = path + strlen(path), *start;
    while (end > path + 1 && end[-1] == '/')
        end--;
    for (start = end; start > path && start[-1] != '/';)
        start--;
    snprintf(name, size, "%.*s", (int)MIN((size_t)(end - start), size - 1), start);
    if (!name[0] || !strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "/"))
        snprintf(name, size, "%s", fallback);
}
