/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/audio.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/model.h"
#include "tools/output.h"
#include "tools/transcript.h"

enum { DEFAULT_SLOTS = 8 };

/* Sound is floats in [-1, 1]; a raw pipe read in the wrong format is far from that. */
#define PLAUSIBLE_PEAK 8.0f

struct options {
    struct model_options model;
    bool timestamps, vad;
    int format;
    int64_t slots;
    int64_t raw_rate, raw_channels;
    int raw_format;
};

enum job_state { JOB_WAITING, JOB_ACTIVE, JOB_DONE };

struct job {
    const char *path;
    enum job_state state;
    struct audio *audio;
    stapes_stream *stream;
    struct transcript transcript;
    float *pcm; /* [STAPES_FRAME_SAMPLES], of which `fed` of `read` have been taken */
    size_t read, fed;
    bool input_end;
    bool damaged;           /* the sound cannot be read any further: audio_message tells */
    uint64_t total_samples; /* 0: unknown */
};

struct session {
    const struct options *options;
    struct report report;
    struct audio_raw raw;
    struct transcript_style style;
    stapes_model *model;
    struct job *jobs;
    int n_jobs;
    int head; /* the first job whose output is not complete: it is written as it comes */
    int next; /* the first job that has not been started */
    int n_active, n_slots;
    bool failed, interrupted, show_bar, output_lost;
    uint64_t samples, total_samples;
};

static void release_job(struct session *session, struct job *job)
{
    if (job->state == JOB_ACTIVE)
        session->n_active--;
    job->state = JOB_DONE;
    stapes_stream_destroy(&job->stream);
    audio_close(&job->audio);
    free(job->pcm);
    job->pcm = NULL;
}

static void fail_job(struct session *session, struct job *job, const char *message)
{
    report_error(&session->report, "%s: %s", job->path, message);
    transcript_fail(&job->transcript, message,
                    job->damaged || job == &session->jobs[session->head]);
    session->failed = true;
    release_job(session, job);
}

/* Regular files are looked at before the model is loaded: what cannot be read is told at once. A
 * pipe can be opened only once. */
static void check_jobs(struct session *session)
{
    for (int i = 0; i < session->n_jobs; i++) {
        struct job *job = &session->jobs[i];
        char message[AUDIO_MESSAGE_SIZE];
        if (audio_is_pipe(job->path))
            continue;
        struct audio *audio = audio_open(job->path, &session->raw, message);
        if (!audio) {
            fail_job(session, job, message);
            continue;
        }
        job->total_samples = audio_total(audio);
        session->total_samples += job->total_samples;
        audio_close(&audio);
    }
}

/* 0, or -1 where the model can do no more. */
static int start_job(struct session *session, struct job *job)
{
    char message[AUDIO_MESSAGE_SIZE];
    job->audio = audio_open(job->path, &session->raw, message);
    if (!job->audio) {
        fail_job(session, job, message);
        return 0;
    }
    job->pcm = malloc(STAPES_FRAME_SAMPLES * sizeof(*job->pcm));
    if (!job->pcm || stapes_stream_create(session->model, NULL, &job->stream) != STAPES_OK)
        return -1;
    job->state = JOB_ACTIVE;
    session->n_active++;
    return 0;
}

static int start_jobs(struct session *session)
{
    while (session->n_active < session->n_slots && session->next < session->n_jobs) {
        struct job *job = &session->jobs[session->next++];
        if (job->state == JOB_WAITING && start_job(session, job) != 0)
            return -1;
    }
    return 0;
}

static void warn_if_loud(struct session *session, const struct job *job)
{
    float peak = audio_peak(job->audio);
    if (peak > PLAUSIBLE_PEAK)
        report_warning(&session->report,
                       "%s: values up to %g, where sound is within -1 and 1: is this its format?",
                       job->path, (double)peak);
}

static int finish_input(struct session *session, struct job *job)
{
    int status = stapes_stream_finish(job->stream);
    if (status == STAPES_ERROR_AGAIN)
        return 0;
    warn_if_loud(session, job);
    job->input_end = true;
    return status == STAPES_OK ? 0 : -1;
}

