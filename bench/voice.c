/* SPDX-License-Identifier: MIT */
#include "bench/voice.h"

#include "bench/host.h"

#include <math.h>

#define SAMPLE_RATE 24000
#define MOST_SAMPLES (4 * SAMPLE_RATE) /* of a piece */
#define LEAST_SAMPLES (SAMPLE_RATE / 20)

static float uniform(struct voice *v)
{
    return (float)(host_random(&v->random) >> 40) * 0x1p-24f;
}

static void begin_piece(struct voice *v)
{
    static const enum voice_kind kinds[] = {VOICE_SILENCE,   VOICE_NOISE,     VOICE_TONE,
                                            VOICE_RECORDING, VOICE_RECORDING, VOICE_RECORDING};
    v->kind = kinds[host_random(&v->random) % (v->n_sounds ? 6 : 3)];
    v->left = LEAST_SAMPLES + host_random(&v->random) % (MOST_SAMPLES - LEAST_SAMPLES);
    v->gain = exp2f(-6 + 7 * uniform(v));
    v->phase = 0;
    v->step = 0.005f + 0.5f * uniform(v);
    if (v->kind != VOICE_RECORDING)
        return;
    const struct sound *sound = &v->sounds[host_random(&v->random) % v->n_sounds];
    const size_t first = host_random(&v->random) % sound->samples;
    v->from = sound->pcm + first;
    if (v->left > sound->samples - first)
        v->left = sound->samples - first;
}

void voice_begin(struct voice *v, uint64_t seed, const struct sound *sounds, size_t n_sounds)
{
    *v = (struct voice){.sounds = sounds, .n_sounds = n_sounds, .random = seed};
}

static float next_tone(struct voice *v)
{
    const float pi = 3.14159265f;
    v->phase += v->step;
    if (v->phase > pi)
        v->phase -= 2 * pi;
    return 0.3f * v->gain * sinf(v->phase);
}

void voice_fill(struct voice *v, float *pcm, size_t samples)
{
    while (samples) {
        if (!v->left)
            begin_piece(v);
        const size_t n = samples < v->left ? samples : v->left;
        for (size_t i = 0; i < n; i++)
            switch (v->kind) {
            case VOICE_SILENCE: pcm[i] = 0; break;
            case VOICE_NOISE: pcm[i] = 0.2f * v->gain * (2 * uniform(v) - 1); break;
            case VOICE_TONE: pcm[i] = next_tone(v); break;
            case VOICE_RECORDING: pcm[i] = v->gain * *v->from++; break;
            }
        v->left -= n;
        pcm += n;
        samples -= n;
    }
}
