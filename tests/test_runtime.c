/* SPDX-License-Identifier: MIT
 *
 * The GPU room, through its only face: everything that gpu.h promises, on one device, under the
 * validation layer where it is installed.
 *
 * test_runtime [--device NAME] [--seed N]; exit 0, 1 after a failure, 77 without a device.
 */
#define _POSIX_C_SOURCE 200809L
#include "runtime/gpu.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime_test.comp.h" /* runtime_test_spv */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN
#endif
#ifdef HAS_ASAN
/* Drivers and layers stay loaded, so that what they keep is still reachable and what the layer
 * leaks has a name. */
__attribute__((visibility("default"))) int dlclose(void *handle);
int dlclose(void *handle)
{
    (void)handle;
    return 0;
}

__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libVkLayer_khronos_validation\nleak:libstdc++\n"; /* we are C */
}
#endif

static int passed, failed;
static uint64_t seed = 1;
static const char *wanted_device;

struct capture {
    int counts[4];
    char last[1024];
    char last_error[1024];
    char last_warning[1024];
};

static void capture_message(void *user, enum log_level level, const char *message)
{
    struct capture *capture = user;
    capture->counts[level]++;
    snprintf(capture->last, sizeof(capture->last), "%s", message);
    if (level == LOG_ERROR)
        snprintf(capture->last_error, sizeof(capture->last_error), "%s", message);
    if (level == LOG_WARNING)
        snprintf(capture->last_warning, sizeof(capture->last_warning), "%s", message);
}

static struct capture captured;

static void check(bool ok, const char *what, int line)
{
    if (ok) {
        passed++;
        return;
    }
    failed++;
    fprintf(stderr, "test_runtime.c:%d: %s\n    last message: %s\n", line, what, captured.last);
}

#define CHECK(condition) check((condition), #condition, __LINE__)
/* A mistake must be an error with this status, and its message must name this part. */
#define CHECK_FAILS(code, part, call)                                                              \
    do {                                                                                           \
        captured.last_error[0] = 0;                                                                \
        enum status status_ = (call);                                                              \
        check(status_ == (code), #call " is " #code, __LINE__);                                    \
        check(strstr(captured.last_error, (part)) != NULL, #call " says \"" part "\"", __LINE__);  \
    } while (0)

struct params {
    uint32_t n, factor, addend, rounds;
};

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(random_next(state) % limit);
}

static struct gpu_device_params device_params(void)
{
    return (struct gpu_device_params){
        .log = {capture_message, &captured},
        .device = wanted_device,
    };
}

static gpu_buffer *make_buffer(gpu_device *device, const char *name, uint64_t bytes,
                               enum gpu_memory memory, bool zero)
{
    gpu_buffer *buffer = NULL;
    const struct gpu_buffer_params params = {name, bytes, memory, zero};
    CHECK(gpu_buffer_create(device, &params, &buffer) == OK);
    return buffer;
}

static gpu_pipeline *make_pipeline(gpu_device *device, uint32_t bias)
{
    const uint32_t spec[] = {bias, 0};
    const struct gpu_pipeline_params params = {
        .name = "runtime_test",
        .spirv = runtime_test_spv,
        .spirv_bytes = sizeof(runtime_test_spv),
        .n_bindings = 2,
        .params_bytes = sizeof(struct params),
        .n_spec = COUNT_OF(spec),
        .spec = spec,
    };
    gpu_pipeline *pipeline = NULL;
    CHECK(gpu_pipeline_create(device, &params, &pipeline) == OK);
    return pipeline;
}

static enum status run(gpu_program *program)
{
    return gpu_program_dispatch(program, NULL, NULL, NULL, NULL);
}

static enum status step(gpu_program *program, const gpu_pipeline *pipeline, struct gpu_range from,
                        struct gpu_range to, struct params params)
{
    const struct gpu_binding bindings[] = {{from, GPU_READ}, {to, GPU_WRITE}};
    const uint32_t groups[3] = {div_up(params.n, 64), 1, 1};
    return gpu_program_dispatch(program, pipeline, bindings, &params, groups);
}

static enum status submit_and_wait(gpu_device *device, gpu_program *program)
{
    uint64_t ticket = 0;
    enum status status = gpu_program_submit(program, &ticket);
    return status ? status : gpu_wait(device, ticket, UINT64_MAX);
}

static void test_no_driver(void)
{
    static const char *const names[] = {"VK_ICD_FILENAMES", "VK_DRIVER_FILES"};
    const struct log log = {capture_message, &captured};
    uint32_t count = 0;
    char *saved[COUNT_OF(names)];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *value = getenv(names[i]);
        saved[i] = value ? strdup(value) : NULL;
        unsetenv(names[i]);
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        gpu_device *device = NULL;
        struct gpu_device_params params = device_params();
        setenv(names[i], "/nonexistent", 1);
        CHECK_FAILS(ERROR_NO_DEVICE, "mesa-vulkan-drivers", gpu_enumerate(&log, NULL, &count));
        CHECK_FAILS(ERROR_NO_DEVICE, "mesa-vulkan-drivers", gpu_device_create(&params, &device));
        CHECK(device == NULL && count == 0);
        unsetenv(names[i]);
    }
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (saved[i])
            setenv(names[i], saved[i], 1);
        free(saved[i]);
    }
}

