/* SPDX-License-Identifier: MIT
 *
 * The staging loader on a device: what lies in the planes, for every type, shape and ring, against
 * the layout worked out here, of the block types as kernels' references read it; failed loads and
 * what they leave.
 *
 * test_plan [--device NAME] [--seed N] [--no-validation] [GOLDENS]
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/weights_ref.h"
#include "loader/gguf.h"
#include "loader/plan.h"

static int passed, failed;
static char messages[4096];

static bool check(bool ok, int line, const char *what, const char *name)
{
    if (ok)
        passed++;
    else {
        failed++;
        fprintf(stderr, "test_plan.c:%d: %s: %s; messages:\n%s", line, name, what, messages);
    }
    messages[0] = 0;
    return ok;
}
#define CHECK(ok, what, name) check((ok), __LINE__, (what), (name))

static void keep_message(void *user, enum log_level level, const char *message)
{
    size_t used = strlen(messages);
    (void)user;
    if (level <= LOG_WARNING)
        snprintf(messages + used, sizeof(messages) - used, "%s\n", message);
}

static const struct log keeper = {keep_message, NULL};

struct place {
    gpu_device *device;
    kernel_set *kernels;
    uint64_t seed;
    char path[256]; /* of the GGUF at hand */
};

static uint32_t next_random(struct place *place)
{
    place->seed = place->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(place->seed >> 32);
}

static uint64_t memory_now(const struct place *place)
{
    uint64_t now;
    gpu_device_memory(place->device, &now, NULL);
    return now;
}

/* --- The layout of kernels/params.h, element by element
 * ------------------------------------------------ */

struct layout {
    uint32_t rows, k, taps, half, dst_row;
};

static uint32_t place_row(const struct layout *l, uint32_t row)
{
    if (l->half)
        row = row < l->half ? 2 * row : 2 * (row - l->half) + 1;
    return l->dst_row + row;
}

static void lay_out(const struct tensor *tensor, const uint8_t *raw, const struct layout *l,
                    enum tensor_type type, uint8_t *plane)
{
    uint32_t padded = (l->k + 3) / 4 * 4;
    for (uint32_t r = 0; r < l->rows; r++) {
        uint64_t row = place_row(l, r);
        for (uint32_t e = 0; e < l->k; e++) {
            uint32_t channels = l->k / l->taps;
            uint64_t from = (uint64_t)r * l->k + (uint64_t)(e % channels) * l->taps + e / channels,
                     to = row * padded + e;
            if (type == TENSOR_F32)
                tensor_to_f32((enum tensor_type)tensor->type,
                              raw + from * tensor_type_info(tensor->type)->bytes,
                              (float *)(void *)(plane + to * 4), 1);
            else if (type == TENSOR_F16 || type == TENSOR_BF16)
                memcpy(plane + to * 2, raw + from * 2, 2);
        }
    }
}

/* Reads a plane back and compares; *expected is freed. */
static bool same_plane(struct place *place, const struct gpu_range *range, uint8_t *expected,
                       uint64_t bytes)
{
    uint8_t *got = malloc(bytes);
    bool same = got && expected && range->buffer && range->size == bytes &&
                !gpu_buffer_read(place->device, range->buffer, range->offset, got, bytes);
    for (uint64_t i = 0; same && i < bytes; i++) {
        if (got[i] == expected[i])
            continue;
        fprintf(stderr, "byte %llu of %llu is %02x, expected %02x\n", (unsigned long long)i,
                (unsigned long long)bytes, got[i], expected[i]);
        same = false;
    }
    free(got);
    free(expected);
    return same;
}

static uint8_t *read_raw(const struct source *source, const struct tensor *tensor)
{
    uint8_t *raw = malloc(tensor->bytes);
    if (!raw || source_read(source, tensor, 0, raw, tensor->bytes))
        exit(1);
    return raw;
}

