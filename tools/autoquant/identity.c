/* SPDX-License-Identifier: MIT
 *
 * What a search is about: a call goes on with the work of an earlier one only where all of it is
 * the same.
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/autoquant/autoquant.h"
#include "tools/evaluation/dataset.h"
#include "tools/evaluation/fingerprint.h"
#include "tools/evaluation/hash.h"
#include "tools/evaluation/normalize.h"

/* Name, size and time of the last change of a regular file. */
static uint64_t hash_file(uint64_t hash, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return hash;
    const uint64_t numbers[] = {(uint64_t)info.st_size, (uint64_t)info.st_mtim.tv_sec,
                                (uint64_t)info.st_mtim.tv_nsec};
    hash = hash_bytes(hash, path, strlen(path) + 1);
    return hash_bytes(hash, numbers, sizeof(numbers));
}

static void add_hash(struct json *json, cJSON *to, uint64_t hash)
{
    char text[17];
    snprintf(text, sizeof(text), "%016" PRIx64, hash);
    json_string(json, to, "fingerprint", text);
}

static bool add_checkpoint(const struct autoquant *a, struct json *json)
{
    uint64_t hash;
    cJSON *object = json_object(json, json->root, "checkpoint");
    if (fingerprint_model(&a->log, a->checkpoint, NULL, &hash) != OK)
        return false;
    json_string(json, object, "path", a->checkpoint);
    add_hash(json, object, hash);
    return true;
}

static bool add_data(const struct autoquant *a, struct json *json)
{
    struct dataset set;
    cJSON *object = json_object(json, json->root, "data");
    if (dataset_open(&a->log, a->options->data, &set) != OK)
        return false;
    json_string(json, object, "path", a->options->data);
    json_number(json, object, "utterances", (double)set.n);
    add_hash(json, object, dataset_fingerprint(&set));
    dataset_deinit(&set);
    return true;
}

static void add_calibration(const struct autoquant *a, struct json *json)
{
    const struct option_list *places = &a->options->calibrate;
    uint64_t hash = HASH_START;
    if (places->n == 0)
        return;
    cJSON *object = json_object(json, json->root, "calibration");
    cJSON *array = json_array(json, object, "paths");
    for (size_t i = 0; i < places->n; i++)
        json_element(json, array, places->items[i]);
    for (size_t i = 0; i < a->recordings.n; i++)
        hash = hash_file(hash, a->recordings.paths[i]);
    json_number(json, object, "seconds", a->search.most_seconds);
    json_number(json, object, "first_seconds", a->search.first_seconds);
    add_hash(json, object, hash);
}

static void add_search(const struct autoquant *a, struct json *json)
{
    cJSON *types = json_array(json, json->root, "types");
    cJSON *methods = json_array(json, json->root, "methods");
    cJSON *tensors = json_array(json, json->root, "tensor");
    for (uint32_t i = 0; i < a->search.n_types; i++)
        json_element(json, types, a->search.types[i]->name);
    for (uint32_t i = 0; i < a->search.n_methods; i++)
        json_element(json, methods, a->search.methods[i].name);
    for (size_t i = 0; i < a->options->tensors.n; i++)
        json_element(json, tensors, a->options->tensors.items[i]);
}

static void add_validation(const struct autoquant *a, struct json *json)
{
    const struct model_options *model = &a->options->model;
    cJSON *limits = json_object(json, json->root, "limits");
    json_number(json, limits, "max_wer_increase", a->options->limits.max_wer_increase);
    json_number(json, limits, "max_perplexity_increase",
                a->options->limits.max_perplexity_increase);
    json_number(json, limits, "max_kl", a->options->limits.max_kl);
    json_number(json, limits, "min_speed", a->options->limits.min_speed);
    json_number(json, json->root, "limit", (double)a->options->max_utterances);
    json_string(json, json->root, "normalize", normalize_choices[a->options->normalize]);
    json_number(json, json->root, "slots", (double)a->options->slots);
    json_string(json, json->root, "device", model->device ? model->device : "");
    json_string(json, json->root, "kernels", model->kernels ? model->kernels : "");
    json_string(json, json->root, "kv", model->kv < 0 ? "" : model_kv_types[model->kv]);
}

int autoquant_identify(struct autoquant *a)
{
    struct json json;
    json_begin(&json);
    bool whole = add_checkpoint(a, &json) && add_data(a, &json);
    add_calibration(a, &json);
    add_search(a, &json);
    add_validation(a, &json);
    if (whole && json.failed)
        report_error(a->report, "out of memory");
    if (!whole || json.failed) {
        json_end(&json);
        return EXIT_FAILURE;
    }
    a->identity = json.root;
    return EXIT_SUCCESS;
}
