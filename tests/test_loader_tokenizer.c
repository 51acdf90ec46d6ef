/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/json.h"
#include "loader/tokenizer.h"
#include "tests/test_loader.h"

static enum piece_type type_named(const char *name)
{
    static const char *const names[] = {"normal",       "unknown", "control",
                                        "user_defined", "unused",  "byte"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!strcmp(names[i], name))
            return (enum piece_type)(i + 1);
    return 0;
}

static void check_golden(struct test *test, const char *preset)
{
    char path[1024], text[4096];
    struct source *source;
    struct tokenizer *tokenizer;
    size_t size;
    const cJSON *item, *id;

    snprintf(path, sizeof(path), "%s/%s", test->goldens, preset);
    EXPECT(source_open(&test->log, path, &source), OK, "", path);
    if (!EXPECT(tokenizer_open(&test->log, source, &tokenizer), OK, "", path))
        return;
    source_close(&source);
    snprintf(path, sizeof(path), "%s/%s/goldens/tokenizer.json", test->goldens, preset);
    char *json_text = read_file(path, &size);
    cJSON *json = cJSON_Parse(json_text);
    const cJSON *pieces = cJSON_GetObjectItem(json, "pieces");
    CHECK(tokenizer_size(tokenizer) == (uint32_t)cJSON_GetArraySize(pieces), "%s: %u pieces", path,
          tokenizer_size(tokenizer));
    cJSON_ArrayForEach(item, pieces)
    {
        uint32_t n = (uint32_t)cJSON_GetObjectItem(item, "id")->valueint;
        CHECK(!strcmp(tokenizer_piece(tokenizer, n),
                      cJSON_GetObjectItem(item, "piece")->valuestring) &&
                  tokenizer_score(tokenizer, n) ==
                      (float)cJSON_GetObjectItem(item, "score")->valuedouble &&
                  tokenizer_type(tokenizer, n) ==
                      type_named(cJSON_GetObjectItem(item, "type")->valuestring),
              "%s: piece %u", path, n);
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(json, "decode"))
    {
        uint32_t ids[256];
        size_t n = 0;
        const char *expected = cJSON_GetObjectItem(item, "text")->valuestring;
        cJSON_ArrayForEach(id, cJSON_GetObjectItem(item, "ids")) ids[n++] = (uint32_t)id->valueint;
        size_t length = tokenizer_decode(tokenizer, ids, n, text, sizeof(text));
        CHECK(!strcmp(text, expected) && length == strlen(expected), "%s: \"%s\", expected \"%s\"",
              path, text, expected);
    }
    cJSON_Delete(json);
    free(json_text);
    tokenizer_close(&tokenizer);
}

/* --- A model made here: normal pieces, then the 256 bytes
 * ---------------------------------------------- */

enum { UNK, BOS, EOS, PAD, SPACE, THE, A, DOUBLE, EURO, UNUSED, BYTES };

static const struct {
    const char *text;
    int type;
} pieces[] = {
    {"<unk>", 2},     {"<s>", 3}, {"</s>", 3},          {"<pad>", 3},  {"\u2581", 1},
    {"\u2581the", 1}, {"a", 1},   {"\u2581\u2581b", 4}, {"\u20ac", 1}, {"\u2581old", 5},
};

static size_t put_piece(uint8_t *out, const char *text, int type)
{
    size_t n = strlen(text), at = 0;
    const float score = -1.5f;
    out[at++] = 1 << 3 | 2;
    out[at++] = (uint8_t)(2 + n + 5 + 2);
    out[at++] = 1 << 3 | 2;
    out[at++] = (uint8_t)n;
    memcpy(out + at, text, n);
    at += n;
    out[at++] = 2 << 3 | 5;
    memcpy(out + at, &score, 4);
    at += 4;
    out[at++] = 3 << 3;
    out[at++] = (uint8_t)type;
    return at;
}

/* flags: 1 add_dummy_prefix, 2 remove_extra_whitespaces */
static size_t make_model(uint8_t *out, int flags)
{
    size_t at = 0;
    char text[8];
    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        at += put_piece(out + at, pieces[i].text, pieces[i].type);
    for (unsigned i = 0; i < 256; i++) {
        snprintf(text, sizeof(text), "<0x%02X>", i);
        at += put_piece(out + at, text, PIECE_BYTE);
    }
    const uint8_t specs[] = {2 << 3 | 2, 3,
                             4 << 3,     0xac,
                             2, /* trainer_spec with a vocab_size */
                             3 << 3 | 2, 4,
                             3 << 3,     (uint8_t)(flags & 1),
                             4 << 3,     (uint8_t)(flags >> 1)};
    memcpy(out + at, specs, sizeof(specs));
    return at + sizeof(specs);
}

