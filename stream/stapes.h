/* SPDX-License-Identifier: MIT
 *
 * stapes: streaming speech-to-text on any GPU that speaks Vulkan.
 *
 *     stapes_model *model;
 *     stapes_stream *stream;
 *     struct stapes_event event;
 *     int status = STAPES_OK;
 *     if (stapes_model_open(&(struct stapes_model_params){.path = "stt-1b.gguf"}, &model) ||
 *         stapes_stream_create(model, NULL, &stream))
 *         return 1;
 *     while (!status && (n = read_some_24khz_mono(pcm))) {
 *         status = stapes_stream_feed(stream, pcm, n, NULL);
 *         if (!status)
 *             status = stapes_model_run(model, STAPES_RUN_READY);
 *         while (!stapes_stream_poll(stream, &event) && event.type != STAPES_EVENT_NONE)
 *             if (event.type == STAPES_EVENT_WORD)
 *                 printf("%s ", event.text);
 *     }
 *     if (!status)
 *         status = stapes_stream_finish(stream);
 *     // and run with STAPES_RUN_WAIT and poll, as above, while that returns STAPES_ERROR_AGAIN
 *     stapes_model_close(&model);
 *
 * Sound is mono float, 24000 samples a second, nominally in [-1, 1]. A stream advances in frames of
 * 1920 samples (80 ms). Time counts from the stream's first sample.
 *
 * Threads. A model, its streams and their events belong to one thread at a time; the caller
 * serializes. Nothing happens behind the caller's back: there are no threads of ours, and the
 * device works only on what stapes_model_run, or a full stapes_stream_feed, submits. Models are
 * independent of each other. The library never prints, exits, or reads the environment.
 *
 * Ownership. A stream borrows its model: destroy streams first. Strings and arrays in an event
 * belong to the stream and live until the next call on it. Parameter structs are read during the
 * call only; a zero in them means the default.
 *
 * Errors. Every function that can fail returns a status, STAPES_OK (0) or a negative one, and says
 * why through the logger once. Outputs are set on success only. After STAPES_ERROR_DEVICE the model
 * can only be closed.
 */
#ifndef STAPES_H
#define STAPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define STAPES_API __attribute__((visibility("default")))
#else
#define STAPES_API
#endif

#define STAPES_SAMPLE_RATE 24000
#define STAPES_FRAME_SAMPLES 1920

enum stapes_status {
    STAPES_OK = 0,
    STAPES_ERROR_ARGUMENT = -1,
    STAPES_ERROR_IO = -2,
    STAPES_ERROR_FORMAT = -3,
    STAPES_ERROR_UNSUPPORTED = -4,
    STAPES_ERROR_MEMORY = -5,
    STAPES_ERROR_DEVICE_MEMORY = -6,
    STAPES_ERROR_NO_DEVICE = -7,
    STAPES_ERROR_DEVICE = -8,
    STAPES_ERROR_AGAIN = -9,
};

enum stapes_log_level { STAPES_LOG_ERROR, STAPES_LOG_WARNING, STAPES_LOG_INFO, STAPES_LOG_DEBUG };

/* One line, without a newline; called from inside other calls, on their thread. */
typedef void stapes_log_fn(void *user, enum stapes_log_level level, const char *message);

typedef struct stapes_model stapes_model;
typedef struct stapes_stream stapes_stream;

STAPES_API const char *stapes_version(void);
STAPES_API const char *stapes_status_text(int status);

/* --- Devices ------------------------------------------------------------------------------------
 */

struct stapes_device {
    uint32_t index;
    char name[256];
    char driver[512];
    const char *type; /* "discrete", "integrated", "virtual", "cpu", "other"; static */
    uint64_t memory_bytes, free_memory_bytes, max_binding_bytes;
    uint32_t subgroup_size;
    const char *kernels; /* what the program would use of it: "plain", "texel" (CPU devices),
                            "workgroup", "subgroup"; static */
    char unusable[128];  /* why it cannot be used; empty if it can */
};

/* Writes at most *count devices and sets *count to the number there are. */
STAPES_API int stapes_devices(stapes_log_fn *log, void *log_user, struct stapes_device *devices,
                              uint32_t *count);

/* --- Model ---------------------------------------------------------------------------------------
 */

/* Which form of a matrix product is fastest can be measured when a model is opened for the first
 * time on a device (well under a second on a GPU; kept in cache_dir, without one measured at each
 * opening). Each form is checked on the way, and one that computes something else than the plain
 * form is not used. The forms add up in different orders, so that another choice may change the
 * last bits of a result. STAPES_TUNE_OFF excludes that; so does kernels = "plain", and a list of
 * rows for the products that it names. "workgroup", "subgroup" and "integer" leave a choice to be measured.
 *
 * "integer" also allows rows that round activations to 8 bits, in blocks of 32, and multiply
 * integers (weights in Q8_0 and Q4_0). Their results differ by more than the last bits, so nothing
 * else takes them. STAPES_ERROR_UNSUPPORTED where the device has no integer dot products. */
