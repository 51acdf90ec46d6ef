/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "tools/evaluation/walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "loader/file.h"

enum { MAX_DEPTH = 32 }; /* a link may lead back up */

struct walk {
    const struct log *log;
    enum status (*visit)(void *user, char *path);
    void *user;
};

bool walk_is_sound(const char *name)
{
    static const char *const extensions[] = {".wav",  ".flac", ".ogg", ".oga", ".opus", ".mp3",
                                             ".aiff", ".aif",  ".au",  ".w64", ".caf",  ".rf64"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < COUNT_OF(extensions); i++)
        if (strcasecmp(dot, extensions[i]) == 0)
            return true;
    return false;
}

static enum status walk_directory(const struct walk *walk, const char *path, int depth);

static enum status walk_entry(const struct walk *walk, const char *parent, const char *name,
                              int depth)
{
    struct stat st;
    char *path = path_join(parent, name);
    enum status status = OK;
    if (!path)
        return log_error(walk->log, ERROR_MEMORY, "%s: out of memory", parent);
    if (stat(path, &st) != 0)
        status = log_error(walk->log, ERROR_IO, "%s: %s", path, strerror(errno));
    else if (S_ISREG(st.st_mode))
        return walk->visit(walk->user, path);
    else if (S_ISDIR(st.st_mode))
        status = walk_directory(walk, path, depth + 1);
    free(path);
    return status;
}

static enum status walk_directory(const struct walk *walk, const char *path, int depth)
{
    const struct dirent *entry;
    enum status status = OK;
    if (depth > MAX_DEPTH)
        return log_error(walk->log, ERROR_FORMAT, "%s: directories more than %d deep", path,
                         MAX_DEPTH);
    DIR *handle = opendir(path);
    if (!handle)
        return log_error(walk->log, ERROR_IO, "%s: %s", path, strerror(errno));
    errno = 0;
    while (!status && (entry = readdir(handle)) != NULL) {
        if (entry->d_name[0] != '.')
            status = walk_entry(walk, path, entry->d_name, depth);
        errno = 0;
    }
    if (!status && errno)
        status = log_error(walk->log, ERROR_IO, "%s: %s", path, strerror(errno));
    closedir(handle);
    return status;
}

enum status walk_files(const struct log *log, const char *directory,
                       enum status (*visit)(void *user, char *path), void *user)
{
    return walk_directory(&(struct walk){log, visit, user}, directory, 0);
}
