/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/file.h"
#include "tools/evaluation/dataset_parts.h"
#include "tools/evaluation/walk.h"

#define TRANSCRIPT_SUFFIX ".trans.txt"

enum found_kind { FOUND_SOUND, FOUND_TEXT, FOUND_TRANSCRIPTS };

struct found {
    char *path;
    size_t stem; /* length of the path without its extension */
    enum found_kind kind;
    bool used; /* sound that has a text */
};

struct directory {
    const struct log *log;
    const char *path;
    struct found *files; /* sorted by stem, sound before text */
    size_t n, capacity;
    bool has_transcripts;
    struct dataset *set;
};

static bool has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && strcmp(name + n - m, suffix) == 0;
}

static enum status add_file(void *user, char *path)
{
    struct directory *dir = user;
    enum found_kind kind;
    const char *name = strrchr(path, '/') + 1;
    if (has_suffix(name, TRANSCRIPT_SUFFIX))
        kind = FOUND_TRANSCRIPTS;
    else if (has_suffix(name, ".txt"))
        kind = FOUND_TEXT;
    else if (walk_is_sound(name))
        kind = FOUND_SOUND;
    else {
        free(path);
        return OK;
    }
    if (dir->n == dir->capacity) {
        size_t capacity = dir->capacity ? 2 * dir->capacity : 64;
        struct found *files = realloc(dir->files, capacity * sizeof(*files));
        if (!files) {
            free(path);
            return log_error(dir->log, ERROR_MEMORY, "%s: out of memory", dir->path);
        }
        dir->files = files;
        dir->capacity = capacity;
    }
    dir->has_transcripts |= kind == FOUND_TRANSCRIPTS;
    dir->files[dir->n++] =
        (struct found){.path = path, .stem = (size_t)(strrchr(path, '.') - path), .kind = kind};
    return OK;
}

static int compare_stems(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, MIN(a_length, b_length));
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int compare_files(const void *a, const void *b)
{
    const struct found *left = a, *right = b;
    int order = compare_stems(left->path, left->stem, right->path, right->stem);
    if (order)
        return order;
    return left->kind != right->kind ? (int)left->kind - (int)right->kind
                                     : strcmp(left->path, right->path);
}

