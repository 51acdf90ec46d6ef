/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tools/audio.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/model.h"
#include "tools/evaluation/normalize.h"
#include "tools/output.h"
#include "tools/evaluation/side_by_side.h"
#include "tools/transcriber.h"

enum { DEFAULT_SLOTS = 8, DEFAULT_COLUMNS = 100 };

struct options {
    struct model_options model; /* its path is set for each of the two */
    int normalize;              /* enum normalize */
    int color;
    int64_t slots, width;
    bool json;
};

enum color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* A file with what both models heard. */
struct heard {
    const char *path;
    char *texts[2]; /* NULL: it could not be read */
};

struct comparison {
    const struct options *options;
    struct report report;
    const char *const *models; /* [2] */
    struct heard *files;
    size_t n;
    const char **paths; /* [n_listed], those that can be read */
    size_t *listed, n_listed;
    int side; /* the model that runs */
    bool failed;
    struct wer_counts sum;
    uint64_t words_b;
    size_t n_compared, n_different;
};

/* What cannot be read is told before a model is loaded. */
static void check_files(struct comparison *c)
{
    static const struct audio_raw raw = {.rate = AUDIO_RATE, .channels = 1};
    for (size_t i = 0; i < c->n; i++) {
        char message[AUDIO_MESSAGE_SIZE] = "a pipe can be read only once, and two models listen";
        const char *path = c->files[i].path;
        struct audio *audio = audio_is_pipe(path) ? NULL : audio_open(path, &raw, message);
        if (!audio) {
            report_error(&c->report, "%s: %s", path, message);
            c->failed = true;
            continue;
        }
        audio_close(&audio);
        c->paths[c->n_listed] = path;
        c->listed[c->n_listed++] = i;
    }
}

/* What is compared is what is shown: normalized, and harmless to a terminal. */
static bool keep_text(void *user, const struct transcriber_result *result)
{
    struct comparison *c = user;
    struct heard *heard = &c->files[c->listed[result->index]];
    struct text normal = {0}, plain = {0};
    if (result->error) {
        if (c->side == 0 || heard->texts[0])
            report_error(&c->report, "%s: %s", heard->path, result->error);
        c->failed = true;
        return true;
    }
    bool ok = normalize_text((enum normalize)c->options->normalize, result->text, &normal);
    if (ok) {
        text_add_plain(&plain, normal.bytes ? normal.bytes : "");
        heard->texts[c->side] = plain.bytes ? plain.bytes : calloc(1, 1);
        ok = !plain.failed && heard->texts[c->side];
    }
    if (!ok)
        report_error(&c->report, "out of memory");
    text_deinit(&normal);
    return ok;
}

/* Runs all files through one of the models. Returns an exit status. */
static int hear(struct comparison *c, int side)
{
    struct model_options model_options = c->options->model;
    stapes_model *model;
    const size_t slots = c->options->slots ? (size_t)c->options->slots : DEFAULT_SLOTS;
    const struct model_use use = {.slots = (uint32_t)MIN(slots, c->n_listed),
                                  .same_driver = side > 0};
    const struct transcriber_params params = {.paths = c->paths,
                                              .n = c->n_listed,
                                              .done = keep_text,
                                              .user = c,
                                              .label = side ? "B" : "A"};
    c->side = side;
    model_options.path = c->models[side];
    int status = model_open_for(&c->report, &model_options, &use, &model);
    if (status != EXIT_SUCCESS)
        return status;
    enum transcriber_end end = transcriber_run(&c->report, model, &params);
    status = model_close(&c->report, &model_options, &model);
    if (end == TRANSCRIBER_INTERRUPTED)
        return EXIT_INTERRUPTED;
    return end == TRANSCRIBER_DONE ? status : EXIT_FAILURE;
}

static struct side_style find_style(const struct comparison *c)
{
    struct winsize size;
    const bool terminal = isatty(STDOUT_FILENO);
    size_t columns = DEFAULT_COLUMNS;
    if (c->options->width)
        columns = (size_t)c->options->width;
    else if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        columns = size.ws_col;
    return (struct side_style){
        .columns = columns,
        .color = c->options->color == COLOR_AUTO ? terminal : c->options->color == COLOR_ALWAYS};
}

static void add_span(struct text *out, const char *key, const struct wer_span *span)
{
    struct text word = {0};
    text_addf(&word, "%.*s", (int)span->length, span->length ? span->bytes : "");
    text_addf(out, "\"%s\":", key);
    if (span->length > 0)
        text_add_json(out, word.bytes ? word.bytes : "");
    else
        text_add(out, "null");
    out->failed |= word.failed;
    text_deinit(&word);
}

