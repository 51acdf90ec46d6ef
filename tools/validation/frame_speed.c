/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "tools/validation/frame_speed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 8, TIMED_FRAMES = 12, MAX_STAGES = 64 };

struct crowd {
    struct report *report;
    stapes_model *model;
    stapes_stream **streams; /* [slots] */
    uint32_t slots;
};

static void disperse(struct crowd *crowd)
{
    for (uint32_t i = 0; crowd->streams && i < crowd->slots; i++)
        stapes_stream_destroy(&crowd->streams[i]);
    free(crowd->streams);
    crowd->streams = NULL;
}

static bool gather(struct crowd *crowd, struct report *report, stapes_model *model)
{
    const struct stapes_stream_params params = {.pad_frames = -1, .prefix_frames = -1};
    struct stapes_model_info info;
    stapes_model_get_info(model, &info);
    *crowd = (struct crowd){report, model, calloc(info.slots, sizeof(*crowd->streams)), info.slots};
    if (!crowd->streams) {
        report_error(report, "out of memory");
        return false;
    }
    for (uint32_t i = 0; i < crowd->slots; i++)
        if (stapes_stream_create(model, &params, &crowd->streams[i]) != STAPES_OK) {
            disperse(crowd);
            return false;
        }
    return true;
}

/* Until nothing is left to do. What is said is dropped. */
static bool run_out(struct crowd *crowd)
{
    struct stapes_event event;
    int status;
    do {
        status = stapes_model_run(crowd->model, STAPES_RUN_WAIT);
        for (uint32_t i = 0; i < crowd->slots; i++)
            while (stapes_stream_poll(crowd->streams[i], &event) == STAPES_OK &&
                   event.type != STAPES_EVENT_NONE)
                continue;
    } while (status == STAPES_ERROR_AGAIN);
    return status == STAPES_OK;
}

static bool feed(struct crowd *crowd, const float *pcm, size_t samples)
{
    for (uint32_t i = 0; i < crowd->slots; i++)
        if (stapes_stream_feed(crowd->streams[i], pcm, samples, NULL) != STAPES_OK)
            return false;
    return run_out(crowd);
}

int frame_speed_measure(struct report *report, stapes_model *model, const float *pcm,
                        double *frames_per_second)
{
    struct crowd crowd;
    double least = INFINITY;
    if (!gather(&crowd, report, model))
        return EXIT_FAILURE;
    bool done = run_out(&crowd); /* first steps */
    for (uint32_t i = 0; i < ROUNDS && done; i++) {
        const double start = now_seconds();
        done = feed(&crowd, pcm, FRAME_SPEED_SAMPLES);
        if (i > 0)
            least = fmin(least, now_seconds() - start);
    }
    if (done)
        *frames_per_second = (double)FRAME_SPEED_FRAMES * crowd.slots / least;
    disperse(&crowd);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool is_transformer(const char *stage)
{
    return !strcmp(stage, "transformer") || !strcmp(stage, "heads") || !strcmp(stage, "depformer");
}

/* Keeps the least of each stage's times. */
static bool read_least(stapes_model *model, struct stapes_stage *least, uint32_t *count)
{
    struct stapes_stage stages[MAX_STAGES];
    uint32_t n = MAX_STAGES;
    if (stapes_model_times(model, stages, &n) != STAPES_OK)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const double before = i < *count ? least[i].seconds : INFINITY;
        least[i] = stages[i];
        least[i].seconds = fmin(least[i].seconds, before);
    }
    *count = n;
    return true;
}

static struct frame_times add_up(const struct stapes_stage *stages, uint32_t n)
{
    struct frame_times times = {.dispatch = n ? INFINITY : 0};
    for (uint32_t i = 0; i < n; i++) {
        const struct stapes_stage *stage = &stages[i];
        times.frame += stage->seconds;
        if (stage->dispatches)
            times.dispatch = fmin(times.dispatch, stage->seconds / stage->dispatches);
        if (is_transformer(stage->name)) {
            times.transformer += stage->seconds;
            times.transformer_dispatches += stage->dispatches;
        }
    }
    return times;
}

int frame_speed_times(struct report *report, stapes_model *model, const float *pcm,
                      struct frame_times *times)
{
    struct stapes_stage least[MAX_STAGES];
    struct crowd crowd;
    uint32_t n = 0;
    if (!gather(&crowd, report, model))
        return EXIT_FAILURE;
    bool done = run_out(&crowd);
    for (uint32_t i = 0; i < TIMED_FRAMES && done; i++)
        done = feed(&crowd, pcm + (size_t)i * STAPES_FRAME_SAMPLES, STAPES_FRAME_SAMPLES) &&
               read_least(model, least, &n);
    if (done)
        *times = add_up(least, n);
    disperse(&crowd);
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}
