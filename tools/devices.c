/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/output.h"

enum { MAX_DEVICES = 64 };

struct options {
    int format;
};

static void add_table(struct text *out, const struct stapes_device *devices, uint32_t n)
{
    text_addf(out, "%-5s  %-10s  %9s  %9s  %-9s  %s\n", "index", "type", "memory", "free",
              "kernels", "name");
    for (uint32_t i = 0; i < n; i++) {
        const struct stapes_device *device = &devices[i];
        char memory[16], available[16];
        snprintf(memory, sizeof(memory), "%.1f GB", (double)device->memory_bytes / 1e9);
        snprintf(available, sizeof(available), "%.1f GB", (double)device->free_memory_bytes / 1e9);
        text_addf(out, "%-5u  %-10s  %9s  %9s  %-9s  ", device->index, device->type, memory,
                  available, device->unusable[0] ? "none" : device->kernels);
        text_add_plain(out, device->name);
        text_add(out, "\n       driver ");
        text_add_plain(out, device->driver);
        text_addf(out, "; largest binding %.1f MB; subgroups of %u\n",
                  (double)device->max_binding_bytes / 1e6, device->subgroup_size);
        if (device->unusable[0])
            text_addf(out, "       cannot be used: %s\n", device->unusable);
    }
}

static void add_json(struct text *out, const struct stapes_device *devices, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct stapes_device *device = &devices[i];
        text_addf(out, "{\"index\":%u,\"name\":", device->index);
        text_add_json(out, device->name);
        text_add(out, ",\"driver\":");
        text_add_json(out, device->driver);
        text_addf(out,
                  ",\"type\":\"%s\",\"memory_bytes\":%" PRIu64 ",\"free_memory_bytes\":%" PRIu64
                  ",\"max_binding_bytes\":%" PRIu64 ",\"subgroup_size\":%u,\"kernels\":\"%s\"",
                  device->type, device->memory_bytes, device->free_memory_bytes,
                  device->max_binding_bytes, device->subgroup_size, device->kernels);
        text_add(out, ",\"unusable\":");
        if (device->unusable[0])
            text_add_json(out, device->unusable);
        else
            text_add(out, "null");
        text_add(out, "}\n");
    }
}

static int run(const void *values, int n_operands, char **operands)
{
    (void)n_operands;
    (void)operands;
    const struct options *options = values;
    struct report report;
    struct text out = {0};
    struct stapes_device devices[MAX_DEVICES] = {0};
    uint32_t count = MAX_DEVICES;
    report_init(&report, false, false);
    int status = stapes_devices(report_library, &report, devices, &count);
    if (status != STAPES_OK || count == 0) {
        if (report.errors == 0)
            report_error(&report, "there is no Vulkan device");
        return EXIT_FAILURE;
    }
    count = MIN(count, MAX_DEVICES);
    if (options->format == 1)
        add_json(&out, devices, count);
    else
        add_table(&out, devices, count);
    bool written = output_text(&report, &out);
    text_deinit(&out);
    return written ? EXIT_SUCCESS : EXIT_FAILURE;
}

static const char *const formats[] = {"text", "json", NULL};

static const struct option_row rows[] = {
    {.name = "format",
     .letter = 'f',
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct options, format),
     .value = "text|json",
     .choices = formats,
     .help = "A table, or one JSON object a line. Default: text."},
};

static const struct help_section sections[] = {
    {"Description",
     "Lists the Vulkan devices with what stapes would use of each: the kernel variants, its "
     "memory, and why it cannot be used if it cannot. The index and the name are those that "
     "--device takes."},
};

const struct command devices_command = {
    .name = "devices",
    .summary = "the devices there are to run on",
    .operands = "",
    .options = rows,
    .n_options = COUNT_OF(rows),
    .sections = sections,
    .n_sections = COUNT_OF(sections),
    .options_bytes = sizeof(struct options),
    .run = run,
};