static bool same_float(float a, float b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Whether the planes of a block type hold, bit for bit, the values that its decoder finds in the
 * file. */
static bool same_values(const struct tensor *tensor, const uint8_t *raw, const struct layout *l,
                        const uint8_t *plane0, const uint8_t *plane1)
{
    const enum tensor_type type = (enum tensor_type)tensor->type;
    const uint64_t row_bytes = tensor_row_bytes(tensor_type_info(type), l->k);
    float *values = malloc(l->k * sizeof(*values));
    bool same = values;
    for (uint32_t r = 0; same && r < l->rows; r++) {
        tensor_to_f32(type, raw + r * row_bytes, values, l->k);
        for (uint32_t e = 0; same && e < l->k; e++) {
            float got = (float)weights_element(tensor_kernel_type(type), plane0, plane1, l->k,
                                               place_row(l, r), e);
            same = same_float(got, values[e]);
            if (!same)
                fprintf(stderr, "element %u of row %u is %g, expected %g\n", e, r, got, values[e]);
        }
    }
    free(values);
    return same;
}

static uint8_t *read_plane(struct place *place, const struct gpu_range *range, uint64_t bytes)
{
    uint8_t *plane = malloc(bytes);
    if (!plane || !range->buffer || range->size != bytes ||
        gpu_buffer_read(place->device, range->buffer, range->offset, plane, bytes)) {
        fprintf(stderr, "a plane has not %llu bytes\n", (unsigned long long)bytes);
        exit(1);
    }
    return plane;
}

/* A weight made of `n` tensors, one below the other. */
static bool same_weight(struct place *place, const struct source *source,
                        const struct weight *weight, const struct tensor *const *tensors,
                        uint32_t n, uint32_t taps, bool gate)
{
    const bool blocks = tensor_type_info(weight->type)->block > 1;
    const uint64_t padded = (weight->k + 3) / 4 * 4,
                   bytes = weight->rows * padded * (weight->type == TENSOR_F32 ? 4 : 2);
    struct layout l = {.k = weight->k, .taps = taps, .half = gate ? weight->rows / 2 : 0};
    uint8_t *plane0 = NULL, *plane1 = NULL;
    bool same = true;

    if (blocks) {
        const uint32_t type = tensor_kernel_type(weight->type);
        plane0 = read_plane(place, &weight->plane0, 4ull * weight->rows * PLANE0_WORDS(type, l.k));
        plane1 = read_plane(place, &weight->plane1, 4ull * weight->rows * PLANE1_WORDS(type, l.k));
    } else
        plane0 = calloc(1, bytes);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t *raw = read_raw(source, tensors[i]);
        l.rows = (uint32_t)(tensor_elements(tensors[i]) / weight->k);
        if (blocks)
            same = same_values(tensors[i], raw, &l, plane0, plane1) && same;
        else
            lay_out(tensors[i], raw, &l, weight->type, plane0);
        l.dst_row += l.rows;
        free(raw);
    }
    same = same && l.dst_row == weight->rows;
    if (!blocks)
        return same_plane(place, &weight->plane0, plane0, bytes) && same && !weight->plane1.buffer;
    free(plane0);
    free(plane1);
    return same;
}

/* --- Random files
 * --------------------------------------------------------------------------------------- */

struct shape {
    const char *name;
    uint32_t type;
    uint64_t dims[3];
    uint32_t taps, flags;
};

