/* SPDX-License-Identifier: MIT
 *
 * Text pieces, from a SentencePiece model file or from GGUF's tokenizer.ggml.* keys. Decoding only
 * (KYUTAI.md 5).
 */
#ifndef STAPES_LOADER_TOKENIZER_H
#define STAPES_LOADER_TOKENIZER_H

#include "loader/tensor.h"

enum piece_type {
    PIECE_NORMAL = 1,
    PIECE_UNKNOWN = 2,
    PIECE_CONTROL = 3,
    PIECE_USER = 4,
    PIECE_UNUSED = 5,
    PIECE_BYTE = 6
};

struct tokenizer;

/* From the source: tokenizer_name of a directory, or the keys of a GGUF. */
enum status tokenizer_open(const struct log *log, const struct source *source,
                           struct tokenizer **out);
/* From the bytes of a SentencePiece model. */
enum status tokenizer_parse(const struct log *log, const void *bytes, size_t size,
                            struct tokenizer **out);
void tokenizer_close(struct tokenizer **tokenizer);

uint32_t tokenizer_size(const struct tokenizer *tokenizer);
/* UTF-8, "\u2581" for a space; NULL if out of range. Lives as long as the tokenizer. */
const char *tokenizer_piece(const struct tokenizer *tokenizer, uint32_t id);
float tokenizer_score(const struct tokenizer *tokenizer, uint32_t id);
enum piece_type tokenizer_type(const struct tokenizer *tokenizer, uint32_t id);
/* SentencePiece's decode of n ids, NUL-terminated, cut at a character where `size` is too small.
 * Returns the length without the cut, as snprintf does. An id out of range decodes as unknown. */
size_t tokenizer_decode(const struct tokenizer *tokenizer, const uint32_t *ids, size_t n,
                        char *text, size_t size);

#endif
