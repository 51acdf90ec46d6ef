/* SPDX-License-Identifier: MIT
 *
 * The inside of the quantizer.
 */
#ifndef STAPES_LOADER_QUANTIZE_JOB_H
#define STAPES_LOADER_QUANTIZE_JOB_H

#include "loader/config.h"
#include "loader/gguf.h"
#include "loader/pool.h"
#include "loader/quantize.h"
#include "loader/quantize_guide.h"
#include "loader/qwen3_asr.h"
#include "loader/tokenizer_bpe.h"
#include "loader/tokenizer_parts.h"

/* A tensor to be written: one of the source's, or several joined along the first dimension. */
struct output {
    char name[TENSOR_MAX_NAME];
    uint32_t type;
    uint32_t group; /* index in the summary */
    uint32_t first_part, n_parts;
    uint32_t n_dims;
    uint64_t dims[TENSOR_MAX_DIMS];
    /* What awq multiplies columns and rows with before they are rounded; NULL: nothing */
    float *columns, *rows;
};

struct converter;

struct job {
    const struct log *log;
    const struct quantize_options *options;
    struct source *source;
    struct model_config config;
    struct tokenizer *tokenizer;
    bool is_qwen3_asr; /* then instead of the two above: */
    struct qwen3_asr_config qwen3_asr;
    struct bpe *bpe; /* of a directory */
    struct gguf_writer *writer;
    struct output *outputs; /* at most one a tensor of the source, as the parts */
    const struct tensor **parts;
    uint32_t n_outputs, n_parts;
    bool *rule_used, *scope_used;
    uint64_t done_bytes, total_bytes;
    struct pool *pool;
    struct converter *converter;
    struct quantize_summary summary;
};

/* Chooses the type of an output and its group in the summary. */
enum status job_choose_type(struct job *job, struct output *out);
bool job_in_scope(struct job *job, const char *name);
/* Warns of patterns that matched nothing, and of types that stapes cannot run. */
void job_warn(const struct job *job);

enum status converter_create(struct job *job);
void converter_destroy(struct converter **converter);
/* Reads, converts and appends an output. */
enum status converter_write(struct job *job, const struct output *out);

/* Whether the statistics fit the outputs, and hold what the method needs. */
enum status rows_check(const struct job *job);
/* Whether the output takes blocks that it does not have yet. */
bool rows_rounds(const struct job *job, const struct output *out);
/* How many equal slices of the output the statistics have entries for, of its own each (of some
 * there may be none); 0: they do not know it. ERROR_ARGUMENT: they do not fit it. */
enum status rows_find(const struct job *job, const struct output *out, uint32_t *slices);
/* As converter_write does, with statistics (slices > 0) or scales. */
enum status rows_write(struct job *job, const struct output *out, uint32_t slices);
/* Rows [row, row + n) of a tensor, as they are in the file. */
enum status rows_read(const struct job *job, const struct tensor *part, uint64_t row, uint64_t n,
                      void *to);
/* Chooses the scales of the outputs. */
enum status awq_plan(struct job *job);

#endif
