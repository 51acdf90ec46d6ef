/* SPDX-License-Identifier: MIT
 *
 * Every row of kernels.def on every case of its source, against the C reference; with --bench also
 * how fast each is, on the shapes that models have.
 */
#define _POSIX_C_SOURCE 200809L /* fnmatch, clock_gettime */
#include "tests/checkgpu.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SKIP 77

/* Names that --variant takes beside what ends the names of rows. */
static const struct {
    const char *name, *suffix;
} kinds[] = {{"plain", ""},      {"workgroup", "_wg"}, {"subgroup", "_sg"},
             {"integer", "_dp"}, {"tiles", "_mm"},     {"texels", "_tx"}};

static void print_log(void *user, enum log_level level, const char *message)
{
    const struct options *o = user;
    if (level <= LOG_WARNING || o->verbose)
        fprintf(stderr, "%s\n", message);
}

static void usage(FILE *to)
{
    fputs(
        "usage: checkgpu [--kernel PATTERN] [--variant V] [--device D] [--seed N]\n"
        "                [--all | --no-all] [--validation] [--bench [--quick] [--rotate-mb N]]\n"
        "                [--json FILE] [--outputs FILE] [--list] [--verbose]\n"
        "  --kernel PATTERN  only rows whose name, or whose plain form's, matches (* ? [])\n"
        "  --variant V       only plain, workgroup, subgroup, integer, tiles or texels, or rows\n"
        "                    that end in V\n"
        "  --device D        index, or part of a name\n"
        "  --seed N          of the generated cases (0 to 2^64 - 1)\n"
        "  --all             also rows that want fast barriers, which CPU devices lack (their\n"
        "                    default without --bench)\n"
        "  --no-all          only rows that the device would be given\n"
        "  --validation      with the validation layer; a message is a failure\n"
        "  --bench           time what passed\n"
        "  --quick           bench only: few samples, and only the bench's cases are checked\n"
        "  --rotate-mb N     megabytes of copies that a case is timed on in turn (1 to 16384;\n"
        "                    default: 256, on CPU devices four times their last-level cache)\n"
        "  --json FILE       also a JSON document; -: on standard output, and nothing else there\n"
        "  --outputs FILE    what each case wrote, for who compares devices\n"
        "  --list            names of the rows, and what they need\n"
        "exit status: 0 all passed, 1 a failure, 2 wrong usage, 77 no device\n",
        to);
}

static bool parse_number(const char *name, const char *text, uint64_t least, uint64_t most,
                         uint64_t *out)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 0);
    if (errno || end == text || *end || strchr(text, '-') || value < least || value > most) {
        fprintf(stderr, "checkgpu: %s wants a number from %llu to %llu, not '%s'\n", name,
                (unsigned long long)least, (unsigned long long)most, text);
        return false;
    }
    *out = value;
    return true;
}

static int wrong(const char *format, const char *name)
{
    fprintf(stderr, "checkgpu: ");
    fprintf(stderr, format, name);
    fputc('\n', stderr);
    usage(stderr);
    return 2;
}

static int parse(int argc, char **argv, struct options *o, int *all)
{
    const struct {
        const char *name;
        bool *flag;
        const char **text;
        uint64_t *number, least, most;
    } known[] = {
        {.name = "--kernel", .text = &o->pattern},
        {.name = "--variant", .text = &o->variant},
        {.name = "--device", .text = &o->device},
        {.name = "--json", .text = &o->json},
        {.name = "--outputs", .text = &o->outputs},
        {.name = "--seed", .number = &o->seed, .most = UINT64_MAX},
        {.name = "--rotate-mb", .number = &o->rotate_mb, .least = 1, .most = 16384},
        {.name = "--validation", .flag = &o->validation},
        {.name = "--verbose", .flag = &o->verbose},
        {.name = "--bench", .flag = &o->bench},
        {.name = "--quick", .flag = &o->quick},
        {.name = "--list", .flag = &o->list},
    };
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        size_t row = 0;
        if (!strcmp(name, "--help")) {
            usage(stdout);
            exit(0);
        }
        if (!strcmp(name, "--all") || !strcmp(name, "--no-all")) {
            *all = !strcmp(name, "--all");
            continue;
        }
        while (row < COUNT_OF(known) && strcmp(name, known[row].name))
            row++;
        if (row == COUNT_OF(known))
            return wrong("unknown option '%s'", name);
        if (known[row].flag) {
            *known[row].flag = true;
            continue;
        }
        if (++i == argc)
            return wrong("%s wants a value", name);
        if (known[row].text)
            *known[row].text = argv[i];
        else if (!parse_number(name, argv[i], known[row].least, known[row].most, known[row].number))
            return 2;
    }
    if (!o->bench && (o->quick || o->rotate_mb))
        return wrong("%s goes with --bench", o->quick ? "--quick" : "--rotate-mb");
    return 0;
}