static const struct shape shapes[] = {
    {"f32", TENSOR_F32, {3, 5}, 1, 0},
    {"f32 row", TENSOR_F32, {1, 1}, 1, 0},
    {"f32 long", TENSOR_F32, {257, 300}, 1, 0},
    {"f32 gate", TENSOR_F32, {514, 33}, 1, PLAN_GATE},
    {"f32 conv", TENSOR_F32, {6, 7, 3}, 3, 0},
    {"f32 first conv", TENSOR_F32, {8, 1, 7}, 7, 0},
    {"f32 point", TENSOR_F32, {9, 12, 1}, 1, 0},
    {"f16", TENSOR_F16, {255, 67}, 1, 0},
    {"f16 odd gate", TENSOR_F16, {98, 45}, 1, PLAN_GATE},
    {"f16 conv", TENSOR_F16, {64, 33, 4}, 4, 0},
    {"bf16", TENSOR_BF16, {129, 256}, 1, 0},
    {"bf16 gate", TENSOR_BF16, {704, 128}, 1, PLAN_GATE},
    {"bf16 odd conv", TENSOR_BF16, {5, 3, 11}, 11, 0},
    {"q8_0", TENSOR_Q8_0, {65, 96}, 1, 0},
    {"q8_0 narrow", TENSOR_Q8_0, {33, 32}, 1, 0},
    {"q8_0 gate", TENSOR_Q8_0, {130, 352}, 1, PLAN_GATE},
    {"q4_0", TENSOR_Q4_0, {257, 160}, 1, 0},
    {"q4_0 narrow", TENSOR_Q4_0, {31, 32}, 1, 0},
    {"q4_0 gate", TENSOR_Q4_0, {66, 2048}, 1, PLAN_GATE},
    {"q4_1", TENSOR_Q4_1, {65, 96}, 1, 0},
    {"q4_1 gate", TENSOR_Q4_1, {66, 352}, 1, PLAN_GATE},
    {"q5_0", TENSOR_Q5_0, {65, 96}, 1, 0},
    {"q5_0 narrow", TENSOR_Q5_0, {33, 32}, 1, 0},
    {"q5_0 gate", TENSOR_Q5_0, {66, 2048}, 1, PLAN_GATE},
    {"q5_1", TENSOR_Q5_1, {65, 96}, 1, 0},
    {"q5_1 gate", TENSOR_Q5_1, {66, 352}, 1, PLAN_GATE},
    {"q4_k", TENSOR_Q4_K, {65, 768}, 1, 0},
    {"q4_k narrow", TENSOR_Q4_K, {33, 256}, 1, 0},
    {"q4_k gate", TENSOR_Q4_K, {66, 2048}, 1, PLAN_GATE},
    {"q6_k", TENSOR_Q6_K, {65, 768}, 1, 0},
    {"q6_k narrow", TENSOR_Q6_K, {33, 256}, 1, 0},
    {"q6_k gate", TENSOR_Q6_K, {66, 2048}, 1, PLAN_GATE},
    {"x.self_attn.in_projs.0.weight", TENSOR_Q4_0, {5, 64}, 0, 0},
    {"x.self_attn.in_projs.1.weight", TENSOR_Q4_0, {5, 64}, 0, 0},
    {"x.self_attn.in_projs.2.weight", TENSOR_Q4_0, {5, 64}, 0, 0},
    {"x.self_attn.out_projs.0.weight", TENSOR_BF16, {7, 6}, 0, 0},
    {"stack.0", TENSOR_Q8_0, {65, 64}, 0, 0},
    {"stack.1", TENSOR_Q8_0, {65, 64}, 0, 0},
    {"stack.2", TENSOR_Q8_0, {65, 64}, 0, 0},
    {"other type", TENSOR_Q4_0, {65, 64}, 0, 0},
    {"vector", TENSOR_F32, {257}, 0, 0},
    {"vector f16", TENSOR_F16, {1, 1, 33}, 0, 0},
    {"vector bf16", TENSOR_BF16, {3}, 0, 0},
    {"even.embedding_sum", TENSOR_F32, {67, 32}, 0, 0},
    {"even.cluster_usage", TENSOR_F32, {67}, 0, 0},
    {"odd.embedding_sum", TENSOR_F32, {9, 7}, 0, 0},
    {"odd.cluster_usage", TENSOR_F32, {9}, 0, 0},
    {"integers", 26, {4, 4}, 0, 0},
};

static void fill(struct place *place, const struct shape *shape, uint8_t *raw, uint64_t bytes)
{
    bool halves = shape->type == TENSOR_F16;
    for (uint64_t i = 0; i < bytes; i++)
        raw[i] = (uint8_t)next_random(place);
    for (uint64_t i = 0; halves && i < bytes; i += 2)
        raw[i + 1] &= 0xbf; /* neither infinite nor not a number, whose payload may be lost on the
                               way to f32 */
    if (strstr(shape->name, "embedding_sum") || strstr(shape->name, "cluster_usage"))
        for (uint64_t i = 0; i < bytes / 4; i++) {
            static const float usages[] = {0, 5e-6f, 1e-5f, 2.5f, 100};
            float value = (float)(int32_t)next_random(place) * 1e-9f;
            if (strstr(shape->name, "cluster_usage"))
                value = usages[i % 5];
            memcpy(raw + 4 * i, &value, 4);
        }
}

static void write_random(struct place *place)
{
    struct gguf_writer *writer;
    if (gguf_writer_create(&keeper, place->path, &writer))
        exit(1);
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        uint32_t n = shapes[i].dims[2] ? 3 : shapes[i].dims[1] ? 2 : 1;
        gguf_declare(writer, shapes[i].name, shapes[i].type, n, shapes[i].dims);
    }
    gguf_writer_begin(writer);
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        uint64_t elements =
            shapes[i].dims[0] * MAX(shapes[i].dims[1], 1) * MAX(shapes[i].dims[2], 1);
        uint64_t bytes = tensor_row_bytes(tensor_type_info(shapes[i].type), elements);
        uint8_t *raw = malloc(bytes);
        fill(place, &shapes[i], raw, bytes);
        gguf_append(writer, raw, bytes);
        free(raw);
    }
    if (gguf_writer_end(writer))
        exit(1);
    gguf_writer_destroy(&writer);
}

