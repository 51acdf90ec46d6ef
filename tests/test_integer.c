/* SPDX-License-Identifier: MIT
 *
 * Products of integers: how far rounding the columns takes a result away at most, that NaN remains,
 * that nobody gets them who did not ask, and that the tuner takes their rounding for no error.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/matmul_ref.h"
#include "kernels/weights_ref.h"

#define MAX_BLOCKS 16
#define ROWS 768u
#define K 512u

static int failed, warnings;

#define CHECK(ok)                                                                                  \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #ok);                                        \
            failed++;                                                                              \
        }                                                                                          \
    } while (0)

static const struct {
    enum kernel_id base, integer;
} rows[] = {{KERNEL_matmul_q8_0, KERNEL_matmul_q8_0_dp},
            {KERNEL_matmul_q4_0, KERNEL_matmul_q4_0_dp}};

static void count_log(void *user, enum log_level level, const char *message)
{
    (void)user;
    if (level <= LOG_WARNING) {
        printf("%s\n", message);
        warnings++;
    }
}

struct arena {
    void *blocks[MAX_BLOCKS];
    uint32_t n, random;
};

static uint32_t next_random(void *state)
{
    struct arena *a = state;
    a->random = a->random * 1664525u + 1013904223u;
    return a->random ^ a->random >> 15;
}

static void *allocate(void *state, size_t bytes)
{
    struct arena *a = state;
    void *block = calloc(1, bytes);
    if (!block || a->n == MAX_BLOCKS)
        abort();
    return a->blocks[a->n++] = block;
}

static void release(struct arena *arena)
{
    while (arena->n)
        free(arena->blocks[--arena->n]);
}

/* Half a step, which is the block's largest magnitude over 127, or 2^-11 of that more; and what the
 * product that is rounded was off by. */
static double most_error(const float *x, uint32_t i)
{
    float most = 0;
    for (uint32_t k = i / 32 * 32; k < i / 32 * 32 + 32; k++)
        most = fmaxf(most, fabsf(x[k]));
    return most / 254.0 * (1 + 0x1p-10) + 0x1p-100;
}

static void test_rounding(void)
{
    static const float magnitudes[] = {1, 1e-4f, 3e30f, 1e-28f, 1e-36f, 0};
    for (uint32_t m = 0; m < COUNT_OF(magnitudes); m++) {
        struct arena arena = {.random = m};
        const struct case_source source = {next_random, &arena, allocate};
        float x[256];
        double rounded[256];
        for (uint32_t i = 0; i < COUNT_OF(x); i++)
            x[i] = magnitudes[m] * case_uniform(&source) * (i % 37 ? 1 : 100);
        matmul_ref_round(x, NULL, COUNT_OF(x), rounded);
        for (uint32_t i = 0; i < COUNT_OF(x); i++)
            if (!(fabs(rounded[i] - x[i]) <= most_error(x, i))) {
                printf("%g is rounded to %g\n", x[i], rounded[i]);
                failed++;
                break;
            }
    }
}

/* What the columns' rounding may change of row r of slot s, at most. */
static double bound(const struct kernel_case *c, uint32_t s, uint32_t t, uint32_t r)
{
    const struct matmul_params *p = &c->params.matmul;
    const float *x =
        (const float *)c->data[2] + p->x_base + s * p->x_slot_stride + t * p->x_col_stride;
    double sum = 0;
    for (uint32_t i = 0; i < p->k; i++) {
        const double w =
            weights_element(weights_type(c->id), c->data[0], c->data[1], p->k, p->w_row + r, i);
        sum += fabs(w) * (most_error(x, i) + 0x1p-23 * fabs(x[i]));
    }
    return sum;
}

/* A bare product of case `index`, as the base has it and rounded; false if there is no such case.
 */
