/* SPDX-License-Identifier: MIT
 *
 * What stapes parity makes of two documents and two files of outputs: differences, and whatever is
 * missing or damaged.
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/parity/rows.h"

static int failed;
static char told[4096];

#define CHECK(ok)                                                                                  \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            printf("%s:%d: %s\n  told: %s\n", __FILE__, __LINE__, #ok, told);                      \
            failed++;                                                                              \
        }                                                                                          \
    } while (0)

static void keep_message(void *user, enum log_level level, const char *message)
{
    (void)user;
    (void)level;
    snprintf(told, sizeof(told), "%s", message);
}

static const struct log kept = {keep_message, NULL};

struct record {
    const char *row;
    uint32_t index, binding;
    char element;
    float value; /* of both words */
};

static void put(FILE *file, uint32_t word)
{
    for (int i = 0; i < 4; i++)
        fputc((int)(word >> 8 * i & 0xff), file);
}

/* n records, of which the last `cut` bytes are left out. */
static enum status make(const char *path, const struct record *records, size_t n, long cut,
                        struct outputs *out)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        exit(EXIT_FAILURE);
    fputs("STOUTPT1", file);
    for (size_t i = 0; i < n; i++) {
        char name[48] = {0};
        uint32_t word;
        memcpy(name, records[i].row, strlen(records[i].row));
        memcpy(&word, &records[i].value, sizeof(word));
        fwrite(name, 1, sizeof(name), file);
        put(file, records[i].index);
        put(file, records[i].binding);
        put(file, (uint32_t)records[i].element);
        put(file, 2);
        put(file, word);
        put(file, word);
    }
    const long end = ftell(file);
    fclose(file);
    if (truncate(path, end - cut) != 0)
        exit(EXIT_FAILURE);
    told[0] = '\0';
    return outputs_open(&kept, path, out);
}

static void test_damage(const char *path)
{
    const struct record two[] = {{"a", 1, 0, 'f', 1}, {"a", 0, 0, 'f', 1}};
    const struct record twice[] = {{"a", 1, 0, 'f', 1}, {"a", 1, 0, 'f', 1}};
    struct outputs out;
    CHECK(make(path, two, 2, 0, &out) == OK && out.n == 2 && out.records[0].index == 0);
    outputs_close(&out);
    for (long cut = 1; cut < 72; cut++) {
        CHECK(make(path, two, 2, cut, &out) == ERROR_FORMAT && strstr(told, path) && !out.map);
        if (failed)
            return;
    }
    CHECK(make(path, two, 2, 72, &out) == OK && out.n == 1);
    outputs_close(&out);
    CHECK(make(path, two, 0, 1, &out) == ERROR_FORMAT && strstr(told, "no file of outputs"));
    CHECK(make(path, twice, 2, 0, &out) == ERROR_FORMAT && strstr(told, "twice"));
    CHECK(make(path, two, 0, 8, &out) == ERROR_IO && strstr(told, "no file of outputs"));
    CHECK(outputs_open(&kept, "/", &out) == ERROR_IO && strstr(told, "no file of outputs"));
    unlink(path);
    CHECK(outputs_open(&kept, path, &out) == ERROR_IO && strstr(told, "No such file"));
}

static void test_difference(const char *first, const char *second)
{
    const struct record mine[] = {
        {"b", 0, 3, 'f', 1}, {"b", 0, 4, 'u', 1}, {"b", 2, 3, 'f', NAN}, {"a", 0, 0, 'f', 5}};
    struct record theirs[] = {
        {"a", 0, 0, 'f', 5}, {"b", 2, 3, 'f', NAN}, {"b", 0, 4, 'u', 2}, {"b", 0, 3, 'f', 1.25f}};
    struct outputs a, b;
    struct outputs_difference d;
    CHECK(make(first, mine, 4, 0, &a) == OK && make(second, theirs, 4, 0, &b) == OK);
    CHECK(outputs_compare(&kept, &a, &b, "b", false, &d) == OK && d.largest == 0.25 &&
          d.floats == 4 && d.others == 2 && d.others_differ == 2);
    CHECK(outputs_compare(&kept, &a, &b, "a", false, &d) == OK && d.largest == 0 && d.floats == 2 &&
          d.others == 0);
    outputs_close(&b);
    theirs[1].value = 0; /* where the other one is NaN */
    CHECK(make(second, theirs, 4, 0, &b) == OK);
    CHECK(outputs_compare(&kept, &a, &b, "b", false, &d) == OK && isinf(d.largest));
    outputs_close(&b);
    theirs[2].element = 'w';
    CHECK(make(second, theirs, 4, 0, &b) == OK);
    CHECK(outputs_compare(&kept, &a, &b, "b", false, &d) == ERROR_FORMAT &&
          strstr(told, "binding 4"));
    outputs_close(&b);
    CHECK(make(second, theirs, 3, 0, &b) == OK);
    CHECK(outputs_compare(&kept, &a, &b, "b", false, &d) == ERROR_FORMAT && strstr(told, second) &&
          strstr(told, "lacks b, case 0, binding 3"));
    CHECK(outputs_compare(&kept, &b, &a, "b", false, &d) == ERROR_FORMAT && strstr(told, second));
    CHECK(outputs_compare(&kept, &b, &a, "b", true, &d) == ERROR_FORMAT && strstr(told, second));
    theirs[2].element = 'u';
    outputs_close(&b);
    CHECK(make(second, theirs + 1, 2, 0, &b) == OK);
    CHECK(outputs_compare(&kept, &a, &b, "b", true, &d) == OK && d.floats == 2 && d.others == 2 &&
          isinf(d.largest));
    outputs_close(&b);
    outputs_close(&a);
}

