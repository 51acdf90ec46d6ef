/* SPDX-License-Identifier: MIT
 *
 * Buffers, memory and its limit, pipelines, and what is kept of them on disk.
 */
#define _POSIX_C_SOURCE 200809L
#include "tests/test_runtime.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_transfer(gpu_device *device, enum gpu_memory memory, uint64_t bytes, uint64_t seed)
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

void test_buffers(gpu_device *device, uint64_t seed)
{
    static const uint64_t sizes[] = {1, 4, 255, 257, 65536, (1 << 20), (3 << 20) + 5};
    uint64_t before, now, peak;
    gpu_buffer *list[40] = {NULL};
    gpu_buffer *buffer = NULL;
    gpu_device_memory(device, &before, NULL);
    for (int memory = 0; memory < 3; memory++)
        for (size_t i = 0; i < COUNT_OF(sizes); i++)
            test_transfer(device, (enum gpu_memory)memory, sizes[i], seed);
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
                check_at(__FILE__, __LINE__, false, "a neighbour wrote into a buffer");
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

void test_memory_limit(void)
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

void test_pipelines(gpu_device *device)
{
    const uint32_t garbage[8] = {1, 2, 3};
    gpu_pipeline *pipeline = NULL;
    struct gpu_pipeline_params params = {.name = "bad",
                                         .shader = {.spirv = garbage, .spirv_bytes = 32}};
    CHECK_FAILS(ERROR_ARGUMENT, "bad", gpu_pipeline_create(device, &params, &pipeline));
    params = test_pipeline_params();
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

void test_cache(void)
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
