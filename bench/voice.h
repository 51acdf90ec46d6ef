/* SPDX-License-Identifier: MIT
 *
 * Sound without end from a seed: pieces of recordings, noise, tones and silence, of random lengths
 * and gains. The same seed gives the same samples, however they are asked for.
 */
#ifndef STAPES_BENCH_VOICE_H
#define STAPES_BENCH_VOICE_H

#include <stddef.h>
#include <stdint.h>

struct sound {
    float *pcm;
    size_t samples;
};

enum voice_kind { VOICE_SILENCE, VOICE_NOISE, VOICE_TONE, VOICE_RECORDING };

struct voice {
    const struct sound *sounds; /* borrowed */
    size_t n_sounds;
    uint64_t random;
    /* The piece that is being told: */
    enum voice_kind kind;
    size_t left;
    const float *from; /* VOICE_RECORDING */
    float gain, phase, step;
};

/* n_sounds may be 0. */
void voice_begin(struct voice *voice, uint64_t seed, const struct sound *sounds, size_t n_sounds);
void voice_fill(struct voice *voice, float *pcm, size_t samples);

#endif
