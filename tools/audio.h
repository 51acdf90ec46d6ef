/* SPDX-License-Identifier: MIT
 *
 * Sound for the models: any file that libsndfile reads, or a pipe, as mono float at 24 kHz.
 * Channels are mixed down by their mean; other rates are resampled (libsamplerate,
 * SRC_SINC_MEDIUM_QUALITY). Memory is bounded, whatever the file's length.
 */
#ifndef STAPES_TOOLS_AUDIO_H
#define STAPES_TOOLS_AUDIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIO_MESSAGE_SIZE 512
#define AUDIO_RATE 24000

enum audio_raw_format { AUDIO_RAW_S16, AUDIO_RAW_F32 };

/* How to read a pipe that does not begin with a WAV header. */
struct audio_raw {
    bool always; /* do not look for a header */
    uint32_t rate, channels;
    enum audio_raw_format format;
};

struct audio;

/* Whether audio_open would read a pipe, which can be opened only once. */
bool audio_is_pipe(const char *path);

/* path "-" is standard input; what is no regular file is read as a pipe. NULL on failure: the
 * reason, without the path, is in `message` (AUDIO_MESSAGE_SIZE bytes). */
struct audio *audio_open(const char *path, const struct audio_raw *raw, char *message);
void audio_close(struct audio **audio);

/* At most n samples; fewer from a pipe, as soon as there are some. 0: the end. -1: see
 * audio_message. */
long audio_read(struct audio *audio, float *pcm, size_t n);
const char *audio_message(const struct audio *audio);

/* Whether audio_read can go on without waiting for a pipe. */
bool audio_ready(struct audio *audio);
/* What to poll while not ready; -1 for files. */
int audio_fd(const struct audio *audio);

uint64_t audio_samples(const struct audio *audio); /* delivered so far */
uint64_t audio_total(const struct audio *audio);   /* 0: unknown */
float audio_peak(const struct audio *audio);       /* largest magnitude so far */

#endif
