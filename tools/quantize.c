/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "loader/quantize.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/calibration.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/output.h"

#define TYPE_NAMES "q4_0|q4_1|q5_0|q5_1|q8_0|q4_k|q6_k|f16|bf16|f32"

struct options {
    const char *output;
    int type, embeddings, output_head, mimi, encoder; /* index in types, -1: not given */
    int method;
    const char *statistics, *device;
    struct option_list calibrate, tensors, scopes;
    struct source_beside beside;
    uint64_t split_max_bytes;
    bool quiet, verbose;
};

static const char *const types[] = {"q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q4_k",
                                    "q6_k", "f16",  "bf16", "f32",  NULL};
static const char *const methods[] = {
    [QUANTIZE_NAIVE] = "naive", [QUANTIZE_MSE] = "mse",   [QUANTIZE_IMATRIX] = "imatrix",
    [QUANTIZE_AWQ] = "awq",     [QUANTIZE_GPTQ] = "gptq", [QUANTIZE_GPTQ + 1] = NULL};

struct progress {
    struct report *report;
    double start;
};

static bool show_progress(void *user, uint64_t done, uint64_t total, const char *tensor)
{
    (void)tensor;
    struct progress *progress = user;
    char label[64];
    snprintf(label, sizeof(label), "quantizing %6.1f MB/s",
             1e-6 * (double)done / fmax(now_seconds() - progress->start, 1e-3));
    report_progress(progress->report, label, done, total);
    return !interrupt_pending();
}

/* `outputs`: whether there is a column for what happens to results. */
static void add_row(struct text *out, const struct quantize_group *group, const char *type,
                    bool outputs)
{
    text_addf(out, "%-15s %-5s %7" PRIu64 " %13" PRIu64 " %7.3f %13" PRIu64, group->name, type,
              group->tensors, group->elements, 8.0 * (double)group->bytes / (double)group->elements,
              group->bytes);
    if (group->errors > 0)
        text_addf(out, " %9.3g", sqrt(group->errors / group->squares));
    else
        text_addf(out, " %9s", "0");
    if (outputs && group->output_squares > 0)
        text_addf(out, " %9.3g", sqrt(group->output_errors / group->output_squares));
    else if (outputs)
        text_addf(out, " %9s", "-");
    text_addf(out, "\n");
}

static void add_notes(struct text *out, const struct quantize_summary *summary)
{
    for (uint32_t i = 0; i < summary->n_groups; i++) {
        const struct quantize_group *group = &summary->groups[i];
        if (group->fallbacks > 0)
            text_addf(out, "%s: %" PRIu64 " %s since their rows do not fit the type asked for\n",
                      group->name, group->fallbacks, tensor_type_info(group->type)->name);
        if (group->unguided > 0)
            text_addf(out, "%s: %" PRIu64 " %s without statistics: by mse\n", group->name,
                      group->unguided, tensor_type_info(group->type)->name);
        if (group->raised > 0)
            text_addf(
                out, "%s: %" PRIu64 " %s since less breaks the model; --force-encoder takes less\n",
                group->name, group->raised, tensor_type_info(group->type)->name);
    }
    if (summary->scaled_groups + summary->unscaled_groups > 0)
        text_addf(out, "awq: %" PRIu32 " inputs scaled, %" PRIu32 " that cannot be\n",
                  summary->scaled_groups, summary->unscaled_groups);
}

