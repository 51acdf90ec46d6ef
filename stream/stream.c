/* SPDX-License-Identifier: MIT
 *
 * One stream: its queue of frames, and its queue of events.
 */
#include "stream/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_VAD_HEAD 2u /* a pause of 2 s */
#define MAX_SAMPLE 1e6f     /* far beyond sound, far below what overflows in the first layers */

/* --- What goes in -------------------------------------------------------------------------------
 */

static uint32_t frame_samples(const stapes_stream *s)
{
    return s->model->config.mimi.frame_samples;
}

static bool has_input(const stapes_stream *s)
{
    return s->frames_out < s->frames_in || (s->prefix_left && s->samples_in) || s->pad_left;
}

bool stream_ready(const stapes_stream *s)
{
    const uint64_t room = EVENT_QUEUE - (s->events_in - s->events_out);
    return (s->fresh || has_input(s)) && room >= (s->in_flight + 2) * EVENTS_A_STEP;
}

bool stream_starved(const stapes_stream *s)
{
    return (s->fresh || has_input(s)) && !stream_ready(s);
}

uint32_t stream_take(stapes_stream *s, uint32_t *entry)
{
    uint32_t *payload = entry + INPUT_SLOT_HEAD;
    const uint32_t samples = frame_samples(s);
    s->in_flight++;
    if (s->fresh) {
        s->fresh = false;
        return SLOT_RESET | SLOT_STEP;
    }
    if (s->prefix_left) {
        s->prefix_left--;
        memset(payload, 0, samples * sizeof(float));
        return SLOT_AUDIO | SLOT_STEP;
    }
    if (s->frames_out == s->frames_in) {
        s->pad_left--;
        memset(payload, 0, samples * sizeof(float));
        return SLOT_AUDIO | SLOT_STEP;
    }
    const size_t index = s->frames_out++ % QUEUE_FRAMES;
    if (s->takes_codes) {
        const uint32_t n = s->model->n_codes;
        memcpy(payload, s->codes + index * n, n * sizeof(int32_t));
        return SLOT_CODES | SLOT_STEP;
    }
    memcpy(payload, s->pcm + index * samples, samples * sizeof(float));
    return SLOT_AUDIO | SLOT_STEP;
}

/* Makes room for one more frame, as far as that can be done without the caller's poll. */
static enum status make_room(stapes_stream *s)
{
    enum status status;
    if (s->frames_in - s->frames_out < QUEUE_FRAMES)
        return OK;
    if ((status = scheduler_run(s->model, false)))
        return status;
    return s->frames_in - s->frames_out < QUEUE_FRAMES ? OK : ERROR_AGAIN;
}

static enum status check_open(const stapes_stream *s, bool codes)
{
    const struct log *log = &s->model->log;
    if (s->finished)
        return log_error(log, ERROR_ARGUMENT, "the stream is finished: reset it first");
    if (codes ? s->samples_in > 0 : s->takes_codes)
        return log_error(log, ERROR_ARGUMENT, "a stream takes either sound or codes");
    return OK;
}

int stapes_stream_feed(stapes_stream *s, const float *pcm, size_t n, size_t *taken)
{
    size_t done = 0;
    enum status status;
    if (taken)
        *taken = 0;
    if (!s || (n && !pcm))
        return ERROR_ARGUMENT;
    if ((status = check_open(s, false)))
        return status;
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(pcm[i]) <= MAX_SAMPLE))
            return log_error(&s->model->log, ERROR_ARGUMENT,
                             "sample %llu is not a number that sound can have",
                             (unsigned long long)(s->samples_in + i));
    while (done < n && (s->filled || (status = make_room(s)) == OK)) {
        const size_t part = MIN(n - done, frame_samples(s) - s->filled);
        float *frame = s->pcm + (s->frames_in % QUEUE_FRAMES) * frame_samples(s);
        memcpy(frame + s->filled, pcm + done, part * sizeof(float));
        s->filled += (uint32_t)part;
        s->samples_in += part;
        done += part;
        if (s->filled == frame_samples(s)) {
            s->filled = 0;
            s->frames_in++;
        }
    }
    if (taken)
        *taken = done;
    return done == n ? OK : status;
}

int stapes_stream_feed_codes(stapes_stream *s, const int32_t *codes, size_t n, size_t *taken)
{
    size_t done = 0;
    enum status status;
    if (taken)
        *taken = 0;
    if (!s || (n && !codes))
        return ERROR_ARGUMENT;
    if ((status = check_open(s, true)))
        return status;
    const uint32_t width = s->model->n_codes, card = s->model->config.lm.card;
    for (size_t i = 0; i < n * width; i++)
        if (codes[i] < 0 || (uint32_t)codes[i] >= card)
            return log_error(&s->model->log, ERROR_ARGUMENT,
                             "code %d of frame %zu is not in 0 .. %u", codes[i], i / width,
                             card - 1);
    while (done < n && (status = make_room(s)) == OK) {
        if (!s->takes_codes) { /* silence is for sound alone */
            s->takes_codes = true;
            s->prefix_left = 0;
            s->words.offset = 0;
        }
        memcpy(s->codes + (s->frames_in % QUEUE_FRAMES) * width, codes + done * width,
               width * sizeof(int32_t));
        s->frames_in++;
        done++;
    }
    if (taken)
        *taken = done;
    return done == n ? OK : status;
}