static bool compare(uint32_t type, uint32_t index, uint32_t *results, uint32_t *different)
{
    struct arena arenas[2] = {{.random = index}, {.random = index}};
    struct kernel_case c[2] = {{.text = ""}, {.text = ""}};
    bool more = true;
    for (int i = 0; i < 2; i++)
        more &= matmul_cases(rows[type].base, index,
                             &(struct case_source){next_random, &arenas[i], allocate}, &c[i]);
    c[1].id = rows[type].integer;
    const struct matmul_params *p = &c[0].params.matmul;
    if (more && p->flags == 0) {
        const float *exact = c[0].data[6], *rounded = c[1].data[6];
        matmul_ref(&c[0]);
        matmul_ref(&c[1]);
        for (uint32_t i = 0; i < p->cols * p->rows; i++) {
            const uint32_t r = i % p->rows, s = i / p->rows / p->per_slot,
                           t = i / p->rows % p->per_slot;
            const uint32_t at =
                p->y_base + s * p->y_slot_stride + t * p->y_col_stride + p->row_offset + r;
            ++*results;
            *different += exact[at] != rounded[at];
            if (!(fabs((double)exact[at] - rounded[at]) <= bound(&c[0], s, t, r))) {
                printf("%s (%s): %g, rounded %g, bound %g\n", kernel_table[c[1].id].name, c[0].text,
                       exact[at], rounded[at], bound(&c[0], s, t, r));
                failed++;
                break;
            }
        }
    }
    release(&arenas[0]);
    release(&arenas[1]);
    return more;
}

static void test_products(void)
{
    for (uint32_t type = 0; type < COUNT_OF(rows); type++) {
        uint32_t results = 0, different = 0;
        for (uint32_t index = 0; compare(type, index, &results, &different); index++)
            ;
        CHECK(results > 1000 && different > results / 2);
    }
}

static const struct matmul_params product = {.rows = ROWS,
                                             .k = K,
                                             .cols = 1,
                                             .per_slot = 1,
                                             .x_slot_stride = K,
                                             .x_col_stride = K,
                                             .y_slot_stride = ROWS,
                                             .y_col_stride = ROWS,
                                             .model_slots = 1};

static enum kernel_id choose(gpu_device *device, const char *variants, enum kernel_id base,
                             uint32_t flags, uint32_t slots)
{
    kernel_set *set = NULL;
    struct matmul_params p = product;
    p.flags = flags;
    p.model_slots = slots;
    CHECK(kernel_set_create(device, variants, &set) == OK);
    const enum kernel_id id = set ? kernel_set_choose(set, base, &p) : KERNEL_COUNT;
    kernel_set_destroy(&set);
    return id;
}

static void test_choice(gpu_device *device)
{
    static const char *const others[] = {NULL, "plain", "workgroup", "subgroup", "rmsnorm_wg"};
    for (uint32_t type = 0; type < COUNT_OF(rows); type++) {
        const enum kernel_id base = rows[type].base, integer = rows[type].integer;
        for (uint32_t i = 0; i < COUNT_OF(others); i++)
            CHECK(!kernel_rounds(choose(device, others[i], base, 0, 1)));
        CHECK(choose(device, "integer", base, 0, 1) == integer);
        CHECK(choose(device, "integer", base, MATMUL_NORM_RMS, 1) == integer);
        CHECK(!kernel_rounds(choose(device, "integer", base, MATMUL_NORM_LAYER, 1)));
        CHECK(!kernel_rounds(choose(device, "integer", base, 0, MATMUL_MANY_SLOTS)));
        CHECK(choose(device, kernel_table[integer].name, base, 0, 1) == integer);
    }
    CHECK(choose(device, "integer", KERNEL_matmul_f16, 0, 1) == KERNEL_matmul_f16_sg);
}

static gpu_buffer *upload(gpu_device *device, const void *data, uint32_t words)
{
    gpu_buffer *buffer = NULL;
    CHECK(gpu_buffer_create(device,
                            &(struct gpu_buffer_params){.name = "test", .size_bytes = 4ull * words},
                            &buffer) == OK);
    if (data)
        CHECK(gpu_buffer_write(device, buffer, 0, data, 4ull * words) == OK);
    return buffer;
}

/* A product on a device: random weights, and columns of x that come with it. */
struct operands {
    struct arena arena;
    struct gpu_range ranges[GPU_MAX_BINDINGS];
};

