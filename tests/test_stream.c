/* SPDX-License-Identifier: MIT
 *
 * A stream against itself: the same sound in any chunks, any slot, alone or beside others, after a
 * reset, with neighbours that come and go, gives bit-identical results; and the rules of stapes.h.
 *
 * test_stream [--device NAME] [--kernels LIST] [--seed N] MODEL RECORDING OTHER_RECORDING
 */
#include "tests/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LONG_FRAMES 200 /* more than a stream's queue of events holds */

struct sound {
    float *pcm;
    size_t n;
};

static struct sound main_sound, other_sound;
static uint32_t rng;

static uint32_t random_below(uint32_t n)
{
    rng = rng * 1664525u + 1013904223u;
    return (rng >> 8) % n;
}

static stapes_stream *new_stream(stapes_model *model)
{
    stapes_stream *stream = NULL;
    CHECK(stapes_stream_create(model, &(struct stapes_stream_params){.trace = 1}, &stream) ==
              STAPES_OK,
          "no stream");
    return stream;
}

static struct transcript alone(const char *path, size_t chunk)
{
    struct transcript t = {0};
    stapes_model *model = open_model(path, 1, false);
    stapes_stream *stream = new_stream(model);
    transcribe(model, stream, main_sound.pcm, main_sound.n, chunk, &t);
    stapes_stream_destroy(&stream);
    close_model(&model);
    return t;
}

static void test_chunks(const char *path, const struct transcript *want)
{
    static const size_t chunks[] = {1, 7, 480, 1920, 5000};
    stapes_model *model = open_model(path, 1, false);
    struct stapes_model_info info;
    stapes_model_get_info(model, &info);
    stapes_stream *stream = new_stream(model);
    for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        char what[64];
        struct transcript got = {0};
        snprintf(what, sizeof(what), "chunks of %zu", chunks[i]);
        transcribe(model, stream, main_sound.pcm, main_sound.n, chunks[i], &got);
        check_equal(want, &got, &info, what);
        transcript_free(&got);
        CHECK(stapes_stream_reset(stream) == STAPES_OK, "reset");
    }
    close_model(&model);
}

/* Feeds what is left of a sound, one frame; false when there was nothing. */
static bool feed_frame(stapes_stream *stream, const struct sound *sound, size_t *at, size_t frame)
{
    const size_t part = sound->n - *at < frame ? sound->n - *at : frame;
    size_t taken = 0;
    if (part == 0)
        return false;
    const int status = stapes_stream_feed(stream, sound->pcm + *at, part, &taken);
    CHECK(status == STAPES_OK || status == STAPES_ERROR_AGAIN, "feed: %s",
          stapes_status_text(status));
    *at += taken;
    return true;
}

/* The sound in slot `slot` of 4, other sound in the others, at other positions. */
static void test_slot(const char *path, uint32_t slot, const struct transcript *want)
{
    char what[64];
    stapes_model *model = open_model(path, 4, false);
    struct stapes_model_info info;
    stapes_stream *streams[4];
    struct transcript got[4] = {0};
    size_t at[4] = {0};
    bool going = true;
    stapes_model_get_info(model, &info);
    for (uint32_t i = 0; i < 4; i++)
        streams[i] = new_stream(model);
    for (uint32_t frame = 0; going; frame++) {
        going = false;
        for (uint32_t i = 0; i < 4; i++) {
            if (i != slot && frame < 3 * i)
                continue;
            if (feed_frame(streams[i], i == slot ? &main_sound : &other_sound, &at[i],
                           info.frame_samples))
                going = true;
        }
        stapes_model_run(model, STAPES_RUN_READY);
        for (uint32_t i = 0; i < 4; i++)
            transcript_poll(&got[i], streams[i], &info);
    }
    for (uint32_t i = 0; i < 4; i++)
        stapes_stream_finish(streams[i]);
    int status;
    do {
        status = stapes_model_run(model, STAPES_RUN_WAIT);
        for (uint32_t i = 0; i < 4; i++)
            transcript_poll(&got[i], streams[i], &info);
    } while (status == STAPES_ERROR_AGAIN);
    snprintf(what, sizeof(what), "slot %u beside others", slot);
    check_equal(want, &got[slot], &info, what);
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(got[i].ended, "stream %u did not end", i);
        if (i != slot && i != (slot + 1) % 4)
            check_equal(&got[i], &got[(slot + 1) % 4], &info, "the others among themselves");
    }
    for (uint32_t i = 0; i < 4; i++)
        transcript_free(&got[i]);
    close_model(&model);
}

