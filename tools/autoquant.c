/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "tools/autoquant/autoquant.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/file.h"
#include "tools/audio.h"
#include "tools/commands.h"
#include "tools/evaluation/normalize.h"

#define DEFAULT_TYPES "q4_0,q4_k,q5_0,q6_k,q8_0,f16"
#define DEFAULT_METHODS "naive,mse,imatrix,gptq,awq"

enum { FIRST_SECONDS = 120 };

/* By cost. */
static const struct {
    struct autoquant_method method;
    enum quantize_method how;
} methods[] = {
    {{"naive", false}, QUANTIZE_NAIVE},    {{"mse", false}, QUANTIZE_MSE},
    {{"imatrix", true}, QUANTIZE_IMATRIX}, {{"gptq", true}, QUANTIZE_GPTQ},
    {{"awq", true}, QUANTIZE_AWQ},
};

/* Calls `each` for every name between commas; false as soon as one is false. */
static bool each_name(struct autoquant *a, const char *list,
                      bool (*each)(struct autoquant *a, const char *name))
{
    char name[16];
    while (true) {
        size_t length = strcspn(list, ",");
        snprintf(name, sizeof(name), "%.*s", (int)length, list);
        if (!each(a, length < sizeof(name) ? name : ""))
            return false;
        if (!list[length])
            return true;
        list += length + 1;
    }
}

static bool add_type(struct autoquant *a, const char *name)
{
    struct autoquant_search *search = &a->search;
    const struct tensor_type_info *type = tensor_type_by_name(name);
    uint32_t at = search->n_types;
    bool twice = false;
    for (uint32_t i = 0; i < search->n_types; i++)
        twice = twice || search->types[i] == type;
    if (!type || !type->runs || twice || at == AUTOQUANT_MAX_TYPES) {
        options_error(&autoquant_command,
                      "--types takes types that stapes runs, each once and with commas between "
                      "them (" DEFAULT_TYPES ", ...), not \"%s\"",
                      a->options->types);
        return false;
    }
    for (; at > 0 && autoquant_bits(search->types[at - 1]) > autoquant_bits(type); at--)
        search->types[at] = search->types[at - 1];
    search->types[at] = type;
    search->n_types++;
    return true;
}

static bool check_method(struct autoquant *a, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if (strcmp(methods[i].method.name, name) != 0)
            continue;
        if (!methods[i].method.calibrated || a->options->calibrate.n > 0)
            return true;
        options_error(&autoquant_command, "--calibrate is missing: %s needs recordings of speech",
                      name);
        return false;
    }
    options_error(&autoquant_command,
                  "--methods takes names of " DEFAULT_METHODS
                  " with commas between them, not \"%s\"",
                  a->options->methods);
    return false;
}

static bool is_listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += length)
        if ((at == list || at[-1] == ',') && (at[length] == ',' || !at[length]))
            return true;
    return false;
}

static bool choose_methods(struct autoquant *a)
{
    const char *list = a->options->methods;
    if (list && !each_name(a, list, check_method))
        return false;
    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if (list ? !is_listed(list, methods[i].method.name)
                 : methods[i].method.calibrated && a->options->calibrate.n == 0)
            continue;
        a->methods[a->search.n_methods] = methods[i].how;
        a->search.methods[a->search.n_methods++] = methods[i].method;
    }
    return true;
}

/* PATTERN=TYPE. The pattern is freed in the end. */
static bool add_rule(struct autoquant *a, const char *text)
{
    const char *equals = strrchr(text, '=');
    const struct tensor_type_info *type = equals ? tensor_type_by_name(equals + 1) : NULL;
    if (!type || !type->runs || equals == text) {
        options_error(&autoquant_command,
                      "--tensor takes PATTERN=TYPE with a type that stapes runs, not \"%s\"", text);
        return false;
    }
    char *pattern = strndup(text, (size_t)(equals - text));
    if (!pattern) {
        report_error(a->report, "out of memory");
        return false;
    }
    a->rules[a->n_rules++] = (struct quantize_rule){pattern, type};
    return true;
}

static bool parse(struct autoquant *a)
{
    if (!each_name(a, a->options->types, add_type) || !choose_methods(a))
        return false;
    for (size_t i = 0; i < a->options->tensors.n; i++)
        if (!add_rule(a, a->options->tensors.items[i]))
            return false;
    return true;
}

