/* SPDX-License-Identifier: MIT
 *
 * The GPU room, through its only face: everything that gpu.h promises, on one device, under the
 * validation layer where it is installed.
 *
 * test_runtime [--device NAME] [--seed N]; exit 0, 1 after a failure, 77 without a device.
 */
#define _POSIX_C_SOURCE 200809L
#include "tests/test_runtime.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

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

struct capture captured;

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

void check_at(const char *file, int line, bool ok, const char *what)
{
    if (ok) {
        passed++;
        return;
    }
    failed++;
    fprintf(stderr, "%s:%d: %s\n    last message: %s\n", file, line, what, captured.last);
}

uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)(random_next(state) % limit);
}

struct gpu_device_params device_params(void)
{
    return (struct gpu_device_params){
        .log = {capture_message, &captured},
        .device = wanted_device,
    };
}

gpu_buffer *make_buffer(gpu_device *device, const char *name, uint64_t bytes,
                        enum gpu_memory memory, bool zero)
{
    gpu_buffer *buffer = NULL;
    const struct gpu_buffer_params params = {name, bytes, memory, zero};
    CHECK(gpu_buffer_create(device, &params, &buffer) == OK);
    return buffer;
}

struct gpu_pipeline_params test_pipeline_params(void)
{
    return (struct gpu_pipeline_params){
        .name = "runtime_test",
        .shader = {.spirv = runtime_test_spv, .spirv_bytes = sizeof(runtime_test_spv)},
        .n_bindings = 2,
        .params_bytes = sizeof(struct params),
    };
}

gpu_pipeline *make_pipeline(gpu_device *device, uint32_t bias)
{
    const uint32_t spec[] = {bias, 0};
    struct gpu_pipeline_params params = test_pipeline_params();
    params.n_spec = COUNT_OF(spec);
    params.spec = spec;
    gpu_pipeline *pipeline = NULL;
    CHECK(gpu_pipeline_create(device, &params, &pipeline) == OK);
    return pipeline;
}

enum status step(gpu_program *program, const gpu_pipeline *pipeline, struct gpu_range from,
                 struct gpu_range to, struct params params)
{
    const struct gpu_binding bindings[] = {{.range = from, .access = GPU_READ},
                                           {.range = to, .access = GPU_WRITE}};
    const uint32_t groups[3] = {div_up(params.n, 64), 1, 1};
    return gpu_program_dispatch(program, pipeline, bindings, &params, groups);
}

enum status submit_and_wait(gpu_device *device, gpu_program *program)
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
    struct gpu_pipeline_params bad = test_pipeline_params();
    bad.params_bytes = 4;
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
    test_buffers(device, seed);
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
            CHECK(messages == 0);
            if (messages)
                fprintf(stderr, "%u messages, the last: %s\n", messages, captured.last_error);
        }
        gpu_device_destroy(&device);
        test_validation_counts();
    }
    printf("test_runtime: %d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
