/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include "tools/validation/logits_file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static bool check_room(const struct logits_file *file, uint64_t expected_rows)
{
    struct statvfs info;
    const double bytes = (double)expected_rows * file->card * sizeof(float);
    if (fstatvfs(file->fd, &info) != 0)
        return true; /* writing will tell */
    const double room = (double)info.f_bavail * (double)info.f_frsize;
    if (bytes <= room)
        return true;
    report_error(file->report,
                 "%s: has room for %.0f MB, and the reference's logits take %.0f MB: name another "
                 "directory with --scratch, or take fewer recordings with --limit",
                 file->directory, room / 1e6, bytes / 1e6);
    return false;
}

bool logits_file_create(struct logits_file *file, struct report *report, const char *directory,
                        uint32_t card, uint64_t expected_rows)
{
    char path[PATH_MAX];
    const char *set = getenv("TMPDIR");
    *file = (struct logits_file){
        .report = report,
        .directory = directory     ? directory
                     : set && *set ? set
                                   : "/var/tmp",
        .fd = -1,
        .card = card,
    };
    if ((size_t)snprintf(path, sizeof(path), "%s/stapes-logits-XXXXXX", file->directory) <
        sizeof(path))
        file->fd = mkstemp(path);
    else
        errno = ENAMETOOLONG;
    if (file->fd < 0) {
        report_error(report,
                     "%s: %s; the reference's logits are kept there: name another "
                     "directory with --scratch",
                     file->directory, strerror(errno));
        return false;
    }
    unlink(path);
    if (check_room(file, expected_rows))
        return true;
    logits_file_close(file);
    return false;
}

/* All of it, or an error told. */
static bool transfer(const struct logits_file *file, bool writes, uint64_t row, char *bytes)
{
    const size_t size = file->card * sizeof(float);
    for (size_t done = 0; done < size;) {
        const off_t at = (off_t)(row * size + done);
        const ssize_t n = writes ? pwrite(file->fd, bytes + done, size - done, at)
                                 : pread(file->fd, bytes + done, size - done, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            report_error(file->report, "%s: cannot %s the reference's logits: %s", file->directory,
                         writes ? "write" : "read", n ? strerror(errno) : "the file is too short");
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

bool logits_file_append(struct logits_file *file, const float *row)
{
    if (!transfer(file, true, file->rows, (char *)row))
        return false;
    file->rows++;
    return true;
}

bool logits_file_read(const struct logits_file *file, uint64_t row, float *to)
{
    return transfer(file, false, row, (char *)to);
}

void logits_file_close(struct logits_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}