/* The sound of a stem, NULL if there is none. *twice: there is more than one. */
static struct found *find_sound(struct directory *dir, const char *stem, size_t length, bool *twice)
{
    size_t low = 0, high = dir->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct found *file = &dir->files[middle];
        if (compare_stems(file->path, file->stem, stem, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    struct found *first = NULL;
    *twice = false;
    for (size_t i = low; i < dir->n; i++) {
        struct found *file = &dir->files[i];
        if (compare_stems(file->path, file->stem, stem, length) != 0 || file->kind != FOUND_SOUND)
            break;
        *twice = first != NULL;
        first = first ? first : file;
    }
    return first;
}

/* Takes `text`. `where` is for messages. */
static enum status pair(struct directory *dir, const char *where, const char *stem, size_t length,
                        const char *id, char *text)
{
    bool twice;
    struct found *sound = find_sound(dir, stem, length, &twice);
    enum status status = OK;
    char *own_id = strdup(id), *path = sound ? strdup(sound->path) : NULL;
    if (!text || !own_id || (sound && !path))
        status = log_error(dir->log, ERROR_MEMORY, "%s: out of memory", where);
    else if (!sound)
        status = log_error(dir->log, ERROR_FORMAT,
                           "%s: a transcript without sound: there is no %.*s.flac, .wav or the "
                           "like",
                           where, (int)length, stem);
    else if (twice)
        status = log_error(dir->log, ERROR_FORMAT, "%s and %s: two recordings for one transcript",
                           sound[0].path, sound[1].path);
    else
        status = dataset_add(dir->log, dir->set, own_id, path, text);
    if (status) {
        free(own_id);
        free(path);
        free(text);
    } else {
        sound->used = true;
    }
    return status;
}

/* "ID the words", the sound beside the file. */
static enum status read_transcript_line(struct directory *dir, const char *path,
                                        const struct line *line)
{
    char where[4096];
    enum status status = line_check(dir->log, path, line);
    size_t id_at = strspn(line->bytes, " \t\r");
    size_t id_end = id_at + strcspn(line->bytes + id_at, " \t\r");
    if (status || id_end == id_at)
        return status;
    char *id = strndup(line->bytes + id_at, id_end - id_at);
    char *parent = strndup(path, (size_t)(strrchr(path, '/') - path));
    char *stem = id && parent ? path_join(parent, id) : NULL;
    snprintf(where, sizeof(where), "%s:%u", path, line->number);
    if (stem)
        status = pair(dir, where, stem, strlen(stem), id,
                      dataset_trim(line->bytes + id_end, line->length - id_end));
    else
        status = log_error(dir->log, ERROR_MEMORY, "%s: out of memory", where);
    free(id);
    free(parent);
    free(stem);
    return status;
}

static enum status read_transcripts(struct directory *dir, const char *path)
{
    struct line line = {0};
    char *bytes = NULL;
    size_t size;
    enum status status = file_load(dir->log, path, DATASET_MAX_TEXT_BYTES, &bytes, &size);
    if (status)
        return status;
    char *at = line_first(bytes, size);
    while (!status && line_next(&at, bytes + size, &line))
        status = read_transcript_line(dir, path, &line);
    free(bytes);
    return status;
}

static bool is_utf8(const char *text)
{
    const struct log silent = {0};
    const struct line line = {(char *)text, strlen(text), 1};
    return line_check(&silent, text, &line) == OK;
}

/* A text of several lines is one utterance. */
static enum status read_pair(struct directory *dir, const struct found *file)
{
    struct line line = {0};
    char *bytes = NULL;
    size_t size;
    enum status status = file_load(dir->log, file->path, DATASET_MAX_TEXT_BYTES, &bytes, &size);
    if (status)
        return status;
    char *start = line_first(bytes, size), *at = start;
    while (!status && line_next(&at, bytes + size, &line)) {
        status = line_check(dir->log, file->path, &line);
        line.bytes[line.length] = '\n';
    }
    const char *below = file->path + strlen(dir->path);
    below += strspn(below, "/");
    char *id = strndup(below, file->stem - (size_t)(below - file->path));
    if (!status && !id)
        status = log_error(dir->log, ERROR_MEMORY, "%s: out of memory", file->path);
    if (!status && !is_utf8(id))
        status = log_error(dir->log, ERROR_FORMAT,
                           "%s: a name that is not UTF-8 cannot be an utterance's id", file->path);
    if (!status)
        status = pair(dir, file->path, file->path, file->stem, id,
                      dataset_trim(start, (size_t)(bytes + size - start)));
    free(id);
    free(bytes);
    return status;
}

static enum status read_found(struct directory *dir)
{
    enum status status = OK;
    for (size_t i = 0; !status && i < dir->n; i++) {
        const struct found *file = &dir->files[i];
        if (file->kind == FOUND_TRANSCRIPTS)
            status = read_transcripts(dir, file->path);
        else if (file->kind == FOUND_TEXT && !dir->has_transcripts)
            status = read_pair(dir, file);
    }
    for (size_t i = 0; !status && i < dir->n; i++)
        if (dir->files[i].kind == FOUND_SOUND && !dir->files[i].used)
            status = log_error(
                dir->log, ERROR_FORMAT, "%s: sound without a transcript: %s", dir->files[i].path,
                dir->has_transcripts ? "no line of a *" TRANSCRIPT_SUFFIX " file beside it names it"
                                     : "there is no .txt file of that name");
    return status;
}

enum status dataset_read_directory(const struct log *log, const char *path, struct dataset *set)
{
    struct directory dir = {.log = log, .path = path, .set = set};
    enum status status = walk_files(log, path, add_file, &dir);
    if (!status) {
        if (dir.n > 0)
            qsort(dir.files, dir.n, sizeof(*dir.files), compare_files);
        status = read_found(&dir);
    }
    for (size_t i = 0; i < dir.n; i++)
        free(dir.files[i].path);
    free(dir.files);
    return status;
}