/* --- Loads that succeed
 * ----------------------------------------------------------------------------------- */

struct loaded {
    struct weight weights[COUNT_OF(shapes)];
    struct weight in_proj, out_proj, stack, absent;
    struct gpu_range vectors[3], codebooks[2], absent_vector;
};

static const char *const vector_names[] = {"vector", "vector f16", "vector bf16"};
static const char *const stack_names[] = {"stack.0", "stack.1", "stack.2"};

static enum status plan_all(struct plan *plan, struct loaded *l)
{
    enum status status = OK;
    for (size_t i = 0; i < COUNT_OF(shapes) && !status; i++) {
        uint32_t rows = (uint32_t)shapes[i].dims[0];
        uint32_t k = (uint32_t)(shapes[i].dims[1] * (shapes[i].taps > 1 ? shapes[i].dims[2] : 1));
        if (shapes[i].taps) /* every other one takes its shape from the file */
            status = plan_matrix(plan, shapes[i].name, i % 2 ? rows : 0, i % 2 ? k : 0,
                                 shapes[i].taps, shapes[i].flags, &l->weights[i]);
    }
    for (size_t i = 0; i < 3 && !status; i++)
        status = plan_vector(plan, vector_names[i], i == 1 ? 33 : 0, 0, &l->vectors[i]);
    if (!status)
        status = plan_matrix(plan, "x.self_attn.in_proj_weight", 15, 64, 1, 0, &l->in_proj);
    if (!status)
        status = plan_matrix(plan, "x.self_attn.out_proj.weight", 7, 6, 1, 0, &l->out_proj);
    if (!status)
        status = plan_stack(plan, stack_names, 3, 65, 64, &l->stack);
    if (!status)
        status = plan_codebook(plan, "even", 67, 32, &l->codebooks[0]);
    if (!status)
        status = plan_codebook(plan, "odd", 9, 7, &l->codebooks[1]);
    if (!status)
        status = plan_matrix(plan, "nothing", 1, 1, 1, PLAN_OPTIONAL, &l->absent);
    if (!status)
        status = plan_vector(plan, "nothing", 1, PLAN_OPTIONAL, &l->absent_vector);
    return status;
}

static bool same_codebook(struct place *place, const struct source *source, const char *prefix,
                          const struct gpu_range *range)
{
    char name[64];
    snprintf(name, sizeof(name), "%s.embedding_sum", prefix);
    const struct tensor *sum = source_find(source, name);
    snprintf(name, sizeof(name), "%s.cluster_usage", prefix);
    float *sums = (float *)(void *)read_raw(source, sum),
          *usages = (float *)(void *)read_raw(source, source_find(source, name));
    float *got = malloc(sum->bytes);
    uint64_t n = tensor_elements(sum);
    bool same = range->buffer &&
                !gpu_buffer_read(place->device, range->buffer, range->offset, got, sum->bytes);
    for (uint64_t i = 0; same && i < n; i++) {
        double usage = usages[i / sum->dims[1]],
               expected = sums[i] / (usage > (double)1e-5f ? usage : (double)1e-5f);
        double error = got[i] - expected, limit = 4e-7 * (expected < 0 ? -expected : expected);
        same = error <= limit && -error <= limit;
    }
    free(got);
    free(usages);
    free(sums);
    return same;
}

