/* SPDX-License-Identifier: MIT
 *
 * Tensors in files: element types, block formats, and one view (a source) of any file or directory
 * that holds a model.
 */
#ifndef STAPES_LOADER_TENSOR_H
#define STAPES_LOADER_TENSOR_H

#include "runtime/base.h"

/* Element types. The numbers are GGUF's (ggml_type); others are known by name and size, so that
 * they can be inspected, but not loaded. */
enum tensor_type {
    TENSOR_F32 = 0,
    TENSOR_F16 = 1,
    TENSOR_Q4_0 = 2,
    TENSOR_Q4_1 = 3,
    TENSOR_Q5_0 = 6,
    TENSOR_Q5_1 = 7,
    TENSOR_Q8_0 = 8,
    TENSOR_Q4_K = 12,
    TENSOR_Q6_K = 14,
    TENSOR_BF16 = 30,
    /* Of safetensors, without a number in GGUF: for inspection. */
    TENSOR_BOOL = 1000,
    TENSOR_U8,
    TENSOR_U16,
    TENSOR_U32,
    TENSOR_U64,
    TENSOR_F8_E4M3,
    TENSOR_F8_E5M2,
};

struct tensor_type_info {
    enum tensor_type type;
    const char *name; /* "f32", "q4_0", ...: as on the command line */
    uint32_t block;   /* elements a block */
    uint32_t bytes;   /* bytes a block */
    bool runs;        /* whether stapes has kernels for it */
    bool converts;    /* to and from f32, by the functions below */
};

/* NULL if unknown. */
const struct tensor_type_info *tensor_type_info(uint32_t ggml_type);
const struct tensor_type_info *tensor_type_by_name(const char *name);

/* Bytes of `elements` (a multiple of the block) of a type. */
uint64_t tensor_row_bytes(const struct tensor_type_info *type, uint64_t elements);

/* Rows of k elements to and from f32; k is a multiple of the block; nothing for types that do not
 * convert. Rounding is ggml's reference rounding bit for bit (its quantize_row_*_ref functions; f16
 * and bf16 to nearest even). */
void tensor_to_f32(enum tensor_type type, const void *from, float *to, uint64_t k);
void tensor_from_f32(enum tensor_type type, const float *from, void *to, uint64_t k);
/* As tensor_from_f32, but a block's scales (and mins) are searched for the least squared error,
 * weighted by `weights` (k of them, none negative; NULL: all 1). It never exceeds that of
 * tensor_from_f32. */
void tensor_search_f32(enum tensor_type type, const float *from, const float *weights, void *to,
                       uint64_t k);

#define TENSOR_MAX_DIMS 4
#define TENSOR_MAX_NAME 256

/* A tensor as it lies in its file. dims are in the order of PyTorch: the last one is contiguous. */
struct tensor {
    char name[TENSOR_MAX_NAME];
    uint32_t type; /* ggml_type */
    uint32_t n_dims;
    uint64_t dims[TENSOR_MAX_DIMS];
    uint32_t file;   /* index for source_read */
    uint64_t offset; /* of its first byte in that file */
    uint64_t bytes;
    /* Not 0: in the file the rows of each of so many heads are the first halves of the rotation's
     * pairs, then the second ones. source_read gives them pair by pair. */
    uint32_t rope_heads;
};

uint64_t tensor_elements(const struct tensor *tensor);

/* --- Sources
 * -------------------------------------------------------------------------------------- A GGUF
 * file, a split GGUF or one in byte shards (any of its files given), or a checkpoint directory as
 * downloaded (config.json, safetensors single or sharded, Mimi, SentencePiece model), or one
 * safetensors file (for inspection: no config). Headers only are read and checked: every count,
 * size, offset, name, alignment and overlap against the files' real lengths. Mimi's tensors of a
 * directory get the prefix "mimi."; self_attn.in_projs.{i}.weight / out_projs.{i}.weight (KYUTAI.md
 * 0) stay separate tensors, loader/plan.h joins them. */
struct source;

enum source_kind { SOURCE_GGUF, SOURCE_DIRECTORY, SOURCE_SAFETENSORS };

enum status source_open(const struct log *log, const char *path, struct source **out);

/* What a file of the browser port (docs/gguf.md) does not hold: a safetensors file with Mimi (with
 * mimi_config.json beside it, unless it is the real Mimi) and a SentencePiece model. */
struct source_beside {
    const char *mimi, *tokenizer; /* NULL: none */
};
/* Such a file opens without them, too, but then has no configuration. For other models,
 * ERROR_ARGUMENT if they are given. `beside` may be NULL. */
enum status source_open_beside(const struct log *log, const char *path,
                               const struct source_beside *beside, struct source **out);
void source_close(struct source **source);

enum source_kind source_get_kind(const struct source *source);
const char *source_path(const struct source *source);
uint32_t source_count(const struct source *source);
const struct tensor *source_tensor(const struct source *source, uint32_t index);
/* NULL if there is none of that name. */
const struct tensor *source_find(const struct source *source, const char *name);
/* Reads bytes of a tensor; [offset, offset + bytes) is within it. ERROR_IO names file and tensor.
 */
enum status source_read(const struct source *source, const struct tensor *tensor, uint64_t offset,
                        void *to, uint64_t bytes);
/* Whether `path` is one of the files that the source is made of. */
bool source_is(const struct source *source, const char *path);
/* The path of a tensor's file, for messages. */
const char *source_file(const struct source *source, uint32_t file);

/* Metadata of a GGUF (NULL for other kinds), see loader/gguf.h. */
struct gguf;
const struct gguf *source_gguf(const struct source *source);

#endif
