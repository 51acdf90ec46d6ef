/* SPDX-License-Identifier: MIT
 *
 * The model and its streams, shared by model.c (loading), programs.c (recording), scheduler.c
 * (ticks) and stream.c (the public stream).
 *
 * A tick is one program: up to one transformer step of every stream that is ready. It begins with
 * one entry of the input ring, which the host fills before the submit, and ends with one entry of
 * the result ring, which the host reads when the tick's ticket is done. Tick number t uses entry t
 * % RING of both, so at most RING ticks are in flight.
 */
#ifndef STAPES_STREAM_INTERNAL_H
#define STAPES_STREAM_INTERNAL_H

#include "loader/tokenizer.h"
#include "stream/capture_plan.h"
#include "stream/depformer.h"
#include "stream/lm.h"
#include "stream/mimi.h"
#include "stream/score.h"
#include "stream/stapes.h"
#include "stream/words.h"

#define RING 8u /* ticks in flight */
#define MAX_SLOTS 2048u
#define MAX_PROGRAMS 12u /* 1, 2, 4 .. 2048 slots */
#define QUEUE_FRAMES 64u /* frames that a stream can have waiting */
#define EVENT_QUEUE 128u /* events that a stream can have waiting */
#define EVENTS_A_STEP 4u /* at most: step, word, word end, turn end; and at the end two and END */
#define WAIT_NS (120ull * 1000000000ull) /* a tick that takes longer is a dead device */

/* The kinds of program: with Mimi, or only the transformer's step (first steps, given codes). */
enum program_kind { PROGRAM_FRAME, PROGRAM_STEP, PROGRAM_KINDS };

struct event_record {
    enum stapes_event_type type;
    uint64_t step;
    double seconds;
    uint32_t token;
    float margin;
    uint32_t n_words;
    uint32_t words[WORDS_MAX_TOKENS]; /* WORD: tokens; STEP: codes, vad, audio */
};

struct stapes_stream {
    stapes_model *model;
    uint32_t slot;
    bool trace;
    int pad_frames, prefix_frames; /* resolved */
    uint32_t vad_head;

    /* What waits for the device: a ring of frames, of pcm or of codes. */
    float *pcm;                               /* [QUEUE_FRAMES][frame samples] */
    int32_t *codes;                           /* [QUEUE_FRAMES][n_codes] */
    uint64_t samples_in;                      /* fed so far, samples */
    uint64_t frames_in;                       /* whole frames of sound or codes queued so far */
    uint64_t frames_out;                      /* ... submitted */
    uint32_t filled;                          /* samples of the frame being filled */
    uint32_t prefix_left, pad_left;           /* frames of silence still to submit */
    bool takes_codes, fresh, finished, ended; /* fresh: its first step is not submitted yet */

    uint64_t steps;     /* whose results were collected */
    uint32_t in_flight; /* submitted, not collected */

    struct words words;
    struct event_record *events; /* [EVENT_QUEUE] */
    uint64_t events_in, events_out;

    /* What the last polled event points into. */
    char *text;
    struct event_record polled;

    uint32_t *history; /* traced: [codes_ring][1 + dep_q] last tokens, for dump.c */

    struct score_stream score;                /* of models for scoring */
    uint32_t sampled[1 + CONFIG_MAX_STREAMS]; /* by the last step: text, then audio */
};

struct tick {
    uint64_t ticket;
    uint32_t slots; /* of its program */
    struct tick_slot {
        stapes_stream *stream; /* NULL: none, or it was reset or destroyed since */
        uint32_t flags;
    } * slot; /* [model->slots] */
};

struct stapes_model {
    struct log log;
    stapes_log_fn *user_log;
    void *user_log_data;
    gpu_device *device;
    kernel_set *kernels;
    struct plan *plan;
    struct model_config config;
    struct tokenizer *tokenizer;
    bool has_taps, timed, tune;
    bool failed;    /* the device failed: only close */
    bool scoring;   /* see score.h */
    uint32_t queue; /* ticks that may be in flight: RING, or 1 where the host reads each */
    uint32_t slots;
    uint32_t n_codes;
    uint32_t kv_type;                 /* KV_* */
    uint32_t input_slot, result_slot; /* words */
    size_t text_bytes;                /* that hold any word */