static void check_text(struct test *test, const struct tokenizer *tokenizer, const char *expected,
                       size_t n, const uint32_t *ids)
{
    char text[256], exact[256];
    size_t length = tokenizer_decode(tokenizer, ids, n, text, sizeof(text));
    CHECK(length == strlen(expected) && !strcmp(text, expected), "decoded \"%s\", expected \"%s\"",
          text, expected);
    for (size_t size = 0; size <= length + 1; size++) {
        memset(exact, 'x', sizeof(exact));
        CHECK(tokenizer_decode(tokenizer, ids, n, exact, size) == length,
              "length with room for %zu", size);
        if (!size)
            continue;
        size_t kept = strlen(exact);
        bool whole =
            kept == length || ((uint8_t)expected[kept] & 0xc0) != 0x80; /* cut between characters */
        CHECK(kept < size && whole && !strncmp(exact, expected, kept) && size - kept <= 4,
              "cut to %zu: \"%s\"", size, exact);
    }
}

#define DECODES(expected, ...)                                                                     \
    check_text(test, tokenizer, expected, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t),    \
               (uint32_t[]){__VA_ARGS__})

static void check_decoding(struct test *test)
{
    static const uint8_t normal = 3;
    uint8_t model[8192];
    struct tokenizer *tokenizer;

    if (!EXPECT(tokenizer_parse(&test->log, model, make_model(model, normal), &tokenizer), OK, "",
                "a model made here"))
        return;
    CHECK(tokenizer_size(tokenizer) == COUNT_OF(pieces) + 256 && !tokenizer_piece(tokenizer, 99999),
          "size");
    DECODES("the", SPACE, SPACE, THE);
    DECODES("the the", THE, THE);
    DECODES("a the", A, THE);
    DECODES(" b", DOUBLE);
    DECODES("a", BOS, PAD, A, EOS);
    DECODES("the", BOS, THE);
    DECODES(" \u2047 a", UNK, A);
    DECODES(" \u2047 ", 99999);
    DECODES("\u20ac", EURO);
    DECODES("old", UNUSED);
    DECODES("a\u20ac", A, BYTES + 0xe2, BYTES + 0x82, BYTES + 0xac);
    DECODES("\u20ac the", BYTES + 0xe2, BYTES + 0x82, BYTES + 0xac, THE);
    DECODES("\ufffd\ufffda", BYTES + 0xe2, BYTES + 0x82, A);
    DECODES("\ufffd\ufffd", BYTES + 0xc0, BYTES + 0x80);
    DECODES("\ufffd\ufffd\ufffd", BYTES + 0xed, BYTES + 0xa0, BYTES + 0x80);
    DECODES("\U0001f600", BYTES + 0xf0, BYTES + 0x9f, BYTES + 0x98, BYTES + 0x80);
    DECODES("\ufffd\ufffd\ufffd\ufffd", BYTES + 0xf5, BYTES + 0x80, BYTES + 0x80, BYTES + 0x80);
    DECODES("\ufffd", BYTES);
    CHECK(tokenizer_decode(tokenizer, NULL, 0, NULL, 0) == 0, "nothing");
    tokenizer_close(&tokenizer);

    EXPECT(tokenizer_parse(&test->log, model, make_model(model, 1), &tokenizer), OK, "",
           "only a dummy prefix");
    DECODES(" the", SPACE, THE);
    DECODES("the", THE);
    tokenizer_close(&tokenizer);
    EXPECT(tokenizer_parse(&test->log, model, make_model(model, 0), &tokenizer), OK, "",
           "no flags");
    DECODES(" the", THE);
    tokenizer_close(&tokenizer);
}

static void check_damaged(struct test *test)
{
    uint8_t model[8192];
    struct tokenizer *tokenizer;
    size_t size = make_model(model, 3);

    for (int i = 0; i < 20000; i++) {
        size_t n = i < (int)size ? (size_t)i : size;
        uint8_t *copy = malloc(n + 1); /* exact, for the sanitizer */
        if (!copy)
            exit(1);
        memcpy(copy, model, n);
        if (i >= (int)size)
            copy[test_random(test) % n] = (uint8_t)test_random(test);
        enum status status = tokenizer_parse(&test->log, copy, n, &tokenizer);
        if (!status) {
            char text[64];
            uint32_t ids[8];
            for (int j = 0; j < 8; j++)
                ids[j] = test_random(test) % (tokenizer_size(tokenizer) + 2);
            tokenizer_decode(tokenizer, ids, 8, text, sizeof(text));
            tokenizer_close(&tokenizer);
        } else if (!test->messages[0]) {
            CHECK(false, "an error without a message");
        }
        test->messages[0] = 0;
        free(copy);
    }
    EXPECT(tokenizer_parse(&test->log, model, 0, &tokenizer), ERROR_FORMAT, "without pieces",
           "an empty file");
    EXPECT(tokenizer_parse(&test->log, "\x0a\x04\x0a\x02\xff\xfe", 6, &tokenizer), ERROR_FORMAT,
           "not UTF-8", "a piece of bytes");
    EXPECT(tokenizer_parse(&test->log, "\x0a\x05\x0a\x01x\x18\x09", 7, &tokenizer), ERROR_FORMAT,
           "type 9", "a type");
    EXPECT(tokenizer_parse(&test->log, "\x0a\x05\x0a\x01x\x18\x06", 7, &tokenizer), ERROR_FORMAT,
           "no byte", "a byte");
}

void test_tokenizer(struct test *test)
{
    check_golden(test, "stt-tiny");
    check_golden(test, "moshi-tiny");
    check_decoding(test);
    check_damaged(test);
}
