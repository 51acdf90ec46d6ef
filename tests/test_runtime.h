/* SPDX-License-Identifier: MIT
 *
 * What the parts of test_runtime share: checks that count, messages that are kept, and the test
 * shader's pipelines and dispatches. Everything is about one device.
 */
#ifndef STAPES_TESTS_TEST_RUNTIME_H
#define STAPES_TESTS_TEST_RUNTIME_H

#include "runtime/gpu.h"

#include <string.h>

struct capture {
    int counts[4];
    char last[1024];
    char last_error[1024];
    char last_warning[1024];
};
extern struct capture captured; /* of devices made with device_params() */

/* Counts, and prints a failure. */
void check_at(const char *file, int line, bool ok, const char *what);
#define CHECK(condition) check_at(__FILE__, __LINE__, (condition), #condition)
/* A mistake must be an error with this status, and its message must name this part. */
#define CHECK_FAILS(code, part, call)                                                              \
    do {                                                                                           \
        captured.last_error[0] = 0;                                                                \
        enum status status_ = (call);                                                              \
        check_at(__FILE__, __LINE__, status_ == (code), #call " is " #code);                       \
        check_at(__FILE__, __LINE__, strstr(captured.last_error, (part)) != NULL,                  \
                 #call " says \"" part "\"");                                                      \
    } while (0)

uint64_t random_next(uint64_t *state);
uint32_t random_below(uint64_t *state, uint32_t limit);

struct gpu_device_params device_params(void);
gpu_buffer *make_buffer(gpu_device *device, const char *name, uint64_t bytes,
                        enum gpu_memory memory, bool zero);

/* Parameters of the test shader. */
struct params {
    uint32_t n, factor, addend, rounds;
};
/* The test shader, without specialization constants. */
struct gpu_pipeline_params test_pipeline_params(void);
gpu_pipeline *make_pipeline(gpu_device *device, uint32_t bias);
enum status step(gpu_program *program, const gpu_pipeline *pipeline, struct gpu_range from,
                 struct gpu_range to, struct params params);
enum status submit_and_wait(gpu_device *device, gpu_program *program);

/* Resources: test_runtime_resources.c. */
void test_buffers(gpu_device *device, uint64_t seed);
void test_pipelines(gpu_device *device);
void test_memory_limit(void);
void test_cache(void);

/* Programs: test_runtime_programs.c. */
void test_program(gpu_device *device);
void test_hazards(gpu_device *device);
void test_random_program(gpu_device *device, uint64_t state);
void test_recording_errors(gpu_device *device);
void test_queue(gpu_device *device);
void test_timeout(gpu_device *device);
void test_timers(gpu_device *device);
void test_large_program(gpu_device *device);

#endif