static void add_json(const struct heard *heard, const struct wer_alignment *alignment,
                     const struct wer_counts *counts, struct text *out)
{
    size_t at[2] = {0}, listed = 0;
    text_add(out, "{\"type\":\"comparison\",\"file\":");
    text_add_json(out, heard->path);
    text_add(out, ",\"a\":");
    text_add_json(out, heard->texts[0]);
    text_add(out, ",\"b\":");
    text_add_json(out, heard->texts[1]);
    text_addf(out, ",\"different\":%" PRIu64 ",\"differences\":[", wer_errors(counts));
    for (size_t i = 0; i < alignment->n; i++) {
        const struct wer_step *step = &alignment->steps[i];
        if (step->operation != WER_SAME) {
            text_add(out, listed++ ? ",{" : "{");
            add_span(out, "a", &step->reference);
            text_add(out, ",");
            add_span(out, "b", &step->hypothesis);
            text_addf(out, ",\"at_a\":%zu,\"at_b\":%zu}", at[0], at[1]);
        }
        at[0] += step->operation != WER_INSERTED;
        at[1] += step->operation != WER_DELETED;
    }
    text_add(out, "]}\n");
}

/* Both texts of a file to `out`. */
static bool compare_file(struct comparison *c, const struct heard *heard,
                         const struct side_style *style, struct text *out)
{
    struct wer_alignment alignment;
    struct wer_counts counts = {0};
    if (!wer_align(heard->texts[0], heard->texts[1], &alignment)) {
        report_error(&c->report, "out of memory");
        return false;
    }
    for (size_t i = 0; i < alignment.n; i++) {
        const enum wer_operation operation = alignment.steps[i].operation;
        counts.reference += operation != WER_INSERTED;
        counts.substitutions += operation == WER_SUBSTITUTED;
        counts.deletions += operation == WER_DELETED;
        counts.insertions += operation == WER_INSERTED;
    }
    if (c->options->json) {
        add_json(heard, &alignment, &counts, out);
    } else {
        text_add(out, "\n");
        text_add_plain(out, heard->path);
        text_addf(out, ": %" PRIu64 " differ\n", wer_errors(&counts));
        side_by_side(style, &alignment, out);
    }
    wer_add(&c->sum, &counts);
    c->words_b += counts.reference - counts.deletions + counts.insertions;
    c->n_different += wer_errors(&counts) > 0;
    c->n_compared++;
    free(alignment.steps);
    return true;
}

static void add_summary(const struct comparison *c, struct text *out)
{
    if (!c->options->json) {
        text_addf(out,
                  "\n%" PRIu64 " words differ, in %zu of %zu files: %" PRIu64
                  " are others, %" PRIu64 " only in A, %" PRIu64 " only in B; A has %" PRIu64
                  " words, B %" PRIu64 "\n",
                  wer_errors(&c->sum), c->n_different, c->n_compared, c->sum.substitutions,
                  c->sum.deletions, c->sum.insertions, c->sum.reference, c->words_b);
        return;
    }
    text_add(out, "{\"type\":\"summary\",\"a\":");
    text_add_json(out, c->models[0]);
    text_add(out, ",\"b\":");
    text_add_json(out, c->models[1]);
    text_addf(out,
              ",\"normalize\":\"%s\",\"files\":%zu,\"files_different\":%zu,\"words_a\":%" PRIu64
              ",\"words_b\":%" PRIu64 ",\"different\":%" PRIu64 ",\"substituted\":%" PRIu64
              ",\"only_a\":%" PRIu64 ",\"only_b\":%" PRIu64 "}\n",
              normalize_choices[c->options->normalize], c->n_compared, c->n_different,
              c->sum.reference, c->words_b, wer_errors(&c->sum), c->sum.substitutions,
              c->sum.deletions, c->sum.insertions);
}

static bool print(struct comparison *c)
{
    const struct side_style style = find_style(c);
    struct text out = {0};
    bool ok = true;
    if (!c->options->json)
        side_by_side_head(&style, c->models[0], c->models[1], &out);
    for (size_t i = 0; i < c->n && ok; i++)
        if (c->files[i].texts[0] && c->files[i].texts[1])
            ok = compare_file(c, &c->files[i], &style, &out) && output_text(&c->report, &out);
    if (ok) {
        add_summary(c, &out);
        ok = output_text(&c->report, &out);
    }
    text_deinit(&out);
    return ok;
}