static void test_enumerate(const struct gpu_device_info *used)
{
    const struct log log = {capture_message, &captured};
    struct gpu_device_info infos[16];
    uint32_t count = 0;
    CHECK(gpu_enumerate(&log, NULL, &count) == OK);
    CHECK(count > 0);
    uint32_t room = COUNT_OF(infos);
    CHECK(gpu_enumerate(&log, infos, &room) == OK);
    CHECK(room == count);
    for (uint32_t i = 0; i < MIN(room, COUNT_OF(infos)); i++) {
        CHECK(infos[i].index == i && infos[i].name[0] && infos[i].driver[0]);
        CHECK(infos[i].unusable[0] || infos[i].max_binding_bytes >= 128ull << 20);
        CHECK(infos[i].unusable[0] || infos[i].max_invocations >= 256);
        CHECK(infos[i].unusable[0] || infos[i].memory_bytes >= infos[i].free_memory_bytes);
    }
    CHECK(!strcmp(infos[used->index].name, used->name));

    gpu_device *device = NULL;
    struct gpu_device_params params = device_params();
    char name[32];
    snprintf(name, sizeof(name), "%u", used->index);
    params.device = name;
    CHECK(gpu_device_create(&params, &device) == OK);
    CHECK(device && gpu_device_get_info(device)->index == used->index);
    gpu_device_destroy(&device);
    CHECK(device == NULL);
    gpu_device_destroy(&device);
    gpu_device_destroy(NULL);

    snprintf(name, sizeof(name), "%.6s", used->name);
    for (char *c = name; *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    CHECK(gpu_device_create(&params, &device) == OK);
    gpu_device_destroy(&device);
    params.device = "no such device";
    CHECK_FAILS(ERROR_NO_DEVICE, "no such device", gpu_device_create(&params, &device));
    params.device = "99999";
    CHECK_FAILS(ERROR_NO_DEVICE, "99999", gpu_device_create(&params, &device));
}

static void test_transfer(gpu_device *device, enum gpu_memory memory, uint64_t bytes)
{
    gpu_buffer *buffer = make_buffer(device, "transfer", bytes, memory, true);
    unsigned char *sent = malloc(bytes), *got = malloc(bytes);
    uint64_t state = seed ^ bytes, wrong = 0;
    CHECK(gpu_buffer_size(buffer) == align_up(bytes, 4));
    CHECK((gpu_buffer_map(buffer) != NULL) == (memory != GPU_MEMORY_DEVICE));
    memset(got, 0xaa, bytes);
    CHECK(gpu_buffer_read(device, buffer, 0, got, bytes) == OK);
    for (uint64_t i = 0; i < bytes; i++)
        wrong += got[i] != 0;
    CHECK(wrong == 0);
    for (uint64_t i = 0; i < bytes; i++)
        sent[i] = (unsigned char)random_next(&state);
    CHECK(gpu_buffer_write(device, buffer, 0, sent, bytes) == OK);
    CHECK(gpu_buffer_read(device, buffer, 0, got, bytes) == OK);
    CHECK(memcmp(sent, got, bytes) == 0);
    if (bytes > 16) {
        CHECK(gpu_buffer_write(device, buffer, 4, sent + 8, bytes - 12) == OK);
        CHECK(gpu_buffer_read(device, buffer, 4, got, bytes - 12) == OK);
        CHECK(memcmp(sent + 8, got, bytes - 12) == 0);
        CHECK(gpu_buffer_read(device, buffer, 0, got, 4) == OK);
        CHECK(memcmp(sent, got, 4) == 0);
    }
    CHECK_FAILS(ERROR_ARGUMENT, "transfer", gpu_buffer_write(device, buffer, 4, sent, bytes + 1));
    CHECK_FAILS(ERROR_ARGUMENT, "transfer",
                gpu_buffer_read(device, buffer, UINT64_MAX - 3, got, 8));
    free(sent);
    free(got);
    gpu_buffer_destroy(device, &buffer);
    CHECK(buffer == NULL);
    gpu_buffer_destroy(device, &buffer);
}

static void test_buffers(gpu_device *device)
{
    static const uint64_t sizes[] = {1, 4, 255, 257, 65536, (1 << 20), (3 << 20) + 5};
    uint64_t before, now, peak;
    gpu_buffer *list[40] = {NULL};
    gpu_buffer *buffer = NULL;
    gpu_device_memory(device, &before, NULL);
    for (int memory = 0; memory < 3; memory++)
        for (size_t i = 0; i < COUNT_OF(sizes); i++)
            test_transfer(device, (enum gpu_memory)memory, sizes[i]);
    gpu_device_memory(device, &now, &peak);
    CHECK(now == before && peak > before);

    /* Neighbours in a chunk do not touch each other, whatever the order of their going. */
    uint64_t state = seed;
    uint32_t values[40] = {0}, sizes_words[40] = {0};
    for (int round = 0; round < 200; round++) {
        uint32_t i = random_below(&state, COUNT_OF(list));
        if (list[i]) {
            uint32_t first = 0, last = 0;
            gpu_buffer_read(device, list[i], 0, &first, 4);
            gpu_buffer_read(device, list[i], 4 * (sizes_words[i] - 1), &last, 4);
            if (first != values[i] || last != values[i])
                check(false, "a neighbour wrote into a buffer", __LINE__);
            gpu_buffer_destroy(device, &list[i]);
            continue;
        }
        values[i] = (uint32_t)round + 1;
        sizes_words[i] = 1 + random_below(&state, 20000);
        list[i] = make_buffer(device, "small", 4 * sizes_words[i], GPU_MEMORY_DEVICE, false);
        gpu_buffer_write(device, list[i], 0, &values[i], 4);
        gpu_buffer_write(device, list[i], 4 * (sizes_words[i] - 1), &values[i], 4);
    }
    for (size_t i = 0; i < COUNT_OF(list); i++)
        gpu_buffer_destroy(device, &list[i]);
    gpu_device_memory(device, &now, &peak);
    CHECK(now == before);

    const struct gpu_buffer_params empty = {"empty", 0, GPU_MEMORY_DEVICE, false};
    CHECK_FAILS(ERROR_ARGUMENT, "empty", gpu_buffer_create(device, &empty, &buffer));
    const struct gpu_buffer_params huge = {"huge", 1ull << 46, GPU_MEMORY_DEVICE, false};
    CHECK_FAILS(ERROR_DEVICE_MEMORY, "huge", gpu_buffer_create(device, &huge, &buffer));
    const struct gpu_buffer_params wrap = {"wrap", UINT64_MAX, GPU_MEMORY_DEVICE, false};
    CHECK_FAILS(ERROR_DEVICE_MEMORY, "wrap", gpu_buffer_create(device, &wrap, &buffer));
    CHECK(buffer == NULL);
}

static void test_memory_limit(void)
{
    gpu_device *device = NULL;
    gpu_buffer *a, *b = NULL;
    uint64_t now;
    struct gpu_device_params params = device_params();
    params.memory_limit_bytes = 3 << 20;
    CHECK(gpu_device_create(&params, &device) == OK);
    if (!device)
        return;
    CHECK(gpu_device_memory_left(device) == 3 << 20);
    a = make_buffer(device, "a", 2 << 20, GPU_MEMORY_DEVICE, true);
    gpu_device_memory(device, &now, NULL);
    CHECK(now == 2 << 20);
    CHECK(gpu_device_memory_left(device) == 1 << 20);
    const struct gpu_buffer_params large = {"large", (1 << 20) + 4, GPU_MEMORY_UPLOAD, false};
    CHECK_FAILS(ERROR_DEVICE_MEMORY, "1.0 MiB of the limit of 3.0 MiB",
                gpu_buffer_create(device, &large, &b));
    b = make_buffer(device, "b", 1 << 20, GPU_MEMORY_UPLOAD, false);
    CHECK(gpu_device_memory_left(device) == 0);
    /* Staging is an overhead outside of the limit. */
    uint32_t word = 7, got = 0;
    CHECK(gpu_buffer_write(device, a, 0, &word, 4) == OK);
    CHECK(gpu_buffer_read(device, a, 0, &got, 4) == OK && got == 7);
    gpu_buffer_destroy(device, &b);
    gpu_buffer_destroy(device, &a);
    CHECK(gpu_device_memory_left(device) == 3 << 20);
    gpu_device_destroy(&device);
}

static void test_pipelines(gpu_device *device)
{
    const uint32_t garbage[8] = {1, 2, 3};
    gpu_pipeline *pipeline = NULL;
    struct gpu_pipeline_params params = {.name = "bad", .spirv = garbage, .spirv_bytes = 32};
    CHECK_FAILS(ERROR_ARGUMENT, "bad", gpu_pipeline_create(device, &params, &pipeline));
    params.spirv = runtime_test_spv;
    params.spirv_bytes = sizeof(runtime_test_spv);
    params.n_bindings = GPU_MAX_BINDINGS + 1;
    CHECK_FAILS(ERROR_ARGUMENT, "11 bindings", gpu_pipeline_create(device, &params, &pipeline));
    params.n_bindings = 2;
    params.params_bytes = 132;
    CHECK_FAILS(ERROR_ARGUMENT, "132 bytes", gpu_pipeline_create(device, &params, &pipeline));
    params.params_bytes = 16;
    params.n_spec = 1;
    CHECK_FAILS(ERROR_ARGUMENT, "constants", gpu_pipeline_create(device, &params, &pipeline));
    CHECK(pipeline == NULL);
    gpu_pipeline_destroy(device, &pipeline);
}

/* 4096 words in, three steps, one copy; checked on the host. */
static void test_program(gpu_device *device)
{
    enum { N = 4096 };
    const uint64_t bytes = 4 * N;
    gpu_buffer *up = make_buffer(device, "up", bytes, GPU_MEMORY_UPLOAD, false);
    gpu_buffer *a = make_buffer(device, "a", bytes, GPU_MEMORY_DEVICE, true);
    gpu_buffer *b = make_buffer(device, "b", bytes, GPU_MEMORY_DEVICE, true);
    gpu_buffer *down = make_buffer(device, "down", bytes, GPU_MEMORY_READBACK, true);
    gpu_pipeline *plain = make_pipeline(device, 0), *biased = make_pipeline(device, 1000);
    gpu_program *program = NULL;
    uint32_t *in = gpu_buffer_map(up), *out = gpu_buffer_map(down);
    CHECK(gpu_program_begin(device, "chain", false, &program) == OK);
    CHECK(step(program, plain, (struct gpu_range){up, 0, 0}, (struct gpu_range){a, 0, 0},
               (struct params){N, 3, 1, 1}) == OK);
    CHECK(step(program, biased, (struct gpu_range){a, 0, 0}, (struct gpu_range){b, 0, 0},
               (struct params){N, 1, 0, 1}) == OK);
    /* In place: the same range read and written by one element-wise dispatch. */
    CHECK(step(program, plain, (struct gpu_range){b, 0, 0}, (struct gpu_range){b, 0, 0},
               (struct params){N, 2, 0, 1}) == OK);
    CHECK(gpu_program_copy(program, &(struct gpu_range){b, 0, 0},
                           &(struct gpu_range){down, 0, 0}) == OK);
    CHECK(gpu_program_end(program) == OK);
    const struct gpu_program_counts counts = gpu_program_get_counts(program);
    CHECK(counts.dispatches == 3 && counts.copies == 1 && counts.barriers == 3);
    CHECK(run(program) == ERROR_ARGUMENT);

    uint64_t work = gpu_device_work_count(device);
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < N; i++)
            in[i] = i * 7 + round;
        CHECK(submit_and_wait(device, program) == OK);
        uint32_t wrong = 0;
        for (uint32_t i = 0; i < N; i++)
            wrong += out[i] != 2 * (3 * (i * 7 + round) + 1 + 1000);
        CHECK(wrong == 0);
    }
    CHECK(gpu_device_work_count(device) == work);
    gpu_program_destroy(device, &program);
    gpu_program_destroy(device, &program);
    gpu_pipeline_destroy(device, &biased);
    gpu_pipeline_destroy(device, &plain);
    gpu_buffer_destroy(device, &down);
    gpu_buffer_destroy(device, &b);
    gpu_buffer_destroy(device, &a);
    gpu_buffer_destroy(device, &up);
}

