/* SPDX-License-Identifier: MIT
 *
 * test_bench CHECKGPU: a short bench of one kernel gives a document whose figures are numbers above
 * zero that agree with each other.
 */
#define _POSIX_C_SOURCE 200809L /* popen */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cjson/cJSON.h>

#define SKIP 77
#define SMALL_CACHE (4 << 20) /* more than the copies of a case with --rotate-mb 1 */
#define OPTIONS "--bench --quick --rotate-mb 1 --validation --kernel rmsnorm --json -"

static int failed;

static double positive(const cJSON *object, const char *key)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    if (cJSON_IsNumber(value) && isfinite(value->valuedouble) && value->valuedouble > 0)
        return value->valuedouble;
    fprintf(stderr, "FAILED: %s is no number above zero\n", key);
    failed++;
    return 1;
}

static void expect(bool ok, const char *what, double value)
{
    if (ok)
        return;
    fprintf(stderr, "FAILED: %s: %g\n", what, value);
    failed++;
}

static void check_result(const cJSON *document, const cJSON *result)
{
    static const char *const keys[] = {"passes", "copies", "ratio_to_plain"};
    const double median = positive(result, "median_ns");
    const double gb = positive(result, "gb_per_s"), gflop = positive(result, "gflop_per_s");
    const double of_copy = gb / positive(document, "copy_gb_per_s");
    const double of_fma = gflop / positive(document, "fma_gflop_per_s");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        positive(result, keys[i]);
    expect(positive(result, "p10_ns") <= median, "p10 is above the median", median);
    expect(positive(result, "p90_ns") >= median, "p90 is below the median", median);
    expect(fabs(positive(result, "bytes") / median / gb - 1) < 1e-6, "bytes a second", gb);
    expect(fabs(positive(result, "flops") / median / gflop - 1) < 1e-6, "flops a second", gflop);
    expect(fabs(positive(result, "share_bandwidth") / of_copy - 1) < 1e-6, "share", of_copy);
    expect(fabs(positive(result, "share_fma") / of_fma - 1) < 1e-6, "share of fma", of_fma);
    if (positive(document, "cache_bytes") > SMALL_CACHE)
        expect(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(result, "cold")),
               "cold with copies smaller than the cache", positive(result, "copies"));
}

static void check_document(const cJSON *document)
{
    const cJSON *results = cJSON_GetObjectItemCaseSensitive(document, "results"), *result;
    const cJSON *left_out = cJSON_GetObjectItemCaseSensitive(document, "left_out");
    int plain = 0, chosen = 0;
    cJSON_ArrayForEach(result, results)
    {
        const char *variant =
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(result, "variant"));
        plain += variant && !strcmp(variant, "plain");
        chosen += cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(result, "chosen"));
        check_result(document, result);
    }
    expect(cJSON_IsNumber(left_out) && left_out->valuedouble == 0, "left out",
           cJSON_IsNumber(left_out) ? left_out->valuedouble : -1);
    expect(plain >= 3, "shapes of the plain form", plain);
    expect(chosen == plain, "forms chosen, one a shape", chosen);
}

int main(int argc, char **argv)
{
    static char text[1 << 20];
    char command[4096];
    if (argc != 2) {
        fprintf(stderr, "usage: test_bench CHECKGPU\n");
        return 2;
    }
    snprintf(command, sizeof(command), "'%s' " OPTIONS, argv[1]);
    FILE *pipe = popen(command, "r");
    if (!pipe) {
        perror("test_bench");
        return 1;
    }
    text[fread(text, 1, sizeof(text) - 1, pipe)] = '\0';
    const int status = pclose(pipe);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIP)
        return SKIP;
    cJSON *document = cJSON_Parse(text);
    expect(status == 0, "checkgpu's status", status);
    expect(document != NULL, "bytes that are no JSON", (double)strlen(text));
    check_document(document);
    cJSON_Delete(document);
    printf("test_bench: %s\n", failed ? "failed" : "passed");
    return failed ? 1 : 0;
}
