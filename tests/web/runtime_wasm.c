/* SPDX-License-Identifier: MIT
 *
 * The body of gpu.h for browsers, called as models call it: a module for runtime.test.mjs.
 * test_start submits, test_finish looks at what came back; messages end up on standard error.
 */
#include <stdio.h>
#include <string.h>

#include "runtime/gpu.h"

#define EXPORT(NAME) __attribute__((export_name(#NAME)))
#define WORDS 1000u

static const char *const add_parts[] = {
    "struct Params { n: u32, scale: f32 }\n"
    "@group(1) @binding(0) var<uniform> p: Params;\n"
    "@group(0) @binding(0) var<storage, read> x: array<f32>;\n"
    "@group(0) @binding(1) var<storage, read> unread: array<f32>;\n"
    "@group(0) @binding(2) var<storage, read_write> y: array<f32>;\n"
    "@group(0) @binding(3) var<storage, read_write> unwritten: array<f32>;\n"
    "@id(0) override local_size: u32 = 1u;\n"
    "@id(1) override add: u32 = 0u;\n",
    "fn term(i: u32) -> f32 { return x[i] * p.scale + f32(add); }\n",
    "@compute @workgroup_size(local_size)\n"
    "fn main(@builtin(global_invocation_id) id: vec3<u32>) {\n"
    "    if (p.n == 0u) { unwritten[0] = unread[0]; }\n"
    "    if (id.x < p.n) { y[id.x] = term(id.x); }\n"
    "}\n",
    NULL,
};

struct params {
    uint32_t n;
    float scale;
};

static struct {
    gpu_device *device;
    gpu_pipeline *add;
    gpu_buffer *input, *middle, *output;
    gpu_program *program;
    uint64_t ticket, work;
    uint32_t failures, errors; /* checks that failed; messages of level error */
} t;

static void count_log(void *user, enum log_level level, const char *message)
{
    (void)user;
    t.errors += level == LOG_ERROR;
    (void)message;
}

static void check(bool good, const char *what)
{
    if (good)
        return;
    t.failures++;
    fprintf(stderr, "FAILED: %s\n", what);
}

