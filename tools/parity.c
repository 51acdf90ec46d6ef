/* SPDX-License-Identifier: MIT
 *
 * Runs checkgpu on this device and through WebGPU, side by side, and compares what they wrote.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/file.h"
#include "tools/checkgpu.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/output.h"
#include "tools/parity/rows.h"

enum { MAX_DOCUMENT_BYTES = 16 << 20 };

struct options {
    const char *kernel, *device, *json;
    int64_t seed, cases; /* 0: checkgpu's own, all */
};

/* A run of parity: the files of both sides are in a directory of its own. */
struct run {
    struct report *report;
    const struct options *options;
    int nowhere;         /* /dev/null: what the children print for people */
    char directory[512]; /* "": not made */
    char documents[PARITY_SIDES][544], outputs[PARITY_SIDES][544];
};

static bool make_directory(struct run *run)
{
    static const char *const names[PARITY_SIDES] = {"vulkan", "webgpu"};
    const char *parent = getenv("TMPDIR");
    const size_t size = sizeof(run->directory);
    const int n = snprintf(run->directory, size, "%s/stapes-parity-XXXXXX",
                           parent && *parent ? parent : "/tmp");
    run->nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (n < 0 || (size_t)n >= size || run->nowhere < 0 || !mkdtemp(run->directory)) {
        report_error(run->report, "%s: %s", run->directory, strerror(errno));
        run->directory[0] = '\0';
        return false;
    }
    for (int side = 0; side < PARITY_SIDES; side++) {
        snprintf(run->documents[side], sizeof(run->documents[side]), "%s/%s.json", run->directory,
                 names[side]);
        snprintf(run->outputs[side], sizeof(run->outputs[side]), "%s/%s.outputs", run->directory,
                 names[side]);
    }
    return true;
}

static void remove_directory(struct run *run)
{
    for (int side = 0; side < PARITY_SIDES; side++) {
        unlink(run->documents[side]);
        unlink(run->outputs[side]);
    }
    if (run->directory[0])
        rmdir(run->directory);
    if (run->nowhere >= 0)
        close(run->nowhere);
}

/* A pattern that matches nothing is told once, before devices are opened. */
static int check_pattern(struct run *run)
{
    const char *const arguments[] = {"--list", "--kernel", run->options->kernel, NULL};
    struct checkgpu child;
    if (!run->options->kernel)
        return EXIT_SUCCESS;
    if (!checkgpu_start(run->report, CHECKGPU_VULKAN, arguments, run->nowhere, &child))
        return EXIT_FAILURE;
    return checkgpu_wait(run->report, &child, 1);
}

static bool start_side(struct run *run, int side, struct checkgpu *child)
{
    const struct options *options = run->options;
    const char *arguments[16] = {"--json", run->documents[side], "--outputs", run->outputs[side]};
    char seed[24], cases[24];
    int n = 4;
    if (options->kernel) {
        arguments[n++] = "--kernel";
        arguments[n++] = options->kernel;
    }
    if (options->seed) {
        snprintf(seed, sizeof(seed), "%" PRId64, options->seed);
        arguments[n++] = "--seed";
        arguments[n++] = seed;
    }
    if (options->cases && side == PARITY_WEBGPU) {
        snprintf(cases, sizeof(cases), "%" PRId64, options->cases);
        arguments[n++] = "--cases";
        arguments[n++] = cases;
    }
    if (side == PARITY_VULKAN) {
        arguments[n++] = "--all";
        if (options->device) {
            arguments[n++] = "--device";
            arguments[n++] = options->device;
        }
    }
    return checkgpu_start(run->report, side == PARITY_VULKAN ? CHECKGPU_VULKAN : CHECKGPU_WEBGPU,
                          arguments, run->nowhere, child);
}

/* Both at a time: they wait for different devices. EXIT_FAILURE may leave whole documents. */
static int run_sides(struct run *run)
{
    struct checkgpu children[PARITY_SIDES] = {{.pid = 0}};
    int status = EXIT_SUCCESS;
    for (int side = 0; side < PARITY_SIDES && status == EXIT_SUCCESS; side++)
        if (!start_side(run, side, &children[side]))
            status = EXIT_FAILURE;
    if (status)
        checkgpu_interrupt(children, PARITY_SIDES);
    const int ended = checkgpu_wait(run->report, children, PARITY_SIDES);
    return ended ? ended : status;
}

static cJSON *read_document(struct run *run, const char *path)
{
    const struct log log = report_log(run->report);
    char *text = NULL;
    size_t size;
    if (!path_exists(path)) /* it has told why */
        return NULL;
    if (file_load(&log, path, MAX_DOCUMENT_BYTES, &text, &size) != OK)
        return NULL;
    cJSON *document = cJSON_Parse(text);
    if (!document)
        report_error(run->report, "%s: is no JSON document", path);
    free(text);
    return document;
}