/* How much there is to calibrate with. */
static int measure_recordings(struct autoquant *a)
{
    const struct option_list *places = &a->options->calibrate;
    if (places->n == 0)
        return EXIT_SUCCESS;
    if (recordings_find(a->report, places->items, places->n, 0, &a->recordings) != 0)
        return EXIT_FAILURE;
    a->search.most_seconds = ceil((double)a->recordings.samples / AUDIO_RATE);
    a->search.first_seconds = fmin((double)a->options->seconds, a->search.most_seconds);
    if (a->search.most_seconds > 0)
        return EXIT_SUCCESS;
    report_error(a->report, "%s: no recording has sound of a known length", places->items[0]);
    return EXIT_FAILURE;
}

static bool is_within(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    return !strncmp(path, directory, length) && (path[length] == '/' || !path[length]);
}

static bool resolve(struct autoquant *a, const char *path, char out[AUTOQUANT_PATH])
{
    char *real = realpath(path, NULL);
    bool fits = real && (size_t)snprintf(out, AUTOQUANT_PATH, "%s", real) < AUTOQUANT_PATH;
    if (!fits)
        report_error(a->report, "%s: %s", path, real ? "the path is too long" : strerror(errno));
    free(real);
    return fits;
}

static bool check_places(struct autoquant *a)
{
    char checkpoint[AUTOQUANT_PATH];
    if (!resolve(a, a->options->output, a->directory) || !resolve(a, a->checkpoint, checkpoint))
        return false;
    if (!path_is_directory(a->directory))
        report_error(a->report, "%s: is not a directory", a->options->output);
    else if (is_within(a->directory, checkpoint) || is_within(checkpoint, a->directory))
        report_error(a->report,
                     "%s: the checkpoint and the output lie in one another; choose another "
                     "directory for the output",
                     a->options->output);
    else
        return true;
    return false;
}

static int open_directory(struct autoquant *a)
{
    bool made = mkdir(a->options->output, 0777) == 0;
    if (!made && errno != EEXIST) {
        report_error(a->report, "%s: %s", a->options->output, strerror(errno));
        return EXIT_FAILURE;
    }
    if (check_places(a))
        return EXIT_SUCCESS;
    if (made)
        (void)rmdir(a->options->output);
    return EXIT_FAILURE;
}

/* What was seen while quantizing says little about what was not. */
static void warn_of_same_data(struct autoquant *a)
{
    const struct option_list *places = &a->options->calibrate;
    char *data = realpath(a->options->data, NULL);
    for (size_t i = 0; i < places->n; i++) {
        char *place = realpath(places->items[i], NULL);
        if (data && place && !strcmp(data, place))
            report_warning(a->report,
                           "%s: is both --data and --calibrate, so that losses look smaller than "
                           "they are on other recordings",
                           places->items[i]);
        free(place);
    }
    free(data);
}

static enum status accept(void *user, const struct quantize_tensor *tensor)
{
    (void)user;
    (void)tensor;
    return OK;
}

/* So that what is wrong with it is told before anything is run. */
static int check_checkpoint(struct autoquant *a)
{
    const struct quantize_options options = {
        .type = a->search.types[0], .rules = a->rules, .n_rules = a->n_rules};
    uint32_t errors = a->report->errors;
    enum status status = quantize_list(&a->log, a->checkpoint, &options, accept, NULL);
    if (!status)
        return EXIT_SUCCESS;
    if (a->report->errors == errors)
        report_error(a->report, "%s: %s", a->checkpoint, status_text(status));
    return EXIT_FAILURE;
}

static void set_validation(struct autoquant *a)
{
    const struct autoquant_options *options = a->options;
    a->validate = (struct validate_options){
        .report = a->report,
        .reference = a->checkpoint,
        .data = options->data,
        .model = options->model,
        .normalize = (enum normalize)options->normalize,
        .slots = (uint32_t)options->slots,
        .max_utterances = (uint64_t)options->max_utterances,
        .scratch = a->directory,
        .limits = options->limits,
    };
}