/* Gives the stream the next frame of its sound, or the end. *progress: something was done. */
static int feed_job(struct session *session, struct job *job, bool *progress)
{
    if (job->input_end || (job->read == job->fed && !job->damaged && !audio_ready(job->audio)))
        return 0;
    *progress = true;
    if (job->read == job->fed) {
        long n = job->damaged ? 0 : audio_read(job->audio, job->pcm, STAPES_FRAME_SAMPLES);
        job->damaged |= n < 0; /* the words until then come out all the same */
        if (n <= 0)
            return finish_input(session, job);
        job->read = (size_t)n;
        job->fed = 0;
        session->samples += (uint64_t)n;
    }
    size_t taken = 0;
    int status = stapes_stream_feed(job->stream, job->pcm + job->fed, job->read - job->fed, &taken);
    job->fed += taken;
    return status == STAPES_OK || status == STAPES_ERROR_AGAIN ? 0 : -1;
}

static void end_job(struct session *session, struct job *job)
{
    if (job->damaged) {
        char message[AUDIO_MESSAGE_SIZE];
        memcpy(message, audio_message(job->audio), sizeof(message));
        fail_job(session, job, message);
    } else {
        transcript_end(&job->transcript, (double)audio_samples(job->audio) / AUDIO_RATE);
        release_job(session, job);
    }
}

static int poll_job(struct session *session, struct job *job, bool *progress)
{
    struct stapes_event event;
    int status;
    while ((status = stapes_stream_poll(job->stream, &event)) == STAPES_OK &&
           event.type != STAPES_EVENT_NONE) {
        *progress = true;
        transcript_event(&job->transcript, &event);
        if (event.type == STAPES_EVENT_END) {
            end_job(session, job);
            return 0;
        }
    }
    return status == STAPES_OK ? 0 : -1;
}

/* Writes what the head has said, and after a head that is done what follows it. */
static bool write_output(struct session *session)
{
    while (session->head < session->n_jobs) {
        struct job *job = &session->jobs[session->head];
        if (job->transcript.out.length > 0)
            report_clear(&session->report);
        if (!output_text(&session->report, &job->transcript.out)) {
            session->output_lost = true;
            return false;
        }
        if (job->state != JOB_DONE)
            break;
        transcript_deinit(&job->transcript);
        session->head++;
    }
    if (session->show_bar)
        report_progress(&session->report, "transcribing", session->samples, session->total_samples);
    return true;
}

/* Ctrl-C: a pipe has come to its end, files are given up. */
static int interrupt_jobs(struct session *session)
{
    session->interrupted = true;
    session->next = session->n_jobs;
    for (int i = 0; i < session->n_jobs; i++) {
        struct job *job = &session->jobs[i];
        if (job->state == JOB_ACTIVE && audio_fd(job->audio) >= 0) {
            if (!job->input_end && finish_input(session, job) != 0)
                return -1;
        } else if (job->state != JOB_DONE) {
            transcript_fail(&job->transcript, "interrupted", i == session->head);
            release_job(session, job);
        }
    }
    return 0;
}

/* Sleeps until a pipe has more. False if there is none to wait for. */
static bool wait_for_sound(const struct session *session)
{
    struct pollfd fds[MODEL_MAX_SLOTS];
    nfds_t n = 0;
    for (int i = session->head; i < session->n_jobs; i++) {
        const struct job *job = &session->jobs[i];
        if (job->state == JOB_ACTIVE && !job->input_end && audio_fd(job->audio) >= 0)
            fds[n++] = (struct pollfd){.fd = audio_fd(job->audio), .events = POLLIN};
    }
    if (n > 0)
        poll(fds, n, -1);
    return n > 0;
}

/* Returns 0 when all jobs are done, -1 where nothing can go on. */
static int run_jobs(struct session *session)
{
    while (session->head < session->n_jobs) {
        bool progress = false;
        if (interrupt_pending() && !session->interrupted && interrupt_jobs(session) != 0)
            return -1;
        if (start_jobs(session) != 0)
            return -1;
        for (int i = session->head; i < session->next; i++)
            if (session->jobs[i].state == JOB_ACTIVE &&
                feed_job(session, &session->jobs[i], &progress) != 0)
                return -1;
        int status =
            stapes_model_run(session->model, progress ? STAPES_RUN_READY : STAPES_RUN_WAIT);
        if (status != STAPES_OK && status != STAPES_ERROR_AGAIN)
            return -1;
        for (int i = session->head; i < session->next; i++)
            if (session->jobs[i].state == JOB_ACTIVE &&
                poll_job(session, &session->jobs[i], &progress) != 0)
                return -1;
        if (!write_output(session))
            return -1;
        if (progress || session->head == session->n_jobs ||
            interrupt_pending() != session->interrupted)
            continue;
        if (!wait_for_sound(session)) {
            report_error(&session->report, "the model gave no answer");
            return -1;
        }
    }
    return 0;
}

