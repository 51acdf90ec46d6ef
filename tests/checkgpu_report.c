/* SPDX-License-Identifier: MIT
 *
 * What checkgpu prints: the list of rows, a line a row, a line a timed form, and all of it as one
 * JSON document.
 */
#include "tests/checkgpu.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

const char *row_suffix(enum kernel_id id)
{
    const char *name = kernel_table[id].name, *base = kernel_table[kernel_table[id].base].name;
    const size_t n = strlen(base);
    if (kernel_table[id].base == id && kernel_table[id].features) /* no plain form does it */
        return strrchr(name, '_');
    return strncmp(name, base, n) ? name : name + n;
}

static const struct {
    uint32_t feature;
    const char *name;
} features[] = {
    {GPU_FEATURE_FAST_BARRIERS, "fast-barriers"},
    {GPU_FEATURE_SUBGROUP_ARITHMETIC, "subgroup-arithmetic"},
    {GPU_FEATURE_FAST_TEXELS, "fast-texels"},
    {GPU_FEATURE_MORE_BINDINGS, "more-bindings"},
    {GPU_FEATURE_INTEGER_DOT, "integer-dot"},
};

void report_list(FILE *to, const bool *selected)
{
    for (int i = 0; i < KERNEL_COUNT; i++) {
        const struct kernel_info *info = &kernel_table[i];
        if (!selected[i])
            continue;
        fprintf(to, "%-18s base %-14s", info->name, kernel_table[info->base].name);
        for (size_t f = 0; f < COUNT_OF(features); f++)
            if (info->features & features[f].feature)
                fprintf(to, " %s", features[f].name);
        fputc('\n', to);
    }
}

void report_row(FILE *to, enum kernel_id id, const struct row_result *r, double ms)
{
    fprintf(to, "%-18s %3u cases %s %6.0f ms, at most %.2f of the tolerance", kernel_table[id].name,
            r->cases, r->failures || !r->cases ? "FAILED" : "passed", ms, r->worst);
    if (r->worst > 0)
        fprintf(to, ": %s", r->worst_at);
    fputc('\n', to);
    fflush(to);
}

static bool has_timestamps(const struct checker *k)
{
    return gpu_device_get_info(k->device)->features & GPU_FEATURE_TIMESTAMPS;
}

void report_roofs(FILE *to, const struct checker *k, const struct roofs *roofs)
{
    fprintf(to,
            "device: copy %.2f GB/s (read+written), fma %.1f GFLOP/s; last-level cache %s %.0f "
            "MiB, buffers rotate over %.0f MiB%s\n",
            roofs->copy_bytes_per_s / 1e9, roofs->fma_flop_per_s / 1e9,
            gpu_device_get_info(k->device)->type == GPU_TYPE_CPU ? "of" : "taken for",
            (double)roofs->cache_bytes / 1048576, (double)roofs->rotate_bytes / 1048576,
            has_timestamps(k) ? "" : "; no timestamps: wall clock");
}

static double per_ns(double amount, const struct bench_result *r)
{
    return amount / r->timing.median_ns;
}

void report_bench(FILE *to, const struct roofs *roofs, const struct bench_result *results,
                  uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct bench_result *r = &results[i];
        const double gb = per_ns(r->bytes, r), gflop = per_ns(r->flops, r);
        if (i == 0 || r->index != r[-1].index)
            fprintf(to, "%s: %s\n", kernel_table[kernel_table[r->id].base].name, r->text);
        fprintf(to, "  %-20s %11.2f us (%.2f to %.2f) %8.2f GB/s %5.1f%% %9.2f GFLOP/s %5.1f%%",
                kernel_table[r->id].name, r->timing.median_ns / 1e3, r->timing.p10_ns / 1e3,
                r->timing.p90_ns / 1e3, gb, 100 * gb * 1e9 / roofs->copy_bytes_per_s, gflop,
                100 * gflop * 1e9 / roofs->fma_flop_per_s);
        if (r->plain_ns > 0)
            fprintf(to, " %7.2f x plain", r->plain_ns / r->timing.median_ns);
        fprintf(to, "%s%s\n", r->chosen ? ", chosen" : "", r->timing.cold ? "" : ", in cache");
    }
    fflush(to);
}

void report_left_out(FILE *to, enum kernel_id base, const struct bench_results *results)
{
    for (int i = 0; i < KERNEL_COUNT; i++) {
        if (kernel_table[i].base != base)
            continue;
        if (results->left_out[i])
            fprintf(to, "  left out: %s on %u shapes, a second or more for one dispatch\n",
                    kernel_table[i].name, results->left_out[i]);
        if (results->too_large[i])
            fprintf(to, "  left out: %s on %u shapes, larger than the device's bindings\n",
                    kernel_table[i].name, results->too_large[i]);
    }
    fflush(to);
}

static const char *variant_name(enum kernel_id id)
{
    const char *suffix = row_suffix(id);
    return *suffix == '_' ? suffix + 1 : *suffix ? suffix : "plain";
}

