/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "tools/parity/rows.h"
#include "tools/validation/json_writer.h"

static const char *string(const cJSON *object, const char *key)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return value ? value : "";
}

static void add_side(struct text *out, const struct parity_row *row, const struct parity_side *side)
{
    if (!side->there)
        text_addf(out, " %8s %9s", "-", "-");
    else if (row->difference.floats > 0)
        text_addf(out, " %8.2f %9.1e", side->share, side->error);
    else
        text_addf(out, " %8.2f %9s", side->share, "-");
}

static void add_row(struct text *out, const struct parity_row *row)
{
    const struct outputs_difference *d = &row->difference;
    char words[64] = "-";
    const uint32_t cases =
        row->sides[row->sides[PARITY_WEBGPU].there ? PARITY_WEBGPU : PARITY_VULKAN].cases;
    if (d->others > 0)
        snprintf(words, sizeof(words), "%" PRIu64 " of %" PRIu64, d->others_differ, d->others);
    text_addf(out, "%-20s %5u", row->name, cases);
    for (int side = 0; side < PARITY_SIDES; side++)
        add_side(out, row, &row->sides[side]);
    if (d->floats > 0)
        text_addf(out, " %10.1e", d->largest);
    else
        text_addf(out, " %10s", "-");
    text_addf(out, "  %s\n", words);
}

void parity_table(const struct parity *parity, const cJSON *const documents[PARITY_SIDES],
                  struct text *out)
{
    for (int side = 0; side < PARITY_SIDES; side++) {
        text_addf(out, "%s: ", parity_names[side]);
        text_add_plain(out, string(documents[side], "device"));
        text_add(out, "\n");
    }
    text_addf(out, "seed %s\n\n%-26s %-18s %-18s\n%-20s %5s %8s %9s %8s %9s %10s  %s\n",
              string(documents[PARITY_VULKAN], "seed"), "", "            Vulkan",
              "            WebGPU", "kernel", "cases", "of tol.", "error", "of tol.", "error",
              "difference", "integers that differ");
    for (size_t i = 0; i < parity->n; i++)
        add_row(out, &parity->rows[i]);
    text_addf(out, "%zu of %zu kernels compared; %zu more can have no form in WGSL\n",
              parity->compared, parity->n, parity->without_twin);
}

static void add_json_side(struct json *json, cJSON *to, const char *key,
                          const struct parity_side *side)
{
    if (!side->there)
        return;
    cJSON *object = json_object(json, to, key);
    json_number(json, object, "cases", side->cases);
    json_number(json, object, "failures", side->failures);
    json_number(json, object, "worst_share_of_tolerance", side->share);
    json_number(json, object, "worst_error", side->error);
}

static void add_json_row(struct json *json, cJSON *array, const struct parity_row *row)
{
    cJSON *object = json_item(json, array);
    const struct outputs_difference *d = &row->difference;
    json_string(json, object, "row", row->name);
    add_json_side(json, object, "vulkan", &row->sides[PARITY_VULKAN]);
    add_json_side(json, object, "webgpu", &row->sides[PARITY_WEBGPU]);
    json_number(json, object, "floats", (double)d->floats);
    json_number(json, object, "largest_difference", d->largest);
    json_number(json, object, "integers", (double)d->others);
    json_number(json, object, "integers_differ", (double)d->others_differ);
}

void parity_json(const struct parity *parity, const cJSON *const documents[PARITY_SIDES],
                 struct text *out)
{
    struct json json;
    json_begin(&json);
    json_string(&json, json.root, "vulkan", string(documents[PARITY_VULKAN], "device"));
    json_string(&json, json.root, "webgpu", string(documents[PARITY_WEBGPU], "device"));
    json_string(&json, json.root, "seed", string(documents[PARITY_VULKAN], "seed"));
    cJSON *array = json_array(&json, json.root, "kernels");
    for (size_t i = 0; i < parity->n; i++)
        add_json_row(&json, array, &parity->rows[i]);
    char *text = json.failed ? NULL : cJSON_Print(json.root);
    if (text) {
        text_add(out, text);
        text_add(out, "\n");
    }
    out->failed |= !text;
    cJSON_free(text);
    json_end(&json);
}
