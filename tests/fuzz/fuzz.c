/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700

#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader/config.h"
#include "loader/gguf.h"
#include "loader/qwen3_asr.h"
#include "loader/stt_web.h"
#include "loader/tokenizer.h"

enum { MAX_FILES = 8, PATH_BYTES = 256, READ_BYTES = 4096 };

static char directory[PATH_BYTES / 2];
static char paths[MAX_FILES][PATH_BYTES];
static int n_paths;

static void clean_up(void)
{
    for (int i = 0; i < n_paths; i++)
        unlink(paths[i]);
    rmdir(directory);
}

static void give_up(const char *what)
{
    perror(what);
    abort();
}

const char *fuzz_directory(void)
{
    if (!*directory) {
        /* in memory where that can be had: files are written thousands of times a second */
        const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        snprintf(directory, sizeof(directory), "%s/stapes-fuzz-XXXXXX", base);
        if (!mkdtemp(directory))
            give_up(directory);
        atexit(clean_up);
    }
    return directory;
}

const char *fuzz_file(const char *name, const uint8_t *data, size_t size)
{
    char path[PATH_BYTES];
    int i = 0;
    snprintf(path, sizeof(path), "%s/%s", fuzz_directory(), name);
    while (i < n_paths && strcmp(paths[i], path) != 0)
        i++;
    if (i == MAX_FILES)
        give_up("too many files");
    if (i == n_paths)
        memcpy(paths[n_paths++], path, sizeof(path));
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        give_up(path);
    return paths[i];
}

static void read_tensors(const struct source *source)
{
    uint8_t bytes[READ_BYTES];
    for (uint32_t i = 0; i < source_count(source); i++) {
        const struct tensor *tensor = source_tensor(source, i);
        const uint64_t n = MIN(tensor->bytes, sizeof(bytes));
        if (source_find(source, tensor->name) != tensor || !source_file(source, tensor->file))
            abort();
        /* What the header promises is in the file: both ends can be read. */
        if (source_read(source, tensor, 0, bytes, n) ||
            source_read(source, tensor, tensor->bytes - n, bytes, n))
            abort();
    }
}

static void decode(const struct tokenizer *tokenizer)
{
    char text[256];
    for (uint32_t id = 0; id <= tokenizer_size(tokenizer); id++) {
        const uint32_t ids[2] = {id, 0};
        tokenizer_decode(tokenizer, ids, 2, text, sizeof(text));
        tokenizer_decode(tokenizer, ids, 2, text, 1);
    }
}

static void read_qwen3_asr(const struct source *source)
{
    struct qwen3_asr_config config;
    struct gguf_writer *writer;
    if (qwen3_asr_read_config(NULL, source, &config))
        return;
    qwen3_asr_check_complete(NULL, source, &config);
    if (gguf_writer_create(NULL, "never", &writer))
        give_up("gguf_writer_create");
    qwen3_asr_write_config(NULL, writer, source, &config);
    gguf_writer_destroy(&writer);
}

static void read_model(const struct source *source)
{
    struct model_config config;
    struct tokenizer *tokenizer;
    read_tensors(source);
    if (qwen3_asr_is(source))
        read_qwen3_asr(source);
    if (config_read(NULL, source, &config) == OK)
        config_check_complete(NULL, source, &config);
    if (tokenizer_open(NULL, source, &tokenizer) == OK) {
        decode(tokenizer);
        tokenizer_close(&tokenizer);
    }
}

void fuzz_model(const char *path, const struct source_beside *beside)
{
    struct source *source;
    if (source_open(NULL, path, &source))
        return;
    read_model(source);
    const bool again = beside && source_gguf(source) && stt_web_is(source_gguf(source));
    source_close(&source);
    if (!again || source_open_beside(NULL, path, beside, &source))
        return;
    read_model(source);
    source_close(&source);
}
