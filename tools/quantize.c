/* SPDX-License-Identifier: MIT */
#include "loader/quantize.h"

#include <stdlib.h>

#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/report.h"

struct options {
    const char *output;
    int type; /* index in types */
    bool quiet, verbose;
};

static const char *const types[] = {"q4_0", "q8_0", "f16", "bf16", "f32", NULL};

static bool show_progress(void *user, uint64_t done, uint64_t total, const char *tensor)
{
    (void)tensor;
    report_progress(user, "quantizing", done, total);
    return !interrupt_pending();
}

static int run(const void *values, int n_operands, char **operands)
{
    (void)n_operands;
    const struct options *options = values;
    struct report report;
    if (!options->output)
        return options_error(&quantize_command, "--output is missing: the GGUF file to write");
    if (options->type < 0)
        return options_error(&quantize_command, "--type is missing: q4_0, q8_0, f16, bf16 or f32");
    report_init(&report, options->quiet, options->verbose);
    struct log log = report_log(&report);
    struct quantize_progress progress = {.report = show_progress, .user = &report};
    const struct tensor_type_info *type = tensor_type_by_name(types[options->type]);
    enum status status = quantize_file(&log, operands[0], options->output, type->type, &progress);
    report_clear(&report);
    if (status == OK)
        return EXIT_SUCCESS;
    if (interrupt_pending())
        return EXIT_INTERRUPTED;
    if (report.errors == 0)
        report_error(&report, "%s: %s", operands[0], status_text(status));
    return EXIT_FAILURE;
}

static const struct option_row rows[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, output),
     .value = "OUT.gguf",
     .help = "The file to write. It appears, or is replaced, only when it is complete."},
    {.name = "type",
     .letter = 't',
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct options, type),
     .value = "q4_0|q8_0|f16|bf16|f32",
     .choices = types,
     .help = "The element type of the language model's matrices. Matrices whose width is no "
             "multiple of the type's block become f16."},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_FLAG,
     .offset = offsetof(struct options, quiet),
     .help = "Say nothing on standard error but errors."},
    {.name = "verbose",
     .letter = 'v',
     .kind = OPTION_FLAG,
     .offset = offsetof(struct options, verbose),
     .help = "Tell what becomes of each tensor that does not take the type."},
};

static const struct help_section sections[] = {
    {"Description",
     "Makes one GGUF file of a CHECKPOINT: the language model with its matrices in the given type, "
     "Mimi's encoder, the tokenizer and the configuration. CHECKPOINT is a directory as downloaded "
     "or a GGUF file. Rounding is ggml's reference rounding. Memory stays bounded, whatever the "
     "model's size."},
    {"Examples", "  stapes quantize stt-1b-en_fr -o stt-1b-q8.gguf --type q8_0"},
};

const struct command quantize_command = {
    .name = "quantize",
    .summary = "a checkpoint to one GGUF file",
    .operands = "CHECKPOINT",
    .min_operands = 1,
    .max_operands = 1,
    .options = rows,
    .n_options = COUNT_OF(rows),
    .sections = sections,
    .n_sections = COUNT_OF(sections),
    .options_bytes = sizeof(struct options),
    .defaults = &(const struct options){.type = -1},
    .run = run,
};
