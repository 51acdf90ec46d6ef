/* SPDX-License-Identifier: MIT
 *
 * The projection that stores queries, keys and values gives what the product and rope_kv give, bit
 * for bit; and the recorder takes it where there is one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/reference.h"
#include "stream/recorder.h"

#define MAX_BLOCKS 16
#define Q 7 /* bindings of qkv: q and the caches */
#define SLICE (64u << 10)

static int failed;

#define CHECK(ok)                                                                                  \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #ok);                                        \
            failed++;                                                                              \
        }                                                                                          \
    } while (0)

static void print_log(void *user, enum log_level level, const char *message)
{
    (void)user;
    if (level <= LOG_WARNING)
        printf("%s\n", message);
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

static gpu_buffer *upload(gpu_device *device, const void *data, uint32_t words)
{
    gpu_buffer *buffer = NULL;
    CHECK(gpu_buffer_create(
              device,
              &(struct gpu_buffer_params){.name = "test", .size_bytes = 4ull * words, .zero = true},
              &buffer) == OK);
    if (data)
        CHECK(gpu_buffer_write(device, buffer, 0, data, 4ull * words) == OK);
    return buffer;
}

/* qkv into `fused`, the product by row `matmul` and rope_kv into `split`: q and both caches. */
static void dispatch_both(kernel_set *set, gpu_program *program, const struct kernel_case *c,
                          enum kernel_id matmul, const struct gpu_range *fused,
                          const struct gpu_range *split, struct gpu_range scratch)
{
    const struct qkv_params *p = &c->params.qkv;
    const struct gpu_range none = {0};
    const struct matmul_params product = qkv_product(p);
    const struct rope_kv_params rope = {
        .slots = p->cols / p->per_slot,
        .per_slot = p->per_slot,
        .heads = p->heads,
        .head_dim = p->head_dim,
        .capacity = p->capacity,
        .source = p->source,
        .static_position = p->static_position,
        .rotate = p->rotate,
        .kv_type = p->kv_type,
    };
    CHECK(kernel_set_choose(set, kernel_table[matmul].base, &product) == matmul);
    CHECK(kernel_dispatch(set, program, c->id, p, fused) == OK);
    CHECK(kernel_dispatch(set, program, kernel_table[matmul].base, &product,
                          (const struct gpu_range[]){fused[0], fused[1], fused[2], fused[3],
                                                     fused[4], none, scratch, none}) == OK);
    CHECK(kernel_dispatch(set, program, KERNEL_rope_kv, &rope,
                          (const struct gpu_range[]){fused[5], fused[6], scratch, split[0],
                                                     split[1], split[2]}) == OK);
}

static void compare(gpu_device *device, const struct kernel_case *c, uint32_t binding,
                    const gpu_buffer *fused, const gpu_buffer *split)
{
    const uint32_t words = c->words[binding];
    uint32_t *got = malloc(8ull * words), *want = got + words;
    if (!got)
        abort();
    CHECK(gpu_buffer_read(device, (gpu_buffer *)fused, 0, got, 4ull * words) == OK);
    CHECK(gpu_buffer_read(device, (gpu_buffer *)split, 0, want, 4ull * words) == OK);
    CHECK(memcmp(want, c->data[binding], 4ull * words) != 0); /* something was written */
    for (uint32_t i = 0; i < words; i++)
        if (got[i] != want[i]) {
            printf("%s (%s), binding %u[%u]: %08x, in two dispatches %08x\n",
                   kernel_table[c->id].name, c->text, binding, i, got[i], want[i]);
            failed++;
            break;
        }
    free(got);
}

static void test_case(kernel_set *set, const struct kernel_case *c, enum kernel_id matmul)
{
    gpu_device *device = kernel_set_device(set);
    struct gpu_range fused[GPU_MAX_BINDINGS] = {{0}}, split[3] = {{0}};
    struct gpu_range scratch = {upload(device, NULL, c->params.qkv.cols * c->params.qkv.rows), 0,
                                0};
    gpu_program *program = NULL;
    uint64_t ticket;
    for (uint32_t b = 0; b < GPU_MAX_BINDINGS; b++) {
        if (c->words[b])
            fused[b].buffer = upload(device, c->data[b], c->words[b]);
        if (b >= Q)
            split[b - Q].buffer = upload(device, c->data[b], c->words[b]);
    }
    CHECK(gpu_program_begin(device, "test", false, &program) == OK);
    dispatch_both(set, program, c, matmul, fused, split, scratch);
    CHECK(gpu_program_end(program) == OK && gpu_program_submit(program, &ticket) == OK &&
          gpu_wait(device, ticket, UINT64_MAX) == OK);
    for (uint32_t b = Q; b < GPU_MAX_BINDINGS; b++)
        compare(device, c, b, fused[b].buffer, split[b - Q].buffer);
    gpu_program_destroy(device, &program);
    gpu_buffer_destroy(device, &scratch.buffer);
    for (uint32_t b = 0; b < GPU_MAX_BINDINGS; b++)
        gpu_buffer_destroy(device, &fused[b].buffer);
    for (uint32_t i = 0; i < 3; i++)
        gpu_buffer_destroy(device, &split[i].buffer);
}

/* The kernel qkv_TYPE_FORM beside matmul_TYPE_FORM: each third case, from `first` on. */
static void test_form(kernel_set *set, const char *type, const char *form, uint32_t first)
{
    const struct log log = {print_log, NULL};
    char name[64];
    enum kernel_id id = KERNEL_COUNT, matmul = KERNEL_COUNT;
    uint32_t n = 0;
    bool more = true;
    snprintf(name, sizeof(name), "qkv_%s_%s", type, form);
    CHECK(kernel_find(&log, name, strlen(name), &id) == OK);
    snprintf(name, sizeof(name), "matmul_%s_%s", type, form);
    CHECK(kernel_find(&log, name, strlen(name), &matmul) == OK);
    for (uint32_t index = 0; more; index++) {
        struct arena arena = {.random = index};
        struct kernel_case c = {.text = ""};
        more = qkv_cases(id, index, &(struct case_source){next_random, &arena, allocate}, &c);
        if (more && index % 3 == first && kernel_table[id].suits(&c.params)) {
            test_case(set, &c, matmul);
            n++;
        }
        while (arena.n)
            free(arena.blocks[--arena.n]);
    }
    CHECK(n > 4);
}

/* Dispatches of one attention with its norm and projection. */
static uint32_t count_dispatches(gpu_device *device, const char *variants, uint32_t kv_type,
                                 uint32_t model_slots)
{
    const uint32_t heads = 2, head_dim = 32, dim = heads * head_dim;
    gpu_buffer *buffer = upload(device, NULL, 16 * SLICE / 4);
    struct gpu_range at[16];
    struct recorder r = {.slots = 1, .model_slots = model_slots};
    for (uint32_t i = 0; i < COUNT_OF(at); i++)
        at[i] = (struct gpu_range){buffer, i * SLICE, SLICE};
    r.state = at[0];
    CHECK(kernel_set_create(device, variants, &r.kernels) == OK);
    CHECK(gpu_program_begin(device, "test", false, &r.program) == OK);
    const struct weight in_proj = {TENSOR_F32, 3 * dim, dim, at[1], {0}};
    const struct norm norm = {.weight = at[2], .out = at[3]};
    record_attention(&r, &(struct attention_args){.norm = &norm,
                                                  .in_proj = &in_proj,
                                                  .x = columns_dense(at[4], 1, dim),
                                                  .per_slot = 1,
                                                  .heads = heads,
                                                  .head_dim = head_dim,
                                                  .capacity = 20,
                                                  .source = POSITION_STEP,
                                                  .kv_type = kv_type,
                                                  .rope = at[5],
                                                  .qkv = at[6],
                                                  .q = at[7],
                                                  .k_cache = at[8],
                                                  .v_cache = at[9],
                                                  .out = at[10]});
    CHECK(r.status == OK && gpu_program_end(r.program) == OK);
    const uint32_t n = gpu_program_get_counts(r.program).dispatches;
    gpu_program_destroy(device, &r.program);
    kernel_set_destroy(&r.kernels);
    gpu_buffer_destroy(device, &buffer);
    return n;
}

int main(void)
{
    static const char *const types[] = {"f32", "f16", "bf16", "q8_0", "q4_0"};
    const struct gpu_device_params params = {.log = {print_log, NULL}, .validation = true};
    gpu_device *device = NULL;
    const enum status status = gpu_device_create(&params, &device);
    if (status)
        return status == ERROR_NO_DEVICE ? 77 : EXIT_FAILURE;
    const uint32_t features = gpu_device_get_info(device)->features;
    if (!(features & GPU_FEATURE_MORE_BINDINGS)) {
        printf("qkv: skipped, the device has too few bindings\n");
        gpu_device_destroy(&device);
        return 77;
    }
    for (int subgroup = 0; subgroup < (features & GPU_FEATURE_SUBGROUP_ARITHMETIC ? 2 : 1);
         subgroup++) {
        kernel_set *set = NULL;
        CHECK(kernel_set_create(device, subgroup ? "subgroup" : "workgroup", &set) == OK);
        for (uint32_t i = 0; set && i < COUNT_OF(types); i++)
            test_form(set, types[i], subgroup ? "sg" : "wg", (i + subgroup) % 3);
        kernel_set_destroy(&set);
    }
    CHECK(count_dispatches(device, "workgroup", KV_F32, 1) == 2);
    CHECK(count_dispatches(device, "workgroup", KV_F16, 1) == 2);
    CHECK(count_dispatches(device, "workgroup", KV_Q8, 1) == 3);
    CHECK(count_dispatches(device, "workgroup", KV_F16, MATMUL_MANY_SLOTS) == 4);
    /* A forced product alone does not make barriers fast. */
    CHECK(count_dispatches(device, "matmul_f32_wg", KV_F16, 1) ==
          (features & GPU_FEATURE_FAST_BARRIERS ? 2 : 3));
    CHECK(count_dispatches(device, "plain", KV_F16, 1) == 4);
    CHECK(gpu_device_validation_messages(device) == 0);
    gpu_device_destroy(&device);
    printf("qkv: %s\n", failed ? "FAILED" : "passed");
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
