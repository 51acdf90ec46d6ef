/* SPDX-License-Identifier: MIT
 *
 * One attempt: statistics where its method needs them, a model file, a verdict.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/file.h"
#include "tools/autoquant/autoquant.h"
#include "tools/interrupt.h"

static int failed(const struct autoquant *a, uint32_t errors, const char *what, enum status status)
{
    if (interrupt_pending())
        return EXIT_INTERRUPTED;
    if (a->report->errors == errors)
        report_error(a->report, "%s: %s", what, status_text(status));
    return EXIT_FAILURE;
}

static bool needs_gram(const struct autoquant *a)
{
    for (uint32_t i = 0; i < a->search.n_methods; i++)
        if (a->methods[i] == QUANTIZE_GPTQ)
            return true;
    return false;
}

/* Kept in the directory, for attempts to come and for a later call. */
static int open_statistics(const struct autoquant *a, double seconds, struct statistics **out)
{
    char name[64], path[AUTOQUANT_PATH];
    struct calibration_summary summary;
    struct model_options model = a->options->model;
    const struct calibration_options options = {
        .data = a->options->calibrate,
        .gram = needs_gram(a),
        .limit_seconds = seconds < a->search.most_seconds ? (int64_t)seconds : 0,
        .memory_bytes = a->options->memory_bytes,
    };
    uint32_t errors = a->report->errors;
    autoquant_statistics_name(seconds, name);
    if (!autoquant_path(a, 0, name, path))
        return EXIT_FAILURE;
    if (path_exists(path)) {
        enum status status = statistics_read(&a->log, path, out);
        return status ? failed(a, errors, path, status) : EXIT_SUCCESS;
    }
    model.path = a->checkpoint;
    int result = calibration_gather(a->report, &model, &options, path, out, &summary);
    if (result != EXIT_SUCCESS)
        return result;
    calibration_tell(a->report, *out, &summary);
    enum status status = statistics_write(&a->log, *out, path);
    if (status)
        statistics_destroy(out);
    return status ? failed(a, errors, path, status) : EXIT_SUCCESS;
}

struct progress {
    struct report *report;
    char label[64];
};

static bool show_progress(void *user, uint64_t done, uint64_t total, const char *tensor)
{
    (void)tensor;
    struct progress *progress = user;
    report_progress(progress->report, progress->label, done, total);
    return !interrupt_pending();
}

/* What is told of each attempt would be the same every time. */
static void log_errors(void *user, enum log_level level, const char *message)
{
    const struct log log = report_log(user);
    if (level == LOG_ERROR || ((struct report *)user)->verbose)
        log.fn(log.user, level, message);
}

/* The rules: one a tensor that is wider, then the user's, which win. */
struct rules {
    struct quantize_rule *items;
    size_t n, n_wider;
};

static bool collect_rules(struct autoquant *a, const struct autoquant_attempt *attempt,
                          struct rules *rules)
{
    rules->items = calloc(a->mix.n + a->n_rules + 1, sizeof(*rules->items));
    if (!rules->items) {
        report_error(a->report, "out of memory");
        return false;
    }
    if (attempt->mix)
        rules->n_wider = mix_choose(&a->search, &a->mix, attempt->type,
                                    (double)attempt->mix / (AUTOQUANT_MIXES + 1));
    for (size_t i = 0; i < a->mix.n && attempt->mix; i++) {
        const struct mix_tensor *tensor = &a->mix.tensors[i];
        if (tensor->type != attempt->type)
            rules->items[rules->n++] =
                (struct quantize_rule){tensor->name, a->search.types[tensor->type]};
    }
    memcpy(rules->items + rules->n, a->rules, a->n_rules * sizeof(*a->rules));
    rules->n += a->n_rules;
    return true;
}

/* With the statistics of the attempt; those of a method without are the first ones there are. */
static int measure_mix(struct autoquant *a, const struct autoquant_attempt *attempt)
{
    const struct log log = {log_errors, a->report};
    const struct quantize_options options = {
        .type = a->search.types[attempt->type], .rules = a->rules, .n_rules = a->n_rules};
    struct statistics *statistics = NULL;
    double seconds = attempt->seconds > 0 ? attempt->seconds : a->search.first_seconds;
    uint32_t errors = a->report->errors;
    int result = EXIT_SUCCESS;
    if (a->mixed && a->mix_seconds == seconds)
        return EXIT_SUCCESS;
    mix_deinit(&a->mix);
    a->mixed = false;
    if (seconds > 0)
        result = open_statistics(a, seconds, &statistics);
    if (result != EXIT_SUCCESS)
        return result;
    report_note(a->report, "measuring what each type does to each matrix");
    enum status status =
        mix_measure(&log, a->checkpoint, &a->search, &options, statistics, &a->mix);
    statistics_destroy(&statistics);
    if (status)
        return failed(a, errors, a->checkpoint, status);
    a->mixed = true;
    a->mix_seconds = seconds;
    return EXIT_SUCCESS;
}

static int quantize(struct autoquant *a, const struct autoquant_attempt *attempt, size_t number,
                    const char *model, const struct rules *rules)
{
    const struct log log = {log_errors, a->report};
    struct progress progress = {.report = a->report};
    struct quantize_summary summary;
    struct quantize_options options = {
        .type = a->search.types[attempt->type],
        .rules = rules->items,
        .n_rules = rules->n,
        .method = a->methods[attempt->method],
        .progress = show_progress,
        .user = &progress,
    };
    uint32_t errors = a->report->errors;
    int result = EXIT_SUCCESS;
    if (attempt->seconds > 0)
        result = open_statistics(a, attempt->seconds, &options.statistics);
    if (result != EXIT_SUCCESS)
        return result;
    snprintf(progress.label, sizeof(progress.label), "quantizing %zu", number);
    enum status status = quantize_file(&log, a->checkpoint, model, &options, &summary);
    report_clear(a->report);
    statistics_destroy(&options.statistics);
    if (status)
        return failed(a, errors, model, status);
    return autoquant_write_config(a, number, attempt, &options, &summary);
}