/* One stream runs through while others are created, fed, reset and destroyed at random frames; what
 * they leave in flight and in their slots must not reach it. */
static void test_neighbours(const char *path, const struct transcript *want)
{
    stapes_model *model = open_model(path, 4, false);
    struct stapes_model_info info;
    struct transcript got = {0}, ignored = {0};
    size_t at = 0, other_at[3] = {0};
    stapes_stream *others[3] = {0};
    stapes_model_get_info(model, &info);
    others[0] = new_stream(model); /* takes slot 0, so that the one under test has another */
    stapes_stream *stream = new_stream(model);
    uint64_t work = 0;
    for (uint32_t frame = 0; feed_frame(stream, &main_sound, &at, info.frame_samples); frame++) {
        const uint32_t i = random_below(3);
        switch (random_below(6)) {
        case 0: stapes_stream_destroy(&others[i]); break;
        case 1:
            if (others[i])
                stapes_stream_reset(others[i]);
            other_at[i] = 0;
            break;
        default:
            if (!others[i]) {
                others[i] = new_stream(model);
                other_at[i] = 0;
            }
            feed_frame(others[i], &other_sound, &other_at[i], 1 + random_below(3000));
        }
        stapes_model_run(model, random_below(4) ? STAPES_RUN_READY : STAPES_RUN_WAIT);
        transcript_poll(&got, stream, &info);
        for (uint32_t k = 0; k < 3; k++) {
            struct stapes_event e;
            while (others[k] && stapes_stream_poll(others[k], &e) == STAPES_OK &&
                   e.type != STAPES_EVENT_NONE)
                ;
        }
        if (frame == 0) {
            stapes_model_get_info(model, &info);
            work = info.driver_work;
        }
    }
    stapes_stream_finish(stream);
    while (stapes_model_run(model, STAPES_RUN_WAIT) == STAPES_ERROR_AGAIN)
        transcript_poll(&got, stream, &info);
    transcript_poll(&got, stream, &info);
    stapes_model_get_info(model, &info);
    CHECK(info.driver_work == work, "the steady state allocated or recorded: %llu driver calls",
          (unsigned long long)(info.driver_work - work));
    check_equal(want, &got, &info, "neighbours that come and go");
    transcript_free(&got);
    transcript_free(&ignored);
    close_model(&model);
}

/* Reset in the middle, with frames in flight, then the whole sound. */
static void test_reset(const char *path, const struct transcript *want)
{
    stapes_model *model = open_model(path, 1, false);
    struct stapes_model_info info;
    struct transcript got = {0};
    stapes_model_get_info(model, &info);
    stapes_stream *stream = new_stream(model);
    CHECK(stapes_stream_feed(stream, other_sound.pcm, other_sound.n / 2, NULL) == STAPES_OK,
          "feed");
    CHECK(stapes_model_run(model, STAPES_RUN_READY) == STAPES_OK, "run");
    CHECK(stapes_stream_reset(stream) == STAPES_OK, "reset");
    const uint64_t before = info.submits;
    transcribe(model, stream, main_sound.pcm, main_sound.n, 4000, &got);
    check_equal(want, &got, &info, "after a reset");
    stapes_model_get_info(model, &info);
    CHECK(info.submits > before, "nothing was submitted");
    transcript_free(&got);
    close_model(&model);
}

