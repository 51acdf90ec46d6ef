/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/audio.h"
#include "tools/commands.h"
#include "tools/dump.h"
#include "tools/interrupt.h"
#include "tools/model.h"
#include "tools/npy.h"
#include "tools/output.h"

enum { MAX_CODEBOOKS = 256, MAX_PAD_FRAMES = 1000000 };

struct options {
    struct model_options model;
    const char *codes, *dump;
    int64_t pad_frames; /* -1: the model's default */
};

struct session {
    const struct options *options;
    struct report report;
    struct audio *audio;
    struct npy codes;
    const char *input; /* for messages */
    stapes_model *model;
    struct stapes_model_info info;
    stapes_stream *stream;
    struct dump dump;
    struct text out;
    bool ended;
};

static void add_numbers(struct text *out, const char *name, const int32_t *integers,
                        const float *floats, uint32_t n)
{
    text_addf(out, ",\"%s\":[", name);
    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            text_add(out, ",");
        if (integers)
            text_addf(out, "%" PRId32, integers[i]);
        else
            text_add_number(out, (double)floats[i]);
    }
    text_add(out, "]");
}

static void add_step(struct text *out, const struct stapes_event *event)
{
    text_addf(out, "{\"step\":%" PRIu64, event->step);
    if (event->n_codes)
        add_numbers(out, "codes", event->codes, NULL, event->n_codes);
    else
        text_add(out, ",\"codes\":null");
    text_addf(out, ",\"text\":%" PRIu32 ",\"margin\":", event->token);
    text_add_number(out, (double)event->margin);
    if (event->n_vad)
        add_numbers(out, "vad", NULL, event->vad, event->n_vad);
    if (event->n_audio)
        add_numbers(out, "audio", event->audio, NULL, event->n_audio);
    text_add(out, "}\n");
}

static bool poll_events(struct session *session)
{
    struct stapes_event event;
    int status;
    while ((status = stapes_stream_poll(session->stream, &event)) == STAPES_OK &&
           event.type != STAPES_EVENT_NONE) {
        if (event.type == STAPES_EVENT_STEP)
            add_step(&session->out, &event);
        session->ended |= event.type == STAPES_EVENT_END;
    }
    return status == STAPES_OK && output_text(&session->report, &session->out);
}

/* Runs what is queued; with --dump one tick at a time, and keeps what it made. */
static bool advance(struct session *session)
{
    bool dump = session->options->dump != NULL;
    int status;
    do {
        status = stapes_model_run(session->model, dump ? STAPES_RUN_WAIT : STAPES_RUN_READY);
        if ((status != STAPES_OK && status != STAPES_ERROR_AGAIN) || !poll_events(session))
            return false;
    } while (dump && status == STAPES_ERROR_AGAIN);
    return !dump || dump_tick(&session->dump, session->stream);
}

static bool feed_frame(struct session *session, const float *pcm)
{
    size_t fed = 0;
    while (fed < STAPES_FRAME_SAMPLES) {
        size_t taken = 0;
        int status =
            stapes_stream_feed(session->stream, pcm + fed, STAPES_FRAME_SAMPLES - fed, &taken);
        fed += taken;
        if ((status != STAPES_OK && status != STAPES_ERROR_AGAIN) || !poll_events(session))
            return false;
    }
    return advance(session);
}

static bool feed_silence(struct session *session, uint64_t frames)
{
    static const float silence[STAPES_FRAME_SAMPLES];
    for (uint64_t i = 0; i < frames && !interrupt_pending(); i++)
        if (!feed_frame(session, silence))
            return false;
    return true;
}

