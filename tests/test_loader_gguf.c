/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/gguf.h"
#include "tests/test_loader.h"

/* --- A file that the writer makes
 * ------------------------------------------------------------------ */

struct shape {
    const char *name;
    uint32_t type, n_dims;
    uint64_t dims[4];
};

static const struct shape shapes[] = {
    {"a.weight", TENSOR_F32, 2, {3, 5}},
    {"b.weight", TENSOR_F16, 3, {2, 3, 1}},
    {"c.weight", TENSOR_Q4_0, 2, {3, 64}},
    {"d.weight", TENSOR_Q8_0, 4, {1, 2, 1, 32}},
    {"e", TENSOR_BF16, 1, {7}},
    {"f", 26, 1, {1}},
};

static uint8_t pattern(size_t tensor, uint64_t i)
{
    return (uint8_t)(tensor * 37 + i * 11);
}

static enum status write_sample(struct test *test, const char *path, bool complete)
{
    static const int32_t numbers[] = {-3, 0, 7};
    static const char *const strings[] = {"one", "", "\xe2\x96\x81three"};
    struct gguf_writer *writer;

    enum status status = gguf_writer_create(&test->log, path, &writer);
    if (status)
        return status;
    gguf_write_string(writer, "general.architecture", "test");
    gguf_write_u32(writer, "test.u32", 4000000000u);
    gguf_write_u64(writer, "test.u64", UINT64_MAX);
    gguf_write_f32(writer, "test.f32", 0.1f);
    gguf_write_f64(writer, "test.f64", 0.1);
    gguf_write_bool(writer, "test.bool", true);
    gguf_write_array(writer, "test.numbers", GGUF_I32, numbers, 3);
    gguf_write_array(writer, "test.strings", GGUF_STRING, strings, 3);
    gguf_write_array(writer, "test.empty", GGUF_F64, NULL, 0);
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        gguf_declare(writer, shapes[i].name, shapes[i].type, shapes[i].n_dims, shapes[i].dims);
    gguf_writer_begin(writer);
    for (size_t i = 0; i < COUNT_OF(shapes) - !complete; i++) {
        struct tensor tensor = {.n_dims = shapes[i].n_dims};
        memcpy(tensor.dims, shapes[i].dims, sizeof(tensor.dims));
        uint64_t bytes =
            tensor_row_bytes(tensor_type_info(shapes[i].type), tensor_elements(&tensor));
        for (uint64_t j = 0; j < bytes; j++) {
            uint8_t byte = pattern(i, j);
            gguf_append(writer, &byte, 1);
        }
    }
    status = gguf_writer_end(writer);
    gguf_writer_destroy(&writer);
    return status;
}

static void check_sample(struct test *test, const char *path)
{
    struct source *source;
    uint64_t number;
    int64_t integer;
    double real;
    bool flag;
    const char *text;

    if (!EXPECT(source_open(&test->log, path, &source), OK, "", "the sample"))
        return;
    const struct gguf *gguf = source_gguf(source);
    CHECK(gguf_get_u64(gguf, "test.u32", &number) && number == 4000000000u, "u32");
    CHECK(gguf_get_u64(gguf, "test.u64", &number) && number == UINT64_MAX, "u64");
    CHECK(gguf_get_f64(gguf, "test.f32", &real) && real == (double)0.1f, "f32");
    CHECK(gguf_get_f64(gguf, "test.f64", &real) && real == 0.1, "f64");
    CHECK(gguf_get_bool(gguf, "test.bool", &flag) && flag, "bool");
    CHECK(gguf_get_string(gguf, "general.architecture", &text) && !strcmp(text, "test"), "string");
    CHECK(!gguf_get_u64(gguf, "test.f32", &number) && !gguf_get_f64(gguf, "test.u32", &real) &&
              !gguf_get_u64(gguf, "test.numbers", &number) &&
              !gguf_get_u64(gguf, "test.absent", &number) &&
              !gguf_get_u64(gguf, "test.bool", &number),
          "values of other types");
    const struct gguf_value *numbers = gguf_find(gguf, "test.numbers"),
                            *strings = gguf_find(gguf, "test.strings");
    CHECK(numbers && numbers->array && numbers->count == 3 &&
              gguf_element_i64(numbers, 0, &integer) && integer == -3 &&
              !gguf_element_u64(numbers, 0, &number) && gguf_element_u64(numbers, 2, &number) &&
              number == 7 && !gguf_element_u64(numbers, 3, &number),
          "numbers");
    CHECK(strings && strings->count == 3 &&
              !strcmp(gguf_element_string(strings, 2), "\xe2\x96\x81three") &&
              !*gguf_element_string(strings, 1),
          "strings");
    CHECK(gguf_find(gguf, "test.empty") && gguf_find(gguf, "test.empty")->count == 0,
          "an empty array");
    CHECK(source_count(source) == COUNT_OF(shapes), "%u tensors", source_count(source));
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        const struct tensor *tensor = source_find(source, shapes[i].name);
        uint8_t bytes[512];
        bool same = tensor && tensor->type == shapes[i].type &&
                    tensor->n_dims == shapes[i].n_dims &&
                    !memcmp(tensor->dims, shapes[i].dims, tensor->n_dims * sizeof(uint64_t)) &&
                    !source_read(source, tensor, 0, bytes, tensor->bytes);
        for (uint64_t j = 0; same && j < tensor->bytes; j++)
            same = bytes[j] == pattern(i, j);
        CHECK(same, "tensor %s differs", shapes[i].name);
    }
    CHECK(source_read(source, source_tensor(source, 0), 1, &(char[60]){0}, 60) == ERROR_ARGUMENT,
          "a read past a tensor");
    test->messages[0] = 0;
    CHECK(!source_find(source, "g") && !source_tensor(source, 99), "tensors that are not there");
    source_close(&source);
}

