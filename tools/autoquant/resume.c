/* SPDX-License-Identifier: MIT
 *
 * The summary: written after each attempt, read by a call that goes on.
 */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "loader/file.h"
#include "loader/json.h"
#include "tools/autoquant/autoquant.h"

#define MAX_SUMMARY (64u << 20)

static const char *const step_names[] = {
    [AUTOQUANT_FIRST] = "first attempt", [AUTOQUANT_METHOD] = "better method",
    [AUTOQUANT_DATA] = "more data",      [AUTOQUANT_TYPE] = "another type of this width",
    [AUTOQUANT_MIX] = "mixed precision", [AUTOQUANT_WIDER] = "wider type",
    [AUTOQUANT_PASSED] = "passed",       [AUTOQUANT_FAILED] = "nothing passes",
};

/* What came of an attempt, in the summary and in its record. */
static const struct field {
    const char *name;
    size_t offset;
} numbers[] = {
    {"bits_per_weight", offsetof(struct autoquant_record, bits_per_weight)},
    {"wer", offsetof(struct autoquant_record, wer)},
    {"wer_increase", offsetof(struct autoquant_record, wer_increase)},
    {"text_perplexity_increase", offsetof(struct autoquant_record, text_perplexity_increase)},
    {"text_kl_mean", offsetof(struct autoquant_record, text_kl_mean)},
    {"text_top_1_agreement", offsetof(struct autoquant_record, text_agreement)},
    {"speed", offsetof(struct autoquant_record, speed)},
    {"miss", offsetof(struct autoquant_record, attempt.miss)},
    {"seconds", offsetof(struct autoquant_record, seconds)},
};

/* --- Writing */

static void add_record(struct json *json, cJSON *array, const struct autoquant *a, size_t index)
{
    const struct autoquant_record *record = &a->records[index];
    cJSON *object = json_item(json, array);
    char directory[32];
    snprintf(directory, sizeof(directory), "attempt-%02zu", index + 1);
    json_string(json, object, "directory", directory);
    json_string(json, object, "type", a->search.types[record->attempt.type]->name);
    json_string(json, object, "method", a->search.methods[record->attempt.method].name);
    json_number(json, object, "calibration_seconds", record->attempt.seconds);
    json_number(json, object, "mix", record->attempt.mix);
    json_number(json, object, "wider_tensors", (double)record->wider);
    json_number(json, object, "model_bytes", (double)record->model_bytes);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        json_number(json, object, numbers[i].name,
                    *(const double *)((const char *)record + numbers[i].offset));
    json_bool(json, object, "passed", record->attempt.passed);
    json_bool(json, object, "only_too_slow", record->attempt.slow);
    json_string(json, object, "missed", record->why);
    json_string(json, object, "fingerprint", record->fingerprint);
}

static void add_decision(struct json *json, cJSON *to, const struct autoquant_decision *decision)
{
    cJSON *object = json_object(json, to, "decision");
    json_string(json, object, "step", step_names[decision->step]);
    json_string(json, object, "reason", decision->reason);
}

static void add_end(struct json *json, const struct autoquant *a,
                    const struct autoquant_attempt *attempts, enum autoquant_step step)
{
    struct text advice = {0};
    size_t closest = 0;
    json_string(json, json->root, "state",
                step == AUTOQUANT_PASSED   ? "passed"
                : step == AUTOQUANT_FAILED ? "nothing passes"
                                           : "not finished");
    if (step == AUTOQUANT_PASSED) {
        json_number(json, json->root, "chosen", (double)a->n_records);
        json_string(json, json->root, "model", AUTOQUANT_MODEL);
    } else if (step == AUTOQUANT_FAILED) {
        autoquant_advise(&a->search, attempts, a->n_records, &closest, &advice);
        json->failed |= advice.failed;
        json_number(json, json->root, "closest", (double)closest + 1);
        cJSON *array = json_array(json, json->root, "what_to_try");
        char *state = NULL;
        for (char *line = advice.bytes ? strtok_r(advice.bytes, "\n", &state) : NULL; line;
             line = strtok_r(NULL, "\n", &state))
            json_element(json, array, line);
    }
    text_deinit(&advice);
}

int autoquant_write_summary(const struct autoquant *a)
{
    struct autoquant_decision decision;
    struct autoquant_attempt *attempts = calloc(a->n_records + 1, sizeof(*attempts));
    struct json json;
    json_begin(&json);
    json.failed |= !attempts ||
                   !cJSON_AddItemToObject(json.root, "search", cJSON_Duplicate(a->identity, true));
    cJSON *array = json_array(&json, json.root, "attempts");
    if (attempts)
        autoquant_decide(&a->search, attempts, 0, &decision);
    for (size_t i = 0; i < a->n_records && attempts; i++) {
        attempts[i] = a->records[i].attempt;
        add_record(&json, array, a, i);
        autoquant_decide(&a->search, attempts, i + 1, &decision);
        add_decision(&json, cJSON_GetArrayItem(array, (int)i), &decision);
    }
    if (attempts)
        add_end(&json, a, attempts, decision.step);
    int status = autoquant_write_json(a, 0, AUTOQUANT_SUMMARY, &json);
    json_end(&json);
    free(attempts);
    return status;
}

/* --- Reading */

static bool get_string(const cJSON *object, const char *key, char *out, size_t size)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return value && (size_t)snprintf(out, size, "%s", value) < size;
}

static bool get_number(const cJSON *object, const char *key, double *out)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsNumber(item))
        return false;
    *out = item->valuedouble;
    return true;
}

