/* SPDX-License-Identifier: MIT
 *
 * Models of the real sizes with random weights from a seed: what tensors they have, what is in
 * them, and a GGUF file of it all. Same arguments, same bytes.
 */
#ifndef STAPES_BENCH_SYNTHETIC_H
#define STAPES_BENCH_SYNTHETIC_H

#include "loader/tensor.h"

struct synthetic {
    const char *name;
    uint32_t dim, n_heads, n_layers, context, max_period, text_card;
    uint32_t n_q, dep_q, extra_heads;
    uint32_t depformer_dim, depformer_heads, depformer_layers;
    double audio_delay_seconds; /* 0: model_type moshi, without stt_config */
    bool tiny_mimi;
};

struct synthetic_mimi {
    uint32_t n_filters, dimension, n_heads, n_layers, context, feedforward, codebook_dim, bins, n_q;
};

/* All there are; *count is set. */
const struct synthetic *synthetic_models(size_t *count);
/* NULL if there is none of that name. */
const struct synthetic *synthetic_find(const char *name);
const struct synthetic_mimi *synthetic_mimi(const struct synthetic *model);
double synthetic_prefix_seconds(const struct synthetic *model); /* silence before the sound */
uint32_t synthetic_delay(const struct synthetic *model, uint32_t codebook);

/* What a tensor's elements are. */
enum synthetic_fill {
    SYNTHETIC_WEIGHT,
    SYNTHETIC_ONES,
    SYNTHETIC_SCALE,
    SYNTHETIC_BIAS,
    SYNTHETIC_SUM,
    SYNTHETIC_USAGE
};

struct synthetic_tensor {
    char name[128];
    uint32_t n_dims;
    uint64_t dims[3];
    enum synthetic_fill fill;
};

struct synthetic_list {
    struct synthetic_tensor *tensors; /* freed by the caller */
    size_t count, capacity;
    bool failed; /* out of memory */
};

/* The tensors of upstream's two files, with upstream's names. Return false without memory. */
bool synthetic_list_lm(const struct synthetic *model, struct synthetic_list *list);
bool synthetic_list_mimi(const struct synthetic_mimi *mimi, struct synthetic_list *list);

uint64_t synthetic_elements(const struct synthetic_tensor *tensor);
/* n elements from element `first` on; *state goes on from call to call. */
void synthetic_values(const struct synthetic_tensor *tensor, uint64_t *state, uint64_t first,
                      float *out, size_t n);

/* A SentencePiece model: the four special pieces, the 256 bytes, syllables. NULL without memory;
 * freed by the caller. */
uint8_t *synthetic_tokenizer(uint32_t pieces, size_t *bytes);

/* One file that stapes opens: the language model's matrices in `type` (f16 where a width is no
 * multiple of its block), as quantize_file chooses, and Mimi's in `mimi_type` (f32 or f16). Block
 * types get random blocks, nothing is quantized. Memory stays bounded. */
enum status synthetic_write_gguf(const struct log *log, const char *path,
                                 const struct synthetic *model, enum tensor_type type,
                                 enum tensor_type mimi_type, uint64_t seed);

#endif