static int search(struct autoquant *a)
{
    int status = check_checkpoint(a);
    if (status == EXIT_SUCCESS)
        status = measure_recordings(a);
    if (status == EXIT_SUCCESS)
        status = autoquant_identify(a);
    if (status == EXIT_SUCCESS)
        status = open_directory(a);
    if (status == EXIT_SUCCESS)
        status = autoquant_resume(a);
    if (status != EXIT_SUCCESS)
        return status;
    warn_of_same_data(a);
    set_validation(a);
    return autoquant_run(a);
}

static void deinit(struct autoquant *a)
{
    validate_reference_destroy(&a->reference);
    mix_deinit(&a->mix);
    recordings_deinit(&a->recordings);
    cJSON_Delete(a->identity);
    free(a->records);
    for (size_t i = 0; i < a->n_rules; i++)
        free((char *)a->rules[i].pattern);
    free(a);
}

static int run(const void *values, int n_operands, char **operands)
{
    const struct autoquant_options *options = values;
    struct report report;
    (void)n_operands;
    if (!options->data)
        return options_error(&autoquant_command,
                             "--data is missing: recordings and what is said in them");
    if (!options->output)
        return options_error(&autoquant_command, "--output is missing: a directory to write");
    report_init(&report, options->model.quiet, options->model.verbose);
    struct autoquant *a = calloc(1, sizeof(*a));
    if (!a) {
        report_error(&report, "out of memory");
        return EXIT_FAILURE;
    }
    a->options = options;
    a->checkpoint = operands[0];
    a->report = &report;
    a->log = report_log(&report);
    int status = parse(a) ? search(a) : EXIT_USAGE;
    deinit(a);
    return status;
}

static const struct option_row rows[] = {
    {.name = "data",
     .kind = OPTION_STRING,
     .offset = offsetof(struct autoquant_options, data),
     .value = "PATH",
     .help = "The recordings to validate with and what is said in them, as for stapes eval: a "
             "directory in LibriSpeech's layout or of pairs of sound and text, or a manifest."},
    {.name = "calibrate",
     .kind = OPTION_LIST,
     .offset = offsetof(struct autoquant_options, calibrate),
     .value = "DIR|FILE",
     .help = "Recordings of speech to gather statistics from, other ones than those of --data; no "
             "texts are needed. May be given up to 64 times. Without it only methods that need "
             "none are tried."},
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_STRING,
     .offset = offsetof(struct autoquant_options, output),
     .value = "OUT_DIR",
     .help = "The directory to write: new, empty, or that of a call that was cut off, which goes "
             "on then."},
    {.name = "types",
     .kind = OPTION_STRING,
     .offset = offsetof(struct autoquant_options, types),
     .value = "LIST",
     .help = "The types that are allowed, with commas between them; they are tried by their bits a "
             "weight. Default: " DEFAULT_TYPES "."},
    {.name = "methods",
     .kind = OPTION_STRING,
     .offset = offsetof(struct autoquant_options, methods),
     .value = "LIST",
     .help = "The methods that are allowed, with commas between them; the cheapest is tried first. "
             "Default: " DEFAULT_METHODS "; without --calibrate naive,mse."},
    {.name = "tensor",
     .kind = OPTION_LIST,
     .offset = offsetof(struct autoquant_options, tensors),
     .value = "PATTERN=TYPE",
     .help = "The type of the tensors whose names the PATTERN matches, in all attempts, as for "
             "stapes quantize. May be given up to 64 times; the last one that matches wins."},
    {.name = "calibration-seconds",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct autoquant_options, seconds),
     .value = "N",
     .min = 1,
     .max = 1000000000,
     .help = "Seconds of sound to calibrate with at first; doubled where that may help. Default: "
             "120."},
    {.name = "memory",
     .kind = OPTION_SIZE,
     .offset = offsetof(struct autoquant_options, memory_bytes),
     .value = "SIZE",
     .help = "Memory for Gram matrices while statistics are gathered. Default: 4G."},
    {.name = "max-wer-increase",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct autoquant_options, limits.max_wer_increase),
     .value = "POINTS",
     .min = 0,
     .max = 1000,
     .help = "By how many percentage points the word error rate may exceed the checkpoint's. "
             "Default: 2."},
    {.name = "max-perplexity-increase",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct autoquant_options, limits.max_perplexity_increase),
     .value = "PERCENT",
     .min = 0,
     .max = 1000000,
     .help = "By how many percent the perplexity may exceed the checkpoint's, over the steps with "
             "text. Default: 2."},
    {.name = "max-kl",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct autoquant_options, limits.max_kl),
     .value = "NATS",
     .min = 0,
     .max = 1000,
     .help = "How large the mean KL divergence from the checkpoint's distributions may be, over "
             "the steps "
             "with text. It changes less by chance than the others; with few recordings it is the "
             "limit to set. Default: 0, no limit."},
    {.name = "min-speed",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct autoquant_options, limits.min_speed),
     .value = "TIMES",
     .min = 0,
     .max = 1000,
     .help = "How many times as many frames a second as the checkpoint it must make. A miss is "
             "excused where measurements show that this device cannot do better. Default: 1.5."},
    {.name = "limit",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct autoquant_options, max_utterances),
     .value = "N",
     .min = 1,
     .max = INT32_MAX,
     .help = "Validate with the first N recordings only. Default: all."},
    SLOTS_OPTION_ROW(
        struct autoquant_options, slots,
        "How many recordings run side by side while validating, 1 to 2048. Default: 8, or as "
        "many as there are."),
    {.name = "normalize",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct autoquant_options, normalize),
     .value = "HOW",
     .choices = normalize_choices,
     .help = "How texts are made comparable before errors are counted: english, basic or none, as "
             "for stapes eval. Default: english."},
    {.name = "keep",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct autoquant_options, keep),
     .help = "Keep the models of all attempts. Without it only that which passes stays."},
    DEVICE_OPTION_ROWS(struct autoquant_options),
};

