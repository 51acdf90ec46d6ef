/* SPDX-License-Identifier: MIT
 *
 * Runs checkgpu, which has the kernels' references and so can tell right from fast, and shows what
 * it found.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "tools/checkgpu.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/output.h"
#include "tools/roofline.h"

struct options {
    const char *kernel, *device, *json, *plot;
    bool all_forms, quick;
};

/* What the child writes, up to its end. */
static void read_all(int fd, struct checkgpu *child, struct text *out)
{
    char bytes[4096];
    for (;;) {
        ssize_t n = read(fd, bytes, sizeof(bytes) - 1);
        if (n < 0 && errno == EINTR) {
            if (interrupt_pending())
                checkgpu_interrupt(child, 1);
            continue;
        }
        if (n <= 0)
            return;
        bytes[n] = '\0';
        text_add(out, bytes);
    }
}

static int run_checkgpu(struct report *report, const struct options *options, struct text *out)
{
    const char *arguments[12] = {"--bench", "--json", "-"};
    struct checkgpu child;
    int n = 3, ends[2];
    if (options->quick)
        arguments[n++] = "--quick";
    if (options->kernel) {
        arguments[n++] = "--kernel";
        arguments[n++] = options->kernel;
    }
    if (options->device) {
        arguments[n++] = "--device";
        arguments[n++] = options->device;
    }
    if (pipe(ends) != 0) {
        report_error(report, "cannot start checkgpu: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    const bool started = checkgpu_start(report, CHECKGPU_VULKAN, arguments, ends[1], &child);
    close(ends[1]);
    if (started) {
        if (!report->bar) /* checkgpu draws what it does on a terminal only */
            report_note(report, "timing kernels");
        read_all(ends[0], &child, out);
    }
    close(ends[0]);
    return started ? checkgpu_wait(report, &child, 1) : EXIT_FAILURE;
}

static double number(const cJSON *object, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(value) ? value->valuedouble : 0;
}

static const char *string(const cJSON *object, const char *key)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return value ? value : "";
}

static bool same_case(const cJSON *a, const cJSON *b)
{
    return !strcmp(string(a, "kernel"), string(b, "kernel")) &&
           number(a, "case") == number(b, "case");
}

/* The fastest form of the case of `first`; *next: the first result of another case. */
static const cJSON *best_form(const cJSON *first, const cJSON **next)
{
    const cJSON *best = first, *result = first;
    for (; result && same_case(first, result); result = result->next)
        if (number(result, "median_ns") < number(best, "median_ns"))
            best = result;
    *next = result;
    return best;
}

static void add_time(struct text *out, double ns)
{
    char time[32];
    snprintf(time, sizeof(time), ns < 1e6 ? "%.2f us" : "%.2f ms", ns < 1e6 ? ns / 1e3 : ns / 1e6);
    text_addf(out, "%12s", time);
}

static void add_row(struct text *out, const cJSON *result)
{
    const cJSON *ratio = cJSON_GetObjectItemCaseSensitive(result, "ratio_to_plain");
    const bool chosen = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(result, "chosen"));
    char form[32];
    snprintf(form, sizeof(form), "%s%s", string(result, "variant"), chosen ? "*" : "");
    text_addf(out, "%-15s %-7s", string(result, "kernel"), form);
    add_time(out, number(result, "median_ns"));
    text_addf(out, " %9.2f %6.1f%%", number(result, "gb_per_s"),
              100 * number(result, "share_bandwidth"));
    if (number(result, "flops") > 0)
        text_addf(out, " %6.1f%%", 100 * number(result, "share_fma"));
    else
        text_addf(out, " %7s", "-");
    if (cJSON_IsNumber(ratio))
        text_addf(out, " %7.2fx", ratio->valuedouble);
    else
        text_addf(out, " %8s", "-");
    text_addf(out, "  %s\n", string(result, "shape"));
}

static void add_table(struct text *out, const cJSON *document, bool all_forms)
{
    const cJSON *results = cJSON_GetObjectItemCaseSensitive(document, "results");
    text_add_plain(out, string(document, "device"));
    text_addf(out,
              ": copies %.2f GB/s (read and written), multiplies and adds %.1f GFLOP/s\n"
              "%-15s %-7s%12s %9s %7s %7s %8s  %s\n",
              number(document, "copy_gb_per_s"), number(document, "fma_gflop_per_s"), "kernel",
              "form", "time", "GB/s", "of copy", "of fma", "x plain", "shape");
    for (const cJSON *result = results ? results->child : NULL, *next; result; result = next) {
        const cJSON *best = best_form(result, &next);
        for (const cJSON *form = result; form != next; form = form->next)
            if (all_forms || form == best)
                add_row(out, form);
    }
}

static bool is_output(const char *path)
{
    return path && !strcmp(path, "-");
}