static void add_tests(cJSON *document, const struct row_result *rows)
{
    cJSON *tests = cJSON_AddArrayToObject(document, "tests");
    for (int i = 0; i < KERNEL_COUNT; i++) {
        if (!rows[i].cases)
            continue;
        cJSON *test = cJSON_CreateObject();
        cJSON_AddStringToObject(test, "row", kernel_table[i].name);
        cJSON_AddNumberToObject(test, "cases", rows[i].cases);
        cJSON_AddNumberToObject(test, "failures", rows[i].failures);
        cJSON_AddNumberToObject(test, "worst_share_of_tolerance", rows[i].worst);
        cJSON_AddNumberToObject(test, "worst_error", rows[i].worst_error);
        cJSON_AddBoolToObject(test, "twin",
                              kernel_has_twin(kernel_table[i].access, kernel_table[i].features));
        cJSON_AddItemToArray(tests, test);
    }
}

static void add_skipped(cJSON *document, const bool *skipped)
{
    cJSON *array = cJSON_AddArrayToObject(document, "skipped");
    for (int i = 0; i < KERNEL_COUNT; i++)
        if (skipped[i])
            cJSON_AddItemToArray(array, cJSON_CreateString(kernel_table[i].name));
}

static cJSON *result_object(const struct roofs *roofs, const struct bench_result *r)
{
    const double bytes_per_s = per_ns(r->bytes, r) * 1e9, flop_per_s = per_ns(r->flops, r) * 1e9;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "kernel", kernel_table[kernel_table[r->id].base].name);
    cJSON_AddStringToObject(o, "variant", variant_name(r->id));
    cJSON_AddNumberToObject(o, "case", r->index);
    cJSON_AddStringToObject(o, "shape", r->text);
    cJSON_AddNumberToObject(o, "bytes", r->bytes);
    cJSON_AddNumberToObject(o, "flops", r->flops);
    cJSON_AddNumberToObject(o, "median_ns", r->timing.median_ns);
    cJSON_AddNumberToObject(o, "p10_ns", r->timing.p10_ns);
    cJSON_AddNumberToObject(o, "p90_ns", r->timing.p90_ns);
    cJSON_AddNumberToObject(o, "passes", r->timing.passes);
    cJSON_AddNumberToObject(o, "copies", r->timing.copies);
    cJSON_AddBoolToObject(o, "cold", r->timing.cold);
    cJSON_AddNumberToObject(o, "gb_per_s", bytes_per_s / 1e9);
    cJSON_AddNumberToObject(o, "gflop_per_s", flop_per_s / 1e9);
    cJSON_AddNumberToObject(o, "share_bandwidth", bytes_per_s / roofs->copy_bytes_per_s);
    cJSON_AddNumberToObject(o, "share_fma", flop_per_s / roofs->fma_flop_per_s);
    if (r->plain_ns > 0)
        cJSON_AddNumberToObject(o, "ratio_to_plain", r->plain_ns / r->timing.median_ns);
    else
        cJSON_AddNullToObject(o, "ratio_to_plain");
    cJSON_AddBoolToObject(o, "chosen", r->chosen);
    return o;
}

static void add_bench(cJSON *document, const struct checker *k, const struct roofs *roofs,
                      const struct bench_results *results)
{
    cJSON_AddStringToObject(document, "clock", has_timestamps(k) ? "timestamps" : "wall");
    cJSON_AddNumberToObject(document, "copy_gb_per_s", roofs->copy_bytes_per_s / 1e9);
    cJSON_AddNumberToObject(document, "fma_gflop_per_s", roofs->fma_flop_per_s / 1e9);
    cJSON_AddNumberToObject(document, "cache_bytes", (double)roofs->cache_bytes);
    cJSON_AddNumberToObject(document, "rotate_bytes", (double)roofs->rotate_bytes);
    uint32_t left_out = 0;
    for (int i = 0; i < KERNEL_COUNT; i++)
        left_out += results->left_out[i] + results->too_large[i];
    cJSON_AddNumberToObject(document, "left_out", left_out);
    cJSON *array = cJSON_AddArrayToObject(document, "results");
    for (uint32_t i = 0; i < results->n; i++)
        cJSON_AddItemToArray(array, result_object(roofs, &results->at[i]));
}

static bool write_text(const char *path, const char *text)
{
    const bool standard = !strcmp(path, "-");
    FILE *file = standard ? stdout : fopen(path, "w");
    bool good = file && fprintf(file, "%s\n", text) >= 0;
    if (file && (standard ? fflush(file) : fclose(file)))
        good = false;
    if (!good)
        fprintf(stderr, "checkgpu: %s: %s\n", path, strerror(errno));
    return good;
}

bool report_json(const struct checker *k, const struct row_result *rows, const bool *skipped,
                 const struct roofs *roofs, const struct bench_results *results)
{
    const struct gpu_device_info *info = gpu_device_get_info(k->device);
    char seed[24];
    cJSON *document = cJSON_CreateObject();
    snprintf(seed, sizeof(seed), "%llu", (unsigned long long)k->options->seed);
    cJSON_AddStringToObject(document, "device", info->name);
    cJSON_AddStringToObject(document, "driver", info->driver);
    cJSON_AddStringToObject(document, "seed", seed); /* a number of JSON has 53 bits */
    add_tests(document, rows);
    add_skipped(document, skipped);
    if (roofs)
        add_bench(document, k, roofs, results);
    char *text = cJSON_Print(document);
    const bool good = text && write_text(k->options->json, text);
    if (!text)
        fprintf(stderr, "checkgpu: no memory for the JSON document\n");
    cJSON_free(text);
    cJSON_Delete(document);
    return good;
}
