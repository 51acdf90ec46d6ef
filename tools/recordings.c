/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "tools/recordings.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "tools/audio.h"

/* Names of what libsndfile reads without being told the format. */
static bool is_sound(const char *name)
{
    static const char *const endings[] = {"wav",  "flac", "ogg",  "oga", "opus", "mp3",
                                          "aiff", "aif",  "aifc", "au",  "snd",  "caf",
                                          "w64",  "rf64", "sph",  "voc"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < COUNT_OF(endings); i++)
        if (strcasecmp(dot + 1, endings[i]) == 0)
            return true;
    return false;
}

static int add(struct report *report, struct recordings *r, const char *path)
{
    if (r->n == r->capacity) {
        size_t capacity = r->capacity ? 2 * r->capacity : 64;
        struct recording *items = realloc(r->items, capacity * sizeof(*items));
        if (!items) {
            report_error(report, "out of memory");
            return -1;
        }
        r->items = items;
        r->capacity = capacity;
    }
    char *copy = strdup(path);
    if (!copy) {
        report_error(report, "out of memory");
        return -1;
    }
    r->items[r->n++] = (struct recording){.path = copy};
    return 0;
}

static int add_directory(struct report *report, struct recordings *r, const char *directory);

/* What a directory holds. Links to directories are not followed: they may lead back. */
static int add_entry(struct report *report, struct recordings *r, const char *directory,
                     const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    const char *slash = directory[strlen(directory) - 1] == '/' ? "" : "/";
    if (name[0] == '.')
        return 0;
    if ((size_t)snprintf(path, sizeof(path), "%s%s%s", directory, slash, name) >= sizeof(path)) {
        report_error(report, "%s/%s: the path is too long", directory, name);
        return -1;
    }
    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return add_directory(report, r, path);
    return is_sound(name) ? add(report, r, path) : 0;
}

static int add_directory(struct report *report, struct recordings *r, const char *directory)
{
    struct dirent *entry;
    int status = 0;
    DIR *handle = opendir(directory);
    if (!handle) {
        report_error(report, "%s: %s", directory, strerror(errno));
        return -1;
    }
    while (status == 0 && (entry = readdir(handle)))
        status = add_entry(report, r, directory, entry->d_name);
    closedir(handle);
    return status;
}

static int add_place(struct report *report, struct recordings *r, const char *place)
{
    struct stat st;
    const size_t before = r->n;
    if (stat(place, &st) != 0) {
        report_error(report, "%s: %s", place, strerror(errno));
        return -1;
    }
    if (S_ISREG(st.st_mode))
        return add(report, r, place);
    if (!S_ISDIR(st.st_mode)) {
        report_error(report, "%s: neither a file nor a directory", place);
        return -1;
    }
    if (add_directory(report, r, place) != 0)
        return -1;
    if (r->n == before) {
        report_error(report, "%s: no recording is in there (WAV, FLAC, Ogg, MP3, ...)", place);
        return -1;
    }
    return 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct recording *)a)->path, ((const struct recording *)b)->path);
}

static void sort_unique(struct recordings *r)
{
    size_t kept = 0;
    qsort(r->items, r->n, sizeof(*r->items), by_path);
    for (size_t i = 0; i < r->n; i++) {
        if (kept > 0 && strcmp(r->items[kept - 1].path, r->items[i].path) == 0)
            free(r->items[i].path);
        else
            r->items[kept++] = r->items[i];
    }
    r->n = kept;
}

/* Looks at every recording's length and keeps those that can be read, up to the limit. One of
 * unknown length takes what is left of it. */
static void measure(struct report *report, struct recordings *r, uint64_t most_samples)
{
    const struct audio_raw raw = {.rate = AUDIO_RATE, .channels = 1};
    uint64_t left = most_samples ? most_samples : UINT64_MAX;
    size_t kept = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct recording *item = &r->items[i];
        char message[AUDIO_MESSAGE_SIZE];
        struct audio *audio = left > 0 ? audio_open(item->path, &raw, message) : NULL;
        if (!audio) {
            if (left > 0) {
                report_warning(report, "%s: %s: left out", item->path, message);
                r->unreadable++;
            }
            free(item->path);
            continue;
        }
        const uint64_t total = audio_total(audio);
        const bool whole = total > 0 && total <= left;
        const uint64_t taken = whole ? total : most_samples ? left : 0;
        item->samples = whole ? UINT64_MAX : left;
        r->samples += taken;
        if (most_samples)
            left -= taken;
        audio_close(&audio);
        r->items[kept++] = *item;
    }
    r->n = kept;
}

int recordings_find(struct report *report, const char *const *places, size_t n_places,
                    uint64_t most_samples, struct recordings *out)
{
    struct recordings r = {0};
    for (size_t i = 0; i < n_places; i++)
        if (add_place(report, &r, places[i]) != 0) {
            recordings_deinit(&r);
            return -1;
        }
    sort_unique(&r);
    measure(report, &r, most_samples);
    if (r.n == 0) {
        report_error(report, "%s: none of the recordings can be read", places[0]);
        recordings_deinit(&r);
        return -1;
    }
    *out = r;
    return 0;
}

bool recordings_have(const struct recordings *r, const char *path)
{
    struct stat wanted, st;
    if (stat(path, &wanted) != 0)
        return false;
    for (size_t i = 0; i < r->n; i++)
        if (stat(r->items[i].path, &st) == 0 && st.st_dev == wanted.st_dev &&
            st.st_ino == wanted.st_ino)
            return true;
    return false;
}

void recordings_deinit(struct recordings *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->items[i].path);
    free(r->items);
    *r = (struct recordings){0};
}
