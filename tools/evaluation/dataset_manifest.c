/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/file.h"
#include "loader/json.h"
#include "tools/evaluation/dataset_parts.h"

struct manifest {
    const struct log *log;
    const char *path;
    char *directory; /* that its paths are relative to */
    struct dataset *set;
};

static enum status wrong_line(const struct manifest *manifest, const struct line *line,
                              const char *what)
{
    return log_error(manifest->log, ERROR_FORMAT, "%s:%u: %s", manifest->path, line->number, what);
}

/* Neither beside the other, so that no line can mean two files. */
static const cJSON *find_audio(const cJSON *object)
{
    const cJSON *audio = cJSON_GetObjectItemCaseSensitive(object, "audio");
    const cJSON *nemo = cJSON_GetObjectItemCaseSensitive(object, "audio_filepath");
    return audio && nemo ? NULL : audio ? audio : nemo;
}

static enum status add_object(const struct manifest *manifest, const struct line *line,
                              const cJSON *object)
{
    if (!cJSON_IsObject(object))
        return wrong_line(manifest, line, "not a JSON object");
    const cJSON *audio = find_audio(object);
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(object, "text");
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(object, "id");
    const cJSON *offset = cJSON_GetObjectItemCaseSensitive(object, "offset");
    if (!cJSON_IsString(audio) || !*audio->valuestring)
        return wrong_line(manifest, line,
                          "needs either \"audio\" or \"audio_filepath\", a file's name");
    if (!cJSON_IsString(text))
        return wrong_line(manifest, line, "needs \"text\", a string");
    if (id && (!cJSON_IsString(id) || !*id->valuestring))
        return wrong_line(manifest, line, "\"id\" is not a string, or empty");
    if (offset && !(cJSON_IsNumber(offset) && offset->valuedouble == 0))
        return wrong_line(manifest, line,
                          "an \"offset\" into the sound cannot be followed: cut the file instead");
    const char *name = audio->valuestring;
    char *path = *name == '/' ? strdup(name) : path_join(manifest->directory, name);
    char *own_id = strdup(id ? id->valuestring : name);
    char *own_text = dataset_trim(text->valuestring, strlen(text->valuestring));
    enum status status;
    if (!path || !own_id || !own_text)
        status = log_error(manifest->log, ERROR_MEMORY, "%s: out of memory", manifest->path);
    else if (!path_exists(path))
        status = log_error(manifest->log, ERROR_IO, "%s:%u: its sound is missing: %s",
                           manifest->path, line->number, path);
    else
        status = dataset_add(manifest->log, manifest->set, own_id, path, own_text);
    if (status) {
        free(path);
        free(own_id);
        free(own_text);
    }
    return status;
}

static enum status add_line(const struct manifest *manifest, const struct line *line)
{
    char name[4096];
    cJSON *object = NULL;
    enum status status = line_check(manifest->log, manifest->path, line);
    if (status || strspn(line->bytes, " \t\r") == line->length)
        return status;
    snprintf(name, sizeof(name), "%s:%u", manifest->path, line->number);
    status = json_parse(manifest->log, name, line->bytes, line->length, &object);
    if (!status)
        status = add_object(manifest, line, object);
    cJSON_Delete(object);
    return status;
}

enum status dataset_read_manifest(const struct log *log, const char *path, struct dataset *set)
{
    const char *slash = strrchr(path, '/');
    struct manifest manifest = {.log = log, .path = path, .set = set};
    struct line line = {0};
    char *bytes = NULL;
    size_t size;
    enum status status = file_load(log, path, DATASET_MAX_TEXT_BYTES, &bytes, &size);
    if (status)
        return status;
    manifest.directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!manifest.directory)
        status = log_error(log, ERROR_MEMORY, "%s: out of memory", path);
    char *at = line_first(bytes, size);
    while (!status && line_next(&at, bytes + size, &line))
        status = add_line(&manifest, &line);
    free(manifest.directory);
    free(bytes);
    return status;
}