static bool print_table(struct report *report, const struct quantize_summary *summary)
{
    struct text out = {0};
    struct quantize_group all = {.name = "all"};
    bool outputs = false;
    for (uint32_t i = 0; i < summary->n_groups; i++)
        outputs = outputs || summary->groups[i].output_squares > 0;
    text_addf(&out, "%-15s %-5s %7s %13s %7s %13s %9s%s\n", "group", "type", "tensors", "weights",
              "bits", "bytes", "error", outputs ? "   results" : "");
    for (uint32_t i = 0; i < summary->n_groups; i++) {
        const struct quantize_group *group = &summary->groups[i];
        add_row(&out, group, tensor_type_info(group->type)->name, outputs);
        all.tensors += group->tensors;
        all.elements += group->elements;
        all.bytes += group->bytes;
        all.output_squares += group->output_squares;
        all.output_errors += group->output_errors;
        if (group->errors > 0) { /* sums of a codebook's use would drown the weights */
            all.squares += group->squares;
            all.errors += group->errors;
        }
    }
    add_row(&out, &all, "", outputs);
    add_notes(&out, summary);
    bool written = output_text(report, &out);
    text_deinit(&out);
    return written;
}

static void tell_throughput(struct report *report, const struct options *options,
                            const struct quantize_summary *summary, double elapsed)
{
    report_note(report, "%s: %" PRIu32 " file%s in %.1f s, %.1f MB/s read, %" PRIu32 " thread%s",
                options->output, summary->n_files, summary->n_files == 1 ? "" : "s", elapsed,
                1e-6 * (double)summary->read_bytes / fmax(elapsed, 1e-3), summary->threads,
                summary->threads == 1 ? "" : "s");
}

static const struct tensor_type_info *type_info(int type)
{
    return type < 0 ? NULL : tensor_type_by_name(types[type]);
}

static bool is_type(const char *name)
{
    for (size_t i = 0; types[i]; i++)
        if (strcmp(types[i], name) == 0)
            return true;
    return false;
}

/* PATTERN=TYPE. The pattern is the caller's to free. */
static bool parse_rule(const char *text, struct quantize_rule *rule)
{
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text || !is_type(equals + 1)) {
        options_error(&quantize_command,
                      "--tensor takes PATTERN=TYPE with one of the types %s, not \"%s\"",
                      TYPE_NAMES, text);
        return false;
    }
    size_t length = (size_t)(equals - text);
    char *pattern = calloc(1, length + 1);
    if (!pattern) {
        options_error(&quantize_command, "out of memory");
        return false;
    }
    memcpy(pattern, text, length);
    *rule = (struct quantize_rule){pattern, tensor_type_by_name(equals + 1)};
    return true;
}

static void free_rules(struct quantize_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((char *)rules[i].pattern);
}

