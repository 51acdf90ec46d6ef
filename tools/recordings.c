/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "tools/recordings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "loader/file.h"
#include "tools/audio.h"
#include "tools/evaluation/walk.h"

struct finder {
    struct log log;
    struct recordings *list;
};

/* Takes the path. */
static enum status add(struct finder *finder, char *path)
{
    struct recordings *r = finder->list;
    if (r->n == r->capacity) {
        const size_t capacity = r->capacity ? 2 * r->capacity : 64;
        char **paths = realloc(r->paths, capacity * sizeof(*paths));
        if (!paths) {
            free(path);
            return log_error(&finder->log, ERROR_MEMORY, "out of memory");
        }
        r->paths = paths;
        r->capacity = capacity;
    }
    r->paths[r->n++] = path;
    return OK;
}

static enum status add_sound(void *user, char *path)
{
    if (walk_is_sound(path))
        return add(user, path);
    free(path);
    return OK;
}

static enum status add_place(struct finder *finder, const char *place)
{
    struct stat st;
    const size_t before = finder->list->n;
    if (stat(place, &st) != 0)
        return log_error(&finder->log, ERROR_IO, "%s: %s", place, strerror(errno));
    if (S_ISREG(st.st_mode)) {
        char *path = strdup(place);
        return path ? add(finder, path) : log_error(&finder->log, ERROR_MEMORY, "out of memory");
    }
    if (!S_ISDIR(st.st_mode))
        return log_error(&finder->log, ERROR_IO, "%s: neither a file nor a directory", place);
    const enum status status = walk_files(&finder->log, place, add_sound, finder);
    if (status == OK && finder->list->n == before)
        return log_error(&finder->log, ERROR_IO,
                         "%s: no recording is in there (WAV, FLAC, Ogg, MP3, ...)", place);
    return status;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_unique(struct recordings *r)
{
    size_t kept = 0;
    qsort(r->paths, r->n, sizeof(*r->paths), by_text);
    for (size_t i = 0; i < r->n; i++) {
        if (kept > 0 && strcmp(r->paths[kept - 1], r->paths[i]) == 0)
            free(r->paths[i]);
        else
            r->paths[kept++] = r->paths[i];
    }
    r->n = kept;
}

/* Keeps those that can be read, up to the limit. */
static void measure(struct report *report, struct recordings *r, uint64_t limit)
{
    const struct audio_raw raw = {.rate = AUDIO_RATE, .channels = 1};
    uint64_t left = limit ? limit : UINT64_MAX;
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++) {
        char message[AUDIO_MESSAGE_SIZE];
        struct audio *audio = left > 0 ? audio_open(r->paths[i], &raw, message) : NULL;
        if (!audio) {
            if (left > 0) {
                report_warning(report, "%s: %s: left out", r->paths[i], message);
                r->unreadable++;
            }
            free(r->paths[i]);
            continue;
        }
        /* A header may tell of less than there is, or of more. */
        const uint64_t total = audio_total(audio);
        const bool whole = total > 0 && total <= left;
        const uint64_t taken = whole ? total : limit ? left : 0;
        r->most_samples[kept] = whole ? UINT64_MAX : left;
        r->samples += taken;
        if (limit)
            left -= taken;
        audio_close(&audio);
        r->paths[kept++] = r->paths[i];
    }
    r->n = kept;
}

int recordings_find(struct report *report, const char *const *places, size_t n_places,
                    uint64_t most_samples, struct recordings *out)
{
    struct recordings r = {0};
    struct finder finder = {report_log(report), &r};
    enum status status = OK;
    for (size_t i = 0; i < n_places && status == OK; i++)
        status = add_place(&finder, places[i]);
    if (status == OK) {
        sort_unique(&r);
        r.most_samples = calloc(r.n, sizeof(*r.most_samples));
        if (!r.most_samples)
            status = log_error(&finder.log, ERROR_MEMORY, "out of memory");
    }
    if (status == OK) {
        measure(report, &r, most_samples);
        if (r.n == 0)
            status = log_error(&finder.log, ERROR_IO, "%s: none of the recordings can be read",
                               places[0]);
    }
    if (status != OK) {
        recordings_deinit(&r);
        return -1;
    }
    *out = r;
    return 0;
}

bool recordings_have(const struct recordings *r, const char *path)
{
    for (size_t i = 0; i < r->n; i++)
        if (path_is_same(r->paths[i], path))
            return true;
    return false;
}

void recordings_deinit(struct recordings *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->paths[i]);
    free(r->paths);
    free(r->most_samples);
    *r = (struct recordings){0};
}
