/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/evaluation/dataset.h"
#include "tools/evaluation/details.h"
#include "tools/evaluation/eval_report.h"
#include "tools/evaluation/fingerprint.h"
#include "tools/interrupt.h"
#include "tools/model.h"
#include "tools/output.h"
#include "tools/evaluation/transcript_score.h"
#include "tools/transcriber.h"

enum { DEFAULT_SLOTS = 8 };

struct options {
    struct model_options model;
    const char *data, *details;
    int normalize; /* enum normalize */
    int64_t limit, slots;
    bool resume, json;
};

enum outcome { PENDING, SCORED, UNREADABLE };

/* One for each utterance of the set that takes part. */
struct item {
    enum outcome outcome;
    struct wer_score score;
    double seconds; /* of sound */
};

struct evaluation {
    const struct options *options;
    struct report report;
    struct dataset set;
    size_t n; /* utterances that take part, the first of the set */
    struct item *items;
    size_t *todo; /* [n_todo], what this run transcribes */
    size_t n_todo, n_done;
    const char **paths; /* [n_todo] */
    struct details details;
    char device[256];
    double wall_seconds, run_seconds; /* of this run, and of its sound */
};

static bool keep(struct evaluation *e, size_t index, const char *hypothesis, double seconds)
{
    struct item *item = &e->items[index];
    if (!score_transcript((enum normalize)e->options->normalize, e->set.items[index].text,
                          hypothesis, &item->score)) {
        report_error(&e->report, "out of memory");
        return false;
    }
    item->outcome = SCORED;
    item->seconds = seconds;
    return true;
}

static int compare_id(const void *key, const void *item)
{
    return strcmp(key, ((const struct utterance *)item)->id);
}

/* From a file that is continued. */
static bool keep_earlier(void *user, const struct details_utterance *utterance)
{
    struct evaluation *e = user;
    const struct utterance *found =
        bsearch(utterance->id, e->set.items, e->set.n, sizeof(*e->set.items), compare_id);
    if (!found)
        return false;
    const size_t index = (size_t)(found - e->set.items);
    return index >= e->n || keep(e, index, utterance->hypothesis, utterance->seconds);
}

static bool keep_result(void *user, const struct transcriber_result *result)
{
    struct evaluation *e = user;
    const size_t index = e->todo[result->index];
    const struct utterance *utterance = &e->set.items[index];
    e->run_seconds += result->seconds;
    e->n_done++;
    if (result->error) {
        report_error(&e->report, "%s: %s", utterance->path, result->error);
        e->items[index].outcome = UNREADABLE;
        return !e->details.file || details_add_error(&e->details, utterance->id, result->error);
    }
    if (!keep(e, index, result->text, result->seconds))
        return false;
    return !e->details.file ||
           details_add(&e->details, &(struct details_utterance){.id = utterance->id,
                                                                .reference = utterance->text,
                                                                .hypothesis = result->text,
                                                                .score = e->items[index].score,
                                                                .seconds = result->seconds});
}

static bool open_details(struct evaluation *e)
{
    const struct options *options = e->options;
    const struct log log = report_log(&e->report);
    char demo[PATH_MAX];
    struct details_head head = {
        .model = model_path(&e->report, &options->model, demo, sizeof(demo)),
        .data = options->data,
        .data_fingerprint = dataset_fingerprint(&e->set),
        .normalize = normalize_choices[options->normalize],
        .kv = model_kv_name(&options->model),
        .kernels = model_kernels_name(&options->model),
    };
    const struct source_beside beside = {options->model.mimi, options->model.tokenizer};
    if (!head.model || fingerprint_model(&log, head.model, &beside, &head.model_fingerprint) != OK)
        return false;
    if (options->resume)
        return details_resume(&e->details, &e->report, options->details, &head, keep_earlier, e);
    return details_create(&e->details, &e->report, options->details, &head);
}

static bool prepare(struct evaluation *e)
{
    const struct options *options = e->options;
    const struct log log = report_log(&e->report);
    if (dataset_open(&log, options->data, &e->set) != OK)
        return false;
    e->n = options->limit ? MIN((size_t)options->limit, e->set.n) : e->set.n;
    e->items = calloc(e->n, sizeof(*e->items));
    e->todo = malloc(e->n * sizeof(*e->todo));
    e->paths = malloc(e->n * sizeof(*e->paths));
    if (!e->items || !e->todo || !e->paths) {
        report_error(&e->report, "out of memory");
        return false;
    }
    if (options->details && !open_details(e))
        return false;
    for (size_t i = 0; i < e->n; i++)
        if (e->items[i].outcome == PENDING) {
            e->paths[e->n_todo] = e->set.items[i].path;
            e->todo[e->n_todo++] = i;
        }
    if (e->n_todo < e->n)
        report_note(&e->report, "%zu of %zu utterances are in %s", e->n - e->n_todo, e->n,
                    options->details);
    return true;
}

static void tell_interruption(struct evaluation *e)
{
    report_note(&e->report, "interrupted after %zu of %zu utterances%s",
                e->n - e->n_todo + e->n_done, e->n, e->details.file ? "; --resume continues" : "");
}

