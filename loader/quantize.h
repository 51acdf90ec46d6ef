/* SPDX-License-Identifier: MIT
 *
 * One GGUF from a checkpoint: LM, Mimi (its encoding side), tokenizer and configuration, with each
 * group of tensors in an element type. See docs/gguf.md.
 */
#ifndef STAPES_LOADER_QUANTIZE_H
#define STAPES_LOADER_QUANTIZE_H

#include "loader/statistics.h"

enum quantize_method {
    QUANTIZE_NAIVE, /* tensor_from_f32: ggml's reference rounding */
    QUANTIZE_MSE,   /* tensor_search_f32: the scales of the least squared error */
    /* With statistics; tensors that these say nothing of as with QUANTIZE_MSE. */
    QUANTIZE_IMATRIX, /* errors weighted with the mean square of what they are multiplied with */
    QUANTIZE_AWQ,     /* so, and columns scaled before, what precedes them by the inverse */
    QUANTIZE_GPTQ,    /* error feedback; as QUANTIZE_IMATRIX where there is no Gram matrix */
};

/* A type for the tensors whose name the pattern matches, as fnmatch does. */
struct quantize_rule {
    const char *pattern;
    const struct tensor_type_info *type;
};

struct quantize_options {
    const struct tensor_type_info *type; /* of the LM's matrices; needed */
    /* NULL: as `type`; Mimi's tensors as they are, f32 with the type f32 */
    const struct tensor_type_info *embeddings, *output_head, *mimi;
    /* Of Qwen3-ASR's audio encoder. NULL: as `type`, but what the rules or `type` make smaller than
     * q8_0 is q8_0: with 4 bits the model repeats itself or stays silent. */
    const struct tensor_type_info *encoder;
    const struct quantize_rule *rules; /* over all of these, the last one that matches */
    size_t n_rules;
    const char *const *scopes; /* only tensors that match one of them are written; none: all */
    size_t n_scopes;
    struct source_beside beside; /* for a file of the browser port */
    enum quantize_method method;
    /* The methods from QUANTIZE_IMATRIX on need them; with the others they only tell what errors
     * cost. Used during the call. */
    struct statistics *statistics;
    float awq_exponent;       /* of all scales, above 0 to 1; 0: the best one is searched for */
    uint64_t split_max_bytes; /* of a file, see gguf_writer_split; 0: one file */
    uint32_t threads;         /* 0: one a core */
    /* May be NULL. Bytes are those read from the source; `tensor` is the one being written. Returns
     * false to stop: quantize_file removes what it wrote and returns ERROR_AGAIN. */
    bool (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes, const char *tensor);
    void *user;
};

/* Tensors of one kind and type. */
struct quantize_group {
    const char *name;
    uint32_t order; /* of the kind */
    uint32_t type;
    uint64_t tensors, elements, bytes;
    uint64_t fallbacks;     /* tensors whose rows did not fit the type asked for */
    uint64_t raised;        /* tensors of the encoder for which it was too small */
    double squares, errors; /* sums over the elements: x^2, (written - x)^2 */
    /* Of the tensors that the statistics know, the mean squares of their results and of the errors
     * of these, summed over the rows. */
    double output_squares, output_errors;
    uint64_t unguided; /* tensors that the method had no statistics for */
};

#define QUANTIZE_MAX_GROUPS 128

struct quantize_summary {
    struct quantize_group groups[QUANTIZE_MAX_GROUPS]; /* by kind */
    uint32_t n_groups;
    uint64_t read_bytes;
    uint32_t n_files, threads;
    /* awq: sets of matrices with a common input that were scaled, and that could not be */
    uint32_t scaled_groups, unscaled_groups;
};

/* from: a checkpoint directory or a GGUF. to: the file to write; it appears (or is replaced) only
 * when complete, and must be none of the source's or the statistics'. Tensors whose rows are no
 * multiple of their type's block take a smaller block or f16 (told through `log`, LOG_INFO). What
 * does not depend on rules and types: norms, biases, vectors and codebooks are f32. Memory stays
 * bounded (with statistics, the Gram matrix of one tensor and some rows a thread); the result does
 * not depend on the number of threads. ERROR_ARGUMENT: also statistics that are missing or of
 * another model. *summary (may be NULL) is set only on success. */
enum status quantize_file(const struct log *log, const char *from, const char *to,
                          const struct quantize_options *options, struct quantize_summary *summary);

/* A tensor as quantize_file would write it, valid during the call it is given to. */
struct quantize_tensor {
    const char *name;
    const struct tensor_type_info *type;
    uint32_t n_dims;
    const uint64_t *dims; /* as in struct tensor */
    uint64_t bytes;
    const struct source *source;
    const struct tensor *const *parts; /* of the source, joined along the first dimension */
    uint32_t n_parts;
};

/* Calls `each` for all tensors that quantize_file would write with these options, in their order,
 * until one call fails; nothing is written. Returns its status then. */
enum status quantize_list(const struct log *log, const char *from,
                          const struct quantize_options *options,
                          enum status (*each)(void *user, const struct quantize_tensor *tensor),
                          void *user);

/* The type that rows of `row` elements take where `type` is asked for: itself, or one with smaller
 * blocks where they do not fit. */
const struct tensor_type_info *quantize_fitting_type(const struct tensor_type_info *type,
                                                     uint64_t row);

#endif