static void compare_all(struct place *place, const struct source *source, const struct loaded *l)
{
    const struct tensor *parts[3];
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        parts[0] = source_find(source, shapes[i].name);
        if (shapes[i].taps)
            CHECK(same_weight(place, source, &l->weights[i], parts, 1, shapes[i].taps,
                              shapes[i].flags & PLAN_GATE),
                  "differs", shapes[i].name);
    }
    for (size_t i = 0; i < 3; i++) {
        const struct tensor *tensor = source_find(source, vector_names[i]);
        struct layout layout = {.rows = 1, .k = (uint32_t)tensor_elements(tensor), .taps = 1};
        uint64_t bytes = align_up(layout.k, 4) * 4;
        uint8_t *raw = read_raw(source, tensor), *plane = calloc(1, bytes);
        lay_out(tensor, raw, &layout, TENSOR_F32, plane);
        free(raw);
        CHECK(same_plane(place, &l->vectors[i], plane, bytes), "differs", vector_names[i]);
    }
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof(name), "x.self_attn.in_projs.%d.weight", i);
        parts[i] = source_find(source, name);
    }
    CHECK(same_weight(place, source, &l->in_proj, parts, 3, 1, false), "differs", "in_proj_weight");
    parts[0] = source_find(source, "x.self_attn.out_projs.0.weight");
    CHECK(same_weight(place, source, &l->out_proj, parts, 1, 1, false), "differs",
          "out_proj.weight");
    for (int i = 0; i < 3; i++)
        parts[i] = source_find(source, stack_names[i]);
    CHECK(same_weight(place, source, &l->stack, parts, 3, 1, false), "differs", "a stack");
    CHECK(same_codebook(place, source, "even", &l->codebooks[0]), "differs", "even codebook");
    CHECK(same_codebook(place, source, "odd", &l->codebooks[1]), "differs", "odd codebook");
    CHECK(l->absent.rows == 0 && !l->absent.plane0.buffer && !l->absent_vector.buffer,
          "absent ones", "nothing");
}

static bool watch(void *user, uint64_t done, uint64_t total)
{
    uint64_t *last = user;
    if (done <= *last || done > total)
        *last = UINT64_MAX;
    else
        *last = done;
    return true;
}

static void test_rings(struct place *place)
{
    static const struct plan_limits limits[] = {
        {0, 0, 0},         {256, 1, 0},        {4096, 2, 0},
        {65536, 3, 40000}, {100000, 5, 65536}, {1 << 20, 1, 100000},
    };
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        uint64_t before = memory_now(place), done = 0;
        struct plan_progress progress = {watch, &done};
        struct loaded loaded;
        struct source *source;
        struct plan *plan;
        char name[64];
        snprintf(name, sizeof(name), "segments of %llu",
                 (unsigned long long)limits[i].segment_bytes);
        memset(&loaded, 0xff, sizeof(loaded));
        if (source_open(&keeper, place->path, &source) ||
            plan_create(&keeper, place->device, place->kernels, source, &plan))
            exit(1);
        plan_set_limits(plan, &limits[i]);
        if (CHECK(plan_all(plan, &loaded) == OK, "planning failed", name) &&
            CHECK(plan_run(plan, &progress) == OK, "loading failed", name)) {
            CHECK(done == plan_file_bytes(plan), "progress", name);
            compare_all(place, source, &loaded);
        }
        plan_destroy(&plan);
        source_close(&source);
        CHECK(memory_now(place) == before, "device memory is left", name);
    }
}

/* All two-dimensional tensors of a golden, as they are. */
static void test_golden(struct place *place, const char *path)
{
    struct weight weights[256];
    struct source *source;
    struct plan *plan;
    uint32_t n = 0;

    if (!CHECK(source_open(&keeper, path, &source) == OK, "cannot be opened", path))
        return;
    if (plan_create(&keeper, place->device, place->kernels, source, &plan))
        exit(1);
    for (uint32_t i = 0; i < source_count(source) && i < 256; i++) {
        const struct tensor *tensor = source_tensor(source, i);
        if (tensor->n_dims == 2)
            CHECK(plan_matrix(plan, tensor->name, 0, 0, 1, 0, &weights[i]) == OK,
                  "cannot be planned", tensor->name);
    }
    if (CHECK(plan_run(plan, NULL) == OK, "cannot be loaded", path)) {
        for (uint32_t i = 0; i < source_count(source) && i < 256; i++) {
            const struct tensor *tensor = source_tensor(source, i);
            if (tensor->n_dims == 2 && ++n)
                CHECK(same_weight(place, source, &weights[i], &tensor, 1, 1, false), "differs",
                      tensor->name);
        }
        CHECK(n > 30, "has too few matrices", path);
    }
    plan_destroy(&plan);
    source_close(&source);
}

/* --- Loads that fail
 * ---------------------------------------------------------------------------------------- */

static void expect(struct plan *plan, enum status got, enum status status, const char *text,
                   const char *name, int line)
{
    (void)plan;
    check(got == status && strstr(messages, text), line, text, name);
}
#define EXPECT(got, status, text) expect(plan, (got), (status), (text), #got, __LINE__)