static bool has_variant(enum kernel_id id, const char *variant)
{
    const char *suffix = row_suffix(id);
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (!strcmp(variant, kinds[i].name)) {
            const size_t n = strlen(kinds[i].suffix);
            return n ? !strncmp(suffix, kinds[i].suffix, n) : !*suffix;
        }
    return *suffix && (!strcmp(variant, suffix) || !strcmp(variant, suffix + 1));
}

/* Every kind that has rows, and every suffix. */
static void print_variants(void)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        for (int id = 0; id < KERNEL_COUNT; id++)
            if (has_variant((enum kernel_id)id, kinds[i].name)) {
                fprintf(stderr, " %s", kinds[i].name);
                break;
            }
    for (int id = 0; id < KERNEL_COUNT; id++) {
        const char *suffix = row_suffix((enum kernel_id)id);
        bool first = *suffix;
        for (int before = 0; before < id && first; before++)
            first = strcmp(suffix, row_suffix((enum kernel_id)before)) != 0;
        if (first)
            fprintf(stderr, " %s", suffix + 1);
    }
    fputc('\n', stderr);
}

/* Which rows the options ask for; 2 and a list of what there is if that is none. */
static int select_rows(const struct options *o, bool *selected)
{
    bool any_kernel = false, any_variant = false, any = false;
    for (int i = 0; i < KERNEL_COUNT; i++) {
        const enum kernel_id id = (enum kernel_id)i;
        const bool kernel = !o->pattern || !fnmatch(o->pattern, kernel_table[id].name, 0) ||
                            !fnmatch(o->pattern, kernel_table[kernel_table[id].base].name, 0);
        const bool variant = !o->variant || has_variant(id, o->variant);
        any_kernel |= kernel;
        any_variant |= variant;
        any |= selected[i] = kernel && variant;
    }
    if (!any_kernel) {
        fprintf(stderr, "checkgpu: no kernel matches '%s'; the kernels are:", o->pattern);
        for (int i = 0; i < KERNEL_COUNT; i++)
            fprintf(stderr, " %s", kernel_table[i].name);
        fputc('\n', stderr);
    } else if (!any_variant) {
        fprintf(stderr, "checkgpu: no row is a variant '%s'; the variants are:", o->variant);
        print_variants();
    } else if (!any) {
        fprintf(stderr, "checkgpu: '%s' has no variant '%s'; see checkgpu --list --kernel '%s'\n",
                o->pattern, o->variant, o->pattern);
    }
    return any ? 0 : 2;
}

