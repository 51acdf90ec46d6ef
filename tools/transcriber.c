/* SPDX-License-Identifier: MIT */
#include "tools/transcriber.h"

#include <stdlib.h>

#include "tools/audio.h"
#include "tools/interrupt.h"
#include "tools/text.h"

enum { BAR_STEPS = 1000 }; /* a file is so much of the progress bar */

/* A file on its way through a stream. */
struct lane {
    bool active;
    size_t index;
    struct audio *audio;
    stapes_stream *stream;
    float *pcm; /* [STAPES_FRAME_SAMPLES], of which `fed` of `read` have been taken */
    size_t read, fed;
    bool input_end, damaged;
    struct text text;
    size_t n_words;
};

struct transcriber {
    struct report *report;
    stapes_model *model;
    const struct transcriber_params *params;
    struct lane *lanes;
    uint32_t n_lanes, n_active;
    size_t next, finished;
    enum transcriber_end end; /* unless DONE, the run is over */
};

static void stop(struct transcriber *t, enum transcriber_end end)
{
    if (t->end == TRANSCRIBER_DONE)
        t->end = end;
}

static void out_of_memory(struct transcriber *t)
{
    report_error(t->report, "out of memory");
    stop(t, TRANSCRIBER_FAILED);
}

/* Streams and models tell through their logger what is wrong. */
static void check_status(struct transcriber *t, int status)
{
    if (status == STAPES_ERROR_MEMORY)
        out_of_memory(t);
    else if (status != STAPES_OK && status != STAPES_ERROR_AGAIN)
        stop(t, TRANSCRIBER_FAILED);
}

static void release(struct transcriber *t, struct lane *lane)
{
    stapes_stream_destroy(&lane->stream);
    audio_close(&lane->audio);
    if (lane->active)
        t->n_active--;
    lane->active = false;
}

static void tell(struct transcriber *t, const struct transcriber_result *result)
{
    t->finished++;
    if (!t->params->done(t->params->user, result))
        stop(t, TRANSCRIBER_STOPPED);
}

static void finish(struct transcriber *t, struct lane *lane)
{
    if (lane->text.failed) {
        out_of_memory(t);
        return;
    }
    const struct transcriber_result result = {
        .index = lane->index,
        .error = lane->damaged ? audio_message(lane->audio) : NULL,
        .text = lane->text.bytes ? lane->text.bytes : "",
        .n_words = lane->n_words,
        .seconds = (double)audio_samples(lane->audio) / AUDIO_RATE,
    };
    tell(t, &result);
    release(t, lane);
}

static void start(struct transcriber *t, struct lane *lane)
{
    static const struct audio_raw raw = {.rate = AUDIO_RATE, .channels = 1};
    char message[AUDIO_MESSAGE_SIZE];
    lane->index = t->next++;
    lane->audio = audio_open(t->params->paths[lane->index], &raw, message);
    if (!lane->audio) {
        tell(t, &(struct transcriber_result){.index = lane->index, .error = message, .text = ""});
        return;
    }
    if (!lane->pcm)
        lane->pcm = malloc(STAPES_FRAME_SAMPLES * sizeof(*lane->pcm));
    lane->read = lane->fed = 0;
    lane->n_words = 0;
    lane->input_end = lane->damaged = false;
    text_clear(&lane->text);
    int status =
        lane->pcm ? stapes_stream_create(t->model, NULL, &lane->stream) : STAPES_ERROR_MEMORY;
    lane->active = true;
    t->n_active++;
    check_status(t, status);
    if (status != STAPES_OK)
        stop(t, TRANSCRIBER_FAILED);
    else if (t->params->begin && !t->params->begin(t->params->user, lane->index, lane->stream))
        stop(t, TRANSCRIBER_STOPPED);
}

static size_t wanted_samples(const struct transcriber *t, const struct lane *lane)
{
    if (!t->params->most_samples)
        return STAPES_FRAME_SAMPLES;
    const uint64_t most = t->params->most_samples[lane->index];
    return (size_t)MIN(STAPES_FRAME_SAMPLES, most - audio_samples(lane->audio));
}

