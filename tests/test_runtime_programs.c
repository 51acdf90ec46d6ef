/* SPDX-License-Identifier: MIT
 *
 * Programs: what they compute, their barriers, mistakes in recording, queues and timers.
 */
#define _POSIX_C_SOURCE 200809L
#include "tests/test_runtime.h"

#include <stdio.h>
#include <stdlib.h>

static enum status run(gpu_program *program)
{
    return gpu_program_dispatch(program, NULL, NULL, NULL, NULL);
}

/* 4096 words in, three steps, one copy; checked on the host. */
void test_program(gpu_device *device)
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
void test_hazards(gpu_device *device)
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
void test_random_program(gpu_device *device, uint64_t state)
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

void test_recording_errors(gpu_device *device)
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
    const struct gpu_binding bindings[] = {{.range = good, .access = GPU_READ},
                                           {.range = {buffer, 256, 256}, .access = GPU_WRITE}};
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
void test_queue(gpu_device *device)
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

void test_timeout(gpu_device *device)
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

void test_timers(gpu_device *device)
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
void test_large_program(gpu_device *device)
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