static void check_row(struct checker *k, enum kernel_id id, struct row_result *result)
{
    const uint32_t messages = gpu_device_validation_messages(k->device);
    struct prepared p;
    for (uint32_t index = 0; case_prepare(k->options, id, index, false, &p); index++) {
        if (case_legal(id, &p.c)) {
            result->cases++;
            if (!case_check(k, id, &p, result))
                result->failures++;
        }
        case_free(&p);
    }
    checker_drop_pipelines(k);
    if (gpu_device_validation_messages(k->device) != messages) {
        fprintf(stderr, "FAILED %s: %u validation messages\n", kernel_table[id].name,
                gpu_device_validation_messages(k->device) - messages);
        result->failures++;
    }
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Checks the rows of run[], clears those that fail or that the device cannot run, and returns how
 * many failed. */
static uint32_t check_rows(struct checker *k, FILE *to, bool *run, struct row_result *rows,
                           bool *skipped_rows)
{
    uint32_t features = gpu_device_get_info(k->device)->features;
    uint32_t passed = 0, failed = 0, skipped = 0;
    const bool only_bench = k->options->bench && k->options->quick;
    if (k->options->all)
        features |= GPU_FEATURE_FAST_BARRIERS;
    for (int i = 0; i < KERNEL_COUNT; i++) {
        const enum kernel_id id = (enum kernel_id)i;
        if (!run[i])
            continue;
        run[i] = (kernel_table[i].features & features) == kernel_table[i].features;
        if (!run[i]) {
            fprintf(to, "%-18s skipped: the device lacks what it needs\n", kernel_table[i].name);
            skipped_rows[i] = true;
            skipped++;
        } else if (!only_bench) {
            const double from = now_ms();
            check_row(k, id, &rows[i]);
            report_row(to, id, &rows[i], now_ms() - from);
            run[i] = rows[i].cases && !rows[i].failures;
            *(run[i] ? &passed : &failed) += 1;
        }
    }
    if (!only_bench)
        fprintf(to, "checkgpu: %u passed, %u failed, %u skipped\n", passed, failed, skipped);
    return failed;
}

/* The state of the walk, drawn over itself, where nothing else is written to the terminal. */
static void draw_progress(const struct checker *k, uint32_t done, uint32_t total, const char *name)
{
    if (!k->options->json || strcmp(k->options->json, "-") || !isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r\033[K");
    if (name)
        fprintf(stderr, "benching %s (%u of %u)", name, done, total);
    fflush(stderr);
}

static bool bench_rows(struct checker *k, FILE *to, const bool *run, struct roofs *roofs,
                       struct bench_results *results)
{
    const uint32_t messages = gpu_device_validation_messages(k->device);
    kernel_set *set = NULL;
    bool good = true;
    uint32_t done = 0, total = 0;
    bool wanted[KERNEL_COUNT] = {false};
    for (int i = 0; i < KERNEL_COUNT; i++)
        if (run[i])
            wanted[kernel_table[i].base] = true;
    for (int i = 0; i < KERNEL_COUNT; i++)
        total += wanted[i];
    draw_progress(k, 0, total, "the device itself");
    if (kernel_set_create(k->device, NULL, &set) || roofs_measure(k, roofs)) {
        fprintf(stderr, "checkgpu: cannot measure what the device can do\n");
        good = false;
        goto end;
    }
    report_roofs(to, k, roofs);
    for (int i = 0; i < KERNEL_COUNT; i++) {
        if (!wanted[i])
            continue;
        const uint32_t before = results->n;
        draw_progress(k, ++done, total, kernel_table[i].name);
        good &= bench_base(k, roofs, set, (enum kernel_id)i, run, results);
        draw_progress(k, 0, 0, NULL);
        report_bench(to, roofs, results->at + before, results->n - before);
        report_left_out(to, (enum kernel_id)i, results);
    }
    if (gpu_device_validation_messages(k->device) != messages) {
        fprintf(stderr, "FAILED: %u validation messages while timing\n",
                gpu_device_validation_messages(k->device) - messages);
        good = false;
    }
end:
    draw_progress(k, 0, 0, NULL);
    kernel_set_destroy(&set);
    return good;
}

static int walk(struct checker *k, bool *run)
{
    const struct options *o = k->options;
    const struct gpu_device_info *info = gpu_device_get_info(k->device);
    /* Standard output is the document's alone. */
    FILE *to = o->json && !strcmp(o->json, "-") ? fopen("/dev/null", "w") : stdout;
    struct row_result rows[KERNEL_COUNT] = {{0}};
    bool skipped[KERNEL_COUNT] = {false};
    struct roofs roofs = {0};
    struct bench_results results = {0};
    if (!to) {
        perror("checkgpu: /dev/null");
        return 1;
    }
    fprintf(to, "checkgpu: %s (%s), seed %llu\n", info->name, info->driver,
            (unsigned long long)o->seed);
    bool good = check_rows(k, to, run, rows, skipped) == 0;
    if (o->bench)
        good &= bench_rows(k, to, run, &roofs, &results);
    if (o->json)
        good &= report_json(k, rows, skipped, o->bench ? &roofs : NULL, &results);
    if (to != stdout)
        fclose(to);
    free(results.at);
    return good ? 0 : 1;
}

static bool open_outputs(struct checker *k)
{
    const char *path = k->options->outputs;
    if (!path)
        return true;
    k->outputs = fopen(path, "wb");
    if (k->outputs)
        fputs(OUTPUTS_MAGIC, k->outputs);
    else
        fprintf(stderr, "checkgpu: %s: %s\n", path, strerror(errno));
    return k->outputs;
}

static bool close_outputs(struct checker *k)
{
    if (!k->outputs)
        return true;
    const bool failed = ferror(k->outputs);
    if (!fclose(k->outputs) && !failed)
        return true;
    fprintf(stderr, "checkgpu: %s: cannot be written: %s\n", k->options->outputs, strerror(errno));
    return false;
}

int main(int argc, char **argv)
{
    struct options o = {.seed = 1};
    bool run[KERNEL_COUNT];
    int all = -1;
    int result = parse(argc, argv, &o, &all);
    if (!result)
        result = select_rows(&o, run);
    if (result)
        return result;
    if (o.list) {
        report_list(stdout, run);
        return 0;
    }
    struct checker k = {.options = &o};
    const struct gpu_device_params params = {
        .log = {print_log, &o}, .device = o.device, .validation = o.validation};
    const enum status status = gpu_device_create(&params, &k.device);
    if (status) {
        fprintf(stderr, "checkgpu: no device: %s\n", status_text(status));
        return status == ERROR_NO_DEVICE ? SKIP : 1;
    }
    o.all = all >= 0 ? all : !o.bench && gpu_device_get_info(k.device)->type == GPU_TYPE_CPU;
    result = open_outputs(&k) ? walk(&k, run) : 1;
    if (!close_outputs(&k))
        result = 1;
    gpu_buffer_destroy(k.device, &k.buffer);
    gpu_device_destroy(&k.device);
    return result;
}