/* Barriers where the ranges say so, and nowhere else. */
static void test_hazards(gpu_device *device)
{
    static const struct {
        const char *name;
        struct {
            uint8_t from, to; /* 64 words each, of one buffer */
            bool copy;
        } ops[3];
        uint32_t n_ops, barriers;
    } cases[] = {
        {"two readers", {{0, 1, false}, {0, 2, false}}, 2, 0},
        {"read after write", {{0, 1, false}, {1, 2, false}}, 2, 1},
        {"write after read", {{0, 1, false}, {2, 0, false}}, 2, 1},
        {"write after write", {{0, 1, false}, {2, 1, false}}, 2, 1},
        {"neighbours", {{0, 1, false}, {3, 2, false}, {5, 4, false}}, 3, 0},
        {"one barrier for two", {{0, 1, false}, {2, 3, false}, {1, 4, false}}, 3, 1},
        {"barrier covers all before", {{0, 1, false}, {1, 2, false}, {1, 3, false}}, 3, 1},
        {"read after copy", {{0, 1, true}, {1, 2, false}}, 2, 1},
        {"copy after write", {{0, 1, false}, {1, 2, true}}, 2, 1},
        {"copy after read", {{0, 1, false}, {2, 0, true}}, 2, 1},
        {"copies apart", {{0, 1, true}, {2, 3, true}, {0, 4, true}}, 3, 0},
        {"chain", {{0, 1, false}, {1, 2, true}, {2, 3, false}}, 3, 2},
    };
    gpu_buffer *buffer = make_buffer(device, "ranges", 256 * 8, GPU_MEMORY_DEVICE, true);
    gpu_pipeline *pipeline = make_pipeline(device, 0);
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        gpu_program *program = NULL;
        enum status status = gpu_program_begin(device, cases[c].name, false, &program);
        for (uint32_t i = 0; i < cases[c].n_ops && !status; i++) {
            const struct gpu_range from = {buffer, 256u * cases[c].ops[i].from, 256};
            const struct gpu_range to = {buffer, 256u * cases[c].ops[i].to, 256};
            status = cases[c].ops[i].copy
                         ? gpu_program_copy(program, &from, &to)
                         : step(program, pipeline, from, to, (struct params){64, 1, 0, 1});
        }
        if (!status)
            status = gpu_program_end(program);
        if (!status)
            status = submit_and_wait(device, program);
        CHECK(status == OK);
        uint32_t barriers = program ? gpu_program_get_counts(program).barriers : 0;
        if (barriers != cases[c].barriers)
            fprintf(stderr, "%s: %u barriers, %u expected\n", cases[c].name, barriers,
                    cases[c].barriers);
        CHECK(barriers == cases[c].barriers);
        gpu_program_destroy(device, &program);
    }
    gpu_pipeline_destroy(device, &pipeline);
    gpu_buffer_destroy(device, &buffer);
}

