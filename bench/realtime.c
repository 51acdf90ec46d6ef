/* SPDX-License-Identifier: MIT
 *
 * How fast a model transcribes: recordings one after the other through one stream, frames queued
 * ahead as for files; and the time of single frames, waited for one by one as for a microphone.
 *
 * bench_realtime [--device NAME] [--kernels LIST] [--limit RTF] MODEL WAV...: exit status 1 if the
 * real-time factor (seconds of work a second of sound) exceeds the limit. --timed: by stage, too.
 */
#include "bench/host.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

#define MAX_FRAMES 4096
#define MAX_STAGES 32

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void poll_all(stapes_stream *stream)
{
    struct stapes_event e;
    while (stapes_stream_poll(stream, &e) == STAPES_OK && e.type != STAPES_EVENT_NONE)
        ;
}

static struct stapes_stage sums[MAX_STAGES];
static uint32_t n_sums;

static void add_times(stapes_model *model)
{
    struct stapes_stage stages[MAX_STAGES];
    uint32_t n = MAX_STAGES;
    if (!timed || stapes_model_times(model, stages, &n))
        return;
    for (uint32_t i = 0; i < n; i++) {
        sums[i].name = stages[i].name;
        sums[i].seconds += stages[i].seconds;
        sums[i].dispatches = stages[i].dispatches;
        sums[i].barriers = stages[i].barriers;
    }
    n_sums = n;
}

/* Seconds of work for one recording, silence at its end included. */
static double whole(stapes_model *model, stapes_stream *stream, const float *pcm, size_t samples)
{
    const double start = host_now();
    for (size_t at = 0; at < samples;) {
        size_t taken;
        if (stapes_stream_feed(stream, pcm + at, samples - at, &taken) < 0)
            poll_all(stream);
        at += taken;
    }
    stapes_stream_finish(stream);
    while (stapes_model_run(model, STAPES_RUN_WAIT) == STAPES_ERROR_AGAIN)
        poll_all(stream);
    poll_all(stream);
    return host_now() - start;
}

int main(int argc, char **argv)
{
    double limit = 0, sound = 0, work = 0;
    static double frames[MAX_FRAMES];
    uint32_t n_frames = 0;
    support_init(&argc, argv);
    if (argc > 2 && !strcmp(argv[1], "--limit")) {
        limit = atof(argv[2]);
        argv += 2;
        argc -= 2;
    }
    if (argc < 3) {
        fprintf(stderr, "usage: bench_realtime [--device NAME] [--kernels LIST] [--no-validation] "
                        "[--limit RTF] MODEL WAV...\n");
        return 2;
    }
    struct stapes_model_info info;
    stapes_stream *stream = NULL;
    stapes_model *model = open_model(argv[1], 1, false);
    stapes_model_get_info(model, &info);
    if (stapes_stream_create(model, NULL, &stream))
        return 1;
    for (int i = 2; i < argc; i++) {
        size_t samples;
        float *pcm = read_sound(argv[i], &samples);
        if (i == 2) { /* the first run warms caches up */
            whole(model, stream, pcm, samples);
            stapes_stream_reset(stream);
        }
        work += whole(model, stream, pcm, samples);
        sound += (double)samples / STAPES_SAMPLE_RATE;
        stapes_stream_reset(stream);
        stapes_model_run(model, STAPES_RUN_WAIT);
        for (size_t at = 0; at + info.frame_samples <= samples && n_frames < MAX_FRAMES;
             at += info.frame_samples) {
            const double start = host_now();
            stapes_stream_feed(stream, pcm + at, info.frame_samples, NULL);
            stapes_model_run(model, STAPES_RUN_WAIT);
            frames[n_frames++] = host_now() - start;
            add_times(model);
            poll_all(stream);
        }
        stapes_stream_reset(stream);
        free(pcm);
    }
    qsort(frames, n_frames, sizeof(frames[0]), by_value);
    printf("%s on %s: %.2f s of sound in %.2f s, real-time factor %.3f\n", info.name, info.device,
           sound, work, work / sound);
    printf("frames one by one: %u, p50 %.2f ms, p95 %.2f ms, p99 %.2f ms (a frame is 80 ms)\n",
           n_frames, frames[n_frames / 2] * 1e3, frames[n_frames * 95 / 100] * 1e3,
           frames[n_frames * 99 / 100] * 1e3);
    for (uint32_t i = 0; i < n_sums; i++)
        printf("  %-20s %8.3f ms a frame, %3u dispatches, %3u barriers\n", sums[i].name,
               sums[i].seconds * 1e3 / n_frames, sums[i].dispatches, sums[i].barriers);
    stapes_stream_destroy(&stream);
    close_model(&model);
    if (limit > 0 && work / sound > limit) {
        fprintf(stderr, "bench_realtime: more than %.3f\n", limit);
        return 1;
    }
    return support_finish("bench_realtime");
}
