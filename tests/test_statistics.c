/* SPDX-License-Identifier: MIT
 *
 * Statistics: sums and Gram matrices against plain loops; files, merging, damage.
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/gguf.h"
#include "loader/statistics.h"
#include "tests/larger.h"
#include "tests/test_loader.h"

#define K 40
#define N 300 /* more than are kept before they are added */
#define STRIDE (K + 3)

static float vectors[N * STRIDE];

static void fill_vectors(struct test *test)
{
    for (int i = 0; i < N * STRIDE; i++)
        vectors[i] = (float)((double)test_random(test) * 0x1p-31 - 1);
    for (int v = 0; v < N; v++)
        for (int i = K; i < STRIDE; i++)
            vectors[v * STRIDE + i] = NAN; /* nobody reads it */
}

static enum status add(struct test *test, struct statistics *s, const char *name, int from, int n,
                       bool gram)
{
    return statistics_add(&test->log, s, name, K, vectors + from * STRIDE, (uint32_t)n, STRIDE,
                          gram);
}

static double product(int n, int i, int j)
{
    double sum = 0;
    for (int v = 0; v < n; v++)
        sum += (double)vectors[v * STRIDE + i] * (double)vectors[v * STRIDE + j];
    return sum;
}

/* The entry is that of the first n vectors. */
static void check_entry(struct test *test, struct statistics *s, const char *name, int n, bool gram,
                        const char *what)
{
    const struct statistics_entry *entry = statistics_find(s, name);
    static float matrix[K * K];
    double worst = 0, worst_sum = 0;

    if (!CHECK(entry && entry->k == K && entry->count == (uint64_t)n &&
                   entry->gram_count == (gram ? (uint64_t)n : 0),
               "%s: the entry of %s", what, name))
        return;
    for (int i = 0; i < K; i++)
        worst_sum = larger(worst_sum, fabs(entry->sum2[i] - product(n, i, i)));
    CHECK(worst_sum < 1e-5 * n, "%s: a sum of squares is %g off", what, worst_sum);
    if (!gram) {
        EXPECT(statistics_load_gram(&test->log, s, entry, matrix), ERROR_ARGUMENT, "no Gram", name);
        return;
    }
    if (!EXPECT(statistics_load_gram(&test->log, s, entry, matrix), OK, "", what))
        return;
    for (int i = 0; i < K; i++)
        for (int j = 0; j < K; j++)
            worst = larger(worst, fabs((double)matrix[i * K + j] - product(n, i, j)));
    CHECK(worst < 1e-5 * n, "%s: the Gram matrix is %g off", what, worst);
}

static struct statistics *create(struct test *test)
{
    struct statistics *s = NULL;
    if (!EXPECT(statistics_create(&test->log, &s), OK, "", "create"))
        exit(1);
    return s;
}

/* Two tensors and an alias of the first. */
static struct statistics *gather(struct test *test, int from, int n)
{
    struct statistics *s = create(test);
    EXPECT(add(test, s, "a.weight", from, n / 3, true), OK, "", "add");
    EXPECT(add(test, s, "a.weight", from + n / 3, n - n / 3, true), OK, "", "add");
    EXPECT(add(test, s, "b.weight#1", from, n, false), OK, "", "add");
    EXPECT(statistics_alias(&test->log, s, "c.weight", "a.weight"), OK, "", "alias");
    EXPECT(statistics_add_dataset(&test->log, s, "recordings"), OK, "", "dataset");
    return s;
}

static void check_all(struct test *test, struct statistics *s, int n, const char *what)
{
    CHECK(statistics_count(s) == 2 && !strcmp(statistics_get(s, 0)->name, "a.weight"),
          "%s: the entries", what);
    CHECK(!statistics_find(s, "b.weight") && statistics_find(s, "c.weight") == statistics_get(s, 0),
          "%s: what is found", what);
    check_entry(test, s, "a.weight", n, true, what);
    check_entry(test, s, "c.weight", n, true, what);
    check_entry(test, s, "b.weight#1", n, false, what);
}

