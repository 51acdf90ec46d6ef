/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "tools/audio.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <samplerate.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base.h"
#include "tools/interrupt.h"
#include "tools/pipe.h"

enum { BLOCKS_A_SECOND = 50, MAX_SAMPLE_BYTES = 8 };

struct audio {
    SNDFILE *sndfile;
    SF_INFO info;
    struct pipe_reader *pipe; /* NULL for a file */
    int fd;                   /* of the pipe, closed at the end unless standard input */
    SRC_STATE *resampler;     /* NULL at 24 kHz */
    uint64_t missing_bytes;   /* of a WAV file that is shorter than its header says */
    double ratio;
    size_t block_frames;
    float *block; /* [block_frames, channels] as read */
    float *mono;  /* [block_frames] */
    size_t mono_at, mono_filled;
    bool input_end;
    uint64_t frames_in, samples_out;
    float peak;
    char message[AUDIO_MESSAGE_SIZE];
};

static bool open_pipe(struct audio *audio, const char *path, const struct audio_raw *raw)
{
    audio->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (audio->fd < 0) {
        snprintf(audio->message, sizeof(audio->message), "%s", strerror(errno));
        return false;
    }
    audio->pipe = malloc(sizeof(*audio->pipe));
    if (!audio->pipe)
        return false;
    pipe_init(audio->pipe, audio->fd);
    audio->info = (SF_INFO){
        .samplerate = (int)raw->rate,
        .channels = (int)raw->channels,
        .format = SF_FORMAT_RAW | SF_ENDIAN_LITTLE |
                  (raw->format == AUDIO_RAW_F32 ? SF_FORMAT_FLOAT : SF_FORMAT_PCM_16),
    };
    if (!raw->always &&
        pipe_read_header(audio->pipe, &audio->info, audio->message, sizeof(audio->message)) != 0)
        return false;
    int channels = audio->info.channels, rate = audio->info.samplerate;
    audio->sndfile = pipe_open_samples(audio->pipe, &audio->info);
    if (!audio->sndfile)
        snprintf(audio->message, sizeof(audio->message), "%d channels at %d Hz cannot be read (%s)",
                 channels, rate, sf_strerror(NULL));
    return audio->sndfile != NULL;
}

/* What libsndfile does not tell of a WAV file's length. *left_open: the header has none, as that of
 * an encoder that was stopped. */
static void check_wav_length(struct audio *audio, const char *path, uint64_t file_bytes,
                             bool *left_open)
{
    SF_INFO info = {0};
    struct pipe_reader *header = malloc(sizeof(*header));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *left_open = false;
    if (header && fd >= 0) {
        pipe_init(header, fd);
        /* libsndfile has read the file, so what is refused here is only not looked at. */
        pipe_read_header(header, &info, audio->message, sizeof(audio->message));
        audio->message[0] = '\0';
        uint64_t at = (uint64_t)lseek(fd, 0, SEEK_CUR) - (header->filled - header->at);
        uint64_t left = file_bytes - MIN(at, file_bytes);
        if (header->remaining != UINT64_MAX && header->remaining > left)
            audio->missing_bytes = header->remaining - left;
        *left_open = header->remaining == UINT64_MAX && info.format;
    }
    if (fd >= 0)
        close(fd);
    free(header);
}

static bool open_file(struct audio *audio, const char *path, const struct stat *st)
{
    bool left_open;
    if (st->st_size == 0) {
        snprintf(audio->message, sizeof(audio->message), "the file is empty, not sound");
        return false;
    }
    if (access(path, R_OK) != 0) {
        snprintf(audio->message, sizeof(audio->message), "%s", strerror(errno));
        return false;
    }
    audio->sndfile = sf_open(path, SFM_READ, &audio->info);
    if (!audio->sndfile) {
        snprintf(audio->message, sizeof(audio->message), "not sound that libsndfile can read (%s)",
                 sf_strerror(NULL));
        return false;
    }
    check_wav_length(audio, path, (uint64_t)st->st_size, &left_open);
    if (audio->info.frames > 0 || !left_open)
        return true;
    sf_close(audio->sndfile);
    audio->sndfile = NULL;
    return open_pipe(audio, path, &(const struct audio_raw){.rate = AUDIO_RATE, .channels = 1});
}

