/* SPDX-License-Identifier: MIT
 *
 * Sound files for test_cli.sh:
 *
 *     make_sound FROM TO RATE CHANNELS FORMAT
 *
 * FROM: a sound file, "tone:SAMPLES", "silence:SAMPLES" or "nan:SAMPLES:AT". FORMAT: wav16, wav24,
 * wavf, wav8, flac, ogg, aiff, rf64, raw16, rawf. The sound is resampled and copied to every
 * channel, with what is added to one channel taken from the next, so that the mean stays the same.
 */
#include <math.h>
#include <samplerate.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sound {
    float *samples;
    long n;
    int rate;
};

static const struct {
    const char *name;
    int format;
} formats[] = {
    {"wav16", SF_FORMAT_WAV | SF_FORMAT_PCM_16}, {"wav24", SF_FORMAT_WAV | SF_FORMAT_PCM_24},
    {"wavf", SF_FORMAT_WAV | SF_FORMAT_FLOAT},   {"wav8", SF_FORMAT_WAV | SF_FORMAT_PCM_U8},
    {"flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16}, {"aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16},
    {"raw16", SF_FORMAT_RAW | SF_FORMAT_PCM_16}, {"rawf", SF_FORMAT_RAW | SF_FORMAT_FLOAT},
    {"rf64", SF_FORMAT_RF64 | SF_FORMAT_PCM_16}, {"ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
};

static int make(struct sound *sound, const char *from, int rate)
{
    char kind[16];
    long at = -1;
    if (sscanf(from, "%15[a-z]:%ld:%ld", kind, &sound->n, &at) < 2)
        return -1;
    sound->rate = rate;
    sound->samples = calloc((size_t)sound->n + 1, sizeof(float));
    for (long i = 0; sound->samples && i < sound->n && strcmp(kind, "silence") != 0; i++)
        sound->samples[i] = i == at ? NAN : 0.5f * sinf(0.1f * (float)i);
    return sound->samples ? 0 : -1;
}

static int load(struct sound *sound, const char *from)
{
    SF_INFO info = {0};
    SNDFILE *file = sf_open(from, SFM_READ, &info);
    if (!file || info.channels != 1)
        return -1;
    sound->rate = info.samplerate;
    sound->samples = malloc((size_t)info.frames * sizeof(float));
    sound->n = sound->samples ? sf_readf_float(file, sound->samples, info.frames) : -1;
    sf_close(file);
    return sound->n < 0 ? -1 : 0;
}

static int resample(struct sound *sound, int rate)
{
    if (sound->rate == rate)
        return 0;
    long room = (long)((double)sound->n * rate / sound->rate) + 64;
    SRC_DATA data = {
        .data_in = sound->samples,
        .input_frames = sound->n,
        .data_out = malloc((size_t)room * sizeof(float)),
        .output_frames = room,
        .src_ratio = (double)rate / sound->rate,
    };
    if (!data.data_out || src_simple(&data, SRC_SINC_BEST_QUALITY, 1) != 0)
        return -1;
    free(sound->samples);
    *sound = (struct sound){data.data_out, data.output_frames_gen, rate};
    return 0;
}

static int save(const struct sound *sound, const char *to, int channels, int format)
{
    SF_INFO info = {.samplerate = sound->rate, .channels = channels, .format = format};
    SNDFILE *file = sf_open(to, SFM_WRITE, &info);
    float *frame = calloc((size_t)channels, sizeof(float));
    int failed = !file || !frame;
    for (long i = 0; i < sound->n && !failed; i++) {
        for (int c = 0; c < channels; c++)
            frame[c] = sound->samples[i];
        for (int c = 0; c + 1 < channels; c += 2) {
            frame[c] += 0.1f;
            frame[c + 1] -= 0.1f;
        }
        failed = sf_writef_float(file, frame, 1) != 1;
    }
    free(frame);
    return (file && sf_close(file)) || failed ? -1 : 0;
}

int main(int argc, char **argv)
{
    struct sound sound = {0};
    int format = 0;
    if (argc != 6)
        return 2;
    int rate = (int)strtol(argv[3], NULL, 10), channels = (int)strtol(argv[4], NULL, 10);
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strcmp(argv[5], formats[i].name) == 0)
            format = formats[i].format;
    int failed = make(&sound, argv[1], rate) != 0 && load(&sound, argv[1]) != 0;
    failed = failed || resample(&sound, rate) || save(&sound, argv[2], channels, format);
    free(sound.samples);
    if (failed)
        fprintf(stderr, "make_sound: cannot make %s from %s\n", argv[2], argv[1]);
    return failed;
}