/* Whether the documents agree, with the same outputs on both sides; *errors were told. */
static bool agree(const struct outputs *outputs, const char *vulkan, const char *webgpu,
                  uint32_t *errors, struct text *table)
{
    struct report report;
    struct parity parity;
    cJSON *documents[] = {cJSON_Parse(vulkan), cJSON_Parse(webgpu)};
    const cJSON *const both[] = {documents[0], documents[1]};
    const struct outputs two[] = {*outputs, *outputs};
    if (!documents[0] || !documents[1])
        exit(EXIT_FAILURE);
    report_init(&report, true, false);
    const bool equal = parity_compare(&report, both, two, false, &parity);
    *errors = report.errors;
    text_clear(table);
    parity_table(&parity, both, table);
    parity_deinit(&parity);
    cJSON_Delete(documents[0]);
    cJSON_Delete(documents[1]);
    return equal;
}

#define A(more) "{\"row\":\"a\",\"cases\":1," more ",\"twin\":true}"
#define PASSED "\"failures\":0,\"worst_share_of_tolerance\":0.5,\"worst_error\":1e-7"
#define FAILED "\"failures\":1,\"worst_share_of_tolerance\":null,\"worst_error\":null"
#define DOCUMENT(tests, skipped) "{\"tests\":[" tests "],\"skipped\":[" skipped "]}"

static void test_rows(const char *path)
{
    const struct record records[] = {{"a", 0, 0, 'f', 5}};
    const char *const passed = DOCUMENT(A(PASSED), "");
    struct outputs out;
    struct text table = {0};
    uint32_t errors;
    CHECK(make(path, records, 1, 0, &out) == OK);
    CHECK(agree(&out, passed, passed, &errors, &table) && errors == 0 &&
          strstr(table.bytes, "1 of 1 kernels compared; 0 more"));
    CHECK(!agree(&out, passed, DOCUMENT(A(FAILED), ""), &errors, &table) && errors == 1 &&
          strstr(table.bytes, "inf"));
    CHECK(!agree(&out, DOCUMENT(A(FAILED), ""), passed, &errors, &table) && errors == 1);
    /* b should have a twin, c cannot */
    CHECK(!agree(&out,
                 DOCUMENT(A(PASSED) ",{\"row\":\"b\",\"cases\":1," PASSED ",\"twin\":true}", ""),
                 passed, &errors, &table) &&
          errors == 1);
    CHECK(agree(&out,
                DOCUMENT(A(PASSED) ",{\"row\":\"c\",\"cases\":1," PASSED ",\"twin\":false}", ""),
                passed, &errors, &table) &&
          strstr(table.bytes, "1 of 1 kernels compared; 1 more"));
    CHECK(!agree(&out, passed, DOCUMENT("{\"row\":\"a\",\"cases\":2," PASSED ",\"twin\":true}", ""),
                 &errors, &table) &&
          errors == 1);
    /* a device that lacks something is no failure, but nothing at all is */
    CHECK(agree(&out,
                DOCUMENT(A(PASSED) ",{\"row\":\"b\",\"cases\":1," PASSED ",\"twin\":true}", ""),
                DOCUMENT(A(PASSED), "\"b\""), &errors, &table) &&
          errors == 0 && strstr(table.bytes, "1 of 2 kernels compared"));
    CHECK(
        agree(&out, DOCUMENT(A(PASSED), "\"b\""), DOCUMENT(A(PASSED), "\"b\""), &errors, &table) &&
        errors == 0 && strstr(table.bytes, "1 of 2 kernels compared"));
    CHECK(!agree(&out, passed, DOCUMENT(A(PASSED), "\"b\""), &errors, &table) && errors == 1);
    CHECK(!agree(&out, passed, DOCUMENT("", "\"a\""), &errors, &table) && errors == 1);
    CHECK(!agree(&out, DOCUMENT("", ""), passed, &errors, &table) && errors == 2);
    text_deinit(&table);
    outputs_close(&out);
}

int main(void)
{
    char first[] = "/tmp/test_parity-XXXXXX", second[] = "/tmp/test_parity-XXXXXX";
    const int a = mkstemp(first), b = mkstemp(second);
    if (a < 0 || b < 0)
        return EXIT_FAILURE;
    close(a);
    close(b);
    test_damage(first);
    test_difference(first, second);
    test_rows(first);
    unlink(first);
    unlink(second);
    printf("parity: %s\n", failed ? "FAILED" : "passed");
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
