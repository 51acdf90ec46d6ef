/* SPDX-License-Identifier: MIT
 *
 * The measured choice between kernels: the faster form is found and remembered, one that computes
 * something else is refused however fast it is, and a damaged memory is forgotten.
 */
#define _XOPEN_SOURCE 700
#include "kernels/tune.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS 768u
#define K 512u

static int failed;
static int warnings, errors;

#define CHECK(ok)                                                                                  \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #ok);                                        \
            failed++;                                                                              \
        }                                                                                          \
    } while (0)

static void count_log(void *user, enum log_level level, const char *message)
{
    (void)user;
    warnings += level == LOG_WARNING;
    errors += level == LOG_ERROR;
    if (level == LOG_ERROR)
        printf("%s\n", message);
}

static gpu_device *open_device(const char *cache_dir)
{
    gpu_device *device = NULL;
    const struct gpu_device_params params = {
        .log = {count_log, NULL}, .cache_dir = cache_dir, .validation = true};
    const enum status status = gpu_device_create(&params, &device);
    if (status == ERROR_NO_DEVICE)
        exit(77);
    CHECK(status == OK);
    if (!device)
        exit(EXIT_FAILURE);
    return device;
}

struct bench {
    gpu_device *device;
    gpu_buffer *weights, *x, *y;
    struct gpu_range ranges[GPU_MAX_BINDINGS];
    struct tune_candidate candidates[3];
    gpu_pipeline *pipelines[3];
};

static const struct matmul_params product = {.rows = ROWS,
                                             .k = K,
                                             .cols = 1,
                                             .per_slot = 1,
                                             .x_slot_stride = K,
                                             .x_col_stride = K,
                                             .y_slot_stride = ROWS,
                                             .y_col_stride = ROWS};

static const enum kernel_id names[] = {KERNEL_matmul_f32, KERNEL_matmul_f32_wg,
                                       KERNEL_matmul_f32_mm};
/* Without the one that is wrong. */
static const enum kernel_id good_names[] = {KERNEL_matmul_f32, KERNEL_matmul_f32_mm};

static gpu_buffer *make_buffer(gpu_device *device, uint64_t words)
{
    gpu_buffer *buffer = NULL;
    float *values = malloc(words * sizeof(*values));
    CHECK(values != NULL);
    for (uint64_t i = 0; values && i < words; i++)
        values[i] = (float)((i * 2654435761u >> 8) % 2001) / 1000 - 1;
    CHECK(gpu_buffer_create(device,
                            &(struct gpu_buffer_params){.name = "test", .size_bytes = words * 4},
                            &buffer) == OK);
    CHECK(gpu_buffer_write(device, buffer, 0, values, words * 4) == OK);
    free(values);
    return buffer;
}

/* Candidate i, in the name of a row: the plain form of the product with these flags and so many
 * rows an invocation. */
static void make_candidate(struct bench *b, int i, uint32_t flags, uint32_t rows)
{
    struct tune_candidate *c = &b->candidates[i];
    const struct kernel_info *info = &kernel_table[KERNEL_matmul_f32];
    c->id = names[i];
    info->plan(&product, &c->plan);
    c->plan.groups[0] = div_up(ROWS, rows << c->plan.spec[3]);
    c->plan.spec[1] = rows;
    c->plan.spec[5] = flags;
    CHECK(kernel_pipeline_create(b->device, KERNEL_matmul_f32, &c->plan, &b->pipelines[i]) == OK);
    c->pipeline = b->pipelines[i];
}

static void open_bench(struct bench *b, const char *cache_dir)
{
    *b = (struct bench){.device = open_device(cache_dir)};
    b->weights = make_buffer(b->device, ROWS * K);
    b->x = make_buffer(b->device, K);
    b->y = make_buffer(b->device, ROWS);
    b->ranges[0].buffer = b->weights;
    b->ranges[2].buffer = b->x;
    b->ranges[6].buffer = b->y;
}

static void close_bench(struct bench *b)
{
    for (int i = 0; i < 3; i++)
        gpu_pipeline_destroy(b->device, &b->pipelines[i]);
    gpu_buffer_destroy(b->device, &b->weights);
    gpu_buffer_destroy(b->device, &b->x);
    gpu_buffer_destroy(b->device, &b->y);
    CHECK(gpu_device_validation_messages(b->device) == 0);
    gpu_device_destroy(&b->device);
}

/* The wrong one (a GELU too many) comes second, a right one third. Returns what was chosen. */
static enum kernel_id test_wrong_form(struct bench *b)
{
    struct tuner *tuner = NULL;
    enum kernel_id best = KERNEL_COUNT, known = KERNEL_COUNT;
    const int before = warnings;
    CHECK(tuner_create(b->device, &tuner) == OK);
    CHECK(tuner_wants(tuner, KERNEL_matmul_f32, &product, b->ranges));
    CHECK(!tuner_wants(tuner, KERNEL_rmsnorm, &product, b->ranges));
    CHECK(!tuner_known(tuner, &product, good_names, 2, &known));
    make_candidate(b, 0, 0, 2);
    make_candidate(b, 1, MATMUL_GELU, 4);
    make_candidate(b, 2, 0, 4);
    CHECK(tuner_measure(tuner, &product, b->ranges, b->candidates, 2, &best) == OK);
    CHECK(best == names[0]);
    CHECK(tuner_refuses(tuner, names[1]) && !tuner_refuses(tuner, names[0]));
    CHECK(warnings == before + 1);
    CHECK(tuner_measure(tuner, &product, b->ranges, b->candidates, 3, &best) == OK);
    CHECK(best == names[0] || best == names[2]);
    CHECK(tuner_known(tuner, &product, good_names, 2, &known) && known == best);