/* Fills a frame; the last one with silence. *n: samples of sound in it. */
static bool read_frame(struct session *session, float *pcm, size_t *n)
{
    *n = 0;
    while (*n < STAPES_FRAME_SAMPLES) {
        long got = audio_read(session->audio, pcm + *n, STAPES_FRAME_SAMPLES - *n);
        if (got < 0) {
            report_error(&session->report, "%s: %s", session->input, audio_message(session->audio));
            return false;
        }
        if (got == 0)
            break;
        *n += (size_t)got;
    }
    memset(pcm + *n, 0, (STAPES_FRAME_SAMPLES - *n) * sizeof(*pcm));
    return true;
}

static bool feed_sound(struct session *session)
{
    float pcm[STAPES_FRAME_SAMPLES];
    size_t n;
    bool begun = false;
    uint64_t pad = session->options->pad_frames >= 0 ? (uint64_t)session->options->pad_frames
                                                     : session->info.pad_frames;
    do {
        if (!read_frame(session, pcm, &n))
            return false;
        if (n == 0)
            break;
        if (!begun && session->options->dump && !advance(session))
            return false;
        begun = true;
        if (!feed_frame(session, pcm))
            return false;
        report_progress(&session->report, "tracing", audio_samples(session->audio),
                        audio_total(session->audio));
    } while (n == STAPES_FRAME_SAMPLES && !interrupt_pending());
    return !begun || feed_silence(session, pad);
}

static bool feed_codes(struct session *session)
{
    int32_t codes[MAX_CODEBOOKS];
    char message[NPY_MESSAGE_SIZE];
    if (session->codes.dims[0] > 0 && session->options->dump && !advance(session))
        return false;
    for (uint64_t i = 0; i < session->codes.dims[0] && !interrupt_pending(); i++) {
        size_t taken = 0;
        if (npy_read_i32(&session->codes, codes, session->info.codebooks, message) != 0) {
            report_error(&session->report, "%s: %s", session->input, message);
            return false;
        }
        while (taken == 0) {
            int status = stapes_stream_feed_codes(session->stream, codes, 1, &taken);
            if ((status != STAPES_OK && status != STAPES_ERROR_AGAIN) || !poll_events(session))
                return false;
        }
        if (!advance(session))
            return false;
    }
    return true;
}

static bool finish(struct session *session)
{
    if (stapes_stream_finish(session->stream) != STAPES_OK)
        return false;
    while (!session->ended) {
        int status = stapes_model_run(session->model, STAPES_RUN_WAIT);
        if ((status != STAPES_OK && status != STAPES_ERROR_AGAIN) || !poll_events(session))
            return false;
        if (status == STAPES_OK && !session->ended) {
            report_error(&session->report, "the model gave no answer");
            return false;
        }
    }
    return !session->options->dump || dump_finish(&session->dump);
}

static bool open_input(struct session *session)
{
    char message[MAX(NPY_MESSAGE_SIZE, AUDIO_MESSAGE_SIZE)];
    if (session->options->codes) {
        if (npy_open(&session->codes, session->input, message) != 0) {
            report_error(&session->report, "%s", message);
            return false;
        }
        if (session->codes.n_dims != 2 || session->codes.type == NPY_F32) {
            report_error(&session->report, "%s: needs integers of shape [frames, codebooks]",
                         session->input);
            return false;
        }
        return true;
    }
    struct audio_raw raw = {.rate = AUDIO_RATE, .channels = 1, .format = AUDIO_RAW_S16};
    session->audio = audio_open(session->input, &raw, message);
    if (!session->audio)
        report_error(&session->report, "%s: %s", session->input, message);
    return session->audio != NULL;
}

static bool check_codes(struct session *session)
{
    uint32_t n = session->info.codebooks;
    if (!session->options->codes)
        return true;
    if (session->codes.dims[1] == n && n <= MAX_CODEBOOKS)
        return true;
    report_error(&session->report, "%s: has %" PRIu64 " codes a frame; the model takes %u",
                 session->input, session->codes.dims[1], n);
    return false;
}

