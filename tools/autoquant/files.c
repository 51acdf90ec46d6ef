/* SPDX-License-Identifier: MIT
 *
 * What an attempt leaves in its directory.
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/file.h"
#include "tools/autoquant/autoquant.h"
#include "tools/evaluation/hash.h"

#define MAX_FILE (64u << 20) /* bytes of JSON */

bool autoquant_path(const struct autoquant *a, size_t number, const char *name,
                    char path[AUTOQUANT_PATH])
{
    char attempt[32] = "";
    if (number > 0)
        snprintf(attempt, sizeof(attempt), "/attempt-%02zu", number);
    int length = snprintf(path, AUTOQUANT_PATH, "%s%s%s%s", a->directory, attempt, name ? "/" : "",
                          name ? name : "");
    if (length > 0 && length < AUTOQUANT_PATH)
        return true;
    report_error(a->report, "%s: the path is too long", a->directory);
    return false;
}

void autoquant_statistics_name(double seconds, char name[64])
{
    snprintf(name, 64, "statistics-%.0fs.gguf", seconds);
}

int autoquant_write_json(const struct autoquant *a, size_t number, const char *name,
                         struct json *json)
{
    char path[AUTOQUANT_PATH];
    struct file_out out = {.fd = -1};
    char *text = json->failed ? NULL : cJSON_Print(json->root);
    enum status status = ERROR_MEMORY;
    if (!text)
        report_error(a->report, "out of memory");
    else if (autoquant_path(a, number, name, path))
        status = file_create(&a->log, path, &out);
    if (!status)
        status = file_append(&out, text, strlen(text));
    if (!status)
        status = file_append(&out, "\n", 1);
    if (!status)
        status = file_commit(&out);
    file_discard(&out);
    cJSON_free(text);
    return status ? EXIT_FAILURE : EXIT_SUCCESS;
}

bool autoquant_fingerprint(const struct autoquant *a, size_t number, char out[17])
{
    static const char *const names[] = {AUTOQUANT_CONFIG, AUTOQUANT_REPORT};
    const struct log silent = {0};
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[AUTOQUANT_PATH], *text;
        size_t size;
        if (!autoquant_path(a, number, names[i], path) ||
            file_load(&silent, path, MAX_FILE, &text, &size) != OK)
            return false;
        hash = hash_bytes(hash, text, size);
        free(text);
    }
    snprintf(out, 17, "%016" PRIx64, hash);
    return true;
}

static void add_rules(struct json *json, const struct autoquant *a,
                      const struct quantize_options *options)
{
    cJSON *array = json_array(json, json->root, "tensors");
    size_t n_wider = options->n_rules - a->n_rules; /* the user's come last */
    for (size_t i = 0, at = 0; i < options->n_rules; i++) {
        const struct quantize_rule *rule = &options->rules[i];
        cJSON *object = json_item(json, array);
        json_string(json, object, "pattern", rule->pattern);
        json_string(json, object, "type", rule->type->name);
        if (i >= n_wider)
            continue;
        while (strcmp(a->mix.tensors[at].name, rule->pattern) != 0)
            at++;
        for (uint32_t type = 0; type < a->search.n_types; type++)
            if (a->search.types[type] == options->type)
                json_number(json, object, "damage", a->mix.tensors[at].damage[type]);
    }
}

static void add_groups(struct json *json, const struct quantize_summary *summary)
{
    cJSON *array = json_array(json, json->root, "groups");
    for (uint32_t i = 0; i < summary->n_groups; i++) {
        const struct quantize_group *group = &summary->groups[i];
        cJSON *object = json_item(json, array);
        json_string(json, object, "group", group->name);
        json_string(json, object, "type", tensor_type_info(group->type)->name);
        json_number(json, object, "tensors", (double)group->tensors);
        json_number(json, object, "weights", (double)group->elements);
        json_number(json, object, "bytes", (double)group->bytes);
    }
}

int autoquant_write_config(const struct autoquant *a, size_t number,
                           const struct autoquant_attempt *attempt,
                           const struct quantize_options *options,
                           const struct quantize_summary *summary)
{
    struct json json;
    char statistics[64];
    json_begin(&json);
    json_string(&json, json.root, "checkpoint", a->checkpoint);
    json_string(&json, json.root, "type", options->type->name);
    json_string(&json, json.root, "method", a->search.methods[attempt->method].name);
    json_number(&json, json.root, "calibration_seconds", attempt->seconds);
    if (attempt->seconds > 0) {
        autoquant_statistics_name(attempt->seconds, statistics);
        json_string(&json, json.root, "statistics", statistics);
    }
    json_number(&json, json.root, "mix", attempt->mix);
    add_rules(&json, a, options);
    add_groups(&json, summary);
    int status = autoquant_write_json(a, number, AUTOQUANT_CONFIG, &json);
    json_end(&json);
    return status;
}

int autoquant_write_report(const struct autoquant *a, size_t number,
                           const struct validation *validation)
{
    struct json json = {.root = validation_json(validation)};
    json.failed = !json.root;
    int status = autoquant_write_json(a, number, AUTOQUANT_REPORT, &json);
    json_end(&json);
    return status;
}