static void print_summary(struct session *session, double wall)
{
    struct stapes_model_info info;
    double seconds = (double)session->samples / AUDIO_RATE;
    stapes_model_get_info(session->model, &info);
    report_clear(&session->report);
    report_note(
        &session->report,
        "%.2f s audio, %.2f s wall, real-time factor %.3f, %s, %.1f MB device memory (peak)",
        seconds, wall, seconds > 0 ? wall / seconds : 0.0, info.device,
        (double)info.device_peak_bytes / 1e6);
}

static int transcribe_jobs(struct session *session)
{
    struct stapes_model_info info;
    int status = model_open(&session->report, &session->options->model, (uint32_t)session->n_slots,
                            false, &session->model);
    if (status != EXIT_SUCCESS)
        return status;
    stapes_model_get_info(session->model, &info);
    session->style.delay_seconds = info.audio_delay_seconds;
    if (session->options->vad && info.vad_heads == 0)
        report_warning(&session->report, "this model has no heads for --vad: no marks will come");

    double start = now_seconds();
    if (run_jobs(session) != 0) {
        session->failed = true;
        for (int i = session->head; i < session->n_jobs; i++)
            if (session->jobs[i].state != JOB_DONE) {
                transcript_fail(&session->jobs[i].transcript, "stopped by an error",
                                i == session->head);
                release_job(session, &session->jobs[i]);
            }
        if (!session->output_lost)
            write_output(session);
        report_clear(&session->report);
    } else {
        print_summary(session, now_seconds() - start);
    }
    status = model_close(&session->report, &session->options->model, &session->model);
    if (session->failed)
        return EXIT_FAILURE;
    return session->interrupted ? EXIT_INTERRUPTED : status;
}

static bool names_input_twice(int n_files, char **files)
{
    int n = 0;
    for (int i = 0; i < n_files; i++)
        n += strcmp(files[i], "-") == 0;
    return n > 1;
}

static int run(const void *values, int n_files, char **files)
{
    const struct options *options = values;
    if (names_input_twice(n_files, files))
        return options_error(&transcribe_command, "\"-\" can be named only once");
    struct session session = {
        .options = options,
        .raw = {.always = options->raw_rate || options->raw_channels || options->raw_format >= 0,
                .rate = options->raw_rate ? (uint32_t)options->raw_rate : AUDIO_RATE,
                .channels = options->raw_channels ? (uint32_t)options->raw_channels : 1,
                .format = options->raw_format == 1 ? AUDIO_RAW_F32 : AUDIO_RAW_S16},
        .style = {.json = options->format == 1,
                  .timestamps = options->timestamps,
                  .vad = options->vad,
                  .names = n_files > 1},
        .n_jobs = n_files,
    };
    int64_t slots = options->slots ? options->slots : DEFAULT_SLOTS;
    session.n_slots = (int)MIN(slots, n_files);
    report_init(&session.report, options->model.quiet, options->model.verbose);
    /* On one terminal the words themselves show the progress. */
    session.show_bar = session.report.bar && !isatty(STDOUT_FILENO);
    session.jobs = calloc((size_t)n_files, sizeof(*session.jobs));
    if (!session.jobs) {
        report_error(&session.report, "out of memory");
        return EXIT_FAILURE;
    }
    for (int i = 0; i < n_files; i++) {
        session.jobs[i].path = files[i];
        session.jobs[i].transcript.style = &session.style;
        session.jobs[i].transcript.path = files[i];
    }
    check_jobs(&session);
    bool any = false;
    for (int i = 0; i < n_files; i++)
        any |= session.jobs[i].state == JOB_WAITING;
    int status = EXIT_FAILURE;
    if (any)
        status = transcribe_jobs(&session);
    else
        write_output(&session);
    for (int i = 0; i < n_files; i++)
        transcript_deinit(&session.jobs[i].transcript);
    free(session.jobs);
    return status;
}

