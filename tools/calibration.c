/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "tools/calibration.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/file.h"
#include "loader/pool.h"
#include "stream/capture.h"
#include "tools/audio.h"
#include "tools/interrupt.h"
#include "tools/validation/model_facts.h"
#include "tools/recordings.h"
#include "tools/transcriber.h"

enum { DEFAULT_SLOTS = 8, MAX_MESSAGE = 512 };

/* Tensors that one thread gathers for. */
struct shard {
    struct statistics *statistics;
    enum status status;
    char message[MAX_MESSAGE]; /* why */
};

struct calibration {
    struct report *report;
    struct log log;
    const struct calibration_options *options;
    struct calibration_summary *summary;
    const struct recordings *recordings;
    stapes_model *model;
    const struct capture_inputs *inputs;
    uint32_t *first_of; /* of each input: the first one of its name, which stands for the tensor */
    struct pool *pool;
    struct shard *shards; /* one a thread */
    uint32_t n_shards;
    uint32_t begin, end; /* tensors of this pass */
    const uint32_t *tick_slots;
    uint32_t n_tick_slots;
};

/* --- Gathering from a tick */

/* Threads do not share the report. */
static void keep_message(void *user, enum log_level level, const char *message)
{
    struct shard *shard = user;
    if (level == LOG_ERROR)
        snprintf(shard->message, sizeof(shard->message), "%s", message);
}

static enum status add_input(const struct calibration *c, struct shard *shard,
                             const struct capture_input *input)
{
    const struct log log = {keep_message, shard};
    enum status status = OK;
    for (uint32_t i = 0; i < c->n_tick_slots && status == OK;) {
        uint32_t n = 1; /* slots in a row */
        while (i + n < c->n_tick_slots && c->tick_slots[i + n] == c->tick_slots[i] + n)
            n++;
        status = statistics_add(&log, shard->statistics, input->name, input->width,
                                input->slots + (size_t)c->tick_slots[i] * input->width, n,
                                input->width, c->options->gram);
        i += n;
    }
    return status;
}

/* Successive tensors go to one shard, so that their order does not depend on the threads. */
static void add_shard(void *user, uint32_t index)
{
    const struct calibration *c = user;
    struct shard *shard = &c->shards[index];
    for (uint32_t i = 0; i < c->inputs->n_inputs && shard->status == OK; i++) {
        const uint32_t first = c->first_of[i];
        if (first >= c->begin && first < c->end &&
            (uint64_t)(first - c->begin) * c->n_shards / (c->end - c->begin) == index)
            shard->status = add_input(c, shard, &c->inputs->inputs[i]);
    }
}

static enum status take_tick(void *user, const struct capture_inputs *inputs, const uint32_t *slots,
                             uint32_t n_slots)
{
    struct calibration *c = user;
    c->inputs = inputs;
    c->tick_slots = slots;
    c->n_tick_slots = n_slots;
    c->summary->steps += n_slots;
    pool_run(c->pool, add_shard, c, c->n_shards);
    for (uint32_t i = 0; i < c->n_shards; i++)
        if (c->shards[i].status)
            return log_error(&c->log, c->shards[i].status, "%s", c->shards[i].message);
    return OK;
}

/* --- Passes */

static uint64_t memory_limit(const struct calibration_options *options)
{
    return options->memory_bytes ? options->memory_bytes : CALIBRATION_MEMORY;
}

static uint64_t tensor_bytes(const struct calibration *c, uint32_t input)
{
    const uint64_t k = c->inputs->inputs[input].width;
    return c->options->gram && c->first_of[input] == input ? 4 * k * k + 512 * k : 0;
}

/* The tensors from c->begin on whose Gram matrices fit together; one at least. */
static void choose_pass(struct calibration *c)
{
    const uint64_t limit = memory_limit(c->options);
    uint64_t bytes = tensor_bytes(c, c->begin);
    c->end = c->begin + 1;
    while (c->end < c->inputs->n_inputs && bytes + tensor_bytes(c, c->end) <= limit)
        bytes += tensor_bytes(c, c->end++);
}

static uint32_t count_passes(struct calibration *c)
{
    uint32_t passes = 0;
    for (c->begin = 0; c->begin < c->inputs->n_inputs; c->begin = c->end) {
        choose_pass(c);
        passes++;
    }
    c->begin = 0;
    return passes;
}

static void destroy_shards(struct calibration *c)
{
    for (uint32_t i = 0; i < c->n_shards; i++)
        statistics_destroy(&c->shards[i].statistics);
}

static enum status create_shards(struct calibration *c)
{
    enum status status = OK;
    for (uint32_t i = 0; i < c->n_shards && status == OK; i++)
        status = statistics_create(&c->log, &c->shards[i].statistics);
    return status;
}