/* --- Files made byte by byte
 * ------------------------------------------------------------------------ */

struct maker {
    uint8_t bytes[4096];
    size_t size;
};

static void put(struct maker *maker, const void *from, size_t n)
{
    memcpy(maker->bytes + maker->size, from, n);
    maker->size += n;
}

static void put_u32(struct maker *maker, uint32_t value)
{
    put(maker, &value, 4);
}

static void put_u64(struct maker *maker, uint64_t value)
{
    put(maker, &value, 8);
}

static void put_text(struct maker *maker, const char *text, size_t n)
{
    put_u64(maker, n);
    put(maker, text, n);
}

/* Every field of a small file; each case changes one of them. */
struct fields {
    const char *magic;
    uint32_t version;
    uint64_t n_tensors, n_values;
    uint64_t key_length; /* 0: right */
    const char *key;
    uint32_t value_type, array_type;
    uint64_t array_count;
    uint32_t alignment;
    const char *second_key;
    const char *names[2];
    uint64_t name_length; /* of the second; 0: right */
    uint32_t n_dims;
    uint64_t dims[2];
    uint32_t type;
    uint64_t offsets[2];
    size_t data_bytes;
};

static const struct fields right = {
    .magic = "GGUF",
    .version = 3,
    .n_tensors = 2,
    .n_values = 3,
    .key = "some.list",
    .value_type = GGUF_ARRAY,
    .array_type = GGUF_U16,
    .array_count = 3,
    .alignment = 64,
    .second_key = "some.bool",
    .names = {"first", "second"},
    .n_dims = 2,
    .dims = {32, 2},
    .type = TENSOR_Q8_0,
    .offsets = {0, 64},
    .data_bytes = 64 + 68,
};

static struct maker make(const struct fields *f)
{
    struct maker m = {.size = 0};
    put(&m, f->magic, 4);
    put_u32(&m, f->version);
    put_u64(&m, f->n_tensors);
    put_u64(&m, f->n_values);
    put_u64(&m,
            f->key_length ? f->key_length : strlen(f->key) + (f->key[strlen(f->key) - 1] == '!'));
    put(&m, f->key, strlen(f->key) + (f->key[strlen(f->key) - 1] == '!')); /* with its NUL */
    put_u32(&m, f->value_type);
    put_u32(&m, f->array_type);
    put_u64(&m, f->array_count);
    put(&m, "\1\0\2\0\3\0", 6);
    put_text(&m, "general.alignment", 17);
    put_u32(&m, GGUF_U32);
    put_u32(&m, f->alignment);
    put_text(&m, f->second_key, strlen(f->second_key));
    put_u32(&m, GGUF_BOOL);
    put(&m, "\1", 1);
    for (int i = 0; i < 2; i++) {
        put_u64(&m, i && f->name_length ? f->name_length : strlen(f->names[i]));
        put(&m, f->names[i], strlen(f->names[i]));
        put_u32(&m, i ? f->n_dims : 1);
        for (uint32_t d = 0; d < (i ? MIN(f->n_dims, 2) : 1); d++)
            put_u64(&m, i ? f->dims[d] : 4);
        put_u32(&m, i ? f->type : TENSOR_F32);
        put_u64(&m, f->offsets[i]);
    }
    while (m.size % 64)
        put(&m, "\0", 1);
    for (size_t i = 0; i < f->data_bytes; i++)
        put(&m, "x", 1);
    return m;
}

static void check_fields(struct test *test, const char *what, const struct fields *fields,
                         enum status status, const char *text)
{
    const char *path = scratch(test, "fields.gguf");
    struct maker made = make(fields);
    write_file(path, made.bytes, made.size);
    EXPECT(open_and_read(test, path), status, text, what);
}