static bool trace(struct session *session)
{
    /* Silence at the end is fed here, frame by frame, and none before the sound: frame 0 of the
     * trace is the file's. */
    const struct stapes_stream_params params = {.trace = 1, .pad_frames = -1, .prefix_frames = -1};
    stapes_model_get_info(session->model, &session->info);
    if (!check_codes(session) ||
        (session->options->dump &&
         !dump_init(&session->dump, &session->report, session->options->dump)) ||
        stapes_stream_create(session->model, &params, &session->stream) != STAPES_OK)
        return false;
    return (session->options->codes ? feed_codes(session) : feed_sound(session)) && finish(session);
}

static int run(const void *values, int n_operands, char **operands)
{
    const struct options *options = values;
    struct session session = {.options = options};
    if (options->codes && n_operands > 0)
        return options_error(&trace_command, "--codes takes the place of FILE");
    if (!options->codes && n_operands == 0)
        return options_error(&trace_command, "FILE is missing");
    if (options->codes && options->pad_frames > 0)
        return options_error(&trace_command, "--pad-frames is silence; with --codes there is none");
    session.input = options->codes ? options->codes : operands[0];
    report_init(&session.report, options->model.quiet, options->model.verbose);

    int status = EXIT_FAILURE;
    if (open_input(&session))
        status =
            model_open(&session.report, &options->model, 1, options->dump != NULL, &session.model);
    if (session.model) {
        bool done = trace(&session);
        report_clear(&session.report);
        dump_deinit(&session.dump);
        stapes_stream_destroy(&session.stream);
        status = model_close(&session.report, &options->model, &session.model);
        if (!done)
            status = EXIT_FAILURE;
        else if (interrupt_pending())
            status = EXIT_INTERRUPTED;
    }
    audio_close(&session.audio);
    npy_close(&session.codes);
    text_deinit(&session.out);
    return status;
}

static const struct option_row rows[] = {
    MODEL_OPTION_ROWS(struct options),
    {.name = "codes",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, codes),
     .value = "FILE.npy",
     .help =
         "Feed these codes of Mimi instead of sound: int32 or int64, shape [frames, codebooks]."},
    {.name = "pad-frames",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct options, pad_frames),
     .value = "N",
     .min = 0,
     .max = MAX_PAD_FRAMES,
     .help = "Exactly so many frames of silence after the sound. Default: what the model's delay "
             "asks for."},
    {.name = "dump",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, dump),
     .value = "DIR",
     .help = "Write the intermediate arrays of every frame and step to DIR, as .npy files: "
             "mimi/latent.npy, lm_shift/text_logits.npy and so on. Slow."},
};

static const struct help_section sections[] = {
    {"Description",
     "Prints what a model does with a sound FILE (\"-\": standard input), one JSON object a line, "
     "a line a step of the main transformer. For anyone who debugs a port or a model."},
    {"Output",
     "  {\"step\":0,\"codes\":null,\"text\":3,\"margin\":1.25,"
     "\"vad\":[0.07,0.4],\"audio\":[1,7]}\n\n"
     "codes: the codes of Mimi that the step takes: null at step 0, which sees only initial "
     "tokens; those of frame s - 1 at step s.\n\n"
     "text: the text token of the step. margin: its logit minus the second best.\n\n"
     "vad: element 0 of each extra head: the probability that nobody speaks for the next while. "
     "Absent in models without such heads.\n\n"
     "audio: the tokens of the depformer. Absent in models without one."},
    {"Examples", "  stapes trace speech.wav\n"
                 "  stapes trace --model stt-1b-en_fr --dump arrays --pad-frames 0 speech.wav"},
};

const struct command trace_command = {
    .name = "trace",
    .summary = "codes, tokens and arrays of every step",
    .operands = "FILE",
    .min_operands = 0,
    .max_operands = 1,
    .options = rows,
    .n_options = COUNT_OF(rows),
    .sections = sections,
    .n_sections = COUNT_OF(sections),
    .options_bytes = sizeof(struct options),
    .defaults = &(const struct options){.model.kv = -1, .pad_frames = -1},
    .run = run,
};