/* What the shards have goes behind what is in `all`. */
static enum status merge_shards(struct calibration *c, struct statistics *all)
{
    enum status status = OK;
    for (uint32_t i = 0; i < c->n_shards && status == OK; i++)
        status = statistics_merge(&c->log, all, &c->shards[i].statistics);
    return status;
}

/* To a file and back, which keeps Gram matrices out of memory. */
static enum status put_aside(struct calibration *c, const char *output, struct statistics *all)
{
    char path[4096];
    struct statistics *pass = NULL;
    enum status status = ERROR_ARGUMENT;
    if ((size_t)snprintf(path, sizeof(path), "%s.pass-%ld", output, (long)getpid()) >= sizeof(path))
        return log_error(&c->log, status, "%s: the path is too long", output);
    if ((status = statistics_create(&c->log, &pass)))
        return status;
    if ((status = merge_shards(c, pass)) == OK)
        status = statistics_write(&c->log, pass, path);
    statistics_destroy(&pass);
    if (status)
        return status;
    status = statistics_read(&c->log, path, &pass);
    unlink(path); /* it stays open */
    return status ? status : statistics_merge(&c->log, all, &pass);
}

/* One recording has come to its end. What is wrong with it is told once. */
static bool count_recording(void *user, const struct transcriber_result *result)
{
    struct calibration *c = user;
    struct calibration_summary *s = c->summary;
    if (s->passes > 0)
        return true;
    s->words += result->n_words;
    s->sound_seconds += result->seconds;
    if (result->error) {
        s->damaged++;
        report_warning(c->report, "%s: %s: what is before it is used",
                       c->recordings->paths[result->index], result->error);
    }
    return true;
}

static int run_recordings(struct calibration *c, uint32_t passes)
{
    char label[64] = "calibrating";
    if (passes > 1)
        snprintf(label, sizeof(label), "calibrating, pass %" PRIu32 " of %" PRIu32,
                 c->summary->passes + 1, passes);
    const struct transcriber_params params = {.paths = (const char *const *)c->recordings->paths,
                                              .most_samples = c->recordings->most_samples,
                                              .n = c->recordings->n,
                                              .done = count_recording,
                                              .user = c,
                                              .label = label};
    switch (transcriber_run(c->report, c->model, &params)) {
    case TRANSCRIBER_DONE: return EXIT_SUCCESS;
    case TRANSCRIBER_INTERRUPTED: return EXIT_INTERRUPTED;
    case TRANSCRIBER_STOPPED:
    case TRANSCRIBER_FAILED: break;
    }
    return EXIT_FAILURE;
}

static int check_words(struct calibration *c)
{
    if (c->summary->words > 0 || c->options->silent)
        return EXIT_SUCCESS;
    report_error(
        c->report,
        "%s: no word came out of %.1f s of sound: statistics of what is no speech would "
        "mislead; give recordings of speech (stapes calibrate --allow-silence takes these all "
        "the same)",
        c->options->data.items[0], c->summary->sound_seconds);
    return EXIT_FAILURE;
}