    struct matmul_params many = product; /* only checked: the last one that is right */
    many.model_slots = MATMUL_MANY_SLOTS;
    CHECK(!tuner_known(tuner, &many, good_names, 2, &known));
    CHECK(tuner_measure(tuner, &many, b->ranges, b->candidates, 3, &known) == OK);
    CHECK(known == names[2]);

    tuner_finish(tuner);
    CHECK(!tuner_wants(tuner, KERNEL_matmul_f32, &product, b->ranges));
    CHECK(tuner_known(tuner, &product, good_names, 2, &known) && known == best);
    tuner_destroy(&tuner);
    return best;
}

/* What another process finds: the choice `expected`, or nothing. */
static void test_memory(gpu_device *device, enum kernel_id expected)
{
    struct tuner *tuner = NULL;
    struct matmul_params other = product;
    enum kernel_id known = KERNEL_COUNT;
    const bool any = expected != KERNEL_COUNT;
    CHECK(tuner_create(device, &tuner) == OK);
    CHECK(tuner_refuses(tuner, names[1]) == any);
    CHECK(tuner_known(tuner, &product, good_names, 2, &known) == any && known == expected);
    other.cols = 7; /* other slots of the same product */
    CHECK(tuner_known(tuner, &other, good_names, 2, &known) == any && known == expected);
    CHECK(!tuner_known(tuner, &product, names, 3, &known)); /* other rows to choose from */
    other.rows++;
    CHECK(!tuner_known(tuner, &other, good_names, 2, &known));
    tuner_destroy(&tuner);
}

static void damage(const char *dir)
{
    char path[1024];
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (strncmp(entry->d_name, "kernels-", 8))
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
        FILE *file = fopen(path, "r+b");
        CHECK(file != NULL);
        if (file) {
            CHECK(fseek(file, -20, SEEK_END) == 0 && fputc('x', file) != EOF);
            fclose(file);
        }
    }
    closedir(d);
}

/* Dispatches through a set that tunes give what they give without, and it did measure. */
static void test_set(struct bench *b)
{
    static float results[2][ROWS];
    for (int tuned = 0; tuned < 2; tuned++) {
        kernel_set *set = NULL;
        gpu_program *program = NULL;
        uint64_t ticket;
        CHECK(kernel_set_create(b->device, "workgroup", &set) == OK);
        CHECK(!tuned || kernel_set_tune(set) == OK);
        CHECK(gpu_program_begin(b->device, "test", false, &program) == OK);
        CHECK(kernel_dispatch(set, program, KERNEL_matmul_f32, &product, b->ranges) == OK);
        CHECK(gpu_program_end(program) == OK);
        kernel_set_tuned(set);
        struct matmul_params slots = product;
        enum kernel_id one = KERNEL_COUNT, eight = KERNEL_COUNT;
        slots.cols = 8;
        CHECK(kernel_pick(set, KERNEL_matmul_f32, &product, b->ranges, &one) == OK);
        CHECK(kernel_pick(set, KERNEL_matmul_f32, &slots, b->ranges, &eight) == OK);
        CHECK(one == eight && one != KERNEL_COUNT);
        CHECK(gpu_program_submit(program, &ticket) == OK);
        CHECK(gpu_wait(b->device, ticket, UINT64_MAX) == OK);
        CHECK(gpu_buffer_read(b->device, b->y, 0, results[tuned], sizeof(results[tuned])) == OK);
        gpu_program_destroy(b->device, &program);
        kernel_set_destroy(&set);
    }
    struct tuner *tuner = NULL;
    enum kernel_id known;
    CHECK(tuner_create(b->device, &tuner) == OK);
    CHECK(tuner_known(tuner, &product, names, 2, &known));
    tuner_destroy(&tuner);
    for (uint32_t i = 0; i < ROWS; i++)
        if (!(results[0][i] - results[1][i] < 1e-3f && results[1][i] - results[0][i] < 1e-3f)) {
            printf("row %u: %g, tuned %g\n", i, results[0][i], results[1][i]);
            failed++;
            break;
        }
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

int main(void)
{
    char dir[] = "/tmp/stapes-tune-XXXXXX";
    struct bench bench;
    if (!mkdtemp(dir))
        return EXIT_FAILURE;
    open_bench(&bench, dir);
    if (!(gpu_device_get_info(bench.device)->features & GPU_FEATURE_TIMESTAMPS)) {
        printf("tune: skipped, the device has no timestamps\n");
        close_bench(&bench);
        return 77;
    }
    const enum kernel_id best = test_wrong_form(&bench);
    test_memory(bench.device, best);
    const int before = warnings;
    damage(dir);
    test_memory(bench.device, KERNEL_COUNT);
    CHECK(warnings == before + 1);
    test_set(&bench);
    close_bench(&bench);
    CHECK(errors == 0);
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    printf("tune: %s\n", failed ? "FAILED" : "passed");
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