enum stapes_tune { STAPES_TUNE_AUTO /* not on CPU devices */, STAPES_TUNE_ON, STAPES_TUNE_OFF };

/* Elements of the transformer's cache of keys and values. Mimi's and the depformer's are f32. */
enum stapes_kv_type {
    STAPES_KV_DEFAULT = 0, /* f16 */
    STAPES_KV_F32,         /* as upstream computes */
    STAPES_KV_F16,         /* half the memory and traffic */
    STAPES_KV_Q8,          /* 8.5 bits; a little less exact */
};

struct stapes_model_params {
    const char *path;      /* GGUF (one or split), or an upstream checkpoint directory. Required. */
    const char *device;    /* index or part of a name; NULL: the best there is */
    uint32_t slots;        /* most streams at a time; default 1, at most 2048 */
    const char *cache_dir; /* where compiled pipelines are kept between runs; NULL: nowhere */
    uint64_t memory_limit_bytes; /* fail instead of taking more device memory; 0: no limit */
    const char *kernels; /* NULL: the best; "plain"; "workgroup"; "subgroup"; "integer"; or a list
                            of rows to force */
    enum stapes_tune tune;
    enum stapes_kv_type kv_type;
    stapes_log_fn *log;
    void *log_user;
    /* Progress of loading, bytes; returns 0 to stop (stapes_model_open: STAPES_ERROR_AGAIN). */
    int (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
    void *progress_user;
    int validation; /* run with Vulkan's validation layers; messages are logged as errors */
    int trace;      /* keep the intermediate arrays of every step for stapes_stream_dump. Slow. */
    int timed;      /* time the stages of every tick for stapes_model_times */
    /* For GGUF files of the browser port, which hold neither: Mimi's safetensors file, and the
     * SentencePiece model. Any other model with one of them is STAPES_ERROR_ARGUMENT. */
    const char *mimi, *tokenizer;
};

STAPES_API int stapes_model_open(const struct stapes_model_params *params, stapes_model **out);
/* Destroys what streams are left, waits for the device, frees. *model becomes NULL. */
STAPES_API void stapes_model_close(stapes_model **model);

struct stapes_model_info {
    const char *name;       /* lives as long as the model */
    const char *kind;       /* "stt" or "moshi" */
    const char *device;     /* lives as long as the model */
    uint32_t frame_samples; /* STAPES_FRAME_SAMPLES for every released model */
    uint32_t codebooks;     /* codes of Mimi a step takes */
    uint32_t text_card;     /* text vocabulary */
    uint32_t audio_streams; /* tokens of the depformer a step, 0 without one */
    uint32_t vad_heads;     /* 0: no end-of-turn events */
    uint32_t slots;
    uint32_t pad_frames; /* silence that stapes_stream_finish appends by default, in frames */
    double audio_delay_seconds;
    uint64_t file_bytes;                      /* read at loading */
    uint64_t device_bytes, device_peak_bytes; /* allocated now and at most so far */
    uint32_t validation_messages;
    uint64_t driver_work; /* allocations, recordings and descriptor writes so far */
    double load_seconds;
    uint64_t submits; /* programs submitted so far */
};
STAPES_API void stapes_model_get_info(const stapes_model *model, struct stapes_model_info *info);

enum stapes_run {
    STAPES_RUN_READY = 0, /* submit what is ready, collect what has finished; does not wait for the
                           * device except for room in its queue */
    STAPES_RUN_WAIT = 1,  /* and wait until nothing is left to submit or to finish */
};
/* Advances every stream that has a whole frame queued, all of them in one program a frame. A new
 * stream makes its step 0, which needs no sound, at the first run. Streams whose event queue is
 * full stand still until polled. STAPES_ERROR_AGAIN with STAPES_RUN_WAIT: some stream must be
 * polled before more can be done, or, in a browser, where nothing waits, the device is not done. */
STAPES_API int stapes_model_run(stapes_model *model, enum stapes_run how);

struct stapes_stage {
    const char *name; /* static */
    double seconds;
    uint32_t dispatches, barriers; /* that its program has in this stage */
};
/* Device times of the stages of the last tick (model opened with .timed, run with WAIT): writes at
 * most *count and sets *count to their number, 0 where the device has no timestamps. */
STAPES_API int stapes_model_times(stapes_model *model, struct stapes_stage *stages,
                                  uint32_t *count);

/* --- Stream --------------------------------------------------------------------------------------
 */

struct stapes_stream_params {
    int trace;         /* emit a STAPES_EVENT_STEP for every step */
    int pad_frames;    /* silence after the sound, frames: 0 the model's default, -1 none */
    int prefix_frames; /* silence before the sound, frames: 0 the model's default, -1 none. It does
                        * not count in times. */
    double vad_threshold; /* end of turn; default 0.5 */
    uint32_t vad_head;    /* 0 means the default, head 2 (2 s); otherwise the head's number + 1 */
};

/* STAPES_ERROR_AGAIN: every slot is taken. params may be NULL. Streams may be created, reset and
 * destroyed at any time without touching the others. */
STAPES_API int stapes_stream_create(stapes_model *model, const struct stapes_stream_params *params,
                                    stapes_stream **out);
STAPES_API void stapes_stream_destroy(stapes_stream **stream);

/* Queues n samples, copied; any n. Where the queue is full it runs the model to make room.
 * STAPES_ERROR_ARGUMENT: a sample is not finite or beyond 1e6 (nothing is queued), or the stream
 * was finished. STAPES_ERROR_AGAIN: this stream's events must be polled first; *taken (may be NULL)
 * tells how many samples were queued in any case. */
STAPES_API int stapes_stream_feed(stapes_stream *stream, const float *pcm, size_t n, size_t *taken);
/* The same with codes instead of sound: n frames of info.codebooks codes. A stream takes one or the
 * other; one of codes gets no silence before or after. STAPES_ERROR_ARGUMENT: a code is negative or
 * not below the codebooks' size. */
STAPES_API int stapes_stream_feed_codes(stapes_stream *stream, const int32_t *codes, size_t n,
                                        size_t *taken);
/* No more sound: fills the last frame with silence and appends pad_frames, so that everything said
 * comes out. After the last frame's events follow those of a word still open, then
 * STAPES_EVENT_END. A stream that was never fed ends as it is. */
STAPES_API int stapes_stream_finish(stapes_stream *stream);
/* Forgets everything, also what is queued or in flight, and starts anew at time 0. */
STAPES_API int stapes_stream_reset(stapes_stream *stream);

enum stapes_event_type {
    STAPES_EVENT_NONE = 0, /* nothing to report (yet) */
    STAPES_EVENT_STEP,     /* a step of the transformer (with params.trace) */
    STAPES_EVENT_WORD,     /* a word: text, start_seconds */
    STAPES_EVENT_WORD_END, /* the end of the last word: end_seconds */
    STAPES_EVENT_TURN_END, /* the speaker has stopped (models with vad heads): end_seconds. Told
                            * once, after something was said, when the head's probability exceeds
                            * the threshold in a step without a word. */
    STAPES_EVENT_END,      /* a finished stream has nothing more to say */
};

struct stapes_event {
    enum stapes_event_type type;
    uint64_t step;     /* index of the step that caused it, from 0 */
    const char *text;  /* WORD: UTF-8 */
    uint32_t n_tokens; /* WORD */
    const uint32_t *tokens;
    double start_seconds; /* WORD */
    double end_seconds;   /* WORD_END, TURN_END */
    /* STEP: */
    uint32_t token;
    float margin;         /* best text logit minus the second */
    uint32_t n_codes;     /* 0 at step 0: it sees only initial tokens */
    const int32_t *codes; /* of frame step - 1 */
    uint32_t n_vad;
    const float *vad; /* element 0 of each extra head */
    uint32_t n_audio;
    const int32_t *audio; /* the depformer's tokens of this step */
};

/* The next event, or STAPES_EVENT_NONE. Does not touch the device. */
STAPES_API int stapes_stream_poll(stapes_stream *stream, struct stapes_event *event);

/* --- Intermediate arrays (model opened with .trace, one slot, stapes_model_run with RUN_WAIT after
 * every frame) ------------------------------------------------------------------------------------
 */

struct stapes_array {
    const char *name; /* "mimi/latent", "lm_shift/text_logits", ...: the names of the goldens */
    int is_int;       /* int32, else float32 */
    uint32_t n_dims;  /* of one step or frame, without time */
    uint32_t dims[3];
    uint32_t rows;    /* rows of the time axis that the last tick added: 0, 1 or 2 */
    const void *data; /* rows x dims; until the next call on the model */
};
/* Writes at most *count arrays of the last tick and sets *count to their number. To be called after
 * every tick, that of step 0 included: lm_shift/returned looks back. */
STAPES_API int stapes_stream_dump(stapes_stream *stream, struct stapes_array *arrays,
                                  uint32_t *count);

#ifdef __cplusplus
}
#endif

#endif
