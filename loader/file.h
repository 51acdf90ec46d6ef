/* SPDX-License-Identifier: MIT
 *
 * Files to read at any position, and files that appear only when complete.
 */
#ifndef STAPES_LOADER_FILE_H
#define STAPES_LOADER_FILE_H

#include "runtime/base.h"

/* A regular file opened for reading. */
struct file {
    int fd;        /* -1: closed */
    uint64_t size; /* when it was opened */
    char *path;
};

/* Directories, pipes and devices are refused. On error *out is closed. */
enum status file_open(const struct log *log, const char *path, struct file *out);
void file_close(struct file *file);
/* All of [offset, offset + bytes); ERROR_IO names the file, and the part of it that `what` says
 * (NULL: none). */
enum status file_read(const struct log *log, const struct file *file, const char *what,
                      uint64_t offset, void *to, uint64_t bytes);
/* The whole file, with a NUL behind it, at most `limit` bytes; *out is the caller's to free. */
enum status file_load(const struct log *log, const char *path, uint64_t limit, char **out,
                      size_t *size);

bool path_is_directory(const char *path);
bool path_exists(const char *path);
/* directory/name, the caller's to free; NULL without memory. */
char *path_join(const char *directory, const char *name);

/* A file being written under a temporary name beside `path`. */
struct file_out {
    const struct log *log;
    int fd; /* -1: closed */
    char *path, *temporary;
};

enum status file_create(const struct log *log, const char *path, struct file_out *out);
enum status file_append(struct file_out *out, const void *from, uint64_t bytes);
/* To the disk and closed, still under the temporary name; removed unless OK. */
enum status file_finish(struct file_out *out);
/* To the disk, unless it is there, and under its name; removed unless OK. */
enum status file_commit(struct file_out *out);
/* Closes and removes it; nothing on a committed or zeroed one. */
void file_discard(struct file_out *out);

#endif
