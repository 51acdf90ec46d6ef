/* SPDX-License-Identifier: MIT
 *
 * What a model's configuration says: from config.json (and Mimi's) of a checkpoint directory, or
 * from the keys of a GGUF (docs/gguf.md). Values are checked for themselves here (positive,
 * divisible, bounded); against the tensors when these are planned.
 */
#ifndef STAPES_LOADER_CONFIG_H
#define STAPES_LOADER_CONFIG_H

#include "loader/tensor.h"

#define CONFIG_MAX_STREAMS 65 /* text + n_q */
#define CONFIG_MAX_RATIOS 8

struct mimi_config {
    uint32_t sample_rate;   /* 24000 */
    uint32_t frame_samples; /* 1920: 2 x the product of the ratios (downsample stride 2) */
    uint32_t n_filters;     /* 64 */
    uint32_t dimension;     /* 512, SEANet's output = the transformer's width */
    uint32_t kernel_size, residual_kernel_size, last_kernel_size; /* 7, 3, 3 */
    uint32_t compress;                  /* 2: hidden channels of a residual block = c / compress */
    uint32_t n_ratios;                  /* 4 */
    uint32_t ratios[CONFIG_MAX_RATIOS]; /* in the encoder's order: 4, 5, 6, 8 */
    uint32_t n_layers, n_heads, context, dim_feedforward; /* 8, 8, 250, 2048 */
    float max_period;                                     /* 10000 */
    uint32_t codebook_dim, bins, n_q;                     /* 256, 2048, 32: all that the file has */
};

struct depformer_config {
    uint32_t dim, n_heads, n_layers;
    uint32_t feedforward; /* H of a gate; 0: from the tensors */
    bool multi_linear, weights_per_step, norm;
    uint32_t n_schedule; /* 0: slice k for codebook k */
    uint32_t schedule[CONFIG_MAX_STREAMS];
};

struct lm_config {
    uint32_t dim, n_heads, n_layers, context;
    float max_period;
    uint32_t card, text_card;
    uint32_t n_q, dep_q;
    uint32_t delays[CONFIG_MAX_STREAMS];   /* 1 + n_q: text first */
    uint32_t extra_heads, extra_heads_dim; /* 0: none */
    uint32_t text_padding_id;              /* 3 */
    struct depformer_config depformer;     /* where dep_q > 0 */
};

enum model_kind { MODEL_STT, MODEL_MOSHI };

struct model_config {
    enum model_kind kind;
    char name[128]; /* for people: general.name, or the directory's */
    struct mimi_config mimi;
    struct lm_config lm;
    bool has_stt;
    double audio_delay_seconds;          /* 0 without stt_config */
    double audio_silence_prefix_seconds; /* 0 without stt_config */
};

/* Unknown model types and features that change the result (cross attention, conditioners that are
 * needed, other norms, gatings or positions, ...) are ERROR_UNSUPPORTED, with the key and the
 * value. */
enum status config_read(const struct log *log, const struct source *source,
                        struct model_config *out);

/* The keys of docs/gguf.md that config_read reads back. */
struct gguf_writer;
enum status config_write(struct gguf_writer *writer, const struct model_config *config);

/* Whether every tensor that the configuration calls for is there (names only; shapes are checked
 * when they are planned). ERROR_FORMAT names the first that is missing. */
enum status config_check_complete(const struct log *log, const struct source *source,
                                  const struct model_config *config);

#endif
