/* SPDX-License-Identifier: MIT */
#include "tools/parity/rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const parity_names[PARITY_SIDES] = {"Vulkan", "WebGPU"};

static const cJSON *member(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* What JSON has no number for is null in the document: infinite. */
static double number(const cJSON *object, const char *key)
{
    const cJSON *value = member(object, key);
    return cJSON_IsNumber(value) ? value->valuedouble : INFINITY;
}

static uint32_t count(const cJSON *object, const char *key)
{
    const cJSON *value = member(object, key);
    return cJSON_IsNumber(value) && value->valuedouble > 0 ? (uint32_t)value->valuedouble : 0;
}

static const char *row_name(const cJSON *test)
{
    return cJSON_GetStringValue(member(test, "row"));
}

static const cJSON *find_test(const cJSON *document, const char *row)
{
    const cJSON *test;
    cJSON_ArrayForEach(test,
                       member(document, "tests")) if (row_name(test) &&
                                                      !strcmp(row_name(test), row)) return test;
    return NULL;
}

static bool was_skipped(const cJSON *document, const char *row)
{
    const cJSON *name;
    cJSON_ArrayForEach(
        name, member(document, "skipped")) if (cJSON_IsString(name) &&
                                               !strcmp(name->valuestring, row)) return true;
    return false;
}

static struct parity_side side_of(const cJSON *test)
{
    if (!test)
        return (struct parity_side){.there = false};
    return (struct parity_side){
        .there = true,
        .cases = count(test, "cases"),
        .failures = count(test, "failures"),
        .share = number(test, "worst_share_of_tolerance"),
        .error = number(test, "worst_error"),
    };
}

/* Whether both sides ran a row, or rightly did not. */
static bool check_sides(struct report *report, const cJSON *const documents[PARITY_SIDES],
                        const struct parity_row *row)
{
    bool good = true;
    for (int side = 0; side < PARITY_SIDES; side++) {
        const struct parity_side *s = &row->sides[side];
        if (!s->there && was_skipped(documents[side], row->name)) {
            report_warning(report, "%s: this %s device lacks what it needs", row->name,
                           parity_names[side]);
        } else if (!s->there) {
            report_error(report, "%s: is missing on %s", row->name, parity_names[side]);
            good = false;
        } else if (s->failures > 0 || s->cases == 0) {
            report_error(report, "%s: %u of %u cases fail on %s", row->name, s->failures, s->cases,
                         parity_names[side]);
            good = false;
        }
    }
    return good;
}

static bool add_row(struct report *report, const cJSON *const documents[PARITY_SIDES],
                    const struct outputs outputs[PARITY_SIDES], const char *name, bool part,
                    struct parity *out)
{
    struct parity_row *row = &out->rows[out->n++];
    const struct log log = report_log(report);
    *row = (struct parity_row){.name = name};
    for (int side = 0; side < PARITY_SIDES; side++)
        row->sides[side] = side_of(find_test(documents[side], name));
    const struct parity_side *vulkan = &row->sides[PARITY_VULKAN];
    const struct parity_side *webgpu = &row->sides[PARITY_WEBGPU];
    const bool good = check_sides(report, documents, row);
    if (!vulkan->there || !webgpu->there)
        return good;
    out->compared++;
    if (outputs_compare(&log, &outputs[PARITY_VULKAN], &outputs[PARITY_WEBGPU], name, part,
                        &row->difference) != OK)
        return false;
    if ((part || vulkan->cases == webgpu->cases) && row->difference.floats + row->difference.others)
        return good;
    report_error(report, "%s: %u cases on Vulkan, %u on WebGPU, and %" PRIu64 " words of both",
                 name, vulkan->cases, webgpu->cases,
                 row->difference.floats + row->difference.others);
    return false;
}

bool parity_compare(struct report *report, const cJSON *const documents[PARITY_SIDES],
                    const struct outputs outputs[PARITY_SIDES], bool part, struct parity *out)
{
    const cJSON *tests[PARITY_SIDES], *test;
    const cJSON *skipped = member(documents[PARITY_WEBGPU], "skipped");
    size_t most = 1 + (size_t)cJSON_GetArraySize(skipped);
    bool good = true;
    *out = (struct parity){.rows = NULL};
    for (int side = 0; side < PARITY_SIDES; side++) {
        tests[side] = member(documents[side], "tests");
        most += (size_t)cJSON_GetArraySize(tests[side]);
    }
    out->rows = calloc(most, sizeof(*out->rows));
    if (!out->rows) {
        report_error(report, "out of memory");
        return false;
    }
    cJSON_ArrayForEach(test, tests[PARITY_VULKAN])
    {
        if (!row_name(test))
            continue;
        if (cJSON_IsTrue(member(test, "twin")))
            good &= add_row(report, documents, outputs, row_name(test), part, out);
        else
            out->without_twin++;
    }
    cJSON_ArrayForEach(
        test, tests[PARITY_WEBGPU]) if (row_name(test) &&
                                        !find_test(documents[PARITY_VULKAN], row_name(test)))
        good &= add_row(report, documents, outputs, row_name(test), part, out);
    cJSON_ArrayForEach(test, skipped) if (cJSON_IsString(test) &&
                                          !find_test(documents[PARITY_VULKAN], test->valuestring))
        good &= add_row(report, documents, outputs, test->valuestring, part, out);
    if (out->compared > 0)
        return good;
    report_error(report, "no kernel was run on both");
    return false;
}

void parity_deinit(struct parity *parity)
{
    free(parity->rows);
    *parity = (struct parity){.rows = NULL};
}
