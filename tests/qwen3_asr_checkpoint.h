/* SPDX-License-Identifier: MIT
 *
 * Tiny Qwen3-ASR checkpoints from a seed, in both forms that are published.
 */
#ifndef STAPES_TESTS_QWEN3_ASR_CHECKPOINT_H
#define STAPES_TESTS_QWEN3_ASR_CHECKPOINT_H

#include "loader/tensor.h"

struct qwen3_asr_checkpoint {
    uint64_t seed;
    bool hf;              /* model.language_model.*, one file, tokenizer.json */
    bool untied;          /* an output head of its own */
    const char *left_out; /* a tensor, by upstream's name; NULL: none */
};

enum { QWEN3_ASR_VOCAB = 300, QWEN3_ASR_MERGES = 3 };
extern const char *const qwen3_asr_merges[QWEN3_ASR_MERGES];

/* Upstream's tensors: name, shape, and how many values. The head is the last one. */
uint32_t qwen3_asr_tensors(const struct tensor **list);
/* What a tensor holds: rounded to bf16, the file's type. */
void qwen3_asr_values(const struct qwen3_asr_checkpoint *checkpoint, const struct tensor *tensor,
                      float *values);
/* Into a directory, which must be there. False, with errno, if it cannot be written. */
bool qwen3_asr_write(const struct qwen3_asr_checkpoint *checkpoint, const char *directory);

#endif