static void check_gathering(struct test *test)
{
    struct statistics *s = gather(test, 0, N);
    check_all(test, s, N, "gathered");
    EXPECT(add(test, s, "c.weight", 0, 1, false), ERROR_ARGUMENT, "those of a.weight", "an alias");
    EXPECT(statistics_add(&test->log, s, "a.weight", K - 1, vectors, 1, K, false), ERROR_ARGUMENT,
           "different models", "another row length");
    EXPECT(statistics_alias(&test->log, s, "c.weight", "a.weight"), OK, "", "an alias again");
    EXPECT(statistics_alias(&test->log, s, "c.weight", "b.weight#1"), ERROR_ARGUMENT, "c.weight",
           "an alias of two");
    EXPECT(statistics_alias(&test->log, s, "d.weight", "c.weight"), ERROR_ARGUMENT, "d.weight",
           "an alias of an alias");
    EXPECT(statistics_alias(&test->log, s, "f.weight", "e.weight"), OK, "", "of what comes later");
    EXPECT(statistics_alias(&test->log, s, "e.weight", "a.weight"), ERROR_ARGUMENT, "e.weight",
           "an alias of what has one");
    vectors[K / 2] = INFINITY;
    EXPECT(add(test, s, "a.weight", 0, 1, true), ERROR_FORMAT, "finite", "infinity");
    vectors[K / 2] = 0.5f;
    statistics_destroy(&s);
    CHECK(!s, "destroy");
}

static struct statistics *read_back(struct test *test, const char *path)
{
    struct statistics *s = NULL;
    EXPECT(statistics_read(&test->log, path, &s), OK, "", path);
    return s;
}

/* Halves in memory, in files, and one of each. */
static void check_merging(struct test *test)
{
    const char *paths[] = {scratch(test, "first.gguf"), scratch(test, "second.gguf")};
    struct statistics *halves[] = {gather(test, 0, N / 2), gather(test, N / 2, N - N / 2)};
    for (int i = 0; i < 2; i++)
        EXPECT(statistics_write(&test->log, halves[i], paths[i]), OK, "", paths[i]);
    EXPECT(statistics_merge(&test->log, halves[0], &halves[1]), OK, "", "merge");
    check_all(test, halves[0], N, "merged in memory");
    CHECK(!halves[1], "what was merged is still there");
    statistics_destroy(&halves[0]);

    struct statistics *first = read_back(test, paths[0]), *second = read_back(test, paths[1]);
    if (!first || !second)
        return;
    check_all(test, first, N / 2, "read");
    EXPECT(statistics_merge(&test->log, first, &second), OK, "", "merge");
    check_all(test, first, N, "merged from files");
    EXPECT(statistics_write(&test->log, first, paths[1]), OK, "", "over a file that is open");
    statistics_destroy(&first);
    first = read_back(test, paths[1]);
    check_all(test, first, N, "merged and read");
    statistics_destroy(&first);

    first = read_back(test, paths[0]);
    second = gather(test, N / 2, N - N / 2);
    EXPECT(statistics_merge(&test->log, second, &first), OK, "", "merge");
    check_all(test, second, N, "merged from a file");

    first = create(test);
    EXPECT(statistics_add(&test->log, first, "a.weight", K / 2, vectors, 1, K, false), OK, "",
           "add");
    EXPECT(statistics_merge(&test->log, second, &first), ERROR_ARGUMENT, "different models",
           "statistics of another model");
    statistics_destroy(&second);
}

/* --- Files that are none */

static enum status read_all(struct test *test, const char *path)
{
    struct statistics *s = NULL;
    float matrix[K * K];
    enum status status = statistics_read(&test->log, path, &s);
    for (uint32_t i = 0; !status && i < statistics_count(s); i++) {
        const struct statistics_entry *entry = statistics_get(s, i);
        if (entry->gram_count > 0 && entry->k <= K)
            status = statistics_load_gram(&test->log, s, entry, matrix);
    }
    statistics_destroy(&s);
    return status;
}

static void check_bytes(struct test *test, const char *path, const uint8_t *bytes, size_t size,
                        const char *what)
{
    write_file(path, bytes, size);
    enum status status = read_all(test, path);
    CHECK(status == OK || (status != ERROR_ARGUMENT && test->messages[0]), "%s: %s", what,
          status_text(status));
    test->messages[0] = 0;
}

static void check_damaged_statistics(struct test *test)
{
    const char *path = scratch(test, "damaged.gguf");
    struct statistics *s = gather(test, 0, N);
    size_t size;

    EXPECT(statistics_write(&test->log, s, path), OK, "", path);
    statistics_destroy(&s);
    uint8_t *bytes = read_file(path, &size);
    for (size_t n = 0; n + 32 < size; n += 1 + n / 100) { /* the end may be padding */
        write_file(path, bytes, n);
        CHECK(read_all(test, path) != OK && test->messages[0], "cut at %zu", n);
        test->messages[0] = 0;
    }
    for (int i = 0; i < 1000; i++) {
        size_t at = test_random(test) % size;
        uint8_t was = bytes[at];
        bytes[at] = (uint8_t)(i % 2 ? test_random(test) : 0xff);
        check_bytes(test, path, bytes, size, "damaged");
        bytes[at] = was;
    }
    free(bytes);
}

