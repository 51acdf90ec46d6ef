/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "tools/calibration.h"
#include "tools/commands.h"
#include "tools/interrupt.h"

struct options {
    struct model_options model;
    struct calibration_options calibration;
    struct option_list merge;
    const char *output;
};

static enum status merge_files(const struct log *log, const struct option_list *files,
                               struct statistics *statistics)
{
    enum status status = OK;
    for (size_t i = 0; i < files->n && status == OK; i++) {
        struct statistics *other = NULL;
        status = statistics_read(log, files->items[i], &other);
        if (status == OK)
            status = statistics_merge(log, statistics, &other);
    }
    return status;
}

static int calibrate(const struct options *options, const char *model)
{
    struct report report;
    struct calibration_summary summary;
    struct statistics *statistics = NULL;
    struct model_options model_options = options->model;
    report_init(&report, options->model.quiet, options->model.verbose);
    const struct log log = report_log(&report);
    const bool runs = options->calibration.data.n > 0;
    model_options.path = model;
    int result = EXIT_SUCCESS;
    enum status status = OK;
    if (runs)
        result = calibration_gather(&report, &model_options, &options->calibration, options->output,
                                    &statistics, &summary);
    else
        status = statistics_create(&log, &statistics);
    if (status == OK && result == EXIT_SUCCESS)
        status = merge_files(&log, &options->merge, statistics);
    if (status == OK && result == EXIT_SUCCESS)
        status = statistics_write(&log, statistics, options->output);
    if (status != OK)
        result = EXIT_FAILURE;
    if (result == EXIT_SUCCESS && runs)
        calibration_tell(&report, statistics, &summary);
    statistics_destroy(&statistics);
    return result;
}

static int run(const void *values, int n_operands, char **operands)
{
    const struct options *options = values;
    const char *model = n_operands ? operands[0] : options->model.path;
    if (n_operands && options->model.path)
        return options_error(&calibrate_command, "the model is named twice: %s and --model %s",
                             operands[0], options->model.path);
    if (!options->output)
        return options_error(&calibrate_command, "--output is missing: the file to write");
    if (options->calibration.data.n + options->merge.n == 0)
        return options_error(&calibrate_command, "--data is missing: recordings of speech");
    return calibrate(options, model);
}

static const struct option_row rows[] = {
    {.name = "data",
     .kind = OPTION_LIST,
     .offset = offsetof(struct options, calibration.data),
     .value = "DIR|FILE",
     .help = "Recordings of speech: a file, or a directory with all recordings in and below it. "
             "May be given up to 64 times."},
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, output),
     .value = "OUT.gguf",
     .help = "The file to write. It appears, or is replaced, only when it is complete."},
    {.name = "gram",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct options, calibration.gram),
     .help = "Gather Gram matrices, too: how each pair of elements of what a matrix reads goes "
             "together. The method gptq needs them. They take 2 bytes for each squared column of "
             "each matrix: 1.4 GB for stt-1b."},
    {.name = "memory",
     .kind = OPTION_SIZE,
     .offset = offsetof(struct options, calibration.memory_bytes),
     .value = "SIZE",
     .help = "Memory for Gram matrices. Where they do not fit together, the recordings run several "
             "times, each time for some of the matrices. Default: 4G."},
    {.name = "limit-seconds",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct options, calibration.limit_seconds),
     .value = "N",
     .min = 1,
     .max = 1000000000,
     .help = "Take only the first N seconds of sound, in the order of the recordings' paths."},
    {.name = "merge",
     .kind = OPTION_LIST,
     .offset = offsetof(struct options, merge),
     .value = "OLD.gguf",
     .help = "Add the statistics of this file. May be given up to 64 times, and without --data."},
    {.name = "allow-silence",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct options, calibration.silent),
     .help = "Go on where the model hears no word in all of the recordings."},
    SLOTS_OPTION_ROW(
        struct options, calibration.slots,
        "How many recordings run side by side, 1 to 2048. Default: all of them, at most 8."),
    MODEL_OPTION_ROWS(struct options),
};

static const struct help_section sections[] = {
    {"Description",
     "Runs recordings through a model and keeps statistics of the vectors that each matrix of its "
     "transformer, heads and depformer is multiplied with. stapes quantize --statistics weighs "
     "errors with them. MODEL is a GGUF file or a checkpoint directory, as for --model; best is "
     "the one that will be quantized, unquantized. A few minutes of sound like that which the "
     "model will hear are enough for most methods.\n\n"
     "What is no recording in a directory is left alone; recordings that cannot be read are named "
     "and left out. Ctrl-C leaves no file.\n\n"
     "Statistics of several runs, also on several machines, can be merged: sums and counts add "
     "up."},
    {"Examples", "  stapes calibrate stt-1b-en_fr --data speech/ -o stats.gguf\n"
                 "  stapes calibrate stt-1b-en_fr --data more/ --merge stats.gguf -o stats.gguf\n"
                 "  stapes quantize stt-1b-en_fr -o stt-1b-q4.gguf --type q4_0 \\\n"
                 "      --method imatrix --statistics stats.gguf"},
};

const struct command calibrate_command = {
    .name = "calibrate",
    .summary = "statistics of what a model's matrices read, for quantize",
    .operands = "[MODEL]",
    .min_operands = 0,
    .max_operands = 1,
    .options = rows,
    .n_options = COUNT_OF(rows),
    .sections = sections,
    .n_sections = COUNT_OF(sections),
    .options_bytes = sizeof(struct options),
    .defaults = &(const struct options){.model = {.kv = -1}},
    .run = run,
};