static void upload_operands(gpu_device *device, enum kernel_id base, const float *x,
                            struct operands *out)
{
    const struct case_source source = {next_random, &out->arena, allocate};
    const uint32_t type = weights_type(base);
    uint32_t words[2];
    *out = (struct operands){.arena = {.random = 5}};
    weights_words(type, ROWS, K, &words[0], &words[1]);
    void *planes[] = {allocate(&out->arena, 4ull * words[0]),
                      allocate(&out->arena, 4ull * words[1])};
    weights_fill(type, ROWS, K, 1, &source, planes[0], planes[1]);
    for (uint32_t i = 0; i < 2; i++)
        out->ranges[i].buffer = upload(device, planes[i], words[i]);
    out->ranges[2].buffer = upload(device, x, K);
    out->ranges[6].buffer = upload(device, NULL, ROWS);
}

static void release_operands(gpu_device *device, struct operands *operands)
{
    for (uint32_t i = 0; i < GPU_MAX_BINDINGS; i++)
        gpu_buffer_destroy(device, &operands->ranges[i].buffer);
    release(&operands->arena);
}

/* A row that the tuner refuses is a warning. */
static void test_tuned(gpu_device *device, enum kernel_id base)
{
    struct operands operands;
    kernel_set *set = NULL;
    enum kernel_id id = KERNEL_COUNT;
    upload_operands(device, base, NULL, &operands);
    CHECK(kernel_set_create(device, "integer", &set) == OK && kernel_set_tune(set) == OK);
    CHECK(kernel_pick(set, base, &product, operands.ranges, &id) == OK &&
          kernel_table[id].base == base);
    CHECK(warnings == 0);
    kernel_set_destroy(&set);
    release_operands(device, &operands);
}

/* An element that has no integer, among others that have, must not vanish. */
static void test_not_finite(gpu_device *device, enum kernel_id base, float element)
{
    struct operands operands;
    float x[K], y[ROWS];
    double rounded[K];
    kernel_set *set = NULL;
    gpu_program *program = NULL;
    uint64_t ticket;
    uint32_t n = 0;
    for (uint32_t i = 0; i < K; i++)
        x[i] = i == K / 2 + 3 ? element : 1;
    matmul_ref_round(x, NULL, K, rounded);
    CHECK(isnan(rounded[K / 2 + 3]) && !isnan(rounded[0]));
    upload_operands(device, base, x, &operands);
    CHECK(kernel_set_create(device, "integer", &set) == OK &&
          gpu_program_begin(device, "test", false, &program) == OK &&
          kernel_dispatch(set, program, base, &product, operands.ranges) == OK &&
          gpu_program_end(program) == OK && gpu_program_submit(program, &ticket) == OK &&
          gpu_wait(device, ticket, UINT64_MAX) == OK &&
          gpu_buffer_read(device, operands.ranges[6].buffer, 0, y, sizeof(y)) == OK);
    while (n < ROWS && isnan(y[n]))
        n++;
    CHECK(n == ROWS);
    gpu_program_destroy(device, &program);
    kernel_set_destroy(&set);
    release_operands(device, &operands);
}

int main(void)
{
    const struct gpu_device_params params = {.log = {count_log, NULL}, .validation = true};
    gpu_device *device = NULL;
    test_rounding();
    test_products();
    const enum status status = gpu_device_create(&params, &device);
    if (status)
        return status == ERROR_NO_DEVICE && !failed ? 77 : EXIT_FAILURE;
    const uint32_t needs = GPU_FEATURE_INTEGER_DOT | GPU_FEATURE_SUBGROUP_ARITHMETIC;
    if (needs & ~gpu_device_get_info(device)->features) {
        kernel_set *set = NULL;
        CHECK(kernel_set_create(device, "integer", &set) == ERROR_UNSUPPORTED && !set);
    } else {
        test_choice(device);
        for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
            test_tuned(device, rows[i].base);
            test_not_finite(device, rows[i].base, NAN);
            test_not_finite(device, rows[i].base, INFINITY);
            test_not_finite(device, rows[i].base, -0x1.8p127f);
        }
    }
    CHECK(gpu_device_validation_messages(device) == 0);
    gpu_device_destroy(&device);
    printf("integer: %s\n", failed ? "FAILED" : "passed");
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
