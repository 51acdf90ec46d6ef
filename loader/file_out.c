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

enum status file_create(const struct log *log, const char *path, struct file_out *out)
{
    struct stat info;
    enum status status;

    *out = (struct file_out){.log = log, .fd = -1};
    /* A rename would put a file in the place of a device or a pipe. */
    if (!stat(path, &info) && !S_ISREG(info.st_mode))
        return log_error(log, ERROR_IO, "%s: %s", path,
                         S_ISDIR(info.st_mode) ? "is a directory" : "is not a regular file");
    size_t size = strlen(path) + 40;
    out->path = strdup(path);
    out->temporary = malloc(size);
    if (!out->path || !out->temporary) {
        status = log_error(log, ERROR_MEMORY, "%s: out of memory", path);
        goto fail;
    }
    for (unsigned i = 0; out->fd < 0 && i < 100; i++) {
        snprintf(out->temporary, size, "%s.part-%ld-%u", path, (long)getpid(), i);
        out->fd = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (out->fd < 0 && errno != EEXIST)
            break;
    }
    if (out->fd < 0) {
        status = log_error(log, ERROR_IO, "%s: %s", out->temporary, strerror(errno));
        goto fail;
    }
    return OK;
fail:
    free(out->temporary);
    free(out->path);
    *out = (struct file_out){.fd = -1};
    return status;
}

enum status file_append(struct file_out *out, const void *from, uint64_t bytes)
{
    const char *at = from;
    while (bytes > 0) {
        ssize_t n = write(out->fd, at, (size_t)MIN(bytes, 1u << 30));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return log_error(out->log, ERROR_IO, "%s: %s", out->path,
                             n ? strerror(errno) : "disk full");
        at += n;
        bytes -= (uint64_t)n;
    }
    return OK;
}

/* So that the rename outlives a power cut; a file system without it has nothing to say. */
static void sync_directory(char *path)
{
    char *slash = strrchr(path, '/');
    char saved = slash ? slash[1] : 0;
    if (slash)
        slash[1] = 0;
    int fd = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (slash)
        slash[1] = saved;
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

enum status file_finish(struct file_out *out)
{
    int failed = fsync(out->fd) ? errno : 0;
    if (close(out->fd) && !failed)
        failed = errno;
    out->fd = -1;
    if (!failed)
        return OK;
    enum status status = log_error(out->log, ERROR_IO, "%s: %s", out->path, strerror(failed));
    file_discard(out);
    return status;
}

enum status file_commit(struct file_out *out)
{
    enum status status = out->fd >= 0 ? file_finish(out) : OK;
    if (status)
        return status;
    if (rename(out->temporary, out->path)) {
        status = log_error(out->log, ERROR_IO, "%s: %s", out->path, strerror(errno));
        file_discard(out);
        return status;
    }
    sync_directory(out->path);
    free(out->temporary);
    free(out->path);
    *out = (struct file_out){.fd = -1};
    return OK;
}

void file_discard(struct file_out *out)
{
    if (!out->temporary)
        return;
    if (out->fd >= 0)
        close(out->fd);
    unlink(out->temporary);
    free(out->temporary);
    free(out->path);
    *out = (struct file_out){.fd = -1};
}
