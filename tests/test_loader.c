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
#include <math.h>
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

/* --- Block formats -------------------------------------------------------------------------------
 */

static void test_f16(struct test *test)
{
    static const struct {
        float value;
        uint16_t half;
    } known[] = {
        {0, 0},
        {-0.0f, 0x8000},
        {1, 0x3c00},
        {-2, 0xc000},
        {65504, 0x7bff},
        {65519.996f, 0x7bff},
        {65520, 0x7c00},
        {-1e30f, 0xfc00},
        {0x1p-24f, 1},
        {0x1p-25f, 0},
        {0x1.000002p-25f, 1},
        {0x1.8p-24f, 2},
        {0x1p-14f, 0x400},
        {0x1.ff8p-15f, 0x3ff},
        {0x1.ffcp-15f, 0x400},
        {0x1.ffap-15f, 0x3ff},
        {0x1.002p0f, 0x3c00},
        {0x1.006p0f, 0x3c02},
        {0x1.002002p0f, 0x3c01},
        {INFINITY, 0x7c00},
        {-INFINITY, 0xfc00},
        {1e-40f, 0},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        uint16_t half;
        tensor_from_f32(TENSOR_F16, &known[i].value, &half, 1);
        CHECK(half == known[i].half, "f16 of %a is %04x, expected %04x", (double)known[i].value,
              half, known[i].half);
    }
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t half = (uint16_t)i, back;
        float value;
        tensor_to_f32(TENSOR_F16, &half, &value, 1);
        tensor_from_f32(TENSOR_F16, &value, &back, 1);
        bool nan = (i & 0x7c00) == 0x7c00 && (i & 0x3ff);
        if (nan ? !isnan(value) || (back & 0x7e00) != 0x7e00 : back != half)
            CHECK(false, "f16 %04x becomes %a and %04x", i, (double)value, back);
    }
    test->passed++;
}

static void test_bf16(struct test *test)
{
    static const struct {
        uint32_t bits;
        uint16_t half;
    } known[] = {{0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f818000, 0x3f82},
                 {0x3f808001, 0x3f81}, {0x7f7fffff, 0x7f80}, {0x7f800001, 0x7fc0},
                 {0xff800000, 0xff80}, {0x00008000, 0x0000}};
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        float value, back;
        uint16_t half;
        memcpy(&value, &known[i].bits, sizeof(value));
        tensor_from_f32(TENSOR_BF16, &value, &half, 1);
        CHECK(half == known[i].half, "bf16 of %08x is %04x, expected %04x", known[i].bits, half,
              known[i].half);
        tensor_to_f32(TENSOR_BF16, &half, &back, 1);
        uint32_t bits;
        memcpy(&bits, &back, sizeof(bits));
        CHECK(bits == (uint32_t)half << 16, "bf16 %04x becomes %08x", half, bits);
    }
}

/* Worked out in Python by ggml's rules. */
static const char *const quantized[3][2] = {
    {"0038502efbd8a5735f2dfbd8a5724f2dfac8",
     "082881572c00d4a97f5328fcd0a57b4f24f8cca1774b20f4c89d73471cf0c4996f43"},
    {"1238209113c77c3119021d3976c4149629dd",
     "1a28818dafe93a9817a4510cddc6c6dd0c51a417983ae9af8d818dafe93a9817a451"},
    {"10805a494949383838272727261616160505",
     "0100e8ecf1f6fb00050a0f14181d22272c31363b4044494e53585d62676b70757a7f"},
};

static void test_quantized(struct test *test)
{
    static const enum tensor_type types[2] = {TENSOR_Q4_0, TENSOR_Q8_0};
    float values[3][32], back[32];
    for (int i = 0; i < 32; i++) {
        values[0][i] = (float)((i * 7919 % 65 - 32) / 8.0);
        values[1][i] = (float)((i * i % 23 - 11) * 0.37);
        values[2][i] = (float)(3.0e-7 * (i - 5));
    }
    for (int set = 0; set < 3; set++) {
        for (int t = 0; t < 2; t++) {
            uint8_t block[34];
            char text[80] = "";
            size_t n = tensor_type_info(types[t])->bytes;
            tensor_from_f32(types[t], values[set], block, 32);
            for (size_t i = 0; i < n; i++)
                snprintf(text + 2 * i, 3, "%02x", block[i]);
            CHECK(!strcmp(text, quantized[set][t]), "set %d as %s is\n%s, expected\n%s", set,
                  tensor_type_info(types[t])->name, text, quantized[set][t]);
            tensor_to_f32(types[t], block, back, 32);
            float largest = 0, worst = 0;
            for (int i = 0; i < 32; i++) {
                largest = fmaxf(largest, fabsf(values[set][i]));
                worst = fmaxf(worst, fabsf(values[set][i] - back[i]));
            }
            CHECK(worst <= largest / (t ? 200 : 7) + 0x1p-24f * 127,
                  "set %d as %s: off by %g of %g", set, tensor_type_info(types[t])->name,
                  (double)worst, (double)largest);
        }
    }
    const float wild[32] = {INFINITY, NAN, -INFINITY, 1e-45f, 3e38f};
    uint8_t block[34];
    tensor_from_f32(TENSOR_Q4_0, wild, block, 32); /* the sanitizers have an eye on these */
    tensor_from_f32(TENSOR_Q8_0, wild, block, 32);
    tensor_from_f32(TENSOR_Q4_0, wild + 3, block, 0);
}

void test_blocks(struct test *test)
{
    test_f16(test);
    test_bf16(test);
    test_quantized(test);
    CHECK(tensor_type_by_name("q4_0") == tensor_type_info(TENSOR_Q4_0),
          "q4_0 is not found by its name");
    CHECK(!tensor_type_by_name("q4") && !tensor_type_by_name(NULL) && !tensor_type_info(5),
          "types that are none");
    CHECK(tensor_row_bytes(tensor_type_info(TENSOR_Q8_0), 64) == 68, "bytes of a row");
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
    remove_directory(test.directory);
    printf("test_loader: %d passed, %d failed\n", test.passed, test.failed);
    return test.failed != 0;
}