#define WRONG(what, status, text, ...)                                                             \
    do {                                                                                           \
        struct fields fields = right;                                                              \
        __VA_ARGS__;                                                                               \
        check_fields(test, what, &fields, status, text);                                           \
    } while (0)

static void test_fields(struct test *test)
{
    char long_name[300];
    memset(long_name, 'n', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = 0;

    WRONG("nothing", OK, "", (void)fields);
    WRONG("magic", ERROR_FORMAT, "not a GGUF", fields.magic = "GGML");
    WRONG("version 1", ERROR_UNSUPPORTED, "version 1", fields.version = 1);
    WRONG("version 2", OK, "", fields.version = 2);
    WRONG("version 4", ERROR_UNSUPPORTED, "version 4", fields.version = 4);
    WRONG("big-endian", ERROR_UNSUPPORTED, "big-endian", fields.version = 3u << 24);
    WRONG("tensor count", ERROR_FORMAT, "do not fit", fields.n_tensors = 1u << 30);
    WRONG("huge tensor count", ERROR_FORMAT, "do not fit", fields.n_tensors = UINT64_MAX);
    WRONG("key count", ERROR_FORMAT, "do not fit", fields.n_values = UINT64_MAX);
    WRONG("key length", ERROR_FORMAT, "claims", fields.key_length = UINT64_MAX);
    WRONG("key length", ERROR_FORMAT, "claims", fields.key_length = 100000);
    WRONG("NUL in a key", ERROR_FORMAT, "NUL", fields.key = "some.list!");
    WRONG("value type", ERROR_FORMAT, "unknown type 13", fields.value_type = 13);
    WRONG("array type", ERROR_FORMAT, "unknown type", fields.array_type = 4711);
    WRONG("nested array", ERROR_UNSUPPORTED, "array of arrays", fields.array_type = GGUF_ARRAY);
    WRONG("array count", ERROR_FORMAT, "claims", fields.array_count = UINT64_MAX / 2);
    WRONG("array of strings", ERROR_FORMAT, "", fields.array_type = GGUF_STRING);
    WRONG("array of bools", ERROR_FORMAT, "bool", fields.array_type = GGUF_BOOL;
          fields.array_count = 6);
    WRONG("duplicate key", ERROR_FORMAT, "twice", fields.second_key = "some.list");
    WRONG("alignment 0", ERROR_FORMAT, "alignment", fields.alignment = 0x80000000u);
    WRONG("alignment 48", ERROR_FORMAT, "alignment", fields.alignment = 48);
    WRONG("alignment 4", ERROR_FORMAT, "alignment", fields.alignment = 4);
    WRONG("duplicate tensor", ERROR_FORMAT, "twice", fields.names[1] = "first");
    WRONG("long name", ERROR_FORMAT, "limit", fields.names[1] = long_name);
    WRONG("name length", ERROR_FORMAT, "claims", fields.name_length = UINT64_MAX - 7);
    WRONG("empty name", ERROR_FORMAT, "without a name", fields.names[1] = "");
    WRONG("no dims", ERROR_FORMAT, "dimensions", fields.n_dims = 0);
    WRONG("five dims", ERROR_FORMAT, "dimensions", fields.n_dims = 5);
    WRONG("dimension 0", ERROR_FORMAT, "dimension 1 is 0", fields.dims[1] = 0);
    WRONG("dims overflow", ERROR_FORMAT, "dimension 1", fields.dims[1] = 1ull << 59);
    WRONG("large dims", ERROR_FORMAT, "past the end", fields.dims[1] = 1ull << 40);
    WRONG("rows and blocks", ERROR_FORMAT, "multiple", fields.dims[0] = 31);
    WRONG("tensor type", ERROR_FORMAT, "unknown type 4", fields.type = 4);
    WRONG("tensor type", ERROR_FORMAT, "unknown type 1000", fields.type = 1000);
    WRONG("a type that does not run", OK, "", fields.type = 24);
    WRONG("offset alignment", ERROR_FORMAT, "multiple of the alignment", fields.offsets[1] = 65);
    WRONG("offset past the end", ERROR_FORMAT, "past the end", fields.offsets[1] = 1ull << 40);
    WRONG("offset overflow", ERROR_FORMAT, "past the end", fields.offsets[1] = UINT64_MAX - 63);
    WRONG("overlap", ERROR_FORMAT, "overlap", fields.offsets[1] = 0);
    WRONG("last tensor short", ERROR_FORMAT, "tensor second", fields.data_bytes--);
    WRONG("bytes behind", OK, "", fields.data_bytes += 100);
}

/* --- Splits
 * ------------------------------------------------------------------------------------------ */

static void write_split(struct test *test, const char *path, uint32_t no, uint32_t count,
                        uint32_t tensors, const char *name)
{
    const uint64_t dims[1] = {8};
    const float values[8] = {(float)no};
    struct gguf_writer *writer;
    gguf_writer_create(&test->log, path, &writer);
    gguf_write_u32(writer, "split.no", no);
    gguf_write_u32(writer, "split.count", count);
    gguf_write_u32(writer, "split.tensors.count", tensors);
    if (no == 0)
        gguf_write_string(writer, "general.architecture", "first");
    gguf_declare(writer, name, TENSOR_F32, 1, dims);
    gguf_writer_begin(writer);
    gguf_append(writer, values, sizeof(values));
    EXPECT(gguf_writer_end(writer), OK, "", path);
    gguf_writer_destroy(&writer);
}

static void test_splits(struct test *test)
{
    char paths[3][300];
    const char *text;
    struct source *source;

    for (uint32_t i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/s-%05u-of-00003.gguf", test->directory, i + 1);
        write_split(test, paths[i], i, 3, 3, i == 0 ? "a" : i == 1 ? "b" : "c");
    }
    for (int i = 0; i < 3; i++) {
        if (!EXPECT(source_open(&test->log, paths[i], &source), OK, "", paths[i]))
            continue;
        float value = 0;
        const struct tensor *tensor = source_find(source, "c");
        CHECK(source_count(source) == 3 &&
                  gguf_get_string(source_gguf(source), "general.architecture", &text),
              "part %d", i);
        CHECK(tensor && !source_read(source, tensor, 0, &value, 4) && value == 2,
              "tensor c by part %d", i);
        CHECK(tensor && strstr(source_file(source, tensor->file), "00003-of"), "file of tensor c");
        source_close(&source);
    }
    write_split(test, paths[1], 2, 3, 3, "b");
    EXPECT(open_and_read(test, paths[0]), ERROR_FORMAT, "expected 2 of 3", "a wrong number");
    write_split(test, paths[1], 1, 3, 3, "c");
    EXPECT(open_and_read(test, paths[0]), ERROR_FORMAT, "twice", "a tensor in two parts");
    write_split(test, paths[1], 1, 3, 4, "b");
    write_split(test, paths[0], 0, 3, 4, "a");
    EXPECT(open_and_read(test, paths[0]), ERROR_FORMAT, "split.tensors.count",
           "a wrong number of tensors");
    remove(paths[1]);
    EXPECT(open_and_read(test, paths[2]), ERROR_IO, "00002-of-00003", "a missing part");
    const char *other = scratch(test, "renamed.gguf");
    write_split(test, other, 0, 2, 2, "a");
    EXPECT(open_and_read(test, other), ERROR_FORMAT, "-00001-of-00002.gguf", "a renamed part");
    write_split(test, other, 5, 2, 2, "a");
    EXPECT(open_and_read(test, other), ERROR_FORMAT, "file 6 of 2", "an impossible number");
    remove(paths[0]);
    remove(paths[2]);
}

void test_gguf(struct test *test)
{
    const char *path = scratch(test, "sample.gguf");
    size_t size;

    EXPECT(write_sample(test, path, true), OK, "", "writing");
    check_sample(test, path);
    EXPECT(write_sample(test, path, false), ERROR_ARGUMENT, "incomplete", "writing too little");
    check_sample(test, path); /* what was there before is still there */
    uint8_t *bytes = read_file(path, &size);
    check_damage(test, scratch(test, "damaged.gguf"), bytes, size, 6000);
    free(bytes);
    EXPECT(write_sample(test, "/nowhere/sample.gguf", true), ERROR_IO, "/nowhere/sample.gguf",
           "writing nowhere");
    EXPECT(write_sample(test, test->directory, true), ERROR_IO, "is a directory",
           "writing to a directory");
    EXPECT(write_sample(test, "/dev/null", true), ERROR_IO, "not a regular file",
           "writing to a device");
    EXPECT(open_and_read(test, scratch(test, "absent.gguf")), ERROR_IO, "No such file",
           "an absent file");
    EXPECT(open_and_read(test, "/dev/null"), ERROR_IO, "not a regular file", "a device");
    EXPECT(open_and_read(test, ""), ERROR_ARGUMENT, "no path", "no path");
    write_file(scratch(test, "empty"), "", 0);
    EXPECT(open_and_read(test, scratch(test, "empty")), ERROR_FORMAT, "empty", "an empty file");
    write_file(scratch(test, "text"), "hello, this is text\n", 20);
    EXPECT(open_and_read(test, scratch(test, "text")), ERROR_FORMAT, "neither", "a text");
    test_fields(test);
    test_splits(test);
}