static void test_one_submit_a_frame(const char *path)
{
    stapes_model *model = open_model(path, 1, false);
    struct stapes_model_info before, after;
    struct transcript t = {0};
    stapes_stream *stream = new_stream(model);
    stapes_model_run(model, STAPES_RUN_WAIT);
    stapes_model_get_info(model, &before);
    CHECK(before.submits == 1, "%llu submits for step 0", (unsigned long long)before.submits);
    transcribe(model, stream, main_sound.pcm, main_sound.n, main_sound.n, &t);
    stapes_model_get_info(model, &after);
    CHECK(after.submits == t.n_steps, "%llu submits for %u steps",
          (unsigned long long)after.submits, t.n_steps);
    CHECK(after.driver_work == before.driver_work, "the steady state allocated or recorded");
    CHECK(after.device_bytes == before.device_bytes, "device memory grew");
    transcript_free(&t);
    close_model(&model);
}

static void test_rules(const char *path)
{
    float bad[16] = {0}, silence[64] = {0};
    stapes_model *model = open_model(path, 2, false);
    struct stapes_model_info info;
    struct stapes_event e;
    size_t taken = 7;
    stapes_stream *a = NULL, *b = NULL, *c = NULL;
    stapes_model_get_info(model, &info);
    CHECK(stapes_stream_create(model, NULL, &a) == STAPES_OK &&
              stapes_stream_create(model, NULL, &b) == STAPES_OK,
          "two");
    CHECK(stapes_stream_create(model, NULL, &c) == STAPES_ERROR_AGAIN && !c,
          "a third stream in two slots");
    bad[5] = NAN;
    CHECK(stapes_stream_feed(a, bad, 16, &taken) == STAPES_ERROR_ARGUMENT && taken == 0,
          "a NaN was taken");
    bad[5] = INFINITY;
    CHECK(stapes_stream_feed(a, bad, 16, &taken) == STAPES_ERROR_ARGUMENT && taken == 0,
          "an infinity was taken");
    CHECK(stapes_stream_feed(a, silence, 64, &taken) == STAPES_OK && taken == 64,
          "silence was refused");
    int32_t *codes = calloc(info.codebooks, sizeof(*codes));
    CHECK(stapes_stream_feed_codes(a, codes, 1, NULL) == STAPES_ERROR_ARGUMENT, "sound and codes");
    codes[info.codebooks - 1] = -1;
    CHECK(stapes_stream_feed_codes(b, codes, 1, NULL) == STAPES_ERROR_ARGUMENT, "code -1");
    codes[info.codebooks - 1] = 1 << 20;
    CHECK(stapes_stream_feed_codes(b, codes, 1, NULL) == STAPES_ERROR_ARGUMENT,
          "a code out of range");
    free(codes);
    CHECK(stapes_stream_finish(a) == STAPES_OK && stapes_stream_finish(a) == STAPES_OK,
          "finish twice");
    CHECK(stapes_stream_feed(a, silence, 64, NULL) == STAPES_ERROR_ARGUMENT,
          "sound after the finish");
    CHECK(stapes_stream_finish(b) == STAPES_OK, "finish without sound");
    CHECK(stapes_stream_poll(b, &e) == STAPES_OK && e.type == STAPES_EVENT_END,
          "no end without sound");
    CHECK(stapes_stream_poll(b, &e) == STAPES_OK && e.type == STAPES_EVENT_NONE,
          "events after the end");
    CHECK(stapes_model_run(model, STAPES_RUN_WAIT) == STAPES_OK, "run");
    CHECK(stapes_stream_feed(NULL, silence, 1, NULL) == STAPES_ERROR_ARGUMENT, "no stream");
    CHECK(stapes_model_run(NULL, STAPES_RUN_WAIT) == STAPES_ERROR_ARGUMENT, "no model");
    stapes_stream_destroy(&a);
    stapes_stream_destroy(&a);
    close_model(&model);
}