static bool write_plot(struct report *report, const char *path, const cJSON *document)
{
    const cJSON *results = cJSON_GetObjectItemCaseSensitive(document, "results");
    struct text svg = {0};
    struct roofline plot = {
        .device = string(document, "device"),
        .copy_gb_per_s = number(document, "copy_gb_per_s"),
        .fma_gflop_per_s = number(document, "fma_gflop_per_s"),
    };
    struct roofline_point *points =
        calloc((size_t)cJSON_GetArraySize(results) + 1, sizeof(*points));
    bool good = points != NULL;
    for (const cJSON *result = results ? results->child : NULL, *next; result && good;
         result = next) {
        const cJSON *best = best_form(result, &next);
        if (number(best, "flops") <= 0 || number(best, "bytes") <= 0) {
            plot.n_left_out++;
            continue;
        }
        points[plot.n_points++] = (struct roofline_point){
            .kernel = string(best, "kernel"),
            .variant = string(best, "variant"),
            .shape = string(best, "shape"),
            .flop_per_byte = number(best, "flops") / number(best, "bytes"),
            .gflop_per_s = number(best, "gflop_per_s"),
            .median_ns = number(best, "median_ns"),
        };
    }
    plot.points = points;
    if (good)
        roofline_write(&plot, &svg);
    svg.failed |= !good;
    good = output_file(report, path, &svg);
    text_deinit(&svg);
    free(points);
    return good;
}

static int run(const void *values, int n_operands, char **operands)
{
    (void)n_operands;
    (void)operands;
    const struct options *options = values;
    struct report report;
    struct text json = {0}, table = {0};
    report_init(&report, false, false);
    if (is_output(options->json) && is_output(options->plot)) {
        report_error(&report, "--json - and --plot -: there is one standard output");
        return EXIT_USAGE;
    }
    int status = run_checkgpu(&report, options, &json);
    cJSON *document = json.bytes ? cJSON_Parse(json.bytes) : NULL;
    if (status == EXIT_USAGE || status == EXIT_INTERRUPTED || (status && !document))
        goto end; /* checkgpu has told why there is nothing */
    if (!document || number(document, "copy_gb_per_s") <= 0 ||
        number(document, "fma_gflop_per_s") <= 0) {
        report_error(&report, "checkgpu gave no figures");
        status = EXIT_FAILURE;
        goto end;
    }
    if (status && !report.errors)
        report_error(&report, "some kernels failed: they are not in the table");
    add_table(&table, document, options->all_forms);
    if ((!is_output(options->json) && !is_output(options->plot) && !output_text(&report, &table)) ||
        (options->json && !output_file(&report, options->json, &json)) ||
        (options->plot && !write_plot(&report, options->plot, document)))
        status = EXIT_FAILURE;
end:
    cJSON_Delete(document);
    text_deinit(&json);
    text_deinit(&table);
    return status;
}

static const struct option_row rows[] = {
    {.name = "kernel",
     .letter = 'k',
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, kernel),
     .value = "PATTERN",
     .help = "Only kernels whose name matches, as in matmul_* (quote it). Default: all."},
    {.name = "device",
     .letter = 'd',
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, device),
     .value = "NAME|INDEX",
     .help = "The device, as stapes devices lists it. Default: the best there is."},
    {.name = "quick",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct options, quick),
     .help = "A tenth of the time for each kernel, and none for its other tests: rougher figures."},
    {.name = "all-forms",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct options, all_forms),
     .help = "Show every form of each kernel that the device can run, not only the fastest."},
    {.name = "json",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, json),
     .value = "FILE",
     .help = "Also write all figures to this file. -: to standard output, without the table."},
    {.name = "plot",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, plot),
     .value = "FILE",
     .help = "Also draw a roofline plot, as SVG; - as above."},
};

static const struct help_section sections[] = {
    {"Description",
     "Times every kernel on the shapes that models have, and says how near each comes to what the "
     "device can do: bytes a second against a copy, operations a second against "
     "multiply-adds, both measured in the same run. Each kernel is checked before and "
     "after it is timed; what is wrong is told and not shown.\n\nA line a kernel and shape: its "
     "fastest form, the time of one dispatch (median), bytes moved a second, their share of the "
     "copy, the share of multiply-adds, and how many times faster than the plain form it is. "
     "* marks the form that a model is given on this device. "
     "Inputs rotate over more memory than caches hold where they are large enough."},
};

const struct command bench_command = {
    .name = "bench",
    .summary = "how fast the kernels are on a device",
    .operands = "",
    .options = rows,
    .n_options = COUNT_OF(rows),
    .sections = sections,
    .n_sections = COUNT_OF(sections),
    .options_bytes = sizeof(struct options),
    .run = run,
};