static void add_missed(const struct validation_check *check, const char *format,
                       struct autoquant_record *record)
{
    size_t used = strlen(record->why);
    if (check->verdict != VERDICT_FAILED)
        return;
    if (used > 0)
        used += (size_t)snprintf(record->why + used, sizeof(record->why) - used, ", ");
    snprintf(record->why + used, sizeof(record->why) - used, format, check->value, check->limit);
}

static void judge(const struct validation *v, struct autoquant_record *record)
{
    const struct validation_check *checks[] = {&v->wer, &v->perplexity, &v->kl};
    const double least[] = {0.1, 0.1, 1e-6}; /* percentage points, percent, nats */
    struct autoquant_attempt *attempt = &record->attempt;
    bool good = true;
    for (size_t i = 0; i < COUNT_OF(checks); i++) {
        if (checks[i]->verdict != VERDICT_FAILED)
            continue;
        double miss = autoquant_miss(checks[i]->value, checks[i]->limit, least[i]);
        attempt->miss = miss > attempt->miss ? miss : attempt->miss;
        good = false;
    }
    attempt->passed = v->passed;
    attempt->slow = good && !v->passed;
    add_missed(&v->wer, "WER +%.2f of +%.2f points", record);
    add_missed(&v->perplexity, "perplexity +%.2f of +%.2f %%", record);
    add_missed(&v->kl, "KL %.4g of %.4g nats", record);
    add_missed(&v->fast, "speed %.2f of %.2f", record);
    record->bits_per_weight = v->candidate.bits_per_weight;
    record->wer = v->candidate.wer;
    record->wer_increase = v->wer_increase;
    record->text_perplexity_increase = v->text_perplexity_increase;
    record->text_kl_mean = v->text.kl_mean;
    record->text_agreement = v->text.agreement;
    record->speed = v->speed;
}

static int validate(struct autoquant *a, size_t number, const char *model,
                    struct autoquant_record *record)
{
    struct validation *validation = malloc(sizeof(*validation));
    int status = EXIT_SUCCESS;
    if (!validation) {
        report_error(a->report, "out of memory");
        return EXIT_FAILURE;
    }
    if (!a->reference)
        status = validate_reference_create(&a->validate, &a->reference);
    if (status == EXIT_SUCCESS)
        status = validate_candidate(a->reference, model, validation);
    if (status == EXIT_SUCCESS && validation->text.steps == 0) {
        report_error(a->report, "%s: %s", a->options->data, validation->perplexity.reason);
        status = EXIT_FAILURE;
    }
    if (status == EXIT_SUCCESS) {
        judge(validation, record);
        status = autoquant_write_report(a, number, validation);
    }
    free(validation);
    return status;
}

/* One that passed goes to the directory of all, where the user looks for it. */
static bool place_model(const struct autoquant *a, const char *model, bool passed)
{
    char chosen[AUTOQUANT_PATH];
    bool done = true;
    if (!autoquant_path(a, 0, AUTOQUANT_MODEL, chosen))
        return false;
    if (passed && a->options->keep)
        done = (unlink(chosen) == 0 || errno == ENOENT) && link(model, chosen) == 0;
    else if (passed)
        done = rename(model, chosen) == 0;
    else if (!a->options->keep)
        done = unlink(model) == 0;
    if (!done)
        report_error(a->report, "%s: %s", model, strerror(errno));
    return done;
}

static int measure_file(const struct autoquant *a, const char *model,
                        struct autoquant_record *record)
{
    struct stat info;
    if (stat(model, &info) != 0) {
        report_error(a->report, "%s: %s", model, strerror(errno));
        return EXIT_FAILURE;
    }
    record->model_bytes = (uint64_t)info.st_size;
    return EXIT_SUCCESS;
}

static bool make_directory(const struct autoquant *a, size_t number)
{
    char path[AUTOQUANT_PATH];
    if (!autoquant_path(a, number, NULL, path))
        return false;
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && path_is_directory(path)))
        return true;
    report_error(a->report, "%s: %s", path, strerror(errno));
    return false;
}

int autoquant_try(struct autoquant *a, const struct autoquant_attempt *attempt, size_t number,
                  struct autoquant_record *record)
{
    char model[AUTOQUANT_PATH];
    struct rules rules = {0};
    double start = now_seconds();
    *record = (struct autoquant_record){.attempt = *attempt};
    if (!autoquant_path(a, number, AUTOQUANT_MODEL, model) || !make_directory(a, number))
        return EXIT_FAILURE;
    int status = attempt->mix ? measure_mix(a, attempt) : EXIT_SUCCESS;
    if (status == EXIT_SUCCESS && !collect_rules(a, attempt, &rules))
        status = EXIT_FAILURE;
    if (status == EXIT_SUCCESS)
        status = quantize(a, attempt, number, model, &rules);
    if (status == EXIT_SUCCESS)
        status = validate(a, number, model, record);
    record->wider = rules.n_wider;
    free(rules.items);
    if (status == EXIT_SUCCESS)
        status = measure_file(a, model, record);
    if (status != EXIT_SUCCESS)
        return status;
    if (!autoquant_fingerprint(a, number, record->fingerprint) ||
        !place_model(a, model, record->attempt.passed))
        return EXIT_FAILURE;
    record->seconds = now_seconds() - start;
    return EXIT_SUCCESS;
}