static int run_pass(struct calibration *c, uint32_t passes, const char *output,
                    struct statistics *all)
{
    choose_pass(c);
    c->summary->steps = 0;
    if (create_shards(c) != OK)
        return EXIT_FAILURE;
    int result = run_recordings(c, passes);
    if (result == EXIT_SUCCESS)
        result = check_words(c);
    if (result != EXIT_SUCCESS)
        return result;
    const bool last = c->end == c->inputs->n_inputs;
    const enum status status = last ? merge_shards(c, all) : put_aside(c, output, all);
    return status ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run_passes(struct calibration *c, const char *output, struct statistics *all)
{
    const uint32_t passes = count_passes(c);
    int status = EXIT_SUCCESS;
    if (passes > 1)
        report_note(c->report,
                    "%" PRIu32 " passes, since the Gram matrices do not fit in %.3g GB together",
                    passes, 1e-9 * (double)memory_limit(c->options));
    for (; c->summary->passes < passes && status == EXIT_SUCCESS; c->summary->passes++) {
        status = run_pass(c, passes, output, all);
        destroy_shards(c);
        c->begin = c->end;
    }
    return status;
}

/* --- From beginning to end */

static enum status set_up(struct calibration *c)
{
    c->inputs = capture_get_inputs(c->model);
    enum status status = pool_create(&c->log, 0, &c->pool);
    if (status)
        return status;
    c->n_shards = pool_threads(c->pool);
    c->shards = calloc(c->n_shards, sizeof(*c->shards));
    c->first_of = calloc(c->inputs->n_inputs, sizeof(*c->first_of));
    if (!c->shards || !c->first_of)
        return log_error(&c->log, ERROR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < c->inputs->n_inputs; i++)
        while (strcmp(c->inputs->inputs[c->first_of[i]].name, c->inputs->inputs[i].name) != 0)
            c->first_of[i]++;
    return OK;
}

static enum status describe(struct calibration *c, struct statistics *all)
{
    const struct capture_inputs *in = c->inputs;
    enum status status = OK;
    for (uint32_t i = 0; i < in->n_aliases && status == OK; i++)
        status =
            statistics_alias(&c->log, all, in->aliases[i].name, in->inputs[in->aliases[i].of].name);
    for (size_t i = 0; i < c->options->data.n && status == OK; i++)
        status = statistics_add_dataset(&c->log, all, c->options->data.items[i]);
    return status;
}

static int gather(struct calibration *c, const char *output, struct statistics **out)
{
    struct statistics *all = NULL;
    enum status status = set_up(c);
    if (status == OK)
        status = statistics_create(&c->log, &all);
    int result = status ? EXIT_FAILURE : run_passes(c, output, all);
    if (result == EXIT_SUCCESS && describe(c, all) != OK)
        result = EXIT_FAILURE;
    if (result == EXIT_SUCCESS)
        *out = all;
    else
        statistics_destroy(&all);
    pool_destroy(&c->pool);
    free(c->shards);
    free(c->first_of);
    return result;
}

/* What cannot be written should be known before hours of work, and who names an input for the
 * output has mistaken one for the other. */
static enum status check_output(const struct log *log, const char *model,
                                const struct recordings *recordings, const char *output)
{
    struct file_out probe = {0};
    if (recordings_have(recordings, output) || (model && model_facts_has_file(model, output)))
        return log_error(log, ERROR_ARGUMENT, "%s: is the input, and cannot be the output", output);
    const enum status status = file_create(log, output, &probe);
    file_discard(&probe);
    return status;
}

int calibration_gather(struct report *report, const struct model_options *model,
                       const struct calibration_options *options, const char *output,
                       struct statistics **out, struct calibration_summary *summary)
{
    struct recordings recordings;
    struct calibration c = {.report = report,
                            .log = report_log(report),
                            .options = options,
                            .summary = summary,
                            .recordings = &recordings};
    struct statistics *gathered = NULL;
    *summary = (struct calibration_summary){0};
    if (recordings_find(report, options->data.items, options->data.n,
                        (uint64_t)options->limit_seconds * AUDIO_RATE, &recordings) != 0)
        return EXIT_FAILURE;
    if (check_output(&c.log, model->path, &recordings, output) != OK) {
        recordings_deinit(&recordings);
        return EXIT_FAILURE;
    }
    const int64_t slots = options->slots ? options->slots : DEFAULT_SLOTS;
    const struct model_use use = {
        .slots = (uint32_t)MIN((uint64_t)slots, recordings.n), .capture = take_tick, .user = &c};
    summary->recordings = recordings.n;
    summary->unreadable = recordings.unreadable;
    int status = model_open_for(report, model, &use, &c.model);
    const double start = now_seconds();
    if (status == EXIT_SUCCESS) {
        status = gather(&c, output, &gathered);
        const int closed = model_close(report, model, &c.model);
        status = status == EXIT_SUCCESS ? closed : status;
    }
    summary->wall_seconds = now_seconds() - start;
    recordings_deinit(&recordings);
    if (status == EXIT_SUCCESS)
        *out = gathered;
    else
        statistics_destroy(&gathered);
    return status;
}

/* A Gram matrix of fewer vectors than it has rows has no full rank. */
static void warn_of_rank(struct report *report, const struct statistics *statistics)
{
    const struct statistics_entry *worst = NULL;
    for (uint32_t i = 0; i < statistics_count(statistics); i++) {
        const struct statistics_entry *entry = statistics_get(statistics, i);
        if (entry->gram_count > 0 && entry->gram_count < entry->k &&
            (!worst || entry->k > worst->k))
            worst = entry;
    }
    if (worst)
        report_warning(report,
                       "%" PRIu64 " vectors of %" PRIu32 " elements say little of how these go "
                       "together, and gptq would fit noise: give more recordings",
                       worst->gram_count, worst->k);
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

void calibration_tell(struct report *report, const struct statistics *statistics,
                      const struct calibration_summary *s)
{
    report_note(report,
                "%" PRIu64 " recording%s, %.1f s of sound, %" PRIu64 " word%s, %" PRIu64
                " steps, %" PRIu32 " tensors, %.1f s wall",
                s->recordings, plural(s->recordings), s->sound_seconds, s->words, plural(s->words),
                s->steps, statistics_count(statistics), s->wall_seconds);
    if (s->unreadable + s->damaged > 0)
        report_note(report, "%" PRIu64 " recording%s could not be read, %" PRIu64 " only in part",
                    s->unreadable, plural(s->unreadable), s->damaged);
    warn_of_rank(report, statistics);
}