static void test_refusals(struct place *place)
{
    static const char *const mixed[] = {"stack.0", "other type"}, *const gap[] = {"stack.0",
                                                                                  "stack.9"};
    uint64_t before = memory_now(place);
    struct gpu_range range;
    struct source *source;
    struct plan *plan;
    struct weight w;

    if (source_open(&keeper, place->path, &source) ||
        plan_create(&keeper, place->device, place->kernels, source, &plan))
        exit(1);
    EXPECT(plan_matrix(plan, "nothing", 0, 0, 1, 0, &w), ERROR_FORMAT, "tensor nothing is missing");
    EXPECT(plan_matrix(plan, "f32", 3, 6, 1, 0, &w), ERROR_FORMAT,
           "tensor f32 has the shape [3, 5], expected [3, 6]");
    EXPECT(plan_matrix(plan, "f32", 4, 0, 1, 0, &w), ERROR_FORMAT, "expected [4, any]");
    EXPECT(plan_matrix(plan, "f32", 3, 5, 1, 0, &w), OK, "");
    EXPECT(plan_matrix(plan, "f32 conv", 6, 21, 1, 0, &w), ERROR_FORMAT,
           "has the shape [6, 7, 3], expected [6, 21]");
    EXPECT(plan_matrix(plan, "f32 conv", 6, 21, 7, 0, &w), ERROR_FORMAT, "expected [6, 3, 7]");
    EXPECT(plan_matrix(plan, "f32", 3, 5, 5, 0, &w), ERROR_FORMAT, "expected [3, 1, 5]");
    EXPECT(plan_matrix(plan, "q8_0", 65, 96, 3, 0, &w), ERROR_UNSUPPORTED,
           "q8_0 is q8_0, expected f32");
    EXPECT(plan_matrix(plan, "integers", 4, 4, 1, 0, &w), ERROR_UNSUPPORTED, "integers is i32");
    EXPECT(plan_matrix(plan, "vector", 0, 0, 1, 0, &w), ERROR_FORMAT, "has the shape [257]");
    EXPECT(plan_matrix(plan, "f32", 0, 0, 1, PLAN_GATE, &w), ERROR_FORMAT, "two halves");
    EXPECT(plan_matrix(plan, "x.self_attn.in_proj_weight", 16, 64, 1, 0, &w), ERROR_FORMAT,
           "have 15 rows, expected 16");
    EXPECT(plan_matrix(plan, "x.self_attn.in_proj_weight", 15, 32, 1, 0, &w), ERROR_FORMAT,
           "in_projs.0.weight has the shape [5, 64]");
    EXPECT(plan_stack(plan, mixed, 2, 65, 64, &w), ERROR_FORMAT, "other type is q4_0");
    EXPECT(plan_stack(plan, gap, 2, 65, 64, &w), ERROR_FORMAT, "stack.9 is missing");
    EXPECT(plan_stack(plan, gap, 0, 65, 64, &w), ERROR_ARGUMENT, "no tensors");
    EXPECT(plan_vector(plan, "vector", 256, 0, &range), ERROR_FORMAT,
           "has the shape [257], expected [256]");
    EXPECT(plan_vector(plan, "f32", 15, 0, &range), ERROR_FORMAT,
           "has the shape [3, 5], expected [15]");
    EXPECT(plan_vector(plan, "q8_0 narrow", 0, 0, &range), ERROR_UNSUPPORTED, "q8_0");
    EXPECT(plan_codebook(plan, "none", 1, 1, &range), ERROR_FORMAT,
           "none.embedding_sum is missing");
    EXPECT(plan_codebook(plan, "odd", 9, 8, &range), ERROR_FORMAT, "expected [9, 8]");
    plan_destroy(&plan);
    plan_destroy(&plan);
    source_close(&source);
    CHECK(memory_now(place) == before, "device memory is left", "refusals");
}

static bool stop(void *user, uint64_t done, uint64_t total)
{
    (void)user;
    return done < total / 2;
}

/* how: 0 the file is cut behind its header, 1 progress stops, 2 a binding is too small, 3 no memory
 */
