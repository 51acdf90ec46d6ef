/* SPDX-License-Identifier: MIT
 *
 * GGUF files of the browser port (idle-intelligence/stt-web): the transformer of stt-1b-en_fr
 * alone, with keys behind "stt.", and tensors one behind the other without alignment. Mimi and the
 * tokenizer come from files of their own. docs/gguf.md lists the keys.
 */
#ifndef STAPES_LOADER_STT_WEB_H
#define STAPES_LOADER_STT_WEB_H

#include "loader/config.h"
#include "loader/gguf.h"

static inline bool stt_web_is(const struct gguf *gguf)
{
    return gguf_find(gguf, "stt.embedding_length") && gguf_find(gguf, "stt.audio_vocab_size");
}

/* Adds the files that are given to a source whose GGUF it is. */
enum status stt_web_attach(struct source *source, const struct source_beside *beside);
/* ERROR_ARGUMENT where Mimi or the tokenizer was not given. */
enum status stt_web_read_config(const struct log *log, const struct source *source,
                                struct model_config *config);

#endif