/* --- What comes out -----------------------------------------------------------------------------
 */

static struct event_record *push(stapes_stream *s, enum stapes_event_type type, uint64_t step)
{
    struct event_record *e = &s->events[s->events_in++ % EVENT_QUEUE];
    e->type = type;
    e->step = step;
    e->seconds = 0;
    e->n_words = 0;
    return e;
}

static void emit(void *user, enum words_what what, double seconds, const uint32_t *tokens,
                 uint32_t n_tokens)
{
    static const enum stapes_event_type types[] = {[WORDS_WORD] = STAPES_EVENT_WORD,
                                                   [WORDS_WORD_END] = STAPES_EVENT_WORD_END,
                                                   [WORDS_TURN_END] = STAPES_EVENT_TURN_END};
    stapes_stream *s = user;
    struct event_record *e = push(s, types[what], s->steps ? s->steps - 1 : 0);
    e->seconds = seconds;
    e->n_words = n_tokens;
    if (n_tokens)
        memcpy(e->words, tokens, n_tokens * sizeof(*tokens));
}

static void end_if_done(stapes_stream *s)
{
    if (!s->finished || s->ended || s->fresh || s->in_flight || has_input(s))
        return;
    const double seconds = s->takes_codes
                               ? (double)s->frames_in * s->words.frame_seconds
                               : (double)s->samples_in / s->model->config.mimi.sample_rate;
    words_flush(&s->words, s->steps, seconds, emit, s);
    push(s, STAPES_EVENT_END, s->steps ? s->steps - 1 : 0);
    s->ended = true;
}

static void push_step(stapes_stream *s, const uint32_t *result)
{
    const struct lm_config *c = &s->model->config.lm;
    struct event_record *e = push(s, STAPES_EVENT_STEP, result[RESULT_STEP]);
    e->token = result[RESULT_TOKEN];
    memcpy(&e->margin, &result[RESULT_MARGIN], sizeof(e->margin));
    e->n_words = c->extra_heads + c->dep_q + s->model->n_codes;
    memcpy(e->words, result + RESULT_HEAD, e->n_words * sizeof(*result));
}

void stream_result(stapes_stream *s, uint32_t flags, const uint32_t *result)
{
    const struct model_config *c = &s->model->config;
    const float *vad = NULL;
    s->in_flight--;
    if (flags & SLOT_STEP) {
        if (s->model->scoring)
            score_result(s, result);
        if (s->trace)
            push_step(s, result);
        s->steps = (uint64_t)result[RESULT_STEP] + 1;
        if (c->lm.extra_heads)
            vad = (const float *)(result + RESULT_HEAD) + s->vad_head;
        words_step(&s->words, result[RESULT_STEP], result[RESULT_TOKEN], vad, emit, s);
    }
    end_if_done(s);
}

static void fill_step(const stapes_stream *s, const struct event_record *r,
                      struct stapes_event *event)
{
    const struct lm_config *c = &s->model->config.lm;
    event->token = r->token;
    event->margin = r->margin;
    event->n_vad = c->extra_heads;
    event->vad = (const float *)r->words;
    event->n_audio = c->dep_q;
    event->audio = (const int32_t *)r->words + c->extra_heads;
    event->n_codes = r->step ? s->model->n_codes : 0;
    event->codes = event->n_codes ? event->audio + c->dep_q : NULL;
}

int stapes_stream_poll(stapes_stream *s, struct stapes_event *event)
{
    if (!s || !event)
        return ERROR_ARGUMENT;
    *event = (struct stapes_event){.type = STAPES_EVENT_NONE};
    if (s->events_out == s->events_in)
        return OK;
    s->polled = s->events[s->events_out++ % EVENT_QUEUE];
    const struct event_record *r = &s->polled;
    event->type = r->type;
    event->step = r->step;
    switch (r->type) {
    case STAPES_EVENT_STEP: fill_step(s, r, event); break;
    case STAPES_EVENT_WORD:
        tokenizer_decode(s->model->tokenizer, r->words, r->n_words, s->text, s->model->text_bytes);
        event->text = s->text;
        event->n_tokens = r->n_words;
        event->tokens = r->words;
        event->start_seconds = r->seconds;
        break;
    case STAPES_EVENT_WORD_END:
    case STAPES_EVENT_TURN_END: event->end_seconds = r->seconds; break;
    case STAPES_EVENT_END:
    case STAPES_EVENT_NONE: break;
    }
    return OK;
}