static bool open_converter(struct audio *audio)
{
    int channels = audio->info.channels, rate = audio->info.samplerate;
    audio->ratio = (double)AUDIO_RATE / (rate > 0 ? rate : 1);
    if (channels < 1 || rate < 1 || !src_is_valid_ratio(audio->ratio)) {
        snprintf(audio->message, sizeof(audio->message),
                 "%d channels at %d Hz cannot be resampled to 24 kHz mono", channels, rate);
        return false;
    }
    size_t most = PIPE_BUFFER_BYTES / ((size_t)channels * MAX_SAMPLE_BYTES);
    audio->block_frames = MAX(MIN((size_t)rate / BLOCKS_A_SECOND, most), 1);
    audio->block = malloc(audio->block_frames * (size_t)channels * sizeof(float));
    audio->mono = malloc(audio->block_frames * sizeof(float));
    if (!audio->block || !audio->mono)
        return false;
    int error = 0;
    if (rate != AUDIO_RATE)
        audio->resampler = src_new(SRC_SINC_MEDIUM_QUALITY, 1, &error);
    return error == 0;
}

bool audio_is_pipe(const char *path)
{
    struct stat st;
    return strcmp(path, "-") == 0 ||
           (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode));
}

struct audio *audio_open(const char *path, const struct audio_raw *raw, char *message)
{
    struct stat st;
    struct audio *audio = calloc(1, sizeof(*audio));
    if (!audio) {
        snprintf(message, AUDIO_MESSAGE_SIZE, "out of memory");
        return NULL;
    }
    audio->fd = -1;
    bool opened = false;
    if (audio_is_pipe(path))
        opened = open_pipe(audio, path, raw);
    else if (stat(path, &st) != 0)
        snprintf(audio->message, sizeof(audio->message), "%s", strerror(errno));
    else if (S_ISDIR(st.st_mode))
        snprintf(audio->message, sizeof(audio->message), "%s", strerror(EISDIR));
    else
        opened = open_file(audio, path, &st);
    if (!opened || !open_converter(audio)) {
        snprintf(message, AUDIO_MESSAGE_SIZE, "%s",
                 audio->message[0] ? audio->message : "cannot be opened: out of memory");
        audio_close(&audio);
    }
    return audio;
}

void audio_close(struct audio **audio)
{
    struct audio *a = *audio;
    if (!a)
        return;
    if (a->sndfile)
        sf_close(a->sndfile);
    if (a->resampler)
        src_delete(a->resampler);
    if (a->fd > STDIN_FILENO)
        close(a->fd);
    free(a->pipe);
    free(a->block);
    free(a->mono);
    free(a);
    *audio = NULL;
}

static bool check_end(struct audio *audio)
{
    if (audio->pipe && audio->pipe->error) {
        snprintf(audio->message, sizeof(audio->message), "%s", strerror(audio->pipe->error));
        return false;
    }
    if (sf_error(audio->sndfile) != SF_ERR_NO_ERROR) {
        snprintf(audio->message, sizeof(audio->message), "damaged after %.3f s (%s)",
                 (double)audio->frames_in / audio->info.samplerate, sf_strerror(audio->sndfile));
        return false;
    }
    uint64_t missing = audio->missing_bytes;
    if (audio->pipe && audio->pipe->remaining != UINT64_MAX && !interrupt_pending())
        missing = audio->pipe->remaining;
    if (missing > 0) {
        snprintf(audio->message, sizeof(audio->message),
                 "cut off after %.3f s: %" PRIu64 " bytes that its header tells of are missing",
                 (double)audio->frames_in / audio->info.samplerate, missing);
        return false;
    }
    int container = audio->info.format & SF_FORMAT_TYPEMASK;
    bool known = audio->info.frames < INT64_MAX / 4;
    if (!audio->pipe && container == SF_FORMAT_OGG && !known) { /* its last page tells the length */
        snprintf(audio->message, sizeof(audio->message), "cut off after %.3f s",
                 (double)audio->frames_in / audio->info.samplerate);
        return false;
    }
    /* The length of MPEG files is only an estimate. */
    bool exact = !audio->pipe && container != SF_FORMAT_MPEG;
    if (exact && known && audio->frames_in < (uint64_t)audio->info.frames) {
        snprintf(audio->message, sizeof(audio->message),
                 "cut off after %" PRIu64 " of %" PRId64 " samples", audio->frames_in,
                 (int64_t)audio->info.frames);
        return false;
    }
    return true;
}