/* Random dispatches and copies between random ranges, against the same on the host. */
static void test_random_program(gpu_device *device, uint64_t state)
{
    enum { BUFFERS = 3, BLOCKS = 24, WORDS = 64 * BLOCKS, OPS = 300 };
    static uint32_t model[BUFFERS][WORDS], got[WORDS];
    gpu_buffer *buffers[BUFFERS];
    gpu_pipeline *pipeline = make_pipeline(device, 5);
    gpu_program *program = NULL;
    enum status status = OK;
    for (int b = 0; b < BUFFERS; b++) {
        for (uint32_t i = 0; i < WORDS; i++)
            model[b][i] = (uint32_t)random_next(&state);
        buffers[b] = make_buffer(device, "random", 4 * WORDS,
                                 b == 2 ? GPU_MEMORY_READBACK : GPU_MEMORY_DEVICE, false);
        CHECK(gpu_buffer_write(device, buffers[b], 0, model[b], 4 * WORDS) == OK);
    }
    CHECK(gpu_program_begin(device, "random", false, &program) == OK);
    for (int op = 0; op < OPS && !status; op++) {
        uint32_t fb = random_below(&state, BUFFERS), tb = random_below(&state, BUFFERS);
        uint32_t blocks = 1 + random_below(&state, 4);
        uint32_t from = 64 * random_below(&state, BLOCKS - blocks + 1);
        uint32_t to = 64 * random_below(&state, BLOCKS - blocks + 1), n = 64 * blocks;
        if (fb == tb && from < to + n && to < from + n)
            continue;
        if (random_below(&state, 3) == 0) {
            from += random_below(&state, from + n < WORDS && fb != tb ? 64 : 1);
            status = gpu_program_copy(program, &(struct gpu_range){buffers[fb], 4 * from, 4 * n},
                                      &(struct gpu_range){buffers[tb], 4 * to, 4 * n});
            memcpy(&model[tb][to], &model[fb][from], 4 * n);
            continue;
        }
        status = step(program, pipeline, (struct gpu_range){buffers[fb], 4 * from, 4 * n},
                      (struct gpu_range){buffers[tb], 4 * to, 4 * n}, (struct params){n, 3, 1, 1});
        for (uint32_t i = 0; i < n; i++)
            model[tb][to + i] = model[fb][from + i] * 3 + 6;
    }
    CHECK(status == OK);
    CHECK(gpu_program_end(program) == OK);
    CHECK(submit_and_wait(device, program) == OK);
    for (int b = 0; b < BUFFERS; b++) {
        CHECK(gpu_buffer_read(device, buffers[b], 0, got, sizeof(got)) == OK);
        CHECK(memcmp(got, model[b], sizeof(got)) == 0);
    }
    gpu_program_destroy(device, &program);
    for (int b = 0; b < BUFFERS; b++)
        gpu_buffer_destroy(device, &buffers[b]);
    gpu_pipeline_destroy(device, &pipeline);
}