static void feed(struct transcriber *t, struct lane *lane, bool *progress)
{
    if (lane->input_end)
        return;
    if (lane->read == lane->fed) {
        const size_t wanted = lane->damaged ? 0 : wanted_samples(t, lane);
        long n = wanted ? audio_read(lane->audio, lane->pcm, wanted) : 0;
        lane->damaged |= n < 0; /* what was said until then comes out all the same */
        lane->read = n > 0 ? (size_t)n : 0;
        lane->fed = 0;
    }
    if (lane->read == 0) {
        int status = stapes_stream_finish(lane->stream);
        check_status(t, status);
        lane->input_end = status == STAPES_OK;
        *progress |= lane->input_end;
        return;
    }
    size_t taken = 0;
    int status =
        stapes_stream_feed(lane->stream, lane->pcm + lane->fed, lane->read - lane->fed, &taken);
    lane->fed += taken;
    *progress |= taken > 0;
    check_status(t, status);
}

static void add_word(struct lane *lane, const char *word)
{
    if (lane->text.length > 0)
        text_add(&lane->text, " ");
    text_add(&lane->text, word);
    lane->n_words++;
}

static void poll_events(struct transcriber *t, struct lane *lane, bool *progress)
{
    struct stapes_event event;
    while (t->end == TRANSCRIBER_DONE) {
        int status = stapes_stream_poll(lane->stream, &event);
        check_status(t, status);
        if (status != STAPES_OK || event.type == STAPES_EVENT_NONE)
            return;
        *progress = true;
        if (event.type == STAPES_EVENT_WORD) {
            add_word(lane, event.text);
        } else if (event.type == STAPES_EVENT_END) {
            finish(t, lane);
            return;
        }
    }
}

static void show_progress(const struct transcriber *t)
{
    uint64_t done = (uint64_t)BAR_STEPS * t->finished;
    if (!t->params->label)
        return;
    for (uint32_t i = 0; i < t->n_lanes; i++) {
        const struct lane *lane = &t->lanes[i];
        uint64_t total = lane->active ? audio_total(lane->audio) : 0;
        if (total > 0)
            done += BAR_STEPS * MIN(audio_samples(lane->audio), total) / total;
    }
    report_progress(t->report, t->params->label, done, (uint64_t)BAR_STEPS * t->params->n);
}

/* One frame of every stream. */
static void step(struct transcriber *t)
{
    bool progress = false;
    for (uint32_t i = 0; i < t->n_lanes && t->end == TRANSCRIBER_DONE; i++) {
        struct lane *lane = &t->lanes[i];
        while (!lane->active && t->next < t->params->n && t->end == TRANSCRIBER_DONE)
            start(t, lane);
        if (lane->active && t->end == TRANSCRIBER_DONE)
            feed(t, lane, &progress);
    }
    if (t->n_active == 0 || t->end != TRANSCRIBER_DONE)
        return;
    check_status(t, stapes_model_run(t->model, progress ? STAPES_RUN_READY : STAPES_RUN_WAIT));
    for (uint32_t i = 0; i < t->n_lanes && t->end == TRANSCRIBER_DONE; i++)
        if (t->lanes[i].active)
            poll_events(t, &t->lanes[i], &progress);
    if (!progress && t->end == TRANSCRIBER_DONE) {
        report_error(t->report, "the model gave no answer");
        stop(t, TRANSCRIBER_FAILED);
    }
}

enum transcriber_end transcriber_run(struct report *report, stapes_model *model,
                                     const struct transcriber_params *params)
{
    struct stapes_model_info info;
    stapes_model_get_info(model, &info);
    struct transcriber t = {
        .report = report, .model = model, .params = params, .n_lanes = info.slots};
    t.lanes = calloc(t.n_lanes, sizeof(*t.lanes));
    if (!t.lanes)
        out_of_memory(&t);
    while (t.end == TRANSCRIBER_DONE && t.finished < params->n) {
        if (interrupt_pending())
            stop(&t, TRANSCRIBER_INTERRUPTED);
        else
            step(&t);
        show_progress(&t);
    }
    report_clear(report);
    for (uint32_t i = 0; t.lanes && i < t.n_lanes; i++) {
        release(&t, &t.lanes[i]);
        free(t.lanes[i].pcm);
        text_deinit(&t.lanes[i].text);
    }
    free(t.lanes);
    return t.end;
}
