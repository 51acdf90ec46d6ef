/* SPDX-License-Identifier: MIT
 *
 * Mimi's encoder: 1920 samples in, one vector of codes out (KYUTAI.md 1).
 */
#ifndef STAPES_STREAM_MIMI_H
#define STAPES_STREAM_MIMI_H

#include "loader/config.h"
#include "stream/taps.h"

#define MIMI_MAX_LAYERS 64
#define MIMI_MAX_CODEBOOKS 64

/* Encoder steps (vectors of the transformer) a frame: the downsample halves 25 Hz to 12.5 Hz. */
#define MIMI_PER_FRAME 2

struct mimi_conv {
    struct weight w;
    struct gpu_range bias;
};

/* What a convolution keeps between frames, and behind it what the frame brings: `prefix` + `length`
 * vectors a slot. */
struct mimi_input {
    struct gpu_range range;
    uint32_t slot_stride, prefix, length, channels; /* words; vectors */
};

struct mimi_layer {
    struct gpu_range norm1_weight, norm1_bias, norm2_weight, norm2_bias, scale1, scale2;
    struct weight in_proj, out_proj, linear1, linear2;
    struct gpu_range k_cache, v_cache; /* f32: they are small, and rounding them changes codes */
};

struct mimi {
    const struct mimi_config *config;
    uint32_t n_codes; /* codebooks in use */
    uint32_t max_slots;

    struct mimi_conv first, last;
    struct mimi_block {
        struct mimi_conv narrow, widen, down; /* block.1, block.3, and the strided one after it */
        struct mimi_input narrow_in, down_in;
        struct gpu_range raw;    /* [length][channels]: the value before the ELU, for the skip */
        struct gpu_range hidden; /* [length][channels / compress] */
        uint32_t channels, length, ratio;
    } blocks[CONFIG_MAX_RATIOS];
    struct mimi_input pcm, last_in, downsample_in;
    uint32_t n_inputs;
    const struct mimi_input *inputs[3 + 2 * CONFIG_MAX_RATIOS];

    struct mimi_layer layers[MIMI_MAX_LAYERS];
    struct gpu_range freq, rope, x, norm, qkv, q, partials, attended, hidden;

    struct weight downsample, proj_first, proj_rest;
    struct gpu_range codebooks[MIMI_MAX_CODEBOOKS];
    struct gpu_range latent, info;
    struct gpu_range vq_first[2], vq_rest[2]; /* rows of vq_step; first and rest: the two chains */
};

/* Asks for weights and buffers; `mimi` must not move afterwards. */
enum status mimi_plan(struct mimi *mimi, const struct mimi_config *config, uint32_t n_codes,
                      uint32_t max_slots, struct plan *plan, struct buffers *buffers,
                      struct taps *taps, const struct log *log);
/* After buffers_create: uploads the small constant tables. */
enum status mimi_init(struct mimi *mimi, gpu_device *device);
/* Encodes one frame: mimi->pcm -> codes ring [slot][codes_ring][n_codes]. */
void mimi_record(const struct mimi *mimi, struct recorder *r, struct gpu_range codes,
                 uint32_t codes_ring);
/* The end of a tick: what the convolutions keep moves to the front (or is cleared by a reset). */
void mimi_record_end(const struct mimi *mimi, struct recorder *r);

/* cos/sin frequencies as upstream's: f32(exp(f32(i * f32(-ln(max_period) * 2 / head_dim)))),
 * uploaded to `range` (head_dim / 2 words). */
enum status rope_upload_freq(gpu_device *device, struct gpu_range range, uint32_t head_dim,
                             float max_period);

#endif
