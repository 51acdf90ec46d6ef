/* SPDX-License-Identifier: MIT
 *
 * What the parts of test_loader share: checks that count, a scratch directory, messages that are
 * kept.
 */
#ifndef STAPES_TESTS_TEST_LOADER_H
#define STAPES_TESTS_TEST_LOADER_H

#include "loader/tensor.h"

struct test {
    int passed, failed;
    struct log log;      /* keeps what it is told */
    char messages[8192]; /* all since the last expectation, a line each */
    char directory[256]; /* an empty one, removed at the end */
    const char *goldens;
    uint64_t seed; /* of test_random */
};

/* Counts, and prints a failure. Returns ok. */
bool check_at(struct test *test, const char *file, int line, bool ok, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
#define CHECK(ok, ...) check_at(test, __FILE__, __LINE__, (ok), __VA_ARGS__)

/* The status is as expected, and unless it is OK a message holds `text`. Forgets the messages. */
bool expect_at(struct test *test, const char *file, int line, enum status got, enum status expected,
               const char *text, const char *what);
#define EXPECT(got, expected, text, what)                                                          \
    expect_at(test, __FILE__, __LINE__, (got), (expected), (text), (what))

uint32_t test_random(struct test *test);

/* A path in the scratch directory; valid until the fourth next call. */
const char *scratch(struct test *test, const char *name);
void write_file(const char *path, const void *bytes, size_t size);
/* The caller's to free. */
void *read_file(const char *path, size_t *size);

/* The scratch directory "model" as links to a golden's files. */
void link_golden(struct test *test, const char *preset);

/* Opens, reads every tensor, closes: whatever the file holds, this must not crash. */
enum status open_and_read(struct test *test, const char *path);
/* Writes `size` bytes with changes: cut at every length; then `flips` times with some bytes
 * changed. Each file must give an error with a message, or be read. */
void check_damage(struct test *test, const char *path, const uint8_t *bytes, size_t size,
                  int flips);

void test_blocks(struct test *test);
void test_gguf(struct test *test);
void test_safetensors(struct test *test);
void test_directories(struct test *test);
void test_config(struct test *test);
void test_tokenizer(struct test *test);
void test_quantize(struct test *test);
void test_quantize_methods(struct test *test);
void test_gptq(struct test *test);
void test_awq(struct test *test);
void test_statistics(struct test *test);
void test_qwen3_asr(struct test *test);

#endif
