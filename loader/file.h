/* SPDX-License-Identifier: MIT
 *
 * Files to read at any position, and files that appear only when complete.
 */
#ifndef STAPES_LOADER_FILE_H
#define STAPES_LOADER_FILE_H

#include "runtime/base.h"

/* One of the files that make up a longer one. */
struct file_shard {
    int fd;
    uint64_t start, bytes; /* in the whole */
};

/* A regular file opened for reading, or several that are read as one. */
struct file {
    int fd;        /* -1: closed; the first one's of several */
    uint64_t size; /* when it was opened */
    char *path;    /* for messages; of several, "x-aa..x-ac" */
    struct file_shard *shards;
    uint32_t n_shards; /* 0: one file */
};

/* Directories, pipes and devices are refused. On error *out is closed. */
enum status file_open(const struct log *log, const char *path, struct file *out);
/* The first one of the files that split(1) made of a GGUF, if `path` is any of them (x-aa, x-ab,
 * ...), or a directory of shard-aa, shard-ab, ... and without a config.json: *out is the caller's
 * to free. NULL for other paths. */
enum status file_find_shards(const struct log *log, const char *path, char **out);
/* That one and those that follow it; a gap is an error. */
enum status file_open_shards(const struct log *log, const char *first, struct file *out);
/* Whether `path` is this file, or one of its shards. */
bool file_is(const struct file *file, const char *path);
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
/* Whether both are there and are the same file. NULL is none. */
bool path_is_same(const char *a, const char *b);
/* directory/name, the caller's to free; NULL without memory. */
char *path_join(const char *directory, const char *name);
/* The last part of a path, or `fallback` where that is no name ("", ".", "..", "/"). */
void path_name(const char *path, const char *fallback, char *name, size_t size);

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
