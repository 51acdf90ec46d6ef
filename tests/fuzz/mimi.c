/* SPDX-License-Identifier: MIT
 *
 * Mimi's file beside a GGUF of the browser port: mimi_config.json (none where that is empty), a
 * NUL, then the safetensors file.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/gguf.h"

enum { ENTRIES = 64 }; /* of a codebook, as the corpus's configuration says */

/* The port's, with one codebook and nothing else. */
static const char *write_port(void)
{
    const char *path = fuzz_file("port.gguf", NULL, 0);
    const uint64_t dims[] = {ENTRIES + 1, 4};
    const float values[(ENTRIES + 1) * 4] = {0};
    struct gguf_writer *writer;
    if (gguf_writer_create(NULL, path, &writer))
        abort();
    gguf_write_u32(writer, "stt.embedding_length", 4);
    gguf_write_u32(writer, "stt.attention.head_count", 2);
    gguf_write_u32(writer, "stt.block_count", 1);
    gguf_write_u32(writer, "stt.context_length", 4);
    gguf_write_f32(writer, "stt.rope.freq_base", 10000);
    gguf_write_u32(writer, "stt.vocab_size", 4);
    gguf_write_u32(writer, "stt.audio_vocab_size", ENTRIES + 1);
    gguf_declare(writer, "emb.0.weight", TENSOR_F32, 2, dims);
    gguf_writer_begin(writer);
    gguf_append(writer, values, sizeof(values));
    if (gguf_writer_end(writer))
        abort();
    gguf_writer_destroy(&writer);
    return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *port;
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    const size_t n = end ? (size_t)(end - data) : size, skipped = end ? n + 1 : n;
    if (!port)
        port = write_port();
    const char *config = fuzz_file("mimi_config.json", data, n);
    if (n == 0)
        unlink(config);
    const struct source_beside beside = {
        .mimi = fuzz_file("mimi.safetensors", data + skipped, size - skipped),
        .tokenizer = fuzz_file("tokenizer.model", NULL, 0)};
    fuzz_model(port, &beside);
    return 0;
}