static void test_failure(struct place *place, int how)
{
    static const char *const names[] = {"a file that shrinks", "a load that is stopped",
                                        "a small binding", "no memory"};
    static const enum status statuses[] = {ERROR_IO, ERROR_AGAIN, ERROR_DEVICE_MEMORY,
                                           ERROR_DEVICE_MEMORY};
    static const char *const texts[] = {"tensor f", "", "binds 256", "needs"};
    static const struct plan_limits limits[] = {
        {65536, 2, 0}, {65536, 2, 0}, {0, 0, 256}, {1ull << 50, 4, 0}};
    uint64_t before = memory_now(place);
    struct plan_progress progress = {stop, NULL};
    struct loaded loaded;
    struct source *source;
    struct plan *plan;

    if (source_open(&keeper, place->path, &source) ||
        plan_create(&keeper, place->device, place->kernels, source, &plan))
        exit(1);
    plan_set_limits(plan, &limits[how]);
    CHECK(plan_all(plan, &loaded) == OK, "planning failed", names[how]);
    if (how == 0 && truncate(place->path, 300000))
        exit(1);
    enum status status = plan_run(plan, how == 1 ? &progress : NULL);
    CHECK(status == statuses[how] && strstr(messages, texts[how]), status_text(status), names[how]);
    CHECK(memory_now(place) == before && !loaded.stack.plane0.buffer, "device memory is left",
          names[how]);
    plan_destroy(&plan);
    source_close(&source);
}

/* The device's own limit, with the text that a person reads. */
static void test_memory_limit(struct place *place, const char *device_name)
{
    struct gpu_device_params params = {
        .log = keeper, .device = device_name, .memory_limit_bytes = 300000};
    struct place small = *place;
    struct loaded loaded;
    struct source *source;
    struct plan *plan;

    if (gpu_device_create(&params, &small.device) ||
        kernel_set_create(small.device, NULL, &small.kernels) ||
        source_open(&keeper, place->path, &source) ||
        plan_create(&keeper, small.device, small.kernels, source, &plan))
        exit(1);
    CHECK(plan_all(plan, &loaded) == OK, "planning failed", "a memory limit");
    enum status status = plan_run(plan, NULL);
    CHECK(status == ERROR_DEVICE_MEMORY && strstr(messages, "MB of device memory") &&
              strstr(messages, "has 0.3 MB left"),
          status_text(status), "a memory limit");
    CHECK(memory_now(&small) == 0, "device memory is left", "a memory limit");
    plan_destroy(&plan);
    source_close(&source);
    kernel_set_destroy(&small.kernels);
    gpu_device_destroy(&small.device);
}

static enum status open_device(struct place *place, struct gpu_device_params *params)
{
    enum status status = gpu_device_create(params, &place->device);
    if (status == ERROR_UNSUPPORTED && params->validation) {
        printf("test_plan: no validation layer\n");
        params->validation = false;
        status = gpu_device_create(params, &place->device);
    }
    return status ? status : kernel_set_create(place->device, NULL, &place->kernels);
}

int main(int argc, char **argv)
{
    struct gpu_device_params params = {.log = keeper, .validation = true};
    struct place place = {.seed = 1};
    const char *goldens = GOLDENS;
    char path[1024];

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--device") && i + 1 < argc)
            params.device = argv[++i];
        else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
            place.seed = strtoull(argv[++i], NULL, 0);
        else if (!strcmp(argv[i], "--no-validation"))
            params.validation = false;
        else
            goldens = argv[i];
    }
    const unsigned long long seed = place.seed;
    enum status status = open_device(&place, &params);
    if (status) {
        fprintf(stderr, "%s", messages);
        return status == ERROR_NO_DEVICE ? 77 : 1;
    }
    messages[0] = 0;
    printf("test_plan: seed %llu, %s\n", seed, gpu_device_get_info(place.device)->name);
    snprintf(place.path, sizeof(place.path), "%s/test_plan.%ld.gguf",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (long)getpid());
    write_random(&place);
    test_rings(&place);
    test_refusals(&place);
    test_memory_limit(&place, params.device);
    for (int how = 3; how >= 0; how--)
        test_failure(&place, how);
    unlink(place.path);
    snprintf(path, sizeof(path), "%s/stt-tiny", goldens);
    test_golden(&place, path);
    snprintf(path, sizeof(path), "%s/moshi-tiny", goldens);
    test_golden(&place, path);
    CHECK(gpu_device_validation_messages(place.device) == 0, "the validation layers have messages",
          "all of it");
    kernel_set_destroy(&place.kernels);
    gpu_device_destroy(&place.device);
    printf("test_plan: %d passed, %d failed\n", passed, failed);
    return failed != 0;
}