static int show(struct run *run, const struct parity *parity,
                const cJSON *const documents[PARITY_SIDES])
{
    const char *path = run->options->json;
    struct text table = {0}, json = {0};
    bool good = true;
    parity_table(parity, documents, &table);
    parity_json(parity, documents, &json);
    if (!path || strcmp(path, "-") != 0)
        good = output_text(run->report, &table);
    if (path)
        good &= output_file(run->report, path, &json);
    text_deinit(&table);
    text_deinit(&json);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int compare(struct run *run)
{
    const struct log log = report_log(run->report);
    cJSON *documents[PARITY_SIDES];
    struct outputs outputs[PARITY_SIDES] = {{.map = NULL}};
    struct parity parity = {.rows = NULL};
    int status = EXIT_SUCCESS;
    for (int side = 0; side < PARITY_SIDES; side++) {
        documents[side] = read_document(run, run->documents[side]);
        if (!documents[side] || outputs_open(&log, run->outputs[side], &outputs[side]) != OK)
            status = EXIT_FAILURE;
    }
    const cJSON *const both[PARITY_SIDES] = {documents[0], documents[1]};
    if (status == EXIT_SUCCESS) {
        const bool equal =
            parity_compare(run->report, both, outputs, run->options->cases != 0, &parity);
        status = parity.compared > 0 ? show(run, &parity, both) : EXIT_FAILURE;
        status = equal ? status : EXIT_FAILURE;
    }
    parity_deinit(&parity);
    for (int side = 0; side < PARITY_SIDES; side++) {
        outputs_close(&outputs[side]);
        cJSON_Delete(documents[side]);
    }
    return status;
}

static int run(const void *values, int n_operands, char **operands)
{
    (void)n_operands;
    (void)operands;
    struct report report;
    struct run run = {.report = &report, .options = values, .nowhere = -1};
    report_init(&report, false, false);
    int status = make_directory(&run) ? check_pattern(&run) : EXIT_FAILURE;
    if (status == EXIT_SUCCESS) {
        report_note(&report, "running kernels on Vulkan and on WebGPU");
        status = run_sides(&run);
        if (status == EXIT_SUCCESS || status == EXIT_FAILURE) {
            const int compared = compare(&run);
            status = status ? status : compared;
        }
    }
    remove_directory(&run);
    return status;
}

static const struct option_row rows[] = {
    {.name = "kernel",
     .letter = 'k',
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, kernel),
     .value = "PATTERN",
     .help = "Only kernels whose name, or whose plain form's, matches, as in matmul_* (quote it). "
             "Default: all."},
    {.name = "device",
     .letter = 'd',
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, device),
     .value = "NAME|INDEX",
     .help = "The Vulkan device, as stapes devices lists it. Default: the best there is. WebGPU "
             "runs on SwiftShader, unless VK_ICD_FILENAMES names another driver, for both."},
    {.name = "cases",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct options, cases),
     .value = "N",
     .min = 1,
     .max = 1000,
     .help = "Run about N cases of each kernel through WebGPU, where compiling takes long, and "
             "compare these. Default: all."},
    {.name = "seed",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct options, seed),
     .value = "N",
     .min = 1,
     .max = INT64_MAX,
     .help = "Of the generated inputs. Default: 1."},
    {.name = "json",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, json),
     .value = "FILE",
     .help = "Also write all figures to this file. -: to standard output, without the table."},
};

static const struct help_section sections[] = {
    {"Description",
     "Runs every kernel that has a form in WGSL twice on the same inputs, on Vulkan and, in "
     "Node.js, on WebGPU, and compares both with the references and with each other.\n\nA line a "
     "kernel: its cases; for both the worst element's share of its tolerance, and the largest "
     "error of floats; the largest difference between the two; and how many words differ of "
     "those that hold integers or packed numbers. Kernels that a device lacks something for are "
     "named. It takes minutes on a CPU, and needs the programs of the tests: a build tree with "
     "-DSTAPES_TESTS=ON and -DSTAPES_WEB=ON."},
    {"Exit status",
     "0: all tolerances are met; 1: one is not, or a kernel or a case is missing; 2: wrong usage."},
};

const struct command parity_command = {
    .name = "parity",
    .summary = "the kernels on Vulkan and on WebGPU compared",
    .operands = "",
    .options = rows,
    .n_options = COUNT_OF(rows),
    .sections = sections,
    .n_sections = COUNT_OF(sections),
    .options_bytes = sizeof(struct options),
    .run = run,
};
