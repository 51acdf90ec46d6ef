/* SPDX-License-Identifier: MIT
 *
 * One GGUF from a checkpoint: LM, Mimi (its encoding side), tokenizer and configuration, with the
 * LM's matrices in one element type, by ggml's reference rounding. See docs/gguf.md.
 */
#ifndef STAPES_LOADER_QUANTIZE_H
#define STAPES_LOADER_QUANTIZE_H

#include "loader/tensor.h"

struct quantize_progress {
    /* May be NULL. Bytes are those read from the source; `tensor` is the one being written. Returns
     * false to stop: quantize_file removes what it wrote and returns ERROR_AGAIN. */
    bool (*report)(void *user, uint64_t done_bytes, uint64_t total_bytes, const char *tensor);
    void *user;
};

/* from: a checkpoint directory or a GGUF. to: the file to write; it appears (or is replaced) only
 * when complete. type: f32, f16, bf16, q8_0 or q4_0. Matrices whose width is no multiple of the
 * type's block become f16 (told through `log`, LOG_INFO). Memory stays bounded. progress may be
 * NULL. */
enum status quantize_file(const struct log *log, const char *from, const char *to,
                          enum tensor_type type, const struct quantize_progress *progress);

#endif