#define CHECK(CONDITION) check(CONDITION, #CONDITION)
/* What is refused is also told. */
#define REFUSED(STATUS, CALL)                                                                      \
    do {                                                                                           \
        const uint32_t before = t.errors;                                                          \
        check((CALL) == (STATUS), #CALL);                                                          \
        check(t.errors == before + 1, "message of " #CALL);                                        \
    } while (0)

static gpu_buffer *make_buffer(const char *name, uint64_t bytes, enum gpu_memory memory)
{
    const struct gpu_buffer_params params = {.name = name, .size_bytes = bytes, .memory = memory};
    gpu_buffer *buffer = NULL;
    CHECK(gpu_buffer_create(t.device, &params, &buffer) == OK);
    return buffer;
}

static enum status dispatch(gpu_program *program, struct gpu_range from, struct gpu_range to,
                            float scale)
{
    const struct gpu_binding bindings[] = {
        {from, GPU_READ}, {from, GPU_UNUSED}, {to, GPU_WRITE}, {to, GPU_UNUSED}};
    const struct params params = {WORDS, scale};
    const uint32_t groups[3] = {(WORDS + 63) / 64, 1, 1};
    return gpu_program_dispatch(program, t.add, bindings, &params, groups);
}

static gpu_program *begin(const char *name, bool timed)
{
    gpu_program *program = NULL;
    CHECK(gpu_program_begin(t.device, name, timed, &program) == OK);
    return program;
}

static void record(void)
{
    const struct gpu_range input = {t.input, 256, 0}, middle = {t.middle, 0, WORDS * 4},
                           output = {t.output, 512, WORDS * 4},
                           copied = {t.output, 8192, WORDS * 4};
    t.program = begin("test", true);
    CHECK(gpu_program_stage(t.program, "first") == OK);
    CHECK(dispatch(t.program, input, middle, 2) == OK);
    CHECK(gpu_program_stage(t.program, "second") == OK);
    CHECK(dispatch(t.program, middle, output, 10) == OK);
    CHECK(gpu_program_copy(t.program, &middle, &copied) == OK);
    CHECK(gpu_program_end(t.program) == OK);
    const struct gpu_program_counts counts = gpu_program_get_counts(t.program);
    CHECK(counts.dispatches == 2 && counts.copies == 1 && counts.barriers == 0);
    CHECK(gpu_program_stage_counts(t.program, 1).dispatches == 1);
}

/* What WebGPU forbids is told when it is recorded, by name. */
static void refuse(void)
{
    const struct gpu_range low = {t.middle, 0, WORDS * 4}, high = {t.middle, 8192, WORDS * 4},
                           input = {t.input, 0, 0}, output = {t.output, 0, WORDS * 4};
    gpu_program *p = begin("in place", false);
    REFUSED(ERROR_UNSUPPORTED, dispatch(p, low, high, 1));
    CHECK(gpu_program_end(p) == ERROR_UNSUPPORTED);
    gpu_program_destroy(t.device, &p);
    p = begin("copy", false);
    REFUSED(ERROR_UNSUPPORTED, gpu_program_copy(p, &low, &high));
    gpu_program_destroy(t.device, &p);
    p = begin("to the host's", false);
    REFUSED(ERROR_UNSUPPORTED, dispatch(p, output, input, 1));
    gpu_program_destroy(t.device, &p);
    p = begin("misaligned", false);
    REFUSED(ERROR_ARGUMENT, dispatch(p, (struct gpu_range){t.input, 4, 0}, output, 1));
    REFUSED(ERROR_ARGUMENT, gpu_program_submit(p, NULL));
    gpu_program_destroy(t.device, &p);
    uint32_t words[4] = {0};
    REFUSED(ERROR_UNSUPPORTED, gpu_buffer_read(t.device, t.middle, 0, words, sizeof(words)));
    REFUSED(ERROR_ARGUMENT, gpu_buffer_write(t.device, t.middle, 2, words, sizeof(words)));
    REFUSED(ERROR_ARGUMENT, gpu_wait(t.device, 99, 0));
}

static void check_memory(void)
{
    uint64_t now, peak, after;
    gpu_device_memory(t.device, &now, &peak);
    gpu_buffer *buffer = make_buffer("more", 10, GPU_MEMORY_DEVICE);
    gpu_device_memory(t.device, &after, &peak);
    CHECK(after == now + 16 && peak == after && gpu_buffer_size(buffer) == 12);
    gpu_buffer_destroy(t.device, &buffer);
    gpu_device_memory(t.device, &after, NULL);
    CHECK(after == now && !buffer);
    const struct gpu_buffer_params large = {.name = "large", .size_bytes = 1u << 20};
    REFUSED(ERROR_DEVICE_MEMORY, gpu_buffer_create(t.device, &large, &buffer));
}

/* Returns the number of failures so far. */
EXPORT(test_start) uint32_t test_start(void)
{
    const struct gpu_device_params params = {.log = {count_log, NULL},
                                             .memory_limit_bytes = 200000};
    const uint32_t spec[] = {64, 5, 77}; /* the shader declares two */
    const struct gpu_pipeline_params add = {.name = "add",
                                            .shader = {.wgsl = add_parts},
                                            .n_bindings = 4,
                                            .params_bytes = sizeof(struct params),
                                            .n_spec = COUNT_OF(spec),
                                            .spec = spec};
    if (gpu_device_create(&params, &t.device))
        return ++t.failures;
    const struct gpu_device_info *info = gpu_device_get_info(t.device);
    CHECK(info->name[0] && info->driver[0] && info->max_binding_bytes >= 128u << 20);
    CHECK(info->type == GPU_TYPE_CPU && !(info->features & GPU_FEATURE_FAST_BARRIERS));
    CHECK(info->features & GPU_FEATURE_SUBGROUP_ARITHMETIC);
    CHECK(gpu_pipeline_create(t.device, &add, &t.add) == OK);
    t.input = make_buffer("input", 256 + WORDS * 4, GPU_MEMORY_UPLOAD);
    t.middle = make_buffer("middle", 16384, GPU_MEMORY_DEVICE);
    t.output = make_buffer("output", 8192 + WORDS * 4, GPU_MEMORY_READBACK);
    record();
    refuse();
    check_memory();
    float *input = gpu_buffer_map(t.input);
    for (uint32_t i = 0; i < WORDS; i++)
        input[64 + i] = (float)i;
    t.work = gpu_device_work_count(t.device);
    return t.failures;
}

/* Several at once; the host writes between them what the later ones read. */
EXPORT(test_submit) uint32_t test_submit(void)
{
    float *input = gpu_buffer_map(t.input);
    bool done = true;
    for (uint32_t i = 0; i < 3; i++) {
        input[64] = (float)(1000 * (i + 1));
        CHECK(gpu_program_submit(t.program, &t.ticket) == OK && t.ticket == i + 1);
    }
    CHECK(gpu_done(t.device, t.ticket, &done) == OK && !done);
    CHECK(gpu_wait(t.device, t.ticket, UINT64_MAX) == ERROR_AGAIN);
    CHECK(gpu_device_work_count(t.device) == t.work);
    return t.failures;
}

EXPORT(test_done) int32_t test_done(void)
{
    return gpu_wait(t.device, t.ticket, 0);
}

EXPORT(test_finish) uint32_t test_finish(void)
{
    const float *output = gpu_buffer_map(t.output);
    float read[2];
    CHECK(output[128] == (3000.0f * 2 + 5) * 10 + 5);
    CHECK(output[128 + 999] == (999.0f * 2 + 5) * 10 + 5);
    CHECK(output[2048] == 3000.0f * 2 + 5 && output[2048 + 999] == 999.0f * 2 + 5);
    CHECK(output[0] == 0 && output[127] == 0);
    CHECK(gpu_buffer_read(t.device, t.output, 8192, read, sizeof(read)) == OK && read[1] == 7.0f);
    const char *names[4];
    double ns[4];
    uint32_t n = COUNT_OF(names);
    CHECK(gpu_program_times(t.program, names, ns, &n) == OK && n == 2);
    CHECK(!strcmp(names[1], "second") && ns[0] + ns[1] > 0 && ns[0] + ns[1] < 1e10);
    return t.failures;
}

/* After the device was lost: told once, and every call says so. */
EXPORT(test_lost) uint32_t test_lost(void)
{
    bool done;
    REFUSED(ERROR_DEVICE, gpu_program_submit(t.program, &t.ticket));
    const uint32_t errors = t.errors;
    CHECK(gpu_done(t.device, t.ticket, &done) == ERROR_DEVICE);
    CHECK(gpu_wait(t.device, t.ticket, 0) == ERROR_DEVICE);
    CHECK(gpu_buffer_write(t.device, t.middle, 0, "word", 4) == ERROR_DEVICE);
    CHECK(t.errors == errors);
    return t.failures;
}

EXPORT(test_close) uint32_t test_close(void)
{
    gpu_program_destroy(t.device, &t.program);
    gpu_buffer_destroy(t.device, &t.output);
    gpu_buffer_destroy(t.device, &t.middle);
    gpu_buffer_destroy(t.device, &t.input);
    gpu_pipeline_destroy(t.device, &t.add);
    gpu_device_destroy(&t.device);
    return t.failures;
}
