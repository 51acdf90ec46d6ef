/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "tools/evaluation/details.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/file.h"
#include "loader/json.h"
#include "tools/evaluation/lines.h"
#include "tools/text.h"

#define MAX_BYTES (UINT64_C(1) << 32)
#define HEAD_START "{\"type\":\"eval\",\"version\":1"
#define NOT_DETAILS "is no file that --details wrote: nothing to resume"

static bool fail(struct details *details, const char *what)
{
    report_error(details->report, "%s: %s", details->path, what);
    return false;
}

static bool write_line(struct details *details, struct text *line)
{
    bool ok;
    text_add(line, "}\n");
    if (line->failed)
        ok = fail(details, "out of memory");
    else if (fputs(line->bytes, details->file) < 0 || fflush(details->file) != 0)
        ok = fail(details, strerror(errno));
    else
        ok = true;
    text_deinit(line);
    return ok;
}

static void add_string(struct text *line, const char *key, const char *value)
{
    text_addf(line, ",\"%s\":", key);
    text_add_json(line, value);
}

static bool write_head(struct details *details, const struct details_head *head)
{
    struct text line = {0};
    text_add(&line, HEAD_START);
    add_string(&line, "model", head->model);
    text_addf(&line, ",\"model_fingerprint\":\"%016" PRIx64 "\"", head->model_fingerprint);
    add_string(&line, "data", head->data);
    text_addf(&line, ",\"data_fingerprint\":\"%016" PRIx64 "\"", head->data_fingerprint);
    add_string(&line, "normalize", head->normalize);
    add_string(&line, "kv", head->kv);
    add_string(&line, "kernels", head->kernels);
    return write_line(details, &line);
}

static bool open_file(struct details *details, int flags)
{
    int fd = open(details->path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0666);
    details->file = fd >= 0 ? fdopen(fd, "a") : NULL;
    if (details->file)
        return true;
    const bool there = errno == EEXIST;
    fail(details, there ? "is there already: --resume continues it; remove it to begin anew"
                        : strerror(errno));
    if (fd >= 0)
        close(fd);
    return false;
}

bool details_create(struct details *details, struct report *report, const char *path,
                    const struct details_head *head)
{
    *details = (struct details){.report = report, .path = path};
    return open_file(details, O_CREAT | O_EXCL) && write_head(details, head);
}

static const char *string_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static bool same_fingerprint(const cJSON *object, const char *key, uint64_t fingerprint)
{
    char hex[17];
    snprintf(hex, sizeof(hex), "%016" PRIx64, fingerprint);
    return strcmp(string_of(object, key), hex) == 0;
}

static bool same_option(struct details *details, const cJSON *object, const char *name,
                        const char *value)
{
    const char *written = string_of(object, name);
    if (strcmp(written, value) == 0)
        return true;
    report_error(details->report, "%s: was written with --%s %s, this is %s", details->path, name,
                 written, value);
    return false;
}

static bool check_head(struct details *details, const cJSON *object,
                       const struct details_head *head)
{
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(object, "version");
    if (strcmp(string_of(object, "type"), "eval") != 0 || !cJSON_IsNumber(version) ||
        version->valuedouble != 1)
        return fail(details, NOT_DETAILS);
    const char *model = string_of(object, "model"), *data = string_of(object, "data");
    if (!same_fingerprint(object, "model_fingerprint", head->model_fingerprint))
        report_error(details->report, "%s: was written with another model, %s; this is %s",
                     details->path, model, head->model);
    else if (!same_fingerprint(object, "data_fingerprint", head->data_fingerprint))
        report_error(details->report, "%s: was written with other data, %s; this is %s",
                     details->path, data, head->data);
    else
        return same_option(details, object, "normalize", head->normalize) &&
               same_option(details, object, "kv", head->kv) &&
               same_option(details, object, "kernels", head->kernels);
    return false;
}

static bool read_line(struct details *details, const struct line *line,
                      const struct details_head *head, details_fn *fn, void *user)
{
    const struct log log = report_log(details->report);
    char where[4096];
    cJSON *object;
    snprintf(where, sizeof(where), "%s:%u", details->path, line->number);
    if (line_check(&log, details->path, line) != OK ||
        json_parse(&log, where, line->bytes, line->length, &object) != OK)
        return false;
    bool ok = true;
    const char *type = string_of(object, "type");
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(object, "seconds");
    const struct details_utterance utterance = {
        .id = string_of(object, "id"),
        .hypothesis = string_of(object, "hypothesis"),
        .seconds = cJSON_IsNumber(seconds) ? seconds->valuedouble : 0,
    };
    if (line->number == 1)
        ok = check_head(details, object, head);
    else if (strcmp(type, "utterance") == 0 && !fn(user, &utterance)) {
        report_error(details->report, "%s: the utterance \"%s\" is not one of the data", where,
                     utterance.id);
        ok = false;
    }
    cJSON_Delete(object);
    return ok;
}

/* What an interruption left of a first line; another file's only line must not be cut off. */
static bool check_cut_head(struct details *details, const char *bytes, size_t size)
{
    return memcmp(bytes, HEAD_START, MIN(size, sizeof(HEAD_START) - 1)) == 0 ||
           fail(details, NOT_DETAILS);
}

bool details_resume(struct details *details, struct report *report, const char *path,
                    const struct details_head *head, details_fn *fn, void *user)
{
    const struct log log = report_log(report);
    struct line line = {0};
    char *bytes = NULL;
    size_t all, size;
    if (!path_exists(path))
        return details_create(details, report, path, head);
    *details = (struct details){.report = report, .path = path};
    if (file_load(&log, path, MAX_BYTES, &bytes, &all) != OK)
        return false;
    size = all;
    while (size > 0 && bytes[size - 1] != '\n')
        size--;
    bool ok = size > 0 || check_cut_head(details, bytes, all);
    char *at = bytes;
    while (ok && line_next(&at, bytes + size, &line))
        ok = read_line(details, &line, head, fn, user);
    free(bytes);
    ok = ok && open_file(details, 0);
    if (ok && ftruncate(fileno(details->file), (off_t)size) != 0)
        ok = fail(details, strerror(errno));
    return ok && (size > 0 || write_head(details, head));
}

bool details_add(struct details *details, const struct details_utterance *utterance)
{
    const struct wer_score *score = &utterance->score;
    struct text line = {0};
    text_add(&line, "{\"type\":\"utterance\"");
    add_string(&line, "id", utterance->id);
    add_string(&line, "reference", utterance->reference);
    add_string(&line, "hypothesis", utterance->hypothesis);
    text_addf(&line,
              ",\"words\":%" PRIu64 ",\"substitutions\":%" PRIu64 ",\"deletions\":%" PRIu64
              ",\"insertions\":%" PRIu64 ",\"characters\":%" PRIu64 ",\"character_errors\":%" PRIu64
              ",\"loop\":%s,\"empty\":%s,\"seconds\":",
              score->words.reference, score->words.substitutions, score->words.deletions,
              score->words.insertions, score->characters.reference, wer_errors(&score->characters),
              score->loop ? "true" : "false", score->empty ? "true" : "false");
    text_add_number(&line, utterance->seconds);
    return write_line(details, &line);
}

bool details_add_error(struct details *details, const char *id, const char *message)
{
    struct text line = {0};
    text_add(&line, "{\"type\":\"error\"");
    add_string(&line, "id", id);
    add_string(&line, "message", message);
    return write_line(details, &line);
}

bool details_close(struct details *details)
{
    bool ok = true;
    if (details->file && fclose(details->file) != 0)
        ok = fail(details, strerror(errno));
    details->file = NULL;
    return ok;
}