/* Reads a block and mixes it down. */
static bool refill(struct audio *audio)
{
    int channels = audio->info.channels;
    sf_count_t n = sf_readf_float(audio->sndfile, audio->block, (sf_count_t)audio->block_frames);
    audio->mono_at = 0;
    audio->mono_filled = n > 0 ? (size_t)n : 0;
    if (n <= 0) {
        audio->input_end = true;
        return check_end(audio);
    }
    for (size_t i = 0; i < (size_t)n; i++) {
        double sum = 0;
        for (int c = 0; c < channels; c++) {
            float x = audio->block[i * (size_t)channels + (size_t)c];
            if (!isfinite(x)) {
                uint64_t frame = audio->frames_in + i;
                snprintf(audio->message, sizeof(audio->message),
                         "sample %" PRIu64 " (at %.3f s) is %s", frame,
                         (double)frame / audio->info.samplerate,
                         isnan(x) ? "not a number (NaN)" : "infinite");
                return false;
            }
            audio->peak = fmaxf(audio->peak, fabsf(x));
            sum += x;
        }
        audio->mono[i] = (float)(sum / channels);
    }
    audio->frames_in += (uint64_t)n;
    return true;
}

/* Moves what is in `mono` on to pcm; returns the number of samples written, or -1. */
static long convert(struct audio *audio, float *pcm, size_t n)
{
    const float *from = audio->mono + audio->mono_at;
    size_t left = audio->mono_filled - audio->mono_at;
    if (!audio->resampler) {
        n = MIN(n, left);
        memcpy(pcm, from, n * sizeof(*pcm));
        audio->mono_at += n;
        return (long)n;
    }
    SRC_DATA data = {
        .data_in = from,
        .input_frames = (long)left,
        .data_out = pcm,
        .output_frames = (long)n,
        .end_of_input = audio->input_end,
        .src_ratio = audio->ratio,
    };
    int error = src_process(audio->resampler, &data);
    if (error) {
        snprintf(audio->message, sizeof(audio->message), "resampling: %s", src_strerror(error));
        return -1;
    }
    for (long i = 0; i < data.output_frames_gen; i++)
        if (!isfinite(pcm[i])) {
            snprintf(audio->message, sizeof(audio->message),
                     "values up to %g are too large to be resampled", (double)audio->peak);
            return -1;
        }
    audio->mono_at += (size_t)data.input_frames_used;
    return data.output_frames_gen;
}

/* Samples that are still due at the end: as many as the input's length makes, to the sample. */
static uint64_t samples_due(const struct audio *audio)
{
    uint64_t total = (uint64_t)llround((double)audio->frames_in * audio->ratio);
    return total > audio->samples_out ? total - audio->samples_out : 0;
}

long audio_read(struct audio *audio, float *pcm, size_t n)
{
    size_t got = 0;
    while (got < n) {
        if (audio->mono_at == audio->mono_filled && !audio->input_end) {
            if (got > 0 && audio->pipe)
                break;
            if (!refill(audio))
                return -1;
        }
        if (audio->input_end) {
            n = MIN(n, samples_due(audio));
            got = MIN(got, n);
        }
        long made = convert(audio, pcm + got, n - got);
        if (made < 0)
            return -1;
        got += (size_t)made;
        if (audio->input_end && made == 0) {
            while (got < n)
                pcm[got++] = 0.0f;
        }
    }
    audio->samples_out += got;
    return (long)got;
}

const char *audio_message(const struct audio *audio)
{
    return audio->message;
}

bool audio_ready(struct audio *audio)
{
    if (!audio->pipe || audio->input_end || audio->mono_at < audio->mono_filled)
        return true;
    size_t frame_bytes = (size_t)audio->info.channels * MAX_SAMPLE_BYTES;
    switch (audio->info.format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_U8:
    case SF_FORMAT_ALAW:
    case SF_FORMAT_ULAW: frame_bytes /= 8; break;
    case SF_FORMAT_PCM_16: frame_bytes /= 4; break;
    case SF_FORMAT_PCM_24: frame_bytes = (size_t)audio->info.channels * 3; break;
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_FLOAT: frame_bytes /= 2; break;
    default: break;
    }
    return pipe_ready(audio->pipe, audio->block_frames * frame_bytes);
}

int audio_fd(const struct audio *audio)
{
    return audio->pipe ? audio->fd : -1;
}

uint64_t audio_samples(const struct audio *audio)
{
    return audio->samples_out;
}

uint64_t audio_total(const struct audio *audio)
{
    if (audio->pipe || audio->info.frames <= 0 || audio->info.frames >= INT64_MAX / 4)
        return 0;
    return (uint64_t)llround((double)audio->info.frames * audio->ratio);
}

float audio_peak(const struct audio *audio)
{
    return audio->peak;
}