/* A file with one tensor's sums, as many counts and Gram matrix as said. */
static enum status write_odd(struct test *test, const char *path, float sum, float count,
                             uint64_t gram, float gram_count, const char *architecture)
{
    struct gguf_writer *writer;
    const uint64_t k = 2, one = 1;
    const float sums[] = {1, sum}, zeros[8] = {0};
    if (gguf_writer_create(&test->log, path, &writer))
        return ERROR_MEMORY;
    gguf_write_string(writer, "general.architecture", architecture);
    gguf_declare(writer, "a.in_sum2", TENSOR_F32, 1, &k);
    if (count >= -1)
        gguf_declare(writer, "a.counts", TENSOR_F32, 1, &one);
    if (gram) {
        gguf_declare(writer, "a.gram", TENSOR_F32, 1, &gram);
        gguf_declare(writer, "a.gram_counts", TENSOR_F32, 1, &one);
    }
    gguf_writer_begin(writer);
    gguf_append(writer, sums, sizeof(sums));
    if (count >= -1)
        gguf_append(writer, &count, sizeof(count));
    if (gram) {
        gguf_append(writer, zeros, gram * sizeof(float));
        gguf_append(writer, &gram_count, sizeof(gram_count));
    }
    enum status status = gguf_writer_end(writer);
    gguf_writer_destroy(&writer);
    return status;
}

static void check_odd_files(struct test *test)
{
    static const struct {
        float sum, count;
        uint64_t gram;
        float gram_count;
        const char *architecture, *text;
    } files[] = {
        {1, 5, 3, 5, "kyutai-stt", "stapes calibrate"},
        {-1, 5, 3, 5, "stapes-statistics", "no sum of squares"},
        {NAN, 5, 3, 5, "stapes-statistics", "no sum of squares"},
        {1, 0, 0, 0, "stapes-statistics", "no sum of squares"},
        {1, 1.5f, 3, 5, "stapes-statistics", "no count"},
        {1, -1, 3, 5, "stapes-statistics", "no count"},
        {1, -2, 3, 5, "stapes-statistics", "is missing"},
        {1, 5, 4, 5, "stapes-statistics", "triangle"},
        {1, 5, 3, 6, "stapes-statistics", "too many"},
        {1, 5, 3, 0, "stapes-statistics", "no vectors"},
    };
    const char *path = scratch(test, "odd.gguf");
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        EXPECT(write_odd(test, path, files[i].sum, files[i].count, files[i].gram,
                         files[i].gram_count, files[i].architecture),
               OK, "", path);
        EXPECT(read_all(test, path), ERROR_FORMAT, files[i].text, files[i].text);
    }
    EXPECT(write_odd(test, path, 1, 5, 3, 5, "stapes-statistics"), OK, "", path);
    EXPECT(read_all(test, path), OK, "", path);
    EXPECT(read_all(test, scratch(test, "absent.gguf")), ERROR_IO, "absent", "no file");
}

/* What follows the first of two entries would be lost. */
static void check_twice(struct test *test)
{
    const char *path = scratch(test, "twice.gguf");
    struct statistics *s = create(test);
    size_t size;

    EXPECT(add(test, s, "a.weight", 0, 1, false), OK, "", "add");
    EXPECT(add(test, s, "b.weight", 0, 1, false), OK, "", "add");
    EXPECT(statistics_write(&test->log, s, path), OK, "", path);
    statistics_destroy(&s);
    char *bytes = read_file(path, &size);
    for (size_t i = 0; i + 8 <= size; i++)
        if (!memcmp(bytes + i, "b.weight", 8))
            bytes[i] = 'a';
    write_file(path, bytes, size);
    free(bytes);
    EXPECT(read_all(test, path), ERROR_FORMAT, "a.weight.in_sum2 is there twice", "twice");
}

void test_statistics(struct test *test)
{
    fill_vectors(test);
    check_gathering(test);
    check_merging(test);
    check_damaged_statistics(test);
    check_odd_files(test);
    check_twice(test);
    struct statistics *empty = create(test);
    const char *path = scratch(test, "empty.gguf");
    EXPECT(statistics_write(&test->log, empty, path), ERROR_ARGUMENT, "no statistics", "nothing");
    CHECK(access(path, F_OK), "a file of nothing");
    statistics_destroy(&empty);
}
