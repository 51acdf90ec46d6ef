/* SPDX-License-Identifier: MIT
 *
 * Qwen3-ASR checkpoints (Qwen/Qwen3-ASR-0.6B and -1.7B, and their -hf forms): configuration and
 * tensors, from a directory or from a GGUF of the architecture "qwen3-asr". They are quantized and
 * inspected; there is no runtime for them. docs/gguf.md lists keys and tensors.
 */
#ifndef STAPES_LOADER_QWEN3_ASR_H
#define STAPES_LOADER_QWEN3_ASR_H

#include "loader/tensor.h"

struct cJSON;

#define QWEN3_ASR_ARCHITECTURE "qwen3-asr"
#define QWEN3_ASR_ENCODER "thinker.audio_tower." /* what the encoder's tensors begin with */

struct qwen3_asr_config {
    char name[128];
    uint32_t vocab_size, dim, n_layers, feedforward, n_heads, n_kv_heads, head_dim, context;
    float rms_epsilon, max_period;
    bool tied; /* the output head is the embedding table */
    uint32_t audio_token, audio_start_token, audio_end_token;
    struct {
        uint32_t mel_bins, dim, n_layers, n_heads, feedforward, output_dim, conv_channels;
        uint32_t window,
            window_infer; /* mel frames: half a convolution chunk; an attention block */
    } audio;
};

/* Whether config.json is that of a Qwen3-ASR checkpoint. */
bool qwen3_asr_is_config(const struct cJSON *config);
/* Whether a directory or GGUF holds such a model. */
bool qwen3_asr_is(const struct source *source);

/* The name that a tensor of either form has in stapes: upstream's, thinker.*. `name` has
 * TENSOR_MAX_NAME bytes. */
void qwen3_asr_rename(char *name);

/* ERROR_FORMAT names the file and the key; ERROR_UNSUPPORTED what is a relative of Qwen3-ASR (the
 * forced aligner). */
enum status qwen3_asr_read_config(const struct log *log, const struct source *source,
                                  struct qwen3_asr_config *out);
struct gguf_writer;
/* The languages are the source's. */
enum status qwen3_asr_write_config(const struct log *log, struct gguf_writer *writer,
                                   const struct source *source,
                                   const struct qwen3_asr_config *config);

/* Whether the model needs a tensor. The output head is not needed where it is the embedding. */
bool qwen3_asr_needs(const struct qwen3_asr_config *config, const char *name);
/* Whether every tensor is there, of the shape that the configuration says, and no layer too many.
 * ERROR_FORMAT names the first that is not. */
enum status qwen3_asr_check_complete(const struct log *log, const struct source *source,
                                     const struct qwen3_asr_config *config);

#endif
