/* SPDX-License-Identifier: MIT
 *
 * What a browser's worker calls: one model and its streams an instance of the module. Texts come as
 * UTF-8 with their length; statuses are those of stapes.h, and what went wrong was logged before
 * one is returned. Nothing waits: ERROR_AGAIN means that bytes of the model or work of the device
 * are missing, and that the call is to be made again when there are more of them.
 *
 * engine_open until it returns 0, then engine_load until it does, then streams.
 */
#define _POSIX_C_SOURCE 200809L /* strndup */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/internal.h"

#define EXPORT(NAME) __attribute__((export_name(#NAME)))
#define INFO_BYTES 2048
#define TIMES_BYTES 4096
#define MAX_STAGES 64

__attribute__((import_module("host"), import_name("log"))) void
host_log(uint32_t level, const char *text, uint32_t bytes);

/* As JavaScript reads it, by offsets. */
struct event {
    uint32_t type; /* enum stapes_event_type */
    uint32_t step;
    double start_seconds, end_seconds;
    const char *text;
    uint32_t text_bytes;
    uint32_t token;
    float margin;
    uint32_t n_codes;
    const int32_t *codes;
    uint32_t n_vad;
    const float *vad;
    uint32_t n_audio;
    const int32_t *audio;
    uint32_t n_tokens;
    const uint32_t *tokens;
};
_Static_assert(offsetof(struct event, text) == 24 && offsetof(struct event, n_codes) == 40 &&
                   sizeof(struct event) == 72,
               "JavaScript reads it by offsets");

static struct {
    stapes_model *model; /* NULL: engine_open */
    bool loaded;
    stapes_stream *streams[MAX_SLOTS];
    struct event event;
    char info[INFO_BYTES];
    char times[TIMES_BYTES];
} engine;

static bool time_stages;

static void forward_log(void *user, enum stapes_log_level level, const char *message)
{
    (void)user;
    host_log(level, message, (uint32_t)strlen(message));
}

static const struct log host = {(void (*)(void *, enum log_level, const char *))forward_log, NULL};

static int no_stream(uint32_t stream)
{
    return log_error(&host, ERROR_ARGUMENT, "there is no stream %u", stream);
}

static stapes_stream *find_stream(uint32_t stream)
{
    return stream < MAX_SLOTS ? engine.streams[stream] : NULL;
}

EXPORT(engine_alloc) void *engine_alloc(uint32_t bytes)
{
    return malloc(bytes);
}

EXPORT(engine_free) void engine_free(void *pointer)
{
    free(pointer);
}

EXPORT(engine_close) void engine_close(void)
{
    stapes_model_close(&engine.model);
    memset(&engine, 0, sizeof(engine));
}

/* --- Loading
 * ------------------------------------------------------------------------------------ */

static enum status open_model(const char *path, uint32_t slots, uint32_t kv_type,
                              const char *kernels)
{
    const struct stapes_model_params params = {
        .path = path,
        .slots = slots,
        .kernels = kernels,
        .tune = STAPES_TUNE_OFF, /* measuring waits for the device */
        .kv_type = (enum stapes_kv_type)kv_type,
        .timed = time_stages,
        .log = forward_log,
    };
    return model_begin(&params, (struct model_uses){0}, &engine.model);
}

/* Reads the headers, makes the device and plans. kv_type: enum stapes_kv_type; kernels: "" for the
 * best. */
EXPORT(engine_open)
int32_t engine_open(const char *path, uint32_t path_bytes, uint32_t slots, uint32_t kv_type,
                    const char *kernels, uint32_t kernels_bytes)
{
    if (engine.model)
        return log_error(&host, ERROR_ARGUMENT, "a model is open: close it first");
    char *name = strndup(path, path_bytes), *rows = strndup(kernels, kernels_bytes);
    enum status status = name && rows ? open_model(name, slots, kv_type, *rows ? rows : NULL)
                                      : log_error(&host, ERROR_MEMORY, "out of memory");
    free(rows);
    free(name);
    return status;
}

/* Goes on with loading until the ring of staging segments is full, bytes are missing, or all is
 * done. After an error nothing is open. */