static const struct help_section sections[] = {
    {"Description",
     "Looks for the smallest quantization of a CHECKPOINT (a directory as downloaded, or a GGUF "
     "file) that loses no more than the limits allow. An attempt is made with stapes quantize's "
     "means and measured as by stapes validate. The first one is the smallest type with the "
     "cheapest method; then come better methods, more calibration data, mixed precision (the most "
     "damaged tensors in wider types) and wider types, until one attempt passes or none is left. "
     "docs/autoquant.md has the rules.\n\n"
     "Standard output gets a row an attempt: seconds of calibration data, tensors that are wider "
     "than the type, megabytes, bits a weight of the language model, word error rate and by how "
     "many points it is above the checkpoint's; over the steps with text the increase of the "
     "perplexity, the mean KL divergence and the agreement of the likeliest tokens; and which "
     "limits were missed."},
    {"Files", "  OUT_DIR/model.gguf                           the model that passes\n"
              "  OUT_DIR/quantization_summary.json            all attempts, and why each was made\n"
              "  OUT_DIR/attempt-NN/quantization_config.json  what was asked for\n"
              "  OUT_DIR/attempt-NN/validation_report.json    what was measured\n"
              "  OUT_DIR/attempt-NN/model.gguf                with --keep\n"
              "  OUT_DIR/statistics-NNs.gguf                  of NN s of calibration data"},
    {"Going on",
     "The same call goes on after the last attempt whose files are there. With another checkpoint, "
     "other recordings or other options it is refused."},
    {"When nothing passes", "The exit status is 3, and standard error tells what to try next, from "
                            "what was measured."},
    {"Examples", "  stapes autoquant stt-1b-en_fr --data dev-clean --calibrate train-sample \\\n"
                 "      -o stt-1b-auto --max-wer-increase 0.5"},
};

const struct command autoquant_command = {
    .name = "autoquant",
    .summary = "the smallest quantization that passes",
    .operands = "CHECKPOINT",
    .min_operands = 1,
    .max_operands = 1,
    .options = rows,
    .n_options = COUNT_OF(rows),
    .sections = sections,
    .n_sections = COUNT_OF(sections),
    .options_bytes = sizeof(struct autoquant_options),
    .defaults = &(const struct autoquant_options){.model.kv = -1,
                                                  .types = DEFAULT_TYPES,
                                                  .seconds = FIRST_SECONDS,
                                                  .normalize = NORMALIZE_ENGLISH,
                                                  .limits = VALIDATE_DEFAULT_LIMITS},
    .run = run,
};
