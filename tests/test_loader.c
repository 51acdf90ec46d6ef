/* SPDX-License-Identifier: MIT
 *
 * The loader without a device: block formats, readers and writers against damage of every kind,
 * checkpoint directories, configurations, tokenizers, the quantizer.
 *
 * test_loader [--seed N] [GOLDENS]
 */
#define _POSIX_C_SOURCE 200809L
#include "tests/test_loader.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool check_at(struct test *test, const char *file, int line, bool ok, const char *format, ...)
{
    va_list args;
    if (ok) {
        test->passed++;
        return true;
    }
    test->failed++;
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return false;
}

bool expect_at(struct test *test, const char *file, int line, enum status got, enum status expected,
               const char *text, const char *what)
{
    bool ok = got == expected && (expected == OK || strstr(test->messages, text));
    check_at(test, file, line, ok, "%s: %s, expected %s%s%s; messages:\n%s", what, status_text(got),
             status_text(expected), expected ? " and " : "", expected ? text : "", test->messages);
    test->messages[0] = 0;
    return ok;
}

static void keep_message(void *user, enum log_level level, const char *message)
{
    struct test *test = user;
    size_t used = strlen(test->messages);
    (void)level;
    snprintf(test->messages + used, sizeof(test->messages) - used, "%s\n", message);
}

uint32_t test_random(struct test *test)
{
    test->seed = test->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(test->seed >> 32);
}

const char *scratch(struct test *test, const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", test->directory, name);
    return path;
}

void write_file(const char *path, const void *bytes, size_t size)
{
    unlink(path); /* it may be a link to a golden */
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file)) {
        perror(path);
        exit(1);
    }
}

void *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    fseek(file, 0, SEEK_END);
    long length = ftell(file);
    rewind(file);
    char *bytes = malloc((size_t)length + 1);
    if (!bytes || fread(bytes, 1, (size_t)length, file) != (size_t)length)
        exit(1);
    fclose(file);
    bytes[length] = 0;
    *size = (size_t)length;
    return bytes;
}

enum status open_and_read(struct test *test, const char *path)
{
    struct source *source;
    enum status status = source_open(&test->log, path, &source);
    if (status)
        return status;
    for (uint32_t i = 0; i < source_count(source) && !status; i++) {
        const struct tensor *tensor = source_tensor(source, i);
        char *bytes = malloc(tensor->bytes + 1);
        status = bytes ? source_read(source, tensor, 0, bytes, tensor->bytes) : ERROR_MEMORY;
        if (!status && source_find(source, tensor->name) != tensor)
            status = ERROR_ARGUMENT;
        free(bytes);
    }
    source_close(&source);
    return status;
}

static void expect_error_or_use(struct test *test, const char *path, const char *what, size_t at)
{
    enum status status = open_and_read(test, path);
    CHECK(!status || (status != ERROR_ARGUMENT && test->messages[0]), "%s at %zu: %s", what, at,
          status_text(status));
    test->messages[0] = 0;
}

void check_damage(struct test *test, const char *path, const uint8_t *bytes, size_t size, int flips)
{
    uint8_t *copy = malloc(size);
    if (!copy)
        exit(1);
    for (size_t n = 0; n < size; n++) {
        write_file(path, bytes, n);
        expect_error_or_use(test, path, "cut", n);
    }
    for (int i = 0; i < flips; i++) {
        memcpy(copy, bytes, size);
        size_t at = test_random(test) % size;
        copy[at] = (uint8_t)(i % 3 == 0   ? test_random(test)
                             : i % 3 == 1 ? copy[at] ^ 1u << i / 3 % 8
                                          : 0xff);
        if (i % 7 == 0)
            for (size_t j = at; j < size && j < at + 8; j++)
                copy[j] = (uint8_t)(i % 2 ? 0xff : test_random(test));
        write_file(path, copy, size);
        expect_error_or_use(test, path, "damaged", at);
    }
    write_file(path, bytes, size);
    free(copy);
}

/* --- Running
 * ---------------------------------------------------------------------------------------- */

static void remove_directory(const char *path)
{
    char inner[1024];
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        if (unlink(inner))
            remove_directory(inner);
    }
    if (directory)
        closedir(directory);
    rmdir(path);
}

int main(int argc, char **argv)
{
    struct test test = {.goldens = GOLDENS, .seed = 1};
    test.log = (struct log){keep_message, &test};
    const char *temporary = getenv("TMPDIR");

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            test.seed = strtoull(argv[++i], NULL, 0);
        else
            test.goldens = argv[i];
    }
    printf("test_loader: seed %llu\n", (unsigned long long)test.seed);
    snprintf(test.directory, sizeof(test.directory), "%s/test_loader.XXXXXX",
             temporary ? temporary : "/tmp");
    if (!mkdtemp(test.directory)) {
        perror(test.directory);
        return 1;
    }
    test_blocks(&test);
    test_gguf(&test);
    test_safetensors(&test);
    test_directories(&test);
    test_config(&test);
    test_tokenizer(&test);
    test_quantize(&test);
    test_statistics(&test);
    test_quantize_methods(&test);
    test_gptq(&test);
    test_awq(&test);
    test_qwen3_asr(&test);
    remove_directory(test.directory);
    printf("test_loader: %d passed, %d failed\n", test.passed, test.failed);
    return test.failed != 0;
}
