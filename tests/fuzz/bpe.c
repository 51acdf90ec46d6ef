/* SPDX-License-Identifier: MIT
 *
 * Byte-level BPE tokenizers: vocab.json, merges.txt, tokenizer_config.json and tokenizer.json, each
 * behind a line that is a single NUL. Where vocab.json is empty it is not there.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/gguf.h"
#include "loader/tokenizer_bpe.h"
#include "tests/fuzz/fuzz.h"

enum { VOCABULARY = 300 };

static void write_tokens(const struct bpe *bpe)
{
    struct gguf_writer *writer;
    if (gguf_writer_create(NULL, "never", &writer) || bpe_write_gguf(bpe, writer))
        abort(); /* what was read can be written */
    gguf_writer_destroy(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer_config.json",
                                        "tokenizer.json"};
    struct bpe *bpe = NULL;
    for (int i = 0; i < 4; i++) {
        const uint8_t *end = size && i < 3 ? memchr(data, 0, size) : NULL;
        const size_t n = end ? (size_t)(end - data) : size;
        const char *path = fuzz_file(names[i], data, n);
        if (i == 0 && n == 0)
            unlink(path);
        data += end ? n + 1 : n;
        size -= end ? n + 1 : n;
    }
    if (bpe_open(NULL, fuzz_directory(), VOCABULARY, NULL, 0, &bpe) == OK)
        write_tokens(bpe);
    bpe_close(&bpe);
    return 0;
}
