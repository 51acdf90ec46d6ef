/* SPDX-License-Identifier: MIT
 *
 * A program that must not wait, as in a browser: bytes of the files that are not there yet, a
 * device that is still busy, and a gpu_wait that cannot wait. Loads in steps must leave the same
 * bits on the device as plan_run does, from files of which only a window is there; models that are
 * opened in steps and run without waiting must say the same, bit for bit. The linker puts the
 * functions below between the loader and the files, and between the scheduler and the device
 * (--wrap).
 *
 * test_again [--device NAME] [--kernels LIST] [--no-validation] RECORDING MODEL...
 */
#define _POSIX_C_SOURCE 200809L /* nanosleep */

#include "loader/file.h"
#include "loader/plan.h"
#include "stream/internal.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_LOADS 512
#define SAMPLES (3u * STAPES_SAMPLE_RATE)
#define ARRIVAL 50021u /* bytes at a time */

/* What answers ERROR_AGAIN now. Zero: all is as it is. */
static struct {
    uint32_t every_read; /* each n-th read of a file */
    uint64_t arrived;    /* and those beyond so many bytes */
    uint64_t dropped;    /* a read below is a failure */
    uint32_t busy;       /* a device is done when asked so many times */
    bool no_waits;
} fake;
static uint32_t reads, asked, refused_reads, refused_asks, refused_waits;

enum status __real_file_read(const struct log *log, const struct file *file, const char *what,
                             uint64_t offset, void *to, uint64_t bytes);
enum status __wrap_file_read(const struct log *log, const struct file *file, const char *what,
                             uint64_t offset, void *to, uint64_t bytes);
enum status __real_gpu_done(gpu_device *device, uint64_t ticket, bool *done);
enum status __wrap_gpu_done(gpu_device *device, uint64_t ticket, bool *done);
enum status __real_gpu_wait(gpu_device *device, uint64_t ticket, uint64_t timeout_ns);
enum status __wrap_gpu_wait(gpu_device *device, uint64_t ticket, uint64_t timeout_ns);

enum status __wrap_file_read(const struct log *log, const struct file *file, const char *what,
                             uint64_t offset, void *to, uint64_t bytes)
{
    CHECK(offset >= fake.dropped, "byte %llu is read, those below %llu are gone",
          (unsigned long long)offset, (unsigned long long)fake.dropped);
    if ((fake.every_read && ++reads % fake.every_read == 0) ||
        (fake.arrived && offset + bytes > fake.arrived)) {
        refused_reads++;
        return ERROR_AGAIN;
    }
    return __real_file_read(log, file, what, offset, to, bytes);
}

enum status __wrap_gpu_done(gpu_device *device, uint64_t ticket, bool *done)
{
    if (fake.busy && ++asked % fake.busy) {
        refused_asks++;
        *done = false;
        return OK;
    }
    return __real_gpu_done(device, ticket, done);
}

/* The scheduler's have a timeout; the blocking copies of set-up have none. */
enum status __wrap_gpu_wait(gpu_device *device, uint64_t ticket, uint64_t timeout_ns)
{
    if (fake.no_waits && timeout_ns != UINT64_MAX) {
        refused_waits++;
        return ERROR_AGAIN;
    }
    return __real_gpu_wait(device, ticket, timeout_ns);
}

