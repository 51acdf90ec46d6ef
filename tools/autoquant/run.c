/* SPDX-License-Identifier: MIT
 *
 * The search: attempts until one passes or the decisions come to an end, a row of the table each.
 */
#include <stdlib.h>

#include "tools/autoquant/autoquant.h"
#include "tools/interrupt.h"
#include "tools/output.h"

static bool print_head(struct autoquant *a)
{
    struct text out = {0};
    text_addf(&out, "%3s  %-5s %-8s %6s %6s %9s %6s %7s %7s %8s %9s %6s  %s\n", "", "type",
              "method", "data s", "wider", "MB", "bits", "WER %", "WER +", "PPL + %", "KL", "top-1",
              "verdict");
    bool printed = a->options->model.quiet || output_text(a->report, &out);
    text_deinit(&out);
    return printed;
}

static bool print_row(struct autoquant *a, size_t index)
{
    const struct autoquant_record *r = &a->records[index];
    struct text out = {0};
    text_addf(&out, "%3zu  %-5s %-8s %6.0f %6llu %9.2f %6.3f %7.2f %7.2f %8.2f %9.3g %6.2f  %s\n",
              index + 1, a->search.types[r->attempt.type]->name,
              a->search.methods[r->attempt.method].name, r->attempt.seconds,
              (unsigned long long)r->wider, 1e-6 * (double)r->model_bytes, r->bits_per_weight,
              100 * r->wer, r->wer_increase, r->text_perplexity_increase, r->text_kl_mean,
              100 * r->text_agreement, r->attempt.passed ? "passes" : r->why);
    bool printed = a->options->model.quiet || output_text(a->report, &out);
    text_deinit(&out);
    return printed;
}

static bool reserve(struct autoquant *a)
{
    if (a->n_records < a->capacity)
        return true;
    size_t capacity = 2 * a->capacity + 16;
    struct autoquant_record *records = realloc(a->records, capacity * sizeof(*records));
    if (!records) {
        report_error(a->report, "out of memory");
        return false;
    }
    a->records = records;
    a->capacity = capacity;
    return true;
}

static void tell_next(const struct autoquant *a, const struct autoquant_decision *decision)
{
    struct text what = {0};
    autoquant_describe(&a->search, &decision->next, &what);
    if (!what.failed)
        report_note(a->report, "attempt %zu: %s (%s)", a->n_records + 1, what.bytes,
                    decision->reason);
    text_deinit(&what);
}

static int tell_end(struct autoquant *a, const struct autoquant_attempt *attempts,
                    const struct autoquant_decision *decision)
{
    char path[AUTOQUANT_PATH];
    struct text advice = {0};
    size_t closest;
    if (decision->step == AUTOQUANT_PASSED) {
        if (autoquant_path(a, 0, AUTOQUANT_MODEL, path))
            report_note(a->report, "attempt %zu passes: %s", a->n_records, path);
        return EXIT_SUCCESS;
    }
    autoquant_advise(&a->search, attempts, a->n_records, &closest, &advice);
    report_error(a->report, "nothing passes (%s); attempt %zu comes closest. What to try next:\n%s",
                 decision->reason, closest + 1, advice.bytes ? advice.bytes : "");
    text_deinit(&advice);
    return EXIT_LIMITS_MISSED;
}

static int run_next(struct autoquant *a, const struct autoquant_decision *decision)
{
    if (!reserve(a))
        return EXIT_FAILURE;
    tell_next(a, decision);
    int status = autoquant_try(a, &decision->next, a->n_records + 1, &a->records[a->n_records]);
    if (status != EXIT_SUCCESS)
        return interrupt_pending() ? EXIT_INTERRUPTED : status;
    a->n_records++;
    status = autoquant_write_summary(a);
    return print_row(a, a->n_records - 1) ? status : EXIT_FAILURE;
}

int autoquant_run(struct autoquant *a)
{
    struct autoquant_attempt *attempts = NULL;
    struct autoquant_decision decision;
    int status = autoquant_write_summary(a);
    if (status == EXIT_SUCCESS && !print_head(a))
        status = EXIT_FAILURE;
    for (size_t i = 0; i < a->n_records && status == EXIT_SUCCESS; i++)
        status = print_row(a, i) ? EXIT_SUCCESS : EXIT_FAILURE;
    while (status == EXIT_SUCCESS) {
        struct autoquant_attempt *more = realloc(attempts, (a->n_records + 1) * sizeof(*attempts));
        if (!more) {
            report_error(a->report, "out of memory");
            status = EXIT_FAILURE;
            break;
        }
        attempts = more;
        for (size_t i = 0; i < a->n_records; i++)
            attempts[i] = a->records[i].attempt;
        autoquant_decide(&a->search, attempts, a->n_records, &decision);
        if (decision.step >= AUTOQUANT_PASSED) {
            status = tell_end(a, attempts, &decision);
            break;
        }
        status = run_next(a, &decision);
    }
    free(attempts);
    return status;
}
