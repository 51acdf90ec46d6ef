/* SPDX-License-Identifier: MIT
 *
 * What a tick costs beside the device's work: exactly one submit, and no allocation on the host or
 * the device, no recording, no descriptor write; also while streams join, leave and are reset. The
 * linker puts the counters below between the program and the C library (--wrap), so the driver's
 * own allocations do not count. Creating a stream may allocate; nothing else may.
 *
 * test_steady [--device NAME] [--kernels LIST] [--seed N] MODEL...
 */
#include "stream/internal.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

#define TICKS 400
#define SLOTS 4

static uint64_t allocations;
static uint32_t rng = 1;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    allocations++;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    allocations++;
    return __real_realloc(old, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    allocations++;
    return __real_aligned_alloc(alignment, size);
}

char *__wrap_strdup(const char *text)
{
    allocations++;
    return __real_strdup(text);
}

static uint32_t random_below(uint32_t n)
{
    rng = rng * 1664525u + 1013904223u;
    return (rng >> 8) % n;
}

struct counts {
    uint64_t submits, tickets, driver_work, device_bytes, allocations;
};

static struct counts count(const stapes_model *model)
{
    struct stapes_model_info info;
    stapes_model_get_info(model, &info);
    return (struct counts){
        .submits = info.submits,
        .tickets = info.submits ? model->ticks[(info.submits - 1) % RING].ticket : 0,
        .driver_work = info.driver_work,
        .device_bytes = info.device_bytes,
        .allocations = allocations,
    };
}

/* `submits`: programs that were due since `before`. The device numbers whatever is submitted to it,
 * so that a copy beside a program would show in the tickets. */
static void check_counts(const stapes_model *model, const struct counts *before, uint64_t submits,
                         uint32_t tick)
{
    const struct counts after = count(model);
    CHECK(after.submits - before->submits == submits, "tick %u: %llu programs submitted, %llu due",
          tick, (unsigned long long)(after.submits - before->submits), (unsigned long long)submits);
    CHECK(!before->tickets || after.tickets - before->tickets == submits,
          "tick %u: %llu submits to the device, %llu due", tick,
          (unsigned long long)(after.tickets - before->tickets), (unsigned long long)submits);
    CHECK(after.driver_work == before->driver_work,
          "tick %u: %llu allocations, recordings or descriptor writes", tick,
          (unsigned long long)(after.driver_work - before->driver_work));
    CHECK(after.device_bytes == before->device_bytes, "tick %u: device memory changed", tick);
    CHECK(after.allocations == before->allocations, "tick %u: %llu allocations on the host", tick,
          (unsigned long long)(after.allocations - before->allocations));
}

static struct happened {
    uint32_t joins, leaves, resets, finishes, frames, idle;
} happened;

/* One random thing happens to a slot; at most one frame of it becomes ready. */
static void advance(stapes_model *model, stapes_stream **stream)
{
    static const struct stapes_stream_params params = {
        .trace = 1, .pad_frames = -1, .prefix_frames = -1};
    static float pcm[STAPES_FRAME_SAMPLES];
    const uint32_t what = random_below(32);
    if (!*stream && what < 8) {
        CHECK(stapes_stream_create(model, &params, stream) == STAPES_OK, "no stream");
        happened.joins++;
    } else if (!*stream) {
        return;
    } else if (what == 0) {
        stapes_stream_destroy(stream);
        happened.leaves++;
    } else if (what == 1) {
        CHECK(stapes_stream_reset(*stream) == STAPES_OK, "reset");
        happened.resets++;
    } else if (what == 2) {
        CHECK(stapes_stream_finish(*stream) == STAPES_OK, "finish");
        happened.finishes++;
    } else if (what < 26 && !(*stream)->finished) {
        for (uint32_t i = 0; i < STAPES_FRAME_SAMPLES; i++)
            pcm[i] = (float)random_below(2001) * 1e-3f - 1;
        CHECK(stapes_stream_feed(*stream, pcm,
                                 what < 20 ? STAPES_FRAME_SAMPLES
                                           : 1 + random_below(STAPES_FRAME_SAMPLES),
                                 NULL) == STAPES_OK,
              "feed");
        happened.frames++;
    }
}

static void poll_all(stapes_stream **streams)
{
    struct stapes_event e;
    for (uint32_t i = 0; i < SLOTS; i++)
        while (streams[i] && stapes_stream_poll(streams[i], &e) == STAPES_OK &&
               e.type != STAPES_EVENT_NONE)
            ;
}

/* Everything but creating a stream counts. */
static void advance_counted(stapes_model *model, stapes_stream **stream, uint32_t tick)
{
    const bool was_there = *stream != NULL;
    const struct counts before = count(model);
    advance(model, stream);
    if (was_there)
        check_counts(model, &before, 0, tick);
}

static void test_ticks(const char *path)
{
    const uint64_t before_open = allocations;
    stapes_model *model = open_model(path, SLOTS, false);
    stapes_stream *streams[SLOTS] = {0};
    happened = (struct happened){0};
    CHECK(allocations > before_open, "opening a model allocates nothing: nothing is counted");
    for (uint32_t tick = 0; tick < TICKS; tick++) {
        bool ready = false;
        for (uint32_t i = 0; i < SLOTS; i++) {
            advance_counted(model, &streams[i], tick);
            ready |= streams[i] && stream_ready(streams[i]);
        }
        const struct counts before = count(model);
        const int status =
            stapes_model_run(model, random_below(2) ? STAPES_RUN_READY : STAPES_RUN_WAIT);
        CHECK(status == STAPES_OK, "run: %s", stapes_status_text(status));
        poll_all(streams);
        check_counts(model, &before, ready, tick);
        happened.idle += !ready;
    }
    const struct happened *h = &happened;
    CHECK(h->joins && h->leaves && h->resets && h->finishes && h->frames && h->idle,
          "%u joins, %u leaves, %u resets, %u finishes, %u frames, %u idle ticks: one is missing",
          h->joins, h->leaves, h->resets, h->finishes, h->frames, h->idle);
    close_model(&model);
}

int main(int argc, char **argv)
{
    support_init(&argc, argv);
    if (argc > 2 && !strcmp(argv[1], "--seed")) {
        rng = (uint32_t)strtoul(argv[2], NULL, 10);
        argv += 2;
        argc -= 2;
    }
    if (argc < 2) {
        fprintf(stderr,
                "usage: test_steady [--device NAME] [--kernels LIST] [--seed N] MODEL...\n");
        return 2;
    }
    printf("seed %u\n", rng);
    for (int i = 1; i < argc; i++)
        test_ticks(argv[i]);
    return support_finish("test_steady");
}