/* The device's turn. */
static void pause_shortly(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

/* --- The plan
 * -------------------------------------------------------------------------------------------------
 */

struct loaded {
    struct plan *plan;
    uint32_t n;
    struct weight weights[MAX_LOADS];
    struct gpu_range ranges[MAX_LOADS];
};

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* Every tensor as what its shape says; codebooks use a vector for a second time. */
static void plan_all(struct loaded *l, const struct source *source)
{
    enum status status = OK;
    l->n = MIN(source_count(source), MAX_LOADS);
    for (uint32_t i = 0; i < l->n && !status; i++) {
        const struct tensor *t = source_tensor(source, i);
        char prefix[TENSOR_MAX_NAME];
        snprintf(prefix, sizeof(prefix), "%.*s", (int)(strlen(t->name) - strlen(".embedding_sum")),
                 t->name);
        l->weights[i] = (struct weight){0};
        l->ranges[i] = (struct gpu_range){0};
        if (ends_with(t->name, ".embedding_sum"))
            status = plan_codebook(l->plan, prefix, (uint32_t)t->dims[0], (uint32_t)t->dims[1],
                                   &l->ranges[i]);
        else if (t->n_dims == 3)
            status = plan_matrix(l->plan, t->name, 0, 0, (uint32_t)t->dims[2], 0, &l->weights[i]);
        else if (t->n_dims == 2)
            status = plan_matrix(l->plan, t->name, 0, 0, 1,
                                 ends_with(t->name, ".linear_in.weight") ? PLAN_GATE : 0,
                                 &l->weights[i]);
        else if (t->n_dims == 1)
            status = plan_vector(l->plan, t->name, 0, 0, &l->ranges[i]);
        CHECK(status == OK, "%s cannot be planned", t->name);
    }
}

static void same_range(gpu_device *device, const struct gpu_range *a, const struct gpu_range *b,
                       const char *name)
{
    if (!CHECK(a->size == b->size && !a->buffer == !b->buffer, "%s: other sizes", name) ||
        !a->buffer)
        return;
    uint8_t *one = malloc(a->size + 1), *other = malloc(a->size + 1);
    CHECK(one && other && !gpu_buffer_read(device, a->buffer, a->offset, one, a->size) &&
              !gpu_buffer_read(device, b->buffer, b->offset, other, b->size) &&
              !memcmp(one, other, a->size),
          "%s: other bits", name);
    free(one);
    free(other);
}

/* Takes steps, with a download that follows at a distance: what is not needed is gone, more arrives
 * only where nothing else is left to wait for. */
static void load_in_steps(struct plan *plan, bool downloads, const char *what)
{
    uint32_t steps = 0, file = 0, stuck = 0;
    uint64_t offset = 0, last = 0;
    bool done = false;

    CHECK(!plan_needs(plan, &file, &offset) && plan_loaded_bytes(plan) == 0, "%s: not begun", what);
    if (!CHECK(plan_begin(plan) == OK, "%s: cannot begin", what))
        return;
    while (!done && stuck < 100000) {
        const enum status status = plan_step(plan, &done);
        CHECK(status == OK || status == ERROR_AGAIN, "%s: %s", what, status_text(status));
        steps++;
        stuck = plan_loaded_bytes(plan) > last ? 0 : stuck + 1;
        last = plan_loaded_bytes(plan);
        if (status == ERROR_AGAIN)
            pause_shortly();
        if (status == ERROR_AGAIN && downloads)
            fake.arrived += ARRIVAL;
        if (downloads && plan_needs(plan, &file, &offset)) {
            CHECK(offset >= fake.dropped, "%s: goes back", what);
            fake.dropped = offset;
        }
    }
    memset(&fake, 0, sizeof(fake));
    CHECK(done && last == plan_file_bytes(plan) && !plan_needs(plan, &file, &offset),
          "%s: %llu of %llu bytes loaded", what, (unsigned long long)last,
          (unsigned long long)plan_file_bytes(plan));
    CHECK(steps > 1, "%s: only %u steps", what, steps);
    plan_end(plan);
}

static void check_steps(gpu_device *device, kernel_set *kernels, const char *path,
                        const struct plan_limits *limits, uint32_t every_read, bool downloads)
{
    static struct loaded plain, steps;
    const struct log *log = gpu_device_log(device);
    uint64_t before, after;
    struct source *source;
    char what[512];

    snprintf(what, sizeof(what), "%s: segments of %llu%s", path,
             (unsigned long long)limits->segment_bytes, downloads ? ", downloaded" : "");
    gpu_device_memory(device, &before, NULL);
    if (source_open(log, path, &source) || plan_create(log, device, kernels, source, &plain.plan) ||
        plan_create(log, device, kernels, source, &steps.plan))
        exit(1);
    plan_all(&plain, source);
    plan_all(&steps, source);
    plan_set_limits(steps.plan, limits);
    CHECK(plan_run(plain.plan, NULL) == OK, "%s cannot be loaded", path);

    refused_reads = refused_asks = 0;
    fake.every_read = every_read;
    fake.busy = 3;
    fake.arrived = downloads ? ARRIVAL : 0;
    load_in_steps(steps.plan, downloads, what);
    CHECK(refused_asks > 0 && (!(every_read || downloads) || refused_reads > 0),
          "%s: nothing was refused", what);
    for (uint32_t i = 0; i < plain.n; i++) {
        const char *name = source_tensor(source, i)->name;
        same_range(device, &plain.weights[i].plane0, &steps.weights[i].plane0, name);
        same_range(device, &plain.weights[i].plane1, &steps.weights[i].plane1, name);
        same_range(device, &plain.ranges[i], &steps.ranges[i], name);
    }
    plan_destroy(&steps.plan);

    /* Given up on the way. */
    bool done;
    if (plan_create(log, device, kernels, source, &steps.plan))
        exit(1);
    plan_all(&steps, source);
    plan_set_limits(steps.plan, limits);
    CHECK(plan_begin(steps.plan) == OK && plan_step(steps.plan, &done) == OK, "%s: no step", what);
    plan_destroy(&steps.plan);
    plan_destroy(&plain.plan);
    source_close(&source);
    gpu_device_memory(device, &after, NULL);
    CHECK(before == after, "%s: device memory is left", what);
}

static void check_plans(const char *path, bool one_file)
{
    static const struct plan_limits limits[] = {{4096, 2, 0}, {65536, 3, 40000}, {1 << 18, 1, 0}};
    const struct stapes_model_params params = model_params(path, 1, false);
    gpu_device *device;
    kernel_set *kernels;
    const struct gpu_device_params device_params = {.device = params.device};

    const enum status status = gpu_device_create(&device_params, &device);
    if (status == ERROR_NO_DEVICE)
        exit(77);
    if (status || kernel_set_create(device, NULL, &kernels))
        exit(1);
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        check_steps(device, kernels, path, &limits[i], i == 1 ? 0 : 3, false);
    if (one_file)
        check_steps(device, kernels, path, &limits[1], 0, true);
    kernel_set_destroy(&kernels);
    gpu_device_destroy(&device);
}

/* --- Models
 * ----------------------------------------------------------------------------------------------
 */

/* As a download feeds it: again and again, with more of the file. */
static stapes_model *open_in_steps(const char *path)
{
    const struct stapes_model_params params = model_params(path, 1, false);
    stapes_model *model = NULL;
    enum status status;
    bool done = false;

    refused_reads = 0;
    fake.busy = 2;
    fake.arrived = 64;
    while ((status = model_begin(&params, (struct model_uses){0}, &model)) == ERROR_AGAIN)
        fake.arrived += ARRIVAL;
    CHECK(status == OK && refused_reads > 1, "%s: %s after %u refusals", path, status_text(status),
          refused_reads);
    while (!done && !status) {
        status = model_load(model, &done);
        if (status == ERROR_AGAIN) {
            fake.arrived += ARRIVAL;
            pause_shortly();
            status = OK;
        }
    }
    if (!CHECK(status == OK, "%s: %s", path, status_text(status)))
        exit(1);
    memset(&fake, 0, sizeof(fake));
    return model;
}

/* A loop that only ever does what is ready. */
static void transcribe_without_waiting(stapes_model *model, stapes_stream *stream, const float *pcm,
                                       size_t samples, struct transcript *t)
{
    struct stapes_model_info info;
    size_t at = 0, taken = 0;
    bool was_full = false;

    stapes_model_get_info(model, &info);
    refused_asks = refused_waits = 0;
    fake.busy = 5;
    fake.no_waits = true;
    for (uint32_t turns = 0; !t->ended && turns < 1000000; turns++) {
        pause_shortly();
        if (at < samples) {
            const int status = stapes_stream_feed(stream, pcm + at, samples - at, &taken);
            at += taken;
            was_full |= status == STAPES_ERROR_AGAIN;
            CHECK(status == (at == samples ? STAPES_OK : STAPES_ERROR_AGAIN), "feed: %s",
                  stapes_status_text(status));
        } else {
            stapes_stream_finish(stream);
        }
        if (!CHECK(stapes_model_run(model, STAPES_RUN_READY) == STAPES_OK, "run failed"))
            break;
        transcript_poll(t, stream, &info);
    }
    CHECK(stapes_model_run(model, STAPES_RUN_WAIT) == STAPES_OK, "nothing is left to wait for");
    memset(&fake, 0, sizeof(fake));
    CHECK(was_full && refused_asks > 0 && refused_waits > 0, "nothing was refused");
    CHECK(t->ended, "the stream did not end");
}

static void check_model(const char *path, const float *pcm, size_t samples, bool one_file)
{
    const struct stapes_stream_params params = {.trace = 1};
    struct transcript plain = {0}, steps = {0};
    struct stapes_model_info info;
    stapes_stream *stream;

    stapes_model *model = open_model(path, 1, false);
    stapes_model_get_info(model, &info);
    CHECK(stapes_stream_create(model, &params, &stream) == STAPES_OK, "no stream");
    transcribe(model, stream, pcm, samples, samples, &plain);
    close_model(&model);

    model = one_file ? open_in_steps(path) : open_model(path, 1, false);
    CHECK(stapes_stream_create(model, &params, &stream) == STAPES_OK, "no stream");
    transcribe_without_waiting(model, stream, pcm, samples, &steps);
    check_equal(&plain, &steps, &info, path);
    CHECK(!strcmp(plain.text, steps.text), "\"%s\" instead of \"%s\"", steps.text, plain.text);
    close_model(&model);
    transcript_free(&plain);
    transcript_free(&steps);
}

int main(int argc, char **argv)
{
    size_t samples;
    support_init(&argc, argv);
    if (argc < 3) {
        fprintf(stderr, "usage: test_again [--device NAME] RECORDING MODEL...\n");
        return 2;
    }
    float *sound = read_sound(argv[1], &samples);
    float *pcm = calloc(2 * SAMPLES, sizeof(*pcm)); /* more than the queue holds, with silence */
    memcpy(pcm, sound, MIN(samples, 2 * SAMPLES) * sizeof(*pcm));
    for (int i = 2; i < argc; i++) {
        const bool one_file = ends_with(argv[i], ".gguf");
        check_plans(argv[i], one_file);
        check_model(argv[i], pcm, 2 * SAMPLES, one_file);
    }
    free(pcm);
    free(sound);
    return support_finish("test_again");
}