/* Returns an exit status. */
static int transcribe(struct evaluation *e)
{
    const struct options *options = e->options;
    const struct transcriber_params params = {
        .paths = e->paths, .n = e->n_todo, .done = keep_result, .user = e, .label = "evaluating"};
    stapes_model *model;
    struct stapes_model_info info;
    const size_t slots = options->slots ? (size_t)options->slots : DEFAULT_SLOTS;
    int status =
        model_open(&e->report, &options->model, (uint32_t)MIN(slots, e->n_todo), false, &model);
    if (status != EXIT_SUCCESS)
        return status;
    stapes_model_get_info(model, &info);
    snprintf(e->device, sizeof(e->device), "%s", info.device);
    const double start = now_seconds();
    enum transcriber_end end = transcriber_run(&e->report, model, &params);
    e->wall_seconds = now_seconds() - start;
    status = model_close(&e->report, &options->model, &model);
    if (end == TRANSCRIBER_INTERRUPTED) {
        tell_interruption(e);
        return EXIT_INTERRUPTED;
    }
    return end == TRANSCRIBER_DONE ? status : EXIT_FAILURE;
}

/* Returns an exit status: a failure where not all could be read, the others' numbers all the same.
 */
static int summarize(struct evaluation *e)
{
    char demo[PATH_MAX];
    struct eval_report r = {.model = model_path(&e->report, &e->options->model, demo, sizeof(demo)),
                            .data = e->options->data,
                            .normalize = normalize_choices[e->options->normalize],
                            .device = e->device,
                            .wall_seconds = e->wall_seconds,
                            .run_seconds = e->run_seconds};
    struct wer_score *scores = malloc(e->n * sizeof(*scores));
    struct text out = {0};
    size_t n = 0;
    for (size_t i = 0; scores && i < e->n; i++) {
        if (e->items[i].outcome == SCORED) {
            scores[n++] = e->items[i].score;
            r.seconds += e->items[i].seconds;
        }
    }
    r.unreadable = e->n - n;
    bool ok = scores && wer_summarize(scores, n, &r.summary);
    if (!ok) {
        report_error(&e->report, "out of memory");
    } else {
        if (e->options->json)
            eval_report_json(&r, &out);
        else
            eval_report_table(&r, &out);
        ok = output_text(&e->report, &out);
    }
    free(scores);
    text_deinit(&out);
    return ok && r.unreadable == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run(const void *values, int n_operands, char **operands)
{
    (void)n_operands;
    (void)operands;
    const struct options *options = values;
    struct evaluation e = {.options = options};
    if (!options->data)
        return options_error(&eval_command, "--data is missing: what to transcribe");
    if (options->resume && !options->details)
        return options_error(&eval_command, "--resume needs --details: the file to continue");
    report_init(&e.report, options->model.quiet, options->model.verbose);
    int status = prepare(&e) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (status == EXIT_SUCCESS && e.n_todo > 0)
        status = transcribe(&e);
    if (!details_close(&e.details) && status == EXIT_SUCCESS)
        status = EXIT_FAILURE;
    if (status == EXIT_SUCCESS)
        status = summarize(&e);
    free(e.items);
    free(e.todo);
    free(e.paths);
    dataset_deinit(&e.set);
    return status;
}

static const struct option_row rows[] = {
    {.name = "data",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, data),
     .value = "DIR|FILE",
     .help = "The recordings with what is said in them: a directory in LibriSpeech's layout, or of "
             "sound with a .txt file of the same name beside each, or a manifest of JSON lines."},
    {.name = "normalize",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct options, normalize),
     .value = "HOW",
     .choices = normalize_choices,
     .help = "What is made the same in both texts before errors are counted. \"english\": case, "
             "punctuation, contractions, spelling, numbers and more, in the manner of Whisper's "
             "normalizer; \"basic\": case and punctuation, for any language; \"none\". Default: "
             "english."},
    {.name = "limit",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct options, limit),
     .value = "N",
     .min = 1,
     .max = INT32_MAX,
     .help = "Only the first N utterances, in the order of their ids."},
    {.name = "details",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, details),
     .value = "FILE",
     .help = "Write one JSON object a line for each utterance as it is finished: id, reference, "
             "hypothesis, errors, seconds. A file that is there already is not touched without "
             "--resume."},
    {.name = "resume",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct options, resume),
     .help = "Continue the file of --details: what it holds is not transcribed again. Model, data, "
             "--normalize, --kv and --kernels must be the same; --limit may be larger. Without "
             "that file, begin it."},
    {.name = "json",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct options, json),
     .help = "Print the summary as one JSON object instead of a table. Rates are fractions of 1."},
    SLOTS_OPTION_ROW(
        struct options, slots,
        "How many utterances run side by side, 1 to 2048. Default: all of them, at most 8."),
    MODEL_OPTION_ROWS(struct options),
};

static const struct help_section sections[] = {
    {"Description",
     "Transcribes recordings of which it is known what is said in them, and counts the errors.\n\n"
     "Standard output gets a table: words and word error rate (substitutions, deletions and "
     "insertions by words of the reference, over the whole set), its 95 % confidence interval, "
     "the mean of the utterances' rates, the character error rate, the real-time factor, and how "
     "many transcripts run in a loop or are empty where something was said.\n\n"
     "A recording that cannot be read is told on standard error and left out of the numbers; the "
     "exit status is 1 then.\n\n"
     "docs/evaluation.md says exactly how each number is computed, and what normalization does."},
    {"Examples", "  stapes eval --data LibriSpeech/test-clean --model stt-1b-q8.gguf\n"
                 "  stapes eval --data calls --normalize basic --details calls.jsonl --resume"},
};

const struct command eval_command = {
    .name = "eval",
    .summary = "a model's word error rate over recordings",
    .operands = "",
    .min_operands = 0,
    .max_operands = 0,
    .options = rows,
    .n_options = COUNT_OF(rows),
    .sections = sections,
    .n_sections = COUNT_OF(sections),
    .options_bytes = sizeof(struct options),
    .defaults = &(const struct options){.model.kv = -1},
    .run = run,
};