EXPORT(engine_load) int32_t engine_load(void)
{
    enum status status = OK;
    if (!engine.model)
        return log_error(&host, ERROR_ARGUMENT, "no model is open");
    while (!status && !engine.loaded)
        status = model_load(engine.model, &engine.loaded);
    if (status && status != ERROR_AGAIN)
        engine_close();
    return status;
}

EXPORT(engine_total_bytes) double engine_total_bytes(void)
{
    return engine.model ? (double)engine.model->file_bytes : 0;
}

EXPORT(engine_loaded_bytes) double engine_loaded_bytes(void)
{
    if (!engine.model || engine.loaded)
        return engine_total_bytes();
    return (double)plan_loaded_bytes(engine.model->plan);
}

/* The lowest offset of the model's first file that will still be read; infinite: none. */
EXPORT(engine_needs) double engine_needs(void)
{
    uint32_t file;
    uint64_t offset;
    if (!engine.model || !engine.model->loading)
        return 0;
    if (engine.loaded || !plan_needs(engine.model->plan, &file, &offset) || file > 0)
        return INFINITY;
    return (double)offset;
}

/* --- What the model is
 * -------------------------------------------------------------------------------- */

static void add_text(char *json, size_t *used, const char *key, const char *text)
{
    *used += (size_t)snprintf(json + *used, INFO_BYTES - *used, "\"%s\":\"", key);
    for (; *text && *used < INFO_BYTES - 8; text++)
        if ((unsigned char)*text < 0x20)
            *used += (size_t)snprintf(json + *used, 7, "\\u%04x", (unsigned)*text);
        else if (*text == '"' || *text == '\\')
            *used += (size_t)snprintf(json + *used, 3, "\\%c", *text);
        else
            json[(*used)++] = *text;
    *used += (size_t)snprintf(json + *used, INFO_BYTES - *used, "\",");
}

/* JSON, until the next call; NULL before engine_open has returned 0. */
EXPORT(engine_info) const char *engine_info(void)
{
    struct stapes_model_info info;
    char *json = engine.info;
    size_t used = 1;
    if (!engine.model)
        return NULL;
    stapes_model_get_info(engine.model, &info);
    json[0] = '{';
    add_text(json, &used, "version", stapes_version());
    add_text(json, &used, "name", info.name);
    add_text(json, &used, "kind", info.kind);
    add_text(json, &used, "device", info.device);
    snprintf(json + used, INFO_BYTES - used,
             "\"sample_rate\":%d,\"frame_samples\":%u,\"codebooks\":%u,\"text_card\":%u,"
             "\"audio_streams\":%u,\"vad_heads\":%u,\"slots\":%u,\"pad_frames\":%u,"
             "\"audio_delay_seconds\":%g,\"file_bytes\":%.0f,\"device_bytes\":%.0f,"
             "\"device_peak_bytes\":%.0f,\"load_seconds\":%.6f,\"submits\":%.0f}",
             STAPES_SAMPLE_RATE, info.frame_samples, info.codebooks, info.text_card,
             info.audio_streams, info.vad_heads, info.slots, info.pad_frames,
             info.audio_delay_seconds, (double)info.file_bytes, (double)info.device_bytes,
             (double)info.device_peak_bytes, info.load_seconds, (double)info.submits);
    return json;
}

/* For models opened from here on: the stages of every tick are timed, which takes time itself. */
EXPORT(engine_time_stages) void engine_time_stages(uint32_t on)
{
    time_stages = on;
}

/* JSON, until the next call: the stages of the last tick, an array of {name, seconds, dispatches}.
 * No tick may be in flight. NULL: an error, or the device has no timestamps. */
EXPORT(engine_times) const char *engine_times(void)
{
    struct stapes_stage stages[MAX_STAGES];
    uint32_t n = COUNT_OF(stages);
    size_t used = 1;
    if (!engine.model || stapes_model_times(engine.model, stages, &n) || n == 0)
        return NULL;
    engine.times[0] = '[';
    for (uint32_t i = 0; i < n && used < TIMES_BYTES; i++)
        used += (size_t)snprintf(engine.times + used, TIMES_BYTES - used,
                                 "{\"name\":\"%s\",\"seconds\":%.9f,\"dispatches\":%u}%c",
                                 stages[i].name, stages[i].seconds, stages[i].dispatches,
                                 i + 1 < n ? ',' : ']');
    return engine.times;
}