static gpu_program *begin(gpu_device *device)
{
    gpu_program *program = NULL;
    CHECK(gpu_program_begin(device, "wrong", false, &program) == OK);
    return program;
}

static void test_recording_errors(gpu_device *device)
{
    const struct params params = {64, 1, 0, 1};
    gpu_buffer *buffer = make_buffer(device, "small", 1024, GPU_MEMORY_DEVICE, true);
    gpu_pipeline *pipeline = make_pipeline(device, 0);
    const struct gpu_range good = {buffer, 0, 256};
    static const struct {
        uint64_t offset, size;
        const char *says;
    } bad[] = {
        {0, 1028, "1028 bytes at 0"},
        {1024, 0, "outside of the buffer"},
        {512, 516, "516 bytes at 512"},
        {16, 256, "not a multiple of 256"},
        {256, UINT64_MAX - 3, "outside"},
        {UINT64_MAX - 255, 512, "outside"},
        {0, 6, "size 6 is not a multiple of 4"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        gpu_program *program = begin(device);
        const struct gpu_range range = {buffer, bad[i].offset, bad[i].size};
        CHECK_FAILS(ERROR_ARGUMENT,
                    "program wrong, pipeline runtime_test, binding 1 (buffer small)",
                    step(program, pipeline, good, range, params));
        CHECK(strstr(captured.last_error, bad[i].says) != NULL);
        int errors = captured.counts[LOG_ERROR];
        CHECK(step(program, pipeline, good, good, params) == ERROR_ARGUMENT);
        CHECK(gpu_program_end(program) == ERROR_ARGUMENT);
        CHECK(captured.counts[LOG_ERROR] == errors);
        CHECK_FAILS(ERROR_ARGUMENT, "wrong", gpu_program_submit(program, NULL));
        gpu_program_destroy(device, &program);
    }
    gpu_program *program = begin(device);
    const struct gpu_binding bindings[] = {{good, GPU_READ}, {{buffer, 256, 256}, GPU_WRITE}};
    CHECK(gpu_program_dispatch(program, pipeline, bindings, &params, (uint32_t[]){0, 1, 1}) == OK);
    CHECK(gpu_program_get_counts(program).dispatches == 0);
    CHECK_FAILS(
        ERROR_ARGUMENT, "65536 workgroups in dimension 1",
        gpu_program_dispatch(program, pipeline, bindings, &params, (uint32_t[]){1, 65536, 1}));
    gpu_program_destroy(device, &program);

    program = begin(device);
    CHECK_FAILS(ERROR_ARGUMENT, "overlaps",
                gpu_program_copy(program, &(struct gpu_range){buffer, 0, 256},
                                 &(struct gpu_range){buffer, 252, 256}));
    gpu_program_destroy(device, &program);
    program = begin(device);
    CHECK_FAILS(ERROR_ARGUMENT, "not a multiple of 4",
                gpu_program_copy(program, &(struct gpu_range){buffer, 2, 4},
                                 &(struct gpu_range){buffer, 256, 4}));
    gpu_program_destroy(device, &program);
    program = begin(device);
    CHECK_FAILS(ERROR_ARGUMENT, "missing argument", run(program));
    gpu_program_destroy(device, &program);
    program = begin(device);
    CHECK_FAILS(ERROR_ARGUMENT, "not recorded", gpu_program_submit(program, NULL));
    gpu_program_destroy(device, &program);
    CHECK(gpu_program_submit(NULL, NULL) == ERROR_ARGUMENT);
    gpu_pipeline_destroy(device, &pipeline);
    gpu_buffer_destroy(device, &buffer);
}

/* One counter, advanced by many submits in flight at once, of two programs. */
static void test_queue(gpu_device *device)
{
    enum { N = 64, SUBMITS = 50 };
    gpu_buffer *counter = make_buffer(device, "counter", 4 * N, GPU_MEMORY_DEVICE, true);
    gpu_pipeline *pipeline = make_pipeline(device, 0);
    gpu_program *one = NULL, *ten = NULL;
    const struct gpu_range all = {counter, 0, 0};
    uint64_t ticket = 0, previous = 0;
    bool done = false;
    CHECK(gpu_program_begin(device, "one", false, &one) == OK);
    CHECK(step(one, pipeline, all, all, (struct params){N, 1, 1, 1}) == OK);
    CHECK(gpu_program_end(one) == OK);
    CHECK(gpu_program_begin(device, "ten", false, &ten) == OK);
    CHECK(step(ten, pipeline, all, all, (struct params){N, 1, 10, 1}) == OK);
    CHECK(gpu_program_end(ten) == OK);
    for (int i = 0; i < SUBMITS; i++) {
        CHECK(gpu_program_submit(i % 2 ? ten : one, &ticket) == OK);
        CHECK(ticket > previous);
        previous = ticket;
    }
    CHECK(gpu_wait(device, ticket, 60000000000u) == OK);
    CHECK(gpu_done(device, ticket, &done) == OK && done);
    uint32_t value = 0;
    CHECK(gpu_buffer_read(device, counter, 4 * (N - 1), &value, 4) == OK);
    CHECK(value == SUBMITS / 2 * 11);
    CHECK_FAILS(ERROR_ARGUMENT, "not given out", gpu_wait(device, ticket + 1000, 0));
    CHECK_FAILS(ERROR_ARGUMENT, "not given out", gpu_done(device, ticket + 1000, &done));
    CHECK(gpu_wait(device, 0, 0) == OK);
    CHECK(gpu_done(device, 0, &done) == OK && done);

    /* All of it in flight while it is destroyed. */
    for (int i = 0; i < SUBMITS; i++)
        CHECK(gpu_program_submit(one, &ticket) == OK);
    gpu_program_destroy(device, &one);
    CHECK(gpu_done(device, ticket, &done) == OK && done);
    CHECK(gpu_program_submit(ten, NULL) == OK);
    gpu_buffer_destroy(device, &counter);
    gpu_program_destroy(device, &ten);
    gpu_pipeline_destroy(device, &pipeline);
}

static void test_timeout(gpu_device *device)
{
    enum { N = 1 << 18 };
    gpu_buffer *buffer = make_buffer(device, "slow", 4 * N, GPU_MEMORY_DEVICE, true);
    gpu_pipeline *pipeline = make_pipeline(device, 0);
    gpu_program *program = NULL;
    const struct gpu_range all = {buffer, 0, 0};
    uint64_t ticket = 0;
    CHECK(gpu_program_begin(device, "slow", false, &program) == OK);
    for (int i = 0; i < 4; i++)
        CHECK(step(program, pipeline, all, all, (struct params){N, 3, 1, 500}) == OK);
    CHECK(gpu_program_end(program) == OK);
    CHECK(gpu_program_submit(program, &ticket) == OK);
    CHECK_FAILS(ERROR_DEVICE, "did not finish", gpu_wait(device, ticket, 1000));
    CHECK(gpu_wait(device, ticket, UINT64_MAX) == OK);
    gpu_program_destroy(device, &program);
    gpu_pipeline_destroy(device, &pipeline);
    gpu_buffer_destroy(device, &buffer);
}

static void test_timers(gpu_device *device)
{
    enum { N = 1 << 16 };
    gpu_buffer *buffer = make_buffer(device, "timed", 4 * N, GPU_MEMORY_DEVICE, true);
    gpu_pipeline *pipeline = make_pipeline(device, 0);
    gpu_program *program = NULL;
    const struct gpu_range all = {buffer, 0, 0};
    const char *names[8];
    double ns[8];
    uint32_t count = COUNT_OF(names);
    CHECK(gpu_program_begin(device, "timed", true, &program) == OK);
    for (int i = 0; i < 3; i++) {
        CHECK(gpu_program_stage(program, "short") == OK);
        CHECK(step(program, pipeline, all, all, (struct params){N, 3, 1, 1}) == OK);
        CHECK(gpu_program_stage(program, "long") == OK);
        CHECK(step(program, pipeline, all, all, (struct params){N, 3, 1, 400}) == OK);
    }
    CHECK(gpu_program_end(program) == OK);
    const struct gpu_program_counts first = gpu_program_stage_counts(program, 0),
                                    second = gpu_program_stage_counts(program, 1);
    CHECK(first.dispatches == 3 && first.barriers == 2 && first.copies == 0);
    CHECK(second.dispatches == 3 && second.barriers == 3 && second.copies == 0);
    CHECK(gpu_program_stage_counts(program, 2).dispatches == 0);
    bool has = gpu_device_get_info(device)->features & GPU_FEATURE_TIMESTAMPS;
    if (has)
        CHECK_FAILS(ERROR_ARGUMENT, "never submitted",
                    gpu_program_times(program, names, ns, &count));
    for (int i = 0; i < 2; i++)
        CHECK(submit_and_wait(device, program) == OK);
    CHECK(gpu_program_times(program, names, ns, &count) == OK);
    CHECK(count == (has ? 2 : 0));
    if (count == 2) {
        CHECK(!strcmp(names[0], "short") && !strcmp(names[1], "long"));
        CHECK(ns[0] >= 0 && ns[1] > 0 && ns[1] < 60e9);
        printf("stages: %s %.3f ms, %s %.3f ms\n", names[0], ns[0] / 1e6, names[1], ns[1] / 1e6);
    }
    gpu_program_destroy(device, &program);

    static const char letters[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
                                  "abcdefghijklmnopqrstuvwxyz";
    CHECK(gpu_program_begin(device, "many", true, &program) == OK);
    for (int i = 0; i < 64; i++)
        CHECK(gpu_program_stage(program, letters + i) == OK);
    CHECK_FAILS(ERROR_ARGUMENT, "one too many", gpu_program_stage(program, letters + 64));
    gpu_program_destroy(device, &program);
    gpu_pipeline_destroy(device, &pipeline);
    gpu_buffer_destroy(device, &buffer);
}

/* As many dispatches as a frame of a large model has, with the descriptor pools growing. */
static void test_large_program(gpu_device *device)
{
    enum { N = 64, STEPS = 2000 };
    gpu_buffer *a = make_buffer(device, "a", 256 * 1000, GPU_MEMORY_DEVICE, true);
    gpu_buffer *b = make_buffer(device, "b", 256, GPU_MEMORY_DEVICE, true);
    gpu_pipeline *pipeline = make_pipeline(device, 0);
    gpu_program *program = NULL;
    enum status status = gpu_program_begin(device, "large", false, &program);
    for (uint32_t i = 0; i < STEPS && !status; i++)
        status = step(program, pipeline, (struct gpu_range){i % 2 ? a : b, 0, 256},
                      (struct gpu_range){a, 256 * (1 + i % 999), 256}, (struct params){N, 1, i, 1});
    CHECK(status == OK);
    CHECK(gpu_program_end(program) == OK);
    struct gpu_program_counts counts = gpu_program_get_counts(program);
    CHECK(counts.dispatches == STEPS && counts.barriers == 2);
    CHECK(submit_and_wait(device, program) == OK);
    uint32_t value = 0;
    CHECK(gpu_buffer_read(device, a, 256 * (1 + (STEPS - 1) % 999), &value, 4) == OK);
    CHECK(value == STEPS - 1);
    gpu_program_destroy(device, &program);
    gpu_pipeline_destroy(device, &pipeline);
    gpu_buffer_destroy(device, &b);
    gpu_buffer_destroy(device, &a);
}

/* The one file of a directory; false if there is none or more. */
static bool find_file(const char *dir, char *path, size_t bytes, int *count)
{
    DIR *d = opendir(dir);
    const struct dirent *entry;
    *count = 0;
    if (!d)
        return false;
    while ((entry = readdir(d)))
        if (entry->d_name[0] != '.' && (*count)++ == 0)
            snprintf(path, bytes, "%s/%s", dir, entry->d_name);
    closedir(d);
    return *count == 1;
}

static int warnings_of_a_run(const char *cache_dir)
{
    gpu_device *device = NULL;
    struct gpu_device_params params = device_params();
    int errors = captured.counts[LOG_ERROR], warnings = captured.counts[LOG_WARNING];
    params.cache_dir = cache_dir;
    CHECK(gpu_device_create(&params, &device) == OK);
    if (!device)
        return -1;
    gpu_pipeline *pipeline = make_pipeline(device, 3);
    gpu_pipeline_destroy(device, &pipeline);
    gpu_device_destroy(&device);
    CHECK(captured.counts[LOG_ERROR] == errors);
    return captured.counts[LOG_WARNING] - warnings;
}

static void damage(const char *path, long offset, const char *byte, long length)
{
    FILE *file = fopen(path, "r+b");
    CHECK(file != NULL);
    if (!file)
        return;
    if (byte && fseek(file, offset, SEEK_SET) == 0)
        CHECK(fputc(*byte, file) != EOF);
    fclose(file);
    if (length >= 0)
        CHECK(truncate(path, length) == 0);
}

static void test_cache(void)
{
    char base[] = "/tmp/stapes-test-XXXXXX";
    char dir[128], path[512], plain[128];
    struct stat info;
    int count;
    CHECK(mkdtemp(base) != NULL);
    snprintf(dir, sizeof(dir), "%s/new/deep/", base);
    CHECK(warnings_of_a_run(dir) == 0);
    CHECK(find_file(dir, path, sizeof(path), &count));
    CHECK(stat(path, &info) == 0 && info.st_size > 32);
    long size = (long)info.st_size;
    CHECK(warnings_of_a_run(dir) == 0);

    damage(path, 40, "?", -1);
    CHECK(warnings_of_a_run(dir) == 1 && strstr(captured.last_warning, "checksum"));
    CHECK(warnings_of_a_run(dir) == 0); /* it was written anew */
    damage(path, 0, "?", -1);
    CHECK(warnings_of_a_run(dir) == 1);
    damage(path, 8, "?", -1);
    CHECK(warnings_of_a_run(dir) == 1 && strstr(captured.last_warning, "version"));
    damage(path, 23, "?", -1);
    CHECK(warnings_of_a_run(dir) == 1 && strstr(captured.last_warning, "size"));
    damage(path, 0, NULL, size - 1);
    CHECK(warnings_of_a_run(dir) == 1 && strstr(captured.last_warning, "size"));
    damage(path, 0, NULL, 5);
    CHECK(warnings_of_a_run(dir) == 1);
    damage(path, 0, NULL, 0);
    CHECK(warnings_of_a_run(dir) == 1);
    CHECK(warnings_of_a_run(dir) == 0);
    CHECK(find_file(dir, path, sizeof(path), &count) && count == 1);

    /* No directory can be made there, not even by root. */
    CHECK(warnings_of_a_run("/proc/stapes/cache") == 1);
    snprintf(plain, sizeof(plain), "%s/plain", base);
    FILE *file = fopen(plain, "wb");
    CHECK(file != NULL);
    if (file)
        fclose(file);
    CHECK(warnings_of_a_run(plain) >= 1);
    unlink(plain);
    unlink(path);
    rmdir(dir);
    snprintf(dir, sizeof(dir), "%s/new", base);
    rmdir(dir);
    rmdir(base);
}

static void silent(void *user, enum log_level level, const char *message)
{
    (void)user;
    (void)level;
    (void)message;
}

static void *device_thread(void *user)
{
    bool *ok = user;
    *ok = true;
    for (int i = 0; i < 4 && *ok; i++) {
        gpu_device *device = NULL;
        gpu_buffer *buffer = NULL;
        uint32_t word = 1;
        const struct gpu_device_params params = {.log = {silent, NULL}, .device = wanted_device};
        const struct gpu_buffer_params buffer_params = {"thread", 4096, GPU_MEMORY_DEVICE, true};
        *ok = gpu_device_create(&params, &device) == OK &&
              gpu_buffer_create(device, &buffer_params, &buffer) == OK &&
              gpu_buffer_read(device, buffer, 4092, &word, 4) == OK && word == 0;
        if (device)
            gpu_buffer_destroy(device, &buffer);
        gpu_device_destroy(&device);
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[3];
    bool ok[3] = {false};
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        CHECK(pthread_create(&threads[i], NULL, device_thread, &ok[i]) == 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
        CHECK(ok[i]);
    }
}

/* The layer's messages arrive: a pipeline whose shader reads more parameters than it gets. */
static void test_validation_counts(void)
{
    gpu_device *device = NULL;
    struct gpu_device_params params = device_params();
    params.validation = true;
    CHECK(gpu_device_create(&params, &device) == OK);
    if (!device)
        return;
    const struct gpu_pipeline_params bad = {
        .name = "bad",
        .spirv = runtime_test_spv,
        .spirv_bytes = sizeof(runtime_test_spv),
        .n_bindings = 2,
        .params_bytes = 4,
    };
    gpu_pipeline *pipeline = NULL;
    captured.last_error[0] = 0;
    CHECK(gpu_device_validation_messages(device) == 0);
    gpu_pipeline_create(device, &bad, &pipeline);
    CHECK(gpu_device_validation_messages(device) > 0);
    CHECK(strstr(captured.last_error, "Vulkan validation") != NULL);
    gpu_pipeline_destroy(device, &pipeline);
    gpu_device_destroy(&device);
}

static void test_device(gpu_device *device)
{
    uint64_t before, after;
    gpu_device_memory(device, &before, NULL);
    test_buffers(device);
    test_pipelines(device);
    test_program(device);
    test_hazards(device);
    for (uint64_t i = 0; i < 4; i++)
        test_random_program(device, seed + i);
    test_recording_errors(device);
    test_queue(device);
    test_timeout(device);
    test_timers(device);
    test_large_program(device);
    gpu_device_memory(device, &after, NULL);
    CHECK(before == after);
}

static int parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *end = NULL;
        if (!strcmp(argv[i], "--device") && i + 1 < argc) {
            wanted_device = argv[++i];
        } else if (!strcmp(argv[i], "--seed") && i + 1 < argc) {
            seed = strtoull(argv[++i], &end, 0);
            if (end == argv[i] || *end)
                return 2;
        } else {
            return 2;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    gpu_device *device = NULL;
    if (parse(argc, argv)) {
        fprintf(stderr, "usage: test_runtime [--device NAME] [--seed N]\n");
        return 2;
    }
    test_no_driver();
    struct gpu_device_params params = device_params();
    enum status status = gpu_device_create(&params, &device);
    if (status == ERROR_NO_DEVICE) {
        fprintf(stderr, "test_runtime: %s\n", captured.last_error);
        printf("test_runtime: %d passed, %d failed, the rest skipped: no device\n", passed, failed);
        return failed ? 1 : 77;
    }
    CHECK(status == OK);
    if (device) {
        const struct gpu_device_info info = *gpu_device_get_info(device);
        printf("device %u: %s (%s), seed %" PRIu64 "\n", info.index, info.name, info.driver, seed);
        test_device(device);
        CHECK(gpu_device_validation_messages(device) == 0);
        gpu_device_destroy(&device);
        test_enumerate(&info);
        test_memory_limit();
        test_cache();
        test_threads();
    }
    params.validation = true;
    status = gpu_device_create(&params, &device);
    if (status == ERROR_UNSUPPORTED) {
        fprintf(stderr, "test_runtime: without validation: %s\n", captured.last_error);
    } else {
        CHECK(status == OK);
        if (device) {
            test_device(device);
            uint32_t messages = gpu_device_validation_messages(device);
            check(messages == 0, "the validation layer is silent", __LINE__);
            if (messages)
                fprintf(stderr, "%u messages, the last: %s\n", messages, captured.last_error);
        }
        gpu_device_destroy(&device);
        test_validation_counts();
    }
    printf("test_runtime: %d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