static void test_bad_params(const char *path)
{
    const struct stapes_model_params bad[] = {
        {.path = NULL},
        {.path = path, .slots = 100000},
        {.path = path, .slots = 2, .trace = 1},
        {.path = path, .kv_type = (enum stapes_kv_type)(STAPES_KV_Q8 + 1)},
        {.path = path, .tune = (enum stapes_tune)(STAPES_TUNE_OFF + 1)},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        stapes_model *model = NULL;
        CHECK(stapes_model_open(&bad[i], &model) == STAPES_ERROR_ARGUMENT && !model,
              "parameters %zu were taken", i);
        stapes_model_close(&model);
    }
}

/* Never polled, a stream stands still instead of growing; polled, it goes on where it was. The
 * sound is repeated until its events cannot fit the queue. */
static void test_back_pressure(const char *path)
{
    stapes_model *model = open_model(path, 1, false);
    struct stapes_model_info info;
    struct transcript want = {0}, got = {0};
    stapes_model_get_info(model, &info);
    const size_t times = LONG_FRAMES * info.frame_samples / main_sound.n + 1;
    const size_t n = times * main_sound.n;
    float *pcm = malloc(n * sizeof(*pcm));
    for (size_t i = 0; pcm && i < times; i++)
        memcpy(pcm + i * main_sound.n, main_sound.pcm, main_sound.n * sizeof(*pcm));
    if (!CHECK(pcm != NULL, "out of memory"))
        return;
    stapes_stream *stream = new_stream(model);
    transcribe(model, stream, pcm, n, info.frame_samples, &want);
    stapes_stream_reset(stream);

    size_t at = 0, taken;
    int refused = 0;
    while (at < n) {
        const int status = stapes_stream_feed(stream, pcm + at, n - at, &taken);
        at += taken;
        if (status == STAPES_ERROR_AGAIN) {
            refused++;
            transcript_poll(&got, stream, &info);
        } else if (!CHECK(status == STAPES_OK, "feed: %s", stapes_status_text(status))) {
            break;
        }
    }
    stapes_stream_finish(stream);
    while (stapes_model_run(model, STAPES_RUN_WAIT) == STAPES_ERROR_AGAIN) {
        refused++;
        transcript_poll(&got, stream, &info);
    }
    transcript_poll(&got, stream, &info);
    check_equal(&want, &got, &info, "polled only when asked to");
    CHECK(refused > 0, "%u steps went into an event queue without end", want.n_steps);
    transcript_free(&want);
    transcript_free(&got);
    free(pcm);
    close_model(&model);
}

int main(int argc, char **argv)
{
    rng = 1;
    support_init(&argc, argv);
    if (argc > 2 && !strcmp(argv[1], "--seed")) {
        rng = (uint32_t)strtoul(argv[2], NULL, 10);
        argv += 2;
        argc -= 2;
    }
    if (argc != 4) {
        fprintf(
            stderr,
            "usage: test_stream [--device NAME] [--kernels LIST] [--seed N] MODEL WAV OTHER_WAV\n");
        return 2;
    }
    printf("seed %u\n", rng);
    main_sound.pcm = read_sound(argv[2], &main_sound.n);
    other_sound.pcm = read_sound(argv[3], &other_sound.n);
    struct transcript want = alone(argv[1], main_sound.n);
    printf("%u steps: \"%s\"\n", want.n_steps, want.text);
    test_chunks(argv[1], &want);
    test_slot(argv[1], 0, &want);
    test_slot(argv[1], 3, &want);
    test_neighbours(argv[1], &want);
    test_reset(argv[1], &want);
    test_one_submit_a_frame(argv[1]);
    test_rules(argv[1]);
    test_bad_params(argv[1]);
    test_back_pressure(argv[1]);
    transcript_free(&want);
    free(main_sound.pcm);
    free(other_sound.pcm);
    return support_finish("test_stream");
}
