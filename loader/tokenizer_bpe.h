/* SPDX-License-Identifier: MIT
 *
 * Byte-level BPE tokenizers of checkpoint directories, to be written into a GGUF: vocab.json and
 * merges.txt, or tokenizer.json; and what tokenizer_config.json adds. Tokens are in GPT-2's
 * alphabet, which has a printable character for each byte.
 */
#ifndef STAPES_LOADER_TOKENIZER_BPE_H
#define STAPES_LOADER_TOKENIZER_BPE_H

#include "runtime/base.h"

struct bpe;

/* `vocab_size`: rows of the embedding table; ids that no file names are unused tokens. `needed` are
 * added tokens that must be there (n of them). Checked: ids are below vocab_size and none is there
 * twice, every byte is a token, both halves and the whole of every merge are tokens. Errors name
 * the file and the token. */
enum status bpe_open(const struct log *log, const char *directory, uint32_t vocab_size,
                     const char *const *needed, size_t n, struct bpe **out);
void bpe_close(struct bpe **bpe);
/* Whether `path` is one of its files. */
bool bpe_is(const struct bpe *bpe, const char *path);

/* The keys of docs/gguf.md. */
struct gguf_writer;
enum status bpe_write_gguf(const struct bpe *bpe, struct gguf_writer *writer);

#endif
