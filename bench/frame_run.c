/* SPDX-License-Identifier: MIT */
#include "bench/frame.h"

#include "bench/host.h"
#include "bench/voice.h"
#include "stream/internal.h"

#include <stdlib.h>
#include <string.h>

#define WARM_FRAMES 5
#define VOICE_FRAMES 64 /* sound that is repeated */

struct frame_model {
    stapes_model *model;
    struct stapes_model_info info;
    struct frame_opening opening;
    uint32_t frames; /* of a measurement */
    bool is_cpu;
    stapes_stream *streams[MAX_SLOTS];
    uint64_t fed;          /* frames, of each stream */
    uint64_t last_step;    /* of stream 0 */
    float *pcm;            /* [VOICE_FRAMES][frame samples] */
    double *wall, *device; /* [frames] */
};

static void print_log(void *user, enum stapes_log_level level, const char *message)
{
    (void)user;
    if (level <= STAPES_LOG_WARNING)
        fprintf(stderr, "%s: %s\n", level == STAPES_LOG_ERROR ? "error" : "warning", message);
}

static void poll_all(struct frame_model *m)
{
    struct stapes_event e;
    for (uint32_t i = 0; i < m->info.slots; i++)
        while (stapes_stream_poll(m->streams[i], &e) == STAPES_OK && e.type != STAPES_EVENT_NONE)
            if (i == 0 && e.type == STAPES_EVENT_STEP)
                m->last_step = e.step;
}

static int feed_all(struct frame_model *m)
{
    const float *pcm = m->pcm + (m->fed++ % VOICE_FRAMES) * m->info.frame_samples;
    for (uint32_t i = 0; i < m->info.slots; i++) {
        const int status = stapes_stream_feed(m->streams[i], pcm, m->info.frame_samples, NULL);
        if (status)
            return status;
    }
    return STAPES_OK;
}

static int run_wait(struct frame_model *m)
{
    const int status = stapes_model_run(m->model, STAPES_RUN_WAIT);
    poll_all(m);
    return status;
}

static int one_frame(struct frame_model *m)
{
    const int status = feed_all(m);
    return status ? status : run_wait(m);
}

/* All streams anew, their first step done. */
static int restart(struct frame_model *m)
{
    for (uint32_t i = 0; i < m->info.slots; i++)
        stapes_stream_reset(m->streams[i]);
    return run_wait(m);
}

static void find_type(struct frame_model *m)
{
    struct stapes_device devices[16];
    uint32_t count = 16;
    if (stapes_devices(NULL, NULL, devices, &count))
        return;
    for (uint32_t i = 0; i < count && i < 16; i++)
        m->is_cpu |= !strcmp(devices[i].name, m->info.device) && !strcmp(devices[i].type, "cpu");
}

static int make_streams(struct frame_model *m, uint64_t seed)
{
    const struct stapes_stream_params params = {.trace = 1, .prefix_frames = -1};
    const size_t samples = (size_t)VOICE_FRAMES * m->info.frame_samples;
    struct voice voice;
    int status = STAPES_OK;
    m->pcm = malloc(samples * sizeof(*m->pcm));
    m->wall = malloc(m->frames * sizeof(*m->wall));
    m->device = malloc(m->frames * sizeof(*m->device));
    if (!m->pcm || !m->wall || !m->device)
        return STAPES_ERROR_MEMORY;
    voice_begin(&voice, seed, NULL, 0);
    voice_fill(&voice, m->pcm, samples);
    for (uint32_t i = 0; i < m->info.slots && status == STAPES_OK; i++)
        status = stapes_stream_create(m->model, &params, &m->streams[i]);
    return status;
}

int frame_open(const struct frame_options *o, uint32_t slots, struct frame_model **out,
               struct frame_opening *opening)
{
    struct frame_model *m = calloc(1, sizeof(*m));
    if (!m)
        return STAPES_ERROR_MEMORY;
    host_reset_peak();
    const double start = host_now();
    const struct stapes_model_params params = {.path = o->path,
                                               .device = o->device,
                                               .kernels = o->kernels,
                                               .cache_dir = o->cache_dir,
                                               .memory_limit_bytes = o->memory_limit_bytes,
                                               .slots = slots,
                                               .timed = 1,
                                               .log = print_log};
    int status = stapes_model_open(&params, &m->model);
    m->opening.open_seconds = host_now() - start;
    if (status == STAPES_OK) {
        stapes_model_get_info(m->model, &m->info);
        m->frames = o->frames;
        status = make_streams(m, o->seed);
    }
    if (status == STAPES_OK)
        status = run_wait(m);
    if (status == STAPES_OK)
        status = one_frame(m);
    m->opening.first_seconds = host_now() - start;
    if (status) {
        frame_close(&m);
        return status;
    }
    find_type(m);
    m->opening.load_seconds = m->info.load_seconds;
    m->opening.file_bytes = (double)m->info.file_bytes;
    m->opening.device_bytes = (double)m->info.device_peak_bytes;
    *opening = m->opening;
    *out = m;
    return STAPES_OK;
}