static int compare(struct comparison *c)
{
    check_files(c);
    if (c->n_listed == 0)
        return EXIT_FAILURE;
    int status = hear(c, 0);
    if (status == EXIT_SUCCESS)
        status = hear(c, 1);
    if (status == EXIT_SUCCESS && !print(c))
        status = EXIT_FAILURE;
    return status == EXIT_SUCCESS && c->failed ? EXIT_FAILURE : status;
}

static int run(const void *values, int n_operands, char **operands)
{
    const struct options *options = values;
    const char *const models[] = {operands[0], operands[1]};
    struct comparison c = {.options = options, .models = models, .n = (size_t)n_operands - 2};
    report_init(&c.report, options->model.quiet, options->model.verbose);
    c.files = calloc(c.n, sizeof(*c.files));
    c.paths = malloc(c.n * sizeof(*c.paths));
    c.listed = malloc(c.n * sizeof(*c.listed));
    int status = EXIT_FAILURE;
    if (c.files && c.paths && c.listed) {
        for (size_t i = 0; i < c.n; i++)
            c.files[i].path = operands[2 + i];
        status = compare(&c);
        for (size_t i = 0; i < c.n; i++) {
            free(c.files[i].texts[0]);
            free(c.files[i].texts[1]);
        }
    } else {
        report_error(&c.report, "out of memory");
    }
    free(c.files);
    free(c.paths);
    free(c.listed);
    return status;
}

static const char *const color_choices[] = {
    [COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never", NULL};

static const struct option_row rows[] = {
    {.name = "normalize",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct options, normalize),
     .value = "HOW",
     .choices = normalize_choices,
     .help = "What is made the same in both texts before they are compared and shown: english, "
             "basic or none, as for stapes eval. Default: none."},
    {.name = "width",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct options, width),
     .value = "N",
     .min = 40,
     .max = 1000,
     .help = "Columns of the output. Default: those of the terminal, 100 where there is none."},
    {.name = "color",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct options, color),
     .value = "WHEN",
     .choices = color_choices,
     .help = "Mark words that differ by bold colours instead of brackets: auto (on a terminal), "
             "always or never. Default: auto."},
    {.name = "json",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct options, json),
     .help = "One JSON object a line: one for each file, then a summary."},
    SLOTS_OPTION_ROW(
        struct options, slots,
        "How many files run side by side, 1 to 2048. Default: all of them, at most 8."),
    DEVICE_OPTION_ROWS(struct options),
};

static const struct help_section sections[] = {
    {"Description",
     "Transcribes each FILE with the models A and B and prints the two transcripts side by side, "
     "words that belong together on the same line and words that differ marked: what a "
     "quantization changed, for human eyes. The models are loaded one after the other.\n\n"
     "A and B are GGUF files or checkpoint directories. A FILE is anything libsndfile reads. One "
     "that cannot be read is told on standard error; the others are compared, and the exit status "
     "is 1. Differences do not change the exit status."},
    {"JSON",
     "  {\"type\":\"comparison\",\"file\":\"a.wav\",\"a\":\"turn left\",\"b\":\"turn right\",\n"
     "   "
     "\"different\":1,\"differences\":[{\"a\":\"left\",\"b\":\"right\",\"at_a\":1,\"at_b\":1}]}\n"
     "  {\"type\":\"summary\",\"a\":\"A.gguf\",\"b\":\"B.gguf\",\"normalize\":\"none\",\n"
     "   \"files\":1,\"files_different\":1,\"words_a\":2,\"words_b\":2,\"different\":1,\n"
     "   \"substituted\":1,\"only_a\":0,\"only_b\":0}\n\n"
     "Each is one line. \"at_a\" and \"at_b\" count the words before it; a word that only one has "
     "is null in the other."},
    {"Examples", "  stapes compare stt-1b-en_fr stt-1b-q4.gguf interview.flac\n"
                 "  stapes compare --normalize basic stt-1b-en_fr stt-1b-q4.gguf *.wav"},
};

const struct command compare_command = {
    .name = "compare",
    .summary = "the transcripts of two models side by side",
    .operands = "A B FILE...",
    .min_operands = 3,
    .max_operands = 65536,
    .options = rows,
    .n_options = COUNT_OF(rows),
    .sections = sections,
    .n_sections = COUNT_OF(sections),
    .options_bytes = sizeof(struct options),
    .defaults = &(const struct options){.model.kv = -1, .normalize = NORMALIZE_NONE},
    .run = run,
};
