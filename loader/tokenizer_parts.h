/* SPDX-License-Identifier: MIT
 *
 * The inside of a tokenizer, for the two formats that fill it.
 */
#ifndef STAPES_LOADER_TOKENIZER_PARTS_H
#define STAPES_LOADER_TOKENIZER_PARTS_H

#include "loader/tokenizer.h"

struct piece {
    size_t text; /* offset in tokenizer->text */
    float score;
    enum piece_type type;
};

struct tokenizer {
    struct piece *pieces;
    uint32_t n_pieces, pieces_capacity;
    char *text; /* NUL-terminated pieces */
    size_t text_size, text_capacity;
    bool add_dummy_prefix, remove_extra_whitespaces;
    char unknown[64]; /* what an unknown piece decodes to */
};

/* Empty, with SentencePiece's defaults. `where` is for messages, here and below. */
enum status tokenizer_create(const struct log *log, const char *where, struct tokenizer **out);
enum status tokenizer_add(const struct log *log, const char *where, struct tokenizer *tokenizer,
                          const char *text, size_t size, float score, uint64_t type);
enum status tokenizer_check(const struct log *log, const char *where,
                            const struct tokenizer *tokenizer);
/* UTF-8 without a NUL. */
bool tokenizer_is_text(const char *text, size_t size);

/* From and to GGUF's tokenizer.ggml.* keys. */
struct gguf;
struct gguf_writer;
enum status tokenizer_read_gguf(const struct log *log, const struct gguf *gguf,
                                struct tokenizer **out);
enum status tokenizer_write_gguf(const struct log *log, const struct tokenizer *tokenizer,
                                 struct gguf_writer *writer);

enum status sentencepiece_read(const struct log *log, const char *where, const void *bytes,
                               size_t size, struct tokenizer **out);

#endif