/* --- Beginning and end --------------------------------------------------------------------------
 */

void stream_begin(stapes_stream *s)
{
    const struct model_config *c = &s->model->config;
    s->samples_in = s->frames_in = s->frames_out = 0;
    s->filled = 0;
    s->prefix_left = (uint32_t)s->prefix_frames;
    s->pad_left = 0;
    s->takes_codes = s->finished = s->ended = false;
    s->fresh = true;
    s->steps = 0;
    s->events_in = s->events_out = 0;
    s->words.delay = (uint32_t)(c->audio_delay_seconds / s->words.frame_seconds + 1e-9);
    s->words.offset = s->prefix_frames * s->words.frame_seconds;
    words_reset(&s->words);
}

static int frames_of(int wanted, double seconds, double frame_seconds)
{
    return wanted < 0 ? 0 : wanted ? wanted : (int)ceil(seconds / frame_seconds - 1e-9);
}

int stapes_stream_create(stapes_model *m, const struct stapes_stream_params *params,
                         stapes_stream **out)
{
    static const struct stapes_stream_params defaults;
    const struct stapes_stream_params *p = params ? params : &defaults;
    uint32_t slot = 0;
    if (!m || !out)
        return ERROR_ARGUMENT;
    const struct model_config *c = &m->config;
    if (p->vad_head > c->lm.extra_heads)
        return log_error(&m->log, ERROR_ARGUMENT, "vad head %u: the model has %u", p->vad_head - 1,
                         c->lm.extra_heads);
    while (slot < m->slots && m->streams[slot])
        slot++;
    if (slot == m->slots)
        return log_error(&m->log, ERROR_AGAIN, "all %u slots are taken", m->slots);

    stapes_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return log_error(&m->log, ERROR_MEMORY, "out of memory");
    s->model = m;
    s->slot = slot;
    s->trace = p->trace;
    s->words.frame_seconds = (double)c->mimi.frame_samples / c->mimi.sample_rate;
    s->words.padding = c->lm.text_padding_id;
    s->words.vad_threshold = p->vad_threshold > 0 ? p->vad_threshold : 0.5;
    s->vad_head =
        p->vad_head ? p->vad_head - 1 : MIN(DEFAULT_VAD_HEAD, MAX(c->lm.extra_heads, 1) - 1);
    s->pad_frames = frames_of(p->pad_frames, model_pad_seconds(m), s->words.frame_seconds);
    s->prefix_frames =
        frames_of(p->prefix_frames, c->audio_silence_prefix_seconds, s->words.frame_seconds);
    s->pcm = calloc((size_t)QUEUE_FRAMES * c->mimi.frame_samples, sizeof(float));
    s->codes = calloc((size_t)QUEUE_FRAMES * m->n_codes, sizeof(int32_t));
    s->events = calloc(EVENT_QUEUE, sizeof(*s->events));
    s->text = malloc(m->text_bytes);
    s->history = calloc((size_t)m->lm.codes_ring * (1 + c->lm.dep_q), sizeof(uint32_t));
    m->streams[slot] = s;
    if (!s->pcm || !s->codes || !s->events || !s->text || !s->history) {
        stapes_stream_destroy(&s);
        return log_error(&m->log, ERROR_MEMORY, "out of memory");
    }
    stream_begin(s);
    *out = s;
    return OK;
}

void stapes_stream_destroy(stapes_stream **stream)
{
    stapes_stream *s = stream ? *stream : NULL;
    if (!s)
        return;
    scheduler_forget(s->model, s);
    s->model->streams[s->slot] = NULL;
    free(s->history);
    free(s->text);
    free(s->events);
    free(s->codes);
    free(s->pcm);
    free(s);
    *stream = NULL;
}

int stapes_stream_reset(stapes_stream *s)
{
    if (!s)
        return ERROR_ARGUMENT;
    scheduler_forget(s->model, s);
    stream_begin(s);
    return OK;
}

int stapes_stream_finish(stapes_stream *s)
{
    if (!s)
        return ERROR_ARGUMENT;
    if (s->finished)
        return OK;
    if (s->filled) {
        float *frame = s->pcm + (s->frames_in % QUEUE_FRAMES) * frame_samples(s);
        memset(frame + s->filled, 0, (frame_samples(s) - s->filled) * sizeof(float));
        s->filled = 0;
        s->frames_in++;
    }
    s->finished = true;
    s->pad_left = s->samples_in ? (uint32_t)s->pad_frames : 0;
    if (!s->frames_in)
        s->fresh = false; /* nothing was said: nothing to run */
    end_if_done(s);
    return OK;
}