static const char *const formats[] = {"text", "json", NULL};
static const char *const raw_formats[] = {"s16", "f32", NULL};

static const struct option_row rows[] = {
    MODEL_OPTION_ROWS(struct options),
    {.name = "timestamps",
     .letter = 't',
     .kind = OPTION_FLAG,
     .offset = offsetof(struct options, timestamps),
     .help = "One line a word: start and end in seconds, then the word."},
    {.name = "vad",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct options, vad),
     .help = "Mark where the speaker has ended a turn, for models that have heads for it."},
    {.name = "format",
     .letter = 'f',
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct options, format),
     .value = "text|json",
     .choices = formats,
     .help = "Text, or one JSON object a line. Default: text."},
    SLOTS_OPTION_ROW(
        struct options, slots,
        "How many files run side by side, 1 to 2048. Default: all of them, at most 8."),
    {.name = "raw-rate",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct options, raw_rate),
     .value = "HZ",
     .min = 1000,
     .max = 768000,
     .help = "Samples a second of raw sound from a pipe. Default: 24000. With any of the raw "
             "options no WAV header is looked for."},
    {.name = "raw-channels",
     .kind = OPTION_INTEGER,
     .offset = offsetof(struct options, raw_channels),
     .value = "N",
     .min = 1,
     .max = 256,
     .help = "Interleaved channels of raw sound. Default: 1."},
    {.name = "raw-format",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct options, raw_format),
     .value = "s16|f32",
     .choices = raw_formats,
     .help = "Samples of raw sound: 16-bit integers or 32-bit floats, little endian. Default: "
             "s16."},
};

static const struct help_section sections[] = {
    {"Description",
     "Prints the words of each FILE on standard output, as they are recognised.\n\n"
     "A FILE is anything libsndfile reads (WAV, FLAC, Ogg, MP3, AIFF and more), of any rate and "
     "any number of channels. \"-\" is standard input, read as it arrives: WAV, or raw samples. "
     "Several files run side by side on the device; their text comes in the order given, each "
     "line after the file's name.\n\n"
     "A file that cannot be read is told on standard error, after the words that come before the "
     "damage; the others go on, and the exit status is 1."},
    {"Output",
     "Plain text: the words with spaces between them, and a newline at the file's end. With more "
     "than one file the line begins with the file's name and a colon. A file without words prints "
     "nothing.\n\n"
     "With --timestamps: one line a word, START END WORD, in seconds from the file's beginning. "
     "The line comes when the word's end is known.\n\n"
     "With --vad: [turn SECONDS] where a turn ends, among the words or on a line of its own.\n\n"
     "With --format json, one object a line:\n\n"
     "  {\"type\":\"word\",\"file\":\"a.wav\",\"text\":\"hello\",\"start\":0.56,\"end\":1.2}\n"
     "  {\"type\":\"turn_end\",\"file\":\"a.wav\",\"end\":3.2}\n"
     "  {\"type\":\"end\",\"file\":\"a.wav\",\"text\":\"hello there\",\"seconds\":4.5}\n"
     "  {\"type\":\"error\",\"file\":\"b.wav\",\"message\":\"No such file or directory\"}\n\n"
     "A file is complete only with its \"end\".\n\n"
     "The last line on standard error has a fixed form:\n\n"
     "  stapes: 12.34 s audio, 1.23 s wall, real-time factor 0.100, DEVICE, 123.4 MB device memory "
     "(peak)\n\n"
     "Wall time is that of the transcription, without loading the model; a MB is 1000000 bytes."},
    {"Examples", "  stapes transcribe interview.flac\n"
                 "  stapes transcribe --model stt-1b.gguf --timestamps *.wav\n"
                 "  arecord -q -f S16_LE -r 24000 | stapes transcribe -\n"
                 "  ffmpeg -i talk.mkv -f wav - | stapes transcribe --format json -"},
};

const struct command transcribe_command = {
    .name = "transcribe",
    .summary = "speech in sound files to text",
    .operands = "FILE...",
    .min_operands = 1,
    .max_operands = 65536,
    .options = rows,
    .n_options = COUNT_OF(rows),
    .sections = sections,
    .n_sections = COUNT_OF(sections),
    .options_bytes = sizeof(struct options),
    .defaults = &(const struct options){.model.kv = -1, .raw_format = -1},
    .run = run,
};