    struct mimi mimi;
    struct lm lm;
    struct depformer depformer;
    struct buffers buffers;
    struct taps taps;
    struct capture *capture; /* NULL unless opened for capture */
    struct gpu_range state, input, results;
    struct gpu_range fed, logits; /* for scoring: [slot][1 + dep_q], [slot][text_card] */

    gpu_program *programs[PROGRAM_KINDS][MAX_PROGRAMS];
    stapes_stream **streams; /* [slots], NULL where free */
    struct tick ticks[RING];
    uint64_t submitted, collected; /* ticks */
    gpu_program *last_program;

    /* For dump.c: what the last collected tick did for slot 0. */
    uint32_t last_flags, last_step;
    void *dump_scratch;

    struct source *source; /* NULL once loaded */
    bool loading;          /* phase two is under way */
    uint64_t file_bytes;
    double begin_seconds, load_seconds;
};

/* model.c */
/* What a model is opened for beside what all do. */
struct model_uses {
    struct capture *capture; /* NULL: none */
    bool scoring;
};
/* stapes_model_open for such uses. It takes uses.capture over, also where it fails. */
enum status model_open_with(const struct stapes_model_params *params, struct model_uses uses,
                            stapes_model **out);
/* The same in steps, for callers that must not wait. First the headers, the device and the plan:
 * ERROR_AGAIN, silently and with nothing left behind, while bytes of a header are not there yet. */
enum status model_begin(const struct stapes_model_params *params, struct model_uses uses,
                        stapes_model **out);
/* Then a step of phase two (plan_step) and, after the last one, the programs. *done, set on
 * success: the model is open; before that it may only be closed. params->progress is not called. */
enum status model_load(stapes_model *model, bool *done);
/* Silence that lets everything said come out. */
double model_pad_seconds(const stapes_model *model);

/* programs.c: records both kinds for every power of two up to model->slots. */
enum status programs_create(stapes_model *model);
void programs_destroy(stapes_model *model);

/* seek.c, for benches alone: all slots go on as if they had made `step` steps of sound (step > 0),
 * so that a window is full without the wait. Keys and values become small and finite, what
 * convolutions keep stays; so what comes out says nothing. Nothing may be in flight, and no stream
 * before its first step. */
enum status model_seek(stapes_model *model, uint32_t step);

/* capture.c: hands out what a finished tick has left. */
enum status capture_deliver(stapes_model *model, const struct tick *tick);

/* score.c: what a model for scoring does beside the others. */
void score_want_buffers(stapes_model *model);
void score_record_begin(stapes_model *model, struct recorder *r);
void score_record_end(stapes_model *model, struct recorder *r);
/* Before a tick is submitted: what its steps are given. */
void score_feed(stapes_model *model, const struct tick *tick);
/* The result of a step, while its tick is the only one. */
void score_result(stapes_stream *stream, const uint32_t *result);

/* scheduler.c */
enum status scheduler_run(stapes_model *model, bool wait);
/* Forgets what is in flight for a stream. */
void scheduler_forget(stapes_model *model, stapes_stream *stream);

/* stream.c, for the scheduler */
/* Whether the stream has something to submit and room for what comes back. */
bool stream_ready(const stapes_stream *stream);
/* Something to submit, but its events must be polled first. */
bool stream_starved(const stapes_stream *stream);
/* Fills the slot's input entry with its next frame; returns its SLOT_* flags. */
uint32_t stream_take(stapes_stream *stream, uint32_t *entry);
/* The result of a step: queues its events. */
void stream_result(stapes_stream *stream, uint32_t flags, const uint32_t *result);
void stream_begin(stapes_stream *stream);

#endif