/* What `statistics` holds is read while it quantizes. */
static int quantize_with(struct report *report, const struct options *options,
                         const char *checkpoint, const struct quantize_rule *rules,
                         struct statistics *statistics)
{
    struct log log = report_log(report);
    struct progress progress = {.report = report, .start = now_seconds()};
    struct quantize_summary summary;
    const struct quantize_options how = {
        .type = type_info(options->type),
        .embeddings = type_info(options->embeddings),
        .output_head = type_info(options->output_head),
        .mimi = type_info(options->mimi),
        .encoder = type_info(options->encoder),
        .rules = rules,
        .n_rules = options->tensors.n,
        .scopes = options->scopes.items,
        .n_scopes = options->scopes.n,
        .beside = options->beside,
        .method = (enum quantize_method)options->method,
        .statistics = statistics,
        .split_max_bytes = options->split_max_bytes,
        .progress = show_progress,
        .user = &progress,
    };
    enum status status = quantize_file(&log, checkpoint, options->output, &how, &summary);
    report_clear(report);
    if (status == OK) {
        tell_throughput(report, options, &summary, now_seconds() - progress.start);
        return options->quiet || print_table(report, &summary) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (interrupt_pending())
        return EXIT_INTERRUPTED;
    if (report->errors == 0)
        report_error(report, "%s: %s", checkpoint, status_text(status));
    return EXIT_FAILURE;
}

/* Statistics from the checkpoint as it is. */
static int calibrate(struct report *report, const struct options *options, const char *checkpoint,
                     struct statistics **out)
{
    const struct model_options model = {.path = checkpoint,
                                        .mimi = options->beside.mimi,
                                        .tokenizer = options->beside.tokenizer,
                                        .device = options->device,
                                        .kv = -1,
                                        .quiet = options->quiet,
                                        .verbose = options->verbose};
    const struct calibration_options how = {.data = options->calibrate,
                                            .gram = options->method == QUANTIZE_GPTQ};
    struct calibration_summary summary;
    int status = calibration_gather(report, &model, &how, options->output, out, &summary);
    if (status == EXIT_SUCCESS)
        calibration_tell(report, *out, &summary);
    return status;
}

static int quantize(const struct options *options, const char *checkpoint,
                    const struct quantize_rule *rules)
{
    struct report report;
    report_init(&report, options->quiet, options->verbose);
    struct log log = report_log(&report);
    struct statistics *statistics = NULL;
    int status = EXIT_SUCCESS;
    if (options->calibrate.n > 0)
        status = calibrate(&report, options, checkpoint, &statistics);
    else if (options->statistics && statistics_read(&log, options->statistics, &statistics) != OK)
        status = EXIT_FAILURE;
    if (status == EXIT_SUCCESS)
        status = quantize_with(&report, options, checkpoint, rules, statistics);
    statistics_destroy(&statistics);
    return status;
}

static int run(const void *values, int n_operands, char **operands)
{
    (void)n_operands;
    const struct options *options = values;
    struct quantize_rule rules[OPTION_LIST_MAX];
    size_t n = 0;
    if (!options->output)
        return options_error(&quantize_command, "--output is missing: the GGUF file to write");
    if (options->type < 0)
        return options_error(&quantize_command, "--type is missing: %s", TYPE_NAMES);
    if (options->method > QUANTIZE_MSE && !options->statistics && !options->calibrate.n)
        return options_error(&quantize_command,
                             "--method %s needs --statistics FILE or --calibrate DIR",
                             methods[options->method]);
    if (options->statistics && options->calibrate.n)
        return options_error(&quantize_command, "either --statistics or --calibrate, not both");
    while (n < options->tensors.n && parse_rule(options->tensors.items[n], &rules[n]))
        n++;
    int status = n < options->tensors.n ? EXIT_USAGE : quantize(options, operands[0], rules);
    free_rules(rules, n);
    return status;
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
     .value = "TYPE",
     .choices = types,
     .help = "The element type of the language model's matrices: q4_0, q4_1, q5_0, q5_1, q8_0, "
             "q4_k, q6_k, f16, bf16 or f32. Norms, biases and codebooks are always f32."},
    {.name = "method",
     .letter = 'm',
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct options, method),
     .value = "naive|mse|imatrix|awq|gptq",
     .choices = methods,
     .help = "naive: ggml's reference rounding, bit for bit. mse: the scales of each block are "
             "searched for the least squared error; slower, never worse by that measure. The "
             "others need --statistics or --calibrate. imatrix: as mse, with errors weighted by "
             "the mean square of "
             "what a weight is multiplied with. awq: as imatrix, with columns scaled before, and "
             "what precedes them by the inverse. gptq: the error of each weight is made up for by "
             "those that follow in its row. Default: naive."},
    {.name = "statistics",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, statistics),
     .value = "FILE",
     .help = "Statistics of what the model's matrices read, made by stapes calibrate from this "
             "model. With naive and mse they only tell what the errors do to results."},
    {.name = "calibrate",
     .kind = OPTION_LIST,
     .offset = offsetof(struct options, calibrate),
     .value = "DIR|FILE",
     .help = "Recordings of speech, which run through the checkpoint first, as with stapes "
             "calibrate --data, and give statistics for this once. May be given up to 64 times."},
    {.name = "device",
     .letter = 'd',
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, device),
     .value = "NAME|INDEX",
     .help = "The device to calibrate on, as stapes devices lists them. Default: the best there "
             "is."},
    {.name = "embeddings",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct options, embeddings),
     .value = "TYPE",
     .choices = types,
     .help = "The type of the embedding tables, if not --type."},
    {.name = "output-head",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct options, output_head),
     .value = "TYPE",
     .choices = types,
     .help = "The type of the matrices that make logits, if not --type."},
    {.name = "mimi",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct options, mimi),
     .value = "TYPE",
     .choices = types,
     .help = "The type of Mimi's matrices and convolutions. Without it they stay as they are, and "
             "become f32 with --type f32."},
    {.name = "force-encoder",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct options, encoder),
     .value = "TYPE",
     .choices = types,
     .help = "The type of Qwen3-ASR's audio encoder. Without it, it takes --type, but never less "
             "than q8_0: such a model repeats itself or stays silent."},
    {.name = "tensor",
     .kind = OPTION_LIST,
     .offset = offsetof(struct options, tensors),
     .value = "PATTERN=TYPE",
     .help = "The type of the tensors whose names the PATTERN matches (*, ? and [...], as in file "
             "names; * matches dots, too). May be given up to 64 times; the last one that matches "
             "wins, over all other options."},
    {.name = "scope",
     .kind = OPTION_LIST,
     .offset = offsetof(struct options, scopes),
     .value = "PATTERN",
     .help = "Write only tensors whose names the PATTERN matches. May be given up to 64 times: any "
             "of them then."},
    {.name = "mimi-file",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, beside.mimi),
     .value = "PATH",
     .help = "Mimi's safetensors file, for a GGUF of the browser port, which holds none. A "
             "mimi_config.json beside it is read. The other commands call this --mimi."},
    {.name = "tokenizer",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, beside.tokenizer),
     .value = "PATH",
     .help = "The SentencePiece model for such a GGUF."},
    {.name = "split-max-size",
     .kind = OPTION_SIZE,
     .offset = offsetof(struct options, split_max_bytes),
     .value = "SIZE",
     .help = "Write files of at most SIZE bytes (K, M and G: powers of 1024), or of one tensor "
             "where that is larger: OUT-00001-of-00003.gguf and so on. Any of them opens all."},
    {.name = "quiet",
     .letter = 'q',
     .kind = OPTION_FLAG,
     .offset = offsetof(struct options, quiet),
     .help = "No table, and nothing on standard error but errors."},
    {.name = "verbose",
     .letter = 'v',
     .kind = OPTION_FLAG,
     .offset = offsetof(struct options, verbose),
     .help = "Tell which tensors take another type than the one asked for."},
};