void frame_close(struct frame_model **model)
{
    struct frame_model *m = *model;
    if (!m)
        return;
    stapes_model_close(&m->model); /* and its streams */
    free(m->pcm);
    free(m->wall);
    free(m->device);
    free(m);
    *model = NULL;
}

/* The device's seconds of the last frame, by stage too. */
static int add_times(struct frame_model *m, struct frame_run *run, double *sum)
{
    struct stapes_stage stages[FRAME_MAX_STAGES];
    uint32_t n = FRAME_MAX_STAGES;
    const int status = stapes_model_times(m->model, stages, &n);
    *sum = 0;
    if (status)
        return status;
    run->n_stages = MIN(n, FRAME_MAX_STAGES);
    for (uint32_t i = 0; i < run->n_stages; i++) {
        run->stages[i].name = stages[i].name;
        run->stages[i].seconds += stages[i].seconds;
        *sum += stages[i].seconds;
    }
    return STAPES_OK;
}

/* Frames that an empty window takes before the streams begin anew. */
static uint32_t empty_frames(const struct frame_model *m)
{
    return MAX(1, MIN(32, m->model->config.lm.context / 8));
}

static int measure_latency(struct frame_model *m, bool give_up, struct frame_run *run)
{
    uint32_t slow = 0;
    int status = STAPES_OK;
    for (uint32_t f = 0; f < m->frames && !run->too_slow; f++) {
        if (!run->full && f % empty_frames(m) == 0 && (status = restart(m)))
            return status;
        const double start = host_now();
        if ((status = one_frame(m)))
            return status;
        m->wall[f] = host_now() - start;
        if ((status = add_times(m, run, &m->device[f])))
            return status;
        slow += m->wall[f] >= FRAME_SECONDS;
        run->frames = f + 1;
        run->too_slow = give_up && slow > m->frames / 100;
    }
    for (uint32_t i = 0; i < run->n_stages; i++)
        run->stages[i].seconds /= run->frames;
    run->wall = host_percentiles(m->wall, run->frames);
    run->device = host_percentiles(m->device, run->frames);
    return STAPES_OK;
}

static int measure_queued(struct frame_model *m, struct frame_run *run)
{
    const uint32_t batch = run->full ? m->frames : empty_frames(m);
    double seconds = 0;
    uint32_t done = 0;
    while (done < m->frames) {
        int status = run->full ? STAPES_OK : restart(m);
        const double start = host_now();
        for (uint32_t f = 0; f < batch && status == STAPES_OK; f++, done++)
            if ((status = feed_all(m)) == STAPES_OK) {
                status = stapes_model_run(m->model, STAPES_RUN_READY);
                poll_all(m);
            }
        if (status == STAPES_OK)
            status = run_wait(m);
        if (status)
            return status;
        seconds += host_now() - start;
    }
    run->queued_seconds = seconds / done;
    return STAPES_OK;
}

/* So far that every ring of keys and values is in full use. */
static int fill_window(struct frame_model *m)
{
    const struct model_config *c = &m->model->config;
    const uint32_t step = MAX(c->lm.context, c->mimi.context / MIMI_PER_FRAME) + 1;
    int status = model_seek(m->model, step);
    if (status == STAPES_OK)
        status = one_frame(m);
    if (status == STAPES_OK && m->last_step != step) {
        fprintf(stderr, "the window was not filled: step %llu came where %u was due\n",
                (unsigned long long)m->last_step, step);
        return STAPES_ERROR_DEVICE;
    }
    return status;
}

int frame_measure(struct frame_model *m, bool full, bool give_up, struct frame_run *run)
{
    *run = (struct frame_run){.streams = m->info.slots, .full = full, .opening = m->opening};
    int status = restart(m);
    if (status == STAPES_OK && full)
        status = fill_window(m);
    for (int i = 0; i < WARM_FRAMES && status == STAPES_OK; i++)
        status = one_frame(m);
    if (status == STAPES_OK)
        status = measure_latency(m, give_up, run);
    if (status == STAPES_OK && !give_up)
        status = measure_queued(m, run);
    run->host_bytes = host_peak_bytes() - (m->is_cpu ? (double)m->info.device_peak_bytes : 0);
    return status;
}
