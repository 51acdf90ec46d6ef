/* SPDX-License-Identifier: MIT
 *
 * What the two phases of the loader share.
 */
#ifndef STAPES_LOADER_PLAN_INTERNAL_H
#define STAPES_LOADER_PLAN_INTERNAL_H

#include "loader/plan.h"

enum load_kind { LOAD_MATRIX, LOAD_VECTOR, LOAD_SUM, LOAD_USAGE };

/* A tensor's rows go to rows dst_row .. of a load. */
struct piece {
    const struct tensor *tensor;
    uint32_t dst_row;
};

/* One place on the device: the planes of a matrix, a vector, or a codebook's sum. The usage of a
 * codebook is a load too, right behind its sum; its buffer goes when phase two is over. */
struct load {
    enum load_kind kind;
    enum tensor_type type; /* of the planes */
    uint32_t rows, k, taps, half;
    uint32_t bins, dim; /* LOAD_SUM */
    uint32_t first_piece, n_pieces;
    uint64_t row_bytes[2]; /* of the planes; 0: there is none */
    gpu_buffer *planes[2];
    struct weight *weight; /* set when loaded: one of these two */
    struct gpu_range *range;
};

struct plan {
    struct log log;
    gpu_device *device;
    kernel_set *kernels;
    const struct source *source;
    struct load *loads;
    uint32_t n_loads, loads_capacity;
    struct piece *pieces;
    uint32_t n_pieces, pieces_capacity;
    uint64_t device_bytes, file_bytes; /* without the ring */
    uint64_t largest_row;              /* in the file */
    struct plan_limits limits;
};

/* Of a piece's rows in its file: elements (k of the load) and bytes. */
uint64_t piece_row_bytes(const struct load *load, const struct piece *piece);
uint32_t piece_rows(const struct load *load, const struct piece *piece);

/* Bytes of a segment of the ring and their number. */
void plan_ring(const struct plan *plan, uint64_t *segment_bytes, uint32_t *segments);

#endif
