/* SPDX-License-Identifier: MIT
 *
 * Block formats: known answers, ggml's blocks of many rows (tests/fixtures/make_blocks.c), and what
 * the search for scales promises.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/block_rows.h"
#include "tests/larger.h"
#include "tests/test_loader.h"

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
            double largest = 0, worst = 0;
            for (int i = 0; i < 32; i++) {
                largest = larger(largest, fabsf(values[set][i]));
                worst = larger(worst, fabsf(values[set][i] - back[i]));
            }
            CHECK(worst <= largest / (t ? 200 : 7) + 0x1p-24f * 127,
                  "set %d as %s: off by %g of %g", set, tensor_type_info(types[t])->name,
                  worst, largest);
        }
    }
    const float wild[32] = {INFINITY, NAN, -INFINITY, 1e-45f, 3e38f};
    uint8_t block[34];
    tensor_from_f32(TENSOR_Q4_0, wild, block, 32); /* the sanitizers have an eye on these */
    tensor_from_f32(TENSOR_Q8_0, wild, block, 32);
    tensor_from_f32(TENSOR_Q4_0, wild + 3, block, 0);
}

/* --- ggml's blocks */

struct known {
    char type[8], kind[16], first[512]; /* in hexadecimal */
    unsigned long long blocks, floats;
};

static void check_known(struct test *test, const struct known *known)
{
    static float values[ROW_LENGTH], back[ROW_LENGTH];
    static uint8_t blocks[ROW_LENGTH * 2];
    const struct tensor_type_info *type = tensor_type_by_name(known->type);
    uint64_t seed = ROW_SEED, encoded = ROW_HASH_START, decoded = ROW_HASH_START;
    int kind = 0;
    while (kind < ROW_KINDS && strcmp(row_kinds[kind], known->kind))
        kind++;
    if (!CHECK(type && kind < ROW_KINDS, "%s or %s is unknown", known->type, known->kind))
        return;
    for (unsigned row = 0; row < ROWS_A_KIND; row++) {
        row_fill((enum row_kind)kind, &seed, values, ROW_LENGTH);
        tensor_from_f32(type->type, values, blocks, ROW_LENGTH);
        tensor_to_f32(type->type, blocks, back, ROW_LENGTH);
        for (unsigned i = 0; i < ROW_LENGTH; i++)
            if (isnan(back[i]))
                back[i] = 0;
        encoded = row_hash(encoded, blocks, tensor_row_bytes(type, ROW_LENGTH));
        decoded = row_hash(decoded, back, sizeof(back));
        char text[512] = "";
        for (uint32_t i = 0; row == 0 && i < type->bytes; i++)
            snprintf(text + 2 * i, 3, "%02x", blocks[i]);
        CHECK(row || !strcmp(text, known->first), "%s, %s: the first block is\n%s, expected\n%s",
              known->type, known->kind, text, known->first);
    }
    CHECK(encoded == known->blocks, "%s, %s: other blocks than ggml's", known->type, known->kind);
    CHECK(decoded == known->floats, "%s, %s: other floats than ggml's", known->type, known->kind);
}

static void test_known(struct test *test)
{
    struct known known;
    int lines = 0;
    FILE *file = fopen(FIXTURES "/blocks.txt", "r");
    if (!CHECK(file, FIXTURES "/blocks.txt is not there"))
        return;
    while (fscanf(file, "%7s %15s %llx %llx %511s", known.type, known.kind, &known.blocks,
                  &known.floats, known.first) == 5) {
        check_known(test, &known);
        lines++;
    }
    fclose(file);
    CHECK(lines == 7 * ROW_KINDS, "%d lines of known blocks", lines);
}

/* --- The search for scales */

static const enum tensor_type block_types[] = {TENSOR_Q4_0, TENSOR_Q4_1, TENSOR_Q5_0, TENSOR_Q5_1,
                                               TENSOR_Q8_0, TENSOR_Q4_K, TENSOR_Q6_K};

static double squared_error(const float *x, const float *weights, const float *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = (double)y[i] - (double)x[i];
        sum += (weights ? (double)weights[i] : 1.0) * difference * difference;
    }
    return sum;
}

/* Never above naive's in any block; returns the sums of the row. */
static void check_search(struct test *test, const struct tensor_type_info *type, const float *x,
                         const float *weights, const char *kind, double sums[2])
{
    static float naive[ROW_LENGTH], searched[ROW_LENGTH];
    static uint8_t blocks[ROW_LENGTH * 2];
    tensor_from_f32(type->type, x, blocks, ROW_LENGTH);
    tensor_to_f32(type->type, blocks, naive, ROW_LENGTH);
    tensor_search_f32(type->type, x, weights, blocks, ROW_LENGTH);
    tensor_to_f32(type->type, blocks, searched, ROW_LENGTH);
    for (size_t i = 0; i < ROW_LENGTH; i += type->block) {
        const float *importance = weights ? weights + i : NULL;
        double before = squared_error(x + i, importance, naive + i, type->block);
        double after = squared_error(x + i, importance, searched + i, type->block);
        CHECK(after <= before || !isfinite(before), "%s, %s: the search's error is %g, naive's %g",
              type->name, kind, after, before);
        sums[0] += before;
        sums[1] += after;
    }
}

static void test_search(struct test *test)
{
    static float values[ROW_LENGTH], weights[ROW_LENGTH];
    for (size_t t = 0; t < COUNT_OF(block_types); t++) {
        const struct tensor_type_info *type = tensor_type_info(block_types[t]);
        for (int kind = 0; kind < ROW_KINDS; kind++) {
            uint64_t seed = test->seed;
            double sums[2] = {0, 0}, weighted[2] = {0, 0};
            for (int row = 0; row < 6; row++) {
                row_fill((enum row_kind)kind, &seed, values, ROW_LENGTH);
                for (size_t i = 0; i < ROW_LENGTH; i++) /* some are 0 */
                    weights[i] = (float)(row_random(&seed) % 5u) * (float)(i % 64 != 0);
                check_search(test, type, values, NULL, row_kinds[kind], sums);
                check_search(test, type, values, weights, row_kinds[kind], weighted);
            }
            if (kind != ROWS_UNIFORM && kind != ROWS_BELL)
                continue;
            CHECK(sums[1] < 0.99 * sums[0] && weighted[1] < 0.99 * weighted[0],
                  "%s, %s: the search gains nothing: %g of %g, weighted %g of %g", type->name,
                  row_kinds[kind], sums[1], sums[0], weighted[1], weighted[0]);
        }
    }
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
    test_known(test);
    test_search(test);
}
