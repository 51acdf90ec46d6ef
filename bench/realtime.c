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

/* Returns how many steps came out. */
static uint32_t poll_all(stapes_stream *stream)
{
    struct stapes_event e;
    uint32_t steps = 0;
    while (stapes_stream_poll(stream, &e) == STAPES_OK && e.type != STAPES_EVENT_NONE)
        steps += e.type == STAPES_EVENT_STEP;
    return steps;
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

static bool good(int status, const char *what)
{
    return CHECK(status == STAPES_OK, "%s: %s", what, stapes_status_text(status));
}

/* Says one recording, silence around it included, and adds up seconds and steps. */
static bool whole(stapes_model *model, stapes_stream *stream, const float *pcm, size_t samples,
                  double *seconds, uint32_t *steps)
{
    const double start = host_now();
    for (size_t at = 0; at < samples;) {
        size_t taken = 0;
        const int status = stapes_stream_feed(stream, pcm + at, samples - at, &taken);
        if (status != STAPES_ERROR_AGAIN && !good(status, "feed"))
            return false;
        *steps += poll_all(stream);
        at += taken;
    }
    int status = stapes_stream_finish(stream);
    for (bool more = status == STAPES_OK; more; more = status == STAPES_ERROR_AGAIN) {
        status = stapes_model_run(model, STAPES_RUN_WAIT);
        *steps += poll_all(stream);
    }
    *seconds += host_now() - start;
    return good(status, "finish and run") && good(stapes_stream_reset(stream), "reset");
}

static double frames[MAX_FRAMES];
static uint32_t n_frames;

/* Whole frames of a recording, each waited for; the first one brings step 0 and the prefix, too. */
static bool one_by_one(stapes_model *model, stapes_stream *stream, uint32_t frame, const float *pcm,
                       size_t samples, uint32_t first_steps)
{
    if (!good(stapes_model_run(model, STAPES_RUN_WAIT), "run"))
        return false;
    uint32_t made = poll_all(stream), due = first_steps;
    for (size_t at = 0; at + frame <= samples && n_frames < MAX_FRAMES; at += frame, due++) {
        const double start = host_now();
        if (!good(stapes_stream_feed(stream, pcm + at, frame, NULL), "feed") ||
            !good(stapes_model_run(model, STAPES_RUN_WAIT), "run"))
            return false;
        frames[n_frames++] = host_now() - start;
        add_times(model);
        made += poll_all(stream);
        if (!CHECK(made == due + 1, "%u steps where %u were due", made, due + 1))
            return false;
    }
    return good(stapes_stream_reset(stream), "reset");
}

static void print_report(const struct stapes_model_info *info, double sound, double work)
{
    const struct host_percentiles p = host_percentiles(frames, n_frames);
    printf("%s on %s: %.2f s of sound in %.2f s, real-time factor %.3f\n", info->name, info->device,
           sound, work, work / sound);
    printf("frames one by one: %u, p50 %.2f ms, p95 %.2f ms, p99 %.2f ms (a frame is 80 ms)\n",
           n_frames, p.p50 * 1e3, p.p95 * 1e3, p.p99 * 1e3);
    for (uint32_t i = 0; i < n_sums; i++)
        printf("  %-20s %8.3f ms a frame, %3u dispatches, %3u barriers\n", sums[i].name,
               sums[i].seconds * 1e3 / n_frames, sums[i].dispatches, sums[i].barriers);
}

int main(int argc, char **argv)
{
    double limit = 0, sound = 0, work = 0;
    wanted_tune = STAPES_TUNE_AUTO; /* as the command line opens */
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
    const struct stapes_stream_params params = {.trace = 1};
    if (!good(stapes_stream_create(model, &params, &stream), "no stream"))
        return 1;
    uint32_t silent = 0; /* frames before the sound, told by the first run, which warms caches up */
    for (int i = 2; i < argc && !failed; i++) {
        size_t samples;
        double warm_up = 0;
        float *pcm = read_sound(argv[i], &samples);
        const uint32_t due = 1 +
                             (uint32_t)((samples + info.frame_samples - 1) / info.frame_samples) +
                             info.pad_frames;
        uint32_t steps = 0;
        if (i == 2 && whole(model, stream, pcm, samples, &warm_up, &steps) &&
            CHECK(steps >= due, "%u steps where %u were due", steps, due))
            silent = steps - due;
        steps = 0;
        if (!failed && whole(model, stream, pcm, samples, &work, &steps) &&
            CHECK(steps == due + silent, "%u steps where %u were due", steps, due + silent))
            one_by_one(model, stream, info.frame_samples, pcm, samples, 1 + silent);
        sound += (double)samples / STAPES_SAMPLE_RATE;
        free(pcm);
    }
    if (!failed)
        print_report(&info, sound, work);
    stapes_stream_destroy(&stream);
    close_model(&model);
    if (!failed && limit > 0 && !(work / sound <= limit)) {
        fprintf(stderr, "bench_realtime: more than %.3f\n", limit);
        return 1;
    }
    return support_finish("bench_realtime");
}
