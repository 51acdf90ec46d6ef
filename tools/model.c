/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "tools/model.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/tensor.h"
#include "stream/score.h"
#include "tools/interrupt.h"
#include "tools/program.h"

const char *const model_kv_types[] = {"f32", "f16", "q8", NULL};

const char *model_kv_name(const struct model_options *options)
{
    return model_kv_types[options->kv < 0 ? STAPES_KV_F16 - 1 : options->kv];
}

const char *model_kernels_name(const struct model_options *options)
{
    return options->kernels ? options->kernels : "default";
}

#define SMALL_MODEL_BYTES (32u << 20)

/* The demo model lies beside the program in a build tree, in ../share where it is installed. */
static bool find_demo(char *path, size_t size)
{
    static const char *const places[] = {"../share/stapes/demo.gguf", "demo.gguf"};
    return program_find(places, COUNT_OF(places), R_OK, path, size);
}

/* $XDG_CACHE_HOME/stapes or ~/.cache/stapes, with the directories above it made. */
static const char *default_cache(char *path, size_t size)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n;
    if (base && base[0] == '/') {
        n = snprintf(path, size, "%s/stapes", base);
    } else if (home && home[0] == '/') {
        n = snprintf(path, size, "%s/.cache", home);
        if (n > 0 && (size_t)n < size)
            mkdir(path, 0700);
        n = snprintf(path, size, "%s/.cache/stapes", home);
    } else {
        return NULL;
    }
    return n > 0 && (size_t)n < size ? path : NULL;
}

/* Mesa's CPU driver hands every dispatch to its threads and waits for them, which takes longer than
 * what a small model computes in it: there it is told to compute on our own thread. The driver
 * reads the variable when it is loaded. */
static void tune_cpu_driver(const char *path, const struct source_beside *beside, uint32_t slots)
{
    const struct log silent = {0};
    struct source *source;
    uint64_t bytes = 0;
    if (source_open_beside(&silent, path, beside, &source) != OK)
        return; /* opening the model will tell */
    for (uint32_t i = 0; i < source_count(source); i++)
        bytes += source_tensor(source, i)->bytes;
    source_close(&source);
    if (bytes * slots < SMALL_MODEL_BYTES)
        setenv("LP_NUM_THREADS", "0", 0);
}

const char *const model_tune_choices[] = {
    [STAPES_TUNE_AUTO] = "auto", [STAPES_TUNE_ON] = "on", [STAPES_TUNE_OFF] = "off", NULL};

static int show_loading(void *user, uint64_t done, uint64_t total)
{
    report_progress(user, "loading", done, total);
    return !interrupt_pending();
}

const char *model_path(struct report *report, const struct model_options *options, char *buffer,
                       size_t size)
{
    if (options->path)
        return options->path;
    if (find_demo(buffer, size))
        return buffer;
    report_error(report, "the demo model is not installed; name a model with --model");
    return NULL;
}

int model_open_for(struct report *report, const struct model_options *options,
                   const struct model_use *use, stapes_model **model)
{
    char demo[PATH_MAX], cache[PATH_MAX];
    struct stapes_model_params params = {
        .path = model_path(report, options, demo, sizeof(demo)),
        .mimi = options->mimi,
        .tokenizer = options->tokenizer,
        .device = options->device,
        .slots = use->slots,
        .cache_dir = options->cache_dir,
        .memory_limit_bytes = options->max_memory,
        .kernels = options->kernels,
        .tune = (enum stapes_tune)options->tune,
        .kv_type = options->kv < 0 ? STAPES_KV_DEFAULT : (enum stapes_kv_type)(options->kv + 1),
        .log = report_library,
        .log_user = report,
        .progress = show_loading,
        .progress_user = report,
        .validation = options->validation,
        .trace = use->trace,
        .timed = use->timed,
    };
    if (!params.path)
        return EXIT_FAILURE;
    if (!params.cache_dir)
        params.cache_dir = default_cache(cache, sizeof(cache));
    else if (strcmp(params.cache_dir, "none") == 0)
        params.cache_dir = NULL;

    if (!use->same_driver)
        tune_cpu_driver(params.path, &(struct source_beside){params.mimi, params.tokenizer},
                        use->slots);
    uint32_t errors = report->errors;
    int status;
    if (use->capture)
        status = capture_open(&params, use->capture, use->user, model);
    else if (use->scoring)
        status = score_open(&params, model);
    else
        status = stapes_model_open(&params, model);
    report_clear(report);
    if (status == STAPES_OK)
        return EXIT_SUCCESS;
    if (interrupt_pending())
        return EXIT_INTERRUPTED;
    if (report->errors == errors)
        report_error(report, "%s: %s", params.path, stapes_status_text(status));
    return EXIT_FAILURE;
}

int model_open(struct report *report, const struct model_options *options, uint32_t slots,
               bool trace, stapes_model **model)
{
    return model_open_for(report, options, &(struct model_use){.slots = slots, .trace = trace},
                          model);
}

int model_close(struct report *report, const struct model_options *options, stapes_model **model)
{
    struct stapes_model_info info;
    stapes_model_get_info(*model, &info);
    uint32_t errors = report->errors;
    stapes_model_close(model);
    uint32_t messages = info.validation_messages + report->errors - errors;
    if (!options->validation || messages == 0)
        return EXIT_SUCCESS;
    report_error(report, "%u messages of the validation layers", messages);
    return EXIT_FAILURE;
}
