/* SPDX-License-Identifier: MIT */
#include "tools/validation/validate.h"

#include <stdlib.h>
#include <string.h>

#include "loader/file.h"
#include "tools/commands.h"
#include "tools/output.h"

struct options {
    struct model_options model;
    const char *data, *output, *scratch;
    int normalize; /* enum normalize */
    int64_t slots, max_utterances;
    struct validate_limits limits;
};

/* To be read by people, too, and under its name only when complete. */
static bool write_json(struct report *report, struct file_out *file,
                       const struct validation *validation)
{
    cJSON *json = validation_json(validation);
    char *text = json ? cJSON_Print(json) : NULL;
    if (!text)
        report_error(report, "out of memory");
    const bool written = text && file_append(file, text, strlen(text)) == OK &&
                         file_append(file, "\n", 1) == OK && file_commit(file) == OK;
    cJSON_free(text);
    cJSON_Delete(json);
    return written;
}

static int tell(struct report *report, const struct validation *validation, struct file_out *file)
{
    struct text table = {0};
    validation_table(validation, &table);
    bool told = output_text(report, &table);
    text_deinit(&table);
    if (file && !write_json(report, file, validation))
        told = false;
    if (!told)
        return EXIT_FAILURE;
    return validation->passed ? EXIT_SUCCESS : EXIT_LIMITS_MISSED;
}

static int run(const void *values, int n_operands, char **operands)
{
    const struct options *o = values;
    struct report report;
    struct file_out file = {.fd = -1};
    struct validation validation;
    (void)n_operands; /* two */
    if (!o->data)
        return options_error(&validate_command, "--data is missing");
    report_init(&report, o->model.quiet, o->model.verbose);
    const struct log log = report_log(&report);
    const struct validate_options options = {
        .report = &report,
        .reference = operands[0],
        .candidate = operands[1],
        .data = o->data,
        .model = o->model,
        .normalize = (enum normalize)o->normalize,
        .slots = (uint32_t)o->slots,
        .max_utterances = (uint64_t)o->max_utterances,
        .output = o->output,
        .scratch = o->scratch,
        .limits = o->limits,
    };
    /* Before the long work, so that it is not lost for a place that cannot be written. */
    if (o->output && file_create(&log, o->output, &file) != OK)
        return EXIT_FAILURE;
    int status = validate_run(&options, &validation);
    if (status == EXIT_SUCCESS)
        status = tell(&report, &validation, o->output ? &file : NULL);
    file_discard(&file);
    return status;
}

static const struct option_row rows[] = {
    {.name = "data",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, data),
     .value = "PATH",
     .help = "The recordings and what is said in them, as for stapes eval: a directory in "
             "LibriSpeech's layout or of pairs of sound and text, or a manifest."},
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, output),
     .value = "FILE.json",
     .help = "Write everything that was measured to this file."},
    {.name = "limit",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct options, max_utterances),
     .value = "N",
     .min = 1,
     .max = INT32_MAX,
     .help = "Take the first N recordings only. Default: all."},
    SLOTS_OPTION_ROW(
        struct options, slots,
        "How many recordings run side by side, 1 to 2048; the speed is that of so many. "
        "Default: 8, or as many as there are."),
    {.name = "normalize",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct options, normalize),
     .value = "HOW",
     .choices = normalize_choices,
     .help = "How texts are made comparable before errors are counted: english, basic or none, as "
             "for stapes eval. Default: english."},
    {.name = "max-wer-increase",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct options, limits.max_wer_increase),
     .value = "POINTS",
     .min = 0,
     .max = 1000,
     .help = "By how many percentage points the candidate's word error rate may exceed the "
             "reference's. Default: 2."},
    {.name = "max-perplexity-increase",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct options, limits.max_perplexity_increase),
     .value = "PERCENT",
     .min = 0,
     .max = 1000000,
     .help = "By how many percent its perplexity may exceed the reference's, over the steps with "
             "text. Default: 2."},
    {.name = "max-kl",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct options, limits.max_kl),
     .value = "NATS",
     .min = 0,
     .max = 1000,
     .help = "How large the mean KL divergence from the reference's distributions may be, over the "
             "steps "
             "with text. It changes less by chance than the others; with few recordings it is the "
             "limit to set. Default: 0, no limit."},
    {.name = "min-speed",
     .kind = OPTION_NUMBER,
     .offset = offsetof(struct options, limits.min_speed),
     .value = "TIMES",
     .min = 0,
     .max = 1000,
     .help = "How many times as many frames a second it must make. A miss is excused where "
             "measurements show that this device cannot do better. Default: 1.5."},
    {.name = "scratch",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, scratch),
     .value = "DIR",
     .help = "Where the reference's logits are kept meanwhile: 1.4 GB for an hour of sound and a "
             "vocabulary of 8000. Default: $TMPDIR, else /var/tmp."},
    DEVICE_OPTION_ROWS(struct options),
};

static const struct help_section sections[] = {
    {"Description",
     "Says what a CANDIDATE, for example a quantized model, lost and gained against its "
     "REFERENCE. Both are GGUF files or checkpoint directories of the same model.\n\n"
     "Both transcribe the same recordings for themselves; that gives their word and character "
     "error rates. Then the candidate is fed the tokens of the reference, so that at every step "
     "both have read the same text; that gives the perplexity of both on these tokens, the "
     "Kullback-Leibler divergence, how often both find the same token best, and how far its "
     "probability moved. Most steps are padding; the numbers are given for all steps and for "
     "those with text.\n\n"
     "One model is loaded at a time."},
    {"Output", "Standard output gets a table; --output a file with all numbers as JSON. "
               "docs/validation.md describes both, and how each number is measured."},
    {"Exit status",
     "0: all limits are kept, or a miss in speed is excused. 3: a limit is missed. 1: it could "
     "not be measured. 2: the command line is wrong."},
    {"Examples", "  stapes validate stt-1b-en_fr stt-1b-q4.gguf --data test-clean -o report.json"},
};

const struct command validate_command = {
    .name = "validate",
    .summary = "what a quantized model lost",
    .operands = "REFERENCE CANDIDATE",
    .min_operands = 2,
    .max_operands = 2,
    .options = rows,
    .n_options = COUNT_OF(rows),
    .sections = sections,
    .n_sections = COUNT_OF(sections),
    .options_bytes = sizeof(struct options),
    .defaults = &(const struct options){.model.kv = -1, .limits = VALIDATE_DEFAULT_LIMITS},
    .run = run,
};
