/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/test_loader.h"

/* A header and `data` bytes behind it; returns the size. */
static size_t make(uint8_t *out, const char *header, size_t data)
{
    uint64_t length = strlen(header);
    memcpy(out, &length, 8);
    memcpy(out + 8, header, length);
    for (size_t i = 0; i < data; i++)
        out[8 + length + i] = (uint8_t)i;
    return 8 + length + data;
}

static void check_header(struct test *test, const char *header, size_t data, enum status status,
                         const char *text)
{
    uint8_t bytes[4096];
    const char *path = scratch(test, "case.safetensors");
    write_file(path, bytes, make(bytes, header, data));
    EXPECT(open_and_read(test, path), status, text, header);
}

static const char right[] =
    "{\"__metadata__\":{\"format\":\"pt\"},"
    "\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
    "\"b\":{\"dtype\":\"BF16\",\"shape\":[1,1,4],\"data_offsets\":[24,32]},"
    "\"scalar\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[32,34]},"
    "\"none\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[34,34]},"
    "\"other\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[34,42]},"
    "\"new\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[42,44]},"
    "\"many\":{\"dtype\":\"U8\",\"shape\":[1,1,2,1,1,1],\"data_offsets\":[44,46]}}  ";

static void check_right(struct test *test)
{
    struct source *source;
    uint8_t bytes[4096];
    const char *path = scratch(test, "right.safetensors");
    size_t size = make(bytes, right, 46);

    write_file(path, bytes, size);
    if (!EXPECT(source_open(&test->log, path, &source), OK, "", "a right file"))
        return;
    CHECK(source_get_kind(source) == SOURCE_SAFETENSORS && source_count(source) == 7 &&
              !source_gguf(source),
          "the source");
    const struct tensor *a = source_find(source, "a"), *scalar = source_find(source, "scalar");
    const struct tensor *new = source_find(source, "new"), *many = source_find(source, "many");
    CHECK(a && a->type == TENSOR_F32 && a->n_dims == 2 && a->dims[0] == 2 && a->dims[1] == 3 &&
              a->bytes == 24,
          "tensor a");
    CHECK(scalar && scalar->n_dims == 1 && scalar->dims[0] == 1 && scalar->bytes == 2, "a scalar");
    CHECK(new && !tensor_type_info(new->type), "an unknown type");
    CHECK(many && many->n_dims == 4 && tensor_elements(many) == 2, "six dimensions");
    uint8_t last[2];
    CHECK(many && !source_read(source, many, 0, last, 2) && last[0] == 44 && last[1] == 45,
          "bytes of the last tensor");
    source_close(&source);
    check_damage(test, scratch(test, "damaged.safetensors"), bytes, size, 4000);
}

static void test_headers(struct test *test)
{
    char deep[300] = "{\"a\":", values[64];
    memset(deep + strlen(deep), '[', 100);

    check_header(test, "{}", 0, OK, "");
    check_header(test, "{}", 1, ERROR_FORMAT, "end at byte 0");
    check_header(test, "[]", 0, ERROR_FORMAT, "not a safetensors");
    check_header(test, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}", 4,
                 ERROR_FORMAT, "not JSON");
    check_header(test, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}x", 4,
                 ERROR_FORMAT, "not JSON");
    check_header(test, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3,
                 ERROR_FORMAT, "truncated");
    check_header(test, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
                 ERROR_FORMAT, "do not fit");
    check_header(test, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4,
                 ERROR_FORMAT, "data_offsets");
    check_header(test, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4,
                 ERROR_FORMAT, "data_offsets");
    check_header(test, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4.5]}}", 4,
                 ERROR_FORMAT, "data_offsets");
    check_header(test, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,1e300]}}", 4,
                 ERROR_FORMAT, "data_offsets");
    check_header(test, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4,
                 ERROR_FORMAT, "data_offsets");
    check_header(test, "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4,
                 ERROR_FORMAT, "shape");
    check_header(test, "{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4,
                 ERROR_FORMAT, "shape");
    check_header(
        test,
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4,
        ERROR_FORMAT, "shape");
    check_header(test, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2,2,2,2],\"data_offsets\":[0,128]}}",
                 128, ERROR_UNSUPPORTED, "dimensions");
    check_header(test, "{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
                 ERROR_FORMAT, "dtype");
    check_header(test, "{\"a\":[]}", 0, ERROR_FORMAT, "dtype");
    check_header(test,
                 "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":"
                 "\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
                 3, ERROR_FORMAT, "begins at 1");
    check_header(test,
                 "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":"
                 "\"U8\",\"shape\":[2],\"data_offsets\":[3,5]}}",
                 5, ERROR_FORMAT, "begins at 3");
    check_header(test,
                 "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"a\":{\"dtype\":"
                 "\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
                 2, ERROR_FORMAT, "twice");
    check_header(test, "{\"a\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
                 ERROR_FORMAT, "NUL");
    check_header(test, "{\"a\\\\u0000b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                 1, OK, "");
    check_header(test, deep, 0, ERROR_FORMAT, "nested");
    char *large = malloc(2500000);
    if (!large)
        exit(1);
    size_t n = (size_t)snprintf(large + 8, 100, "{\"a\":[0");
    for (int i = 0; i < 1100000; i++)
        memcpy(large + 8 + n + 2 * i, ",0", 2);
    n += 2200000;
    uint64_t length = n;
    memcpy(large, &length, 8);
    write_file(scratch(test, "large.safetensors"), large, n + 8);
    EXPECT(open_and_read(test, scratch(test, "large.safetensors")), ERROR_FORMAT, "too many",
           "a million values");
    free(large);
    length = 1ull << 62;
    memcpy(values, &length, 8);
    values[8] = '{';
    write_file(scratch(test, "long.safetensors"), values, 9);
    EXPECT(open_and_read(test, scratch(test, "long.safetensors")), ERROR_FORMAT, "truncated",
           "a long header");
    memset(values, 'n', sizeof(values));
    write_file(scratch(test, "short.safetensors"), values, 5);
    EXPECT(open_and_read(test, scratch(test, "short.safetensors")), ERROR_FORMAT, "truncated",
           "five bytes");
}

void test_safetensors(struct test *test)
{
    check_right(test);
    test_headers(test);
}