/* --- Streams
 * --------------------------------------------------------------------------------------- */

/* A number from 0 on. The members of stapes_stream_params; all 0 by default. */
EXPORT(engine_stream_create)
int32_t engine_stream_create(uint32_t trace, int32_t pad_frames, int32_t prefix_frames)
{
    const struct stapes_stream_params params = {
        .trace = trace != 0, .pad_frames = pad_frames, .prefix_frames = prefix_frames};
    stapes_stream *stream;
    uint32_t number = 0;
    if (!engine.loaded)
        return log_error(&host, ERROR_ARGUMENT, "no model is loaded");
    const int status = stapes_stream_create(engine.model, &params, &stream);
    if (status)
        return status;
    while (engine.streams[number])
        number++;
    engine.streams[number] = stream;
    return (int32_t)number;
}

EXPORT(engine_stream_destroy) void engine_stream_destroy(uint32_t stream)
{
    if (find_stream(stream))
        stapes_stream_destroy(&engine.streams[stream]);
}

static int32_t taken_or(int status, size_t taken)
{
    return status && status != STAPES_ERROR_AGAIN ? status : (int32_t)taken;
}

/* Samples taken, fewer than n where the queue is full: run and poll make room. */
EXPORT(engine_feed) int32_t engine_feed(uint32_t stream, const float *pcm, uint32_t n)
{
    size_t taken = 0;
    if (!find_stream(stream))
        return no_stream(stream);
    return taken_or(stapes_stream_feed(engine.streams[stream], pcm, n, &taken), taken);
}

/* The same, with frames of codes. */
EXPORT(engine_feed_codes)
int32_t engine_feed_codes(uint32_t stream, const int32_t *codes, uint32_t n)
{
    size_t taken = 0;
    if (!find_stream(stream))
        return no_stream(stream);
    return taken_or(stapes_stream_feed_codes(engine.streams[stream], codes, n, &taken), taken);
}

EXPORT(engine_finish) int32_t engine_finish(uint32_t stream)
{
    return find_stream(stream) ? stapes_stream_finish(engine.streams[stream]) : no_stream(stream);
}

EXPORT(engine_reset) int32_t engine_reset(uint32_t stream)
{
    return find_stream(stream) ? stapes_stream_reset(engine.streams[stream]) : no_stream(stream);
}

/* Submits what is ready and collects what has finished. */
EXPORT(engine_run) int32_t engine_run(void)
{
    if (!engine.loaded)
        return log_error(&host, ERROR_ARGUMENT, "no model is loaded");
    return stapes_model_run(engine.model, STAPES_RUN_READY);
}

/* Ticks that the device has not finished. */
EXPORT(engine_busy) uint32_t engine_busy(void)
{
    return engine.loaded ? (uint32_t)(engine.model->submitted - engine.model->collected) : 0;
}

/* The stream's next event, until the next call; NULL: none. */
EXPORT(engine_poll) const struct event *engine_poll(uint32_t stream)
{
    struct stapes_event e;
    if (!find_stream(stream) || stapes_stream_poll(engine.streams[stream], &e) ||
        e.type == STAPES_EVENT_NONE)
        return NULL;
    engine.event = (struct event){
        .type = e.type,
        .step = (uint32_t)e.step,
        .start_seconds = e.start_seconds,
        .end_seconds = e.end_seconds,
        .text = e.text,
        .text_bytes = e.text ? (uint32_t)strlen(e.text) : 0,
        .token = e.token,
        .margin = e.margin,
        .n_codes = e.n_codes,
        .codes = e.codes,
        .n_vad = e.n_vad,
        .vad = e.vad,
        .n_audio = e.n_audio,
        .audio = e.audio,
        .n_tokens = e.n_tokens,
        .tokens = e.tokens,
    };
    return &engine.event;
}