static const struct help_section sections[] = {
    {"Description",
     "Makes one GGUF file of a CHECKPOINT: the language model with its matrices in the given type, "
     "Mimi's encoder, the tokenizer and the configuration. CHECKPOINT is a directory as downloaded "
     "or a GGUF file. Memory stays bounded, whatever the model's size; all cores work.\n\n"
     "Checkpoints of Qwen3-ASR are quantized, too, though stapes does not run them yet.\n\n"
     "Blocks have 32 elements, those of q4_k and q6_k 256. Where a row is no multiple of that, "
     "q4_k becomes q5_0, q6_k becomes q8_0, and what does not fit blocks of 32 becomes f16.\n\n"
     "Tensors that have the type already are copied bit for bit.\n\n"
     "Standard output gets a table: groups of tensors with their type, bits a weight, bytes, and "
     "the error of their weights: root of the mean square, relative to that of the weights; with "
     "--statistics also that of the products with what the statistics are of. The last row's "
     "error is that of the groups that lost something."},
    {"Examples", "  stapes quantize stt-1b-en_fr -o stt-1b-q8.gguf --type q8_0\n"
                 "  stapes quantize stt-1b-en_fr -o stt-1b-q4.gguf --type q4_0 --method mse \\\n"
                 "      --embeddings q8_0 --tensor 'transformer.layers.0.*=q8_0'\n"
                 "  stapes quantize stt-1b-en_fr -o stt-1b-q4.gguf --type q4_0 --method gptq \\\n"
                 "      --statistics stats.gguf"},
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
    .defaults =
        &(const struct options){
            .type = -1, .embeddings = -1, .output_head = -1, .mimi = -1, .encoder = -1},
    .run = run,
};
