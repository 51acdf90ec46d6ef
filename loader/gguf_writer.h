/* SPDX-License-Identifier: MIT
 *
 * The inside of a GGUF writer: gguf_write.c gathers keys and tensors, gguf_write_files.c lays them
 * out in files.
 */
#ifndef STAPES_LOADER_GGUF_WRITER_H
#define STAPES_LOADER_GGUF_WRITER_H

#include "loader/gguf.h"

struct bytes {
    uint8_t *data;
    size_t size, capacity;
};

/* A file of the model, and the tensors that are in it. */
struct gguf_part {
    char *path;
    struct file_out file;
    uint32_t first, n;
};

struct gguf_writer {
    const struct log *log;
    char *path;         /* as asked for; the only file's, or what split files are named after */
    uint64_t max_bytes; /* of a split file; 0: one file */
    enum status status; /* the first error */
    struct bytes values;
    uint64_t n_values;
    struct tensor *tensors; /* offsets from the start of their file's data */
    uint32_t n_tensors, capacity;
    struct gguf_part *parts;
    uint32_t n_parts;
    uint32_t part, current; /* the file and the tensor being appended to */
    uint64_t written;       /* of its bytes */
    bool begun;
};

/* Keeps the first error; returns it. */
enum status gguf_writer_keep(struct gguf_writer *writer, enum status status);
/* Nothing after an error. */
void gguf_put(struct gguf_writer *writer, struct bytes *to, const void *from, size_t bytes);
void gguf_put_u32(struct gguf_writer *writer, struct bytes *to, uint32_t value);
void gguf_put_u64(struct gguf_writer *writer, struct bytes *to, uint64_t value);
void gguf_put_string(struct gguf_writer *writer, struct bytes *to, const char *value);

#endif