static bool read_results(const cJSON *object, struct autoquant_record *record)
{
    const cJSON *passed = cJSON_GetObjectItemCaseSensitive(object, "passed");
    const cJSON *slow = cJSON_GetObjectItemCaseSensitive(object, "only_too_slow");
    bool whole = cJSON_IsBool(passed) && cJSON_IsBool(slow);
    record->attempt.passed = cJSON_IsTrue(passed);
    record->attempt.slow = cJSON_IsTrue(slow);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        whole = whole &&
                get_number(object, numbers[i].name, (double *)((char *)record + numbers[i].offset));
    return whole &&
           json_u64(cJSON_GetObjectItemCaseSensitive(object, "model_bytes"),
                    &record->model_bytes) &&
           json_u64(cJSON_GetObjectItemCaseSensitive(object, "wider_tensors"), &record->wider) &&
           get_string(object, "missed", record->why, sizeof(record->why)) &&
           get_string(object, "fingerprint", record->fingerprint, sizeof(record->fingerprint));
}

/* Whether the attempt is the one that would be made now. */
static bool is_attempt(const struct autoquant *a, const cJSON *object,
                       const struct autoquant_attempt *attempt)
{
    char type[16], method[16];
    double seconds, mix;
    return get_string(object, "type", type, sizeof(type)) &&
           get_string(object, "method", method, sizeof(method)) &&
           get_number(object, "calibration_seconds", &seconds) && get_number(object, "mix", &mix) &&
           !strcmp(type, a->search.types[attempt->type]->name) &&
           !strcmp(method, a->search.methods[attempt->method].name) &&
           seconds == attempt->seconds && mix == attempt->mix;
}

static bool model_is_there(const struct autoquant *a, const struct autoquant_record *record)
{
    char path[AUTOQUANT_PATH];
    struct stat info;
    return autoquant_path(a, 0, AUTOQUANT_MODEL, path) && stat(path, &info) == 0 &&
           S_ISREG(info.st_mode) && (uint64_t)info.st_size == record->model_bytes;
}

static bool read_record(const struct autoquant *a, const cJSON *object,
                        const struct autoquant_attempt *attempt, size_t number,
                        struct autoquant_record *record)
{
    char fingerprint[17];
    *record = (struct autoquant_record){.attempt = *attempt};
    return is_attempt(a, object, attempt) && read_results(object, record) &&
           autoquant_fingerprint(a, number, fingerprint) &&
           !strcmp(fingerprint, record->fingerprint) &&
           (!record->attempt.passed || model_is_there(a, record));
}

/* As far as they follow from one another. */
static int read_records(struct autoquant *a, const cJSON *list)
{
    int n = cJSON_GetArraySize(list), status = EXIT_SUCCESS;
    struct autoquant_attempt *attempts = calloc((size_t)n + 1, sizeof(*attempts));
    a->records = calloc((size_t)n + 1, sizeof(*a->records));
    a->capacity = (size_t)n + 1;
    if (!attempts || !a->records) {
        report_error(a->report, "out of memory");
        status = EXIT_FAILURE;
    }
    for (int i = 0; i < n && status == EXIT_SUCCESS; i++) {
        struct autoquant_decision decision;
        autoquant_decide(&a->search, attempts, a->n_records, &decision);
        struct autoquant_record *record = &a->records[a->n_records];
        if (decision.step >= AUTOQUANT_PASSED ||
            !read_record(a, cJSON_GetArrayItem(list, i), &decision.next, a->n_records + 1, record))
            break;
        attempts[a->n_records++] = record->attempt;
    }
    free(attempts);
    return status;
}

/* NULL: they are the same. */
static const char *difference(const cJSON *was, const cJSON *is)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, is)
    {
        const cJSON *other = cJSON_GetObjectItemCaseSensitive(was, item->string);
        if (!other || !cJSON_Compare(other, item, true))
            return item->string;
    }
    return NULL;
}

static int read_summary(struct autoquant *a, const char *path)
{
    char *text;
    size_t size;
    cJSON *json = NULL;
    int status = EXIT_FAILURE;
    if (file_load(&a->log, path, MAX_SUMMARY, &text, &size) != OK)
        return EXIT_FAILURE;
    if (json_parse(&a->log, path, text, size, &json) == OK) {
        const char *key = difference(cJSON_GetObjectItemCaseSensitive(json, "search"), a->identity);
        if (key)
            report_error(a->report,
                         "%s: is of a search with another \"%s\"; repeat that search's options "
                         "(they are in the file), or choose another directory",
                         path, key);
        else
            status = read_records(a, cJSON_GetObjectItemCaseSensitive(json, "attempts"));
    }
    cJSON_Delete(json);
    free(text);
    return status;
}

/* 1: yes, 0: no, -1: cannot be read, told. */
static int is_empty(struct autoquant *a)
{
    DIR *directory = opendir(a->directory);
    int n = 0;
    if (!directory) {
        report_error(a->report, "%s: %s", a->directory, strerror(errno));
        return -1;
    }
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return n == 0;
}

int autoquant_resume(struct autoquant *a)
{
    char path[AUTOQUANT_PATH];
    if (!autoquant_path(a, 0, AUTOQUANT_SUMMARY, path))
        return EXIT_FAILURE;
    if (path_exists(path))
        return read_summary(a, path);
    int empty = is_empty(a);
    if (empty == 0)
        report_error(a->report,
                     "%s: is not empty, and holds no " AUTOQUANT_SUMMARY
                     " of an earlier call; choose a new or an empty directory",
                     a->directory);
    return empty == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
