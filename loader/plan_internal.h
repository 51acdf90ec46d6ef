/* SPDX-License-Identifier: MIT
 *
 * What the two phases of the loader share: plan.c (what is asked for), plan_run.c (the way through
 * the files and the ring) and plan_record.c (what the device does with a segment).
 */
#ifndef STAPES_LOADER_PLAN_INTERNAL_H
#define STAPES_LOADER_PLAN_INTERNAL_H

#include "loader/plan.h"

enum load_kind { LOAD_MATRIX, LOAD_VECTOR, LOAD_SUM, LOAD_USAGE };

/* A tensor's rows go to rows dst_row .. of a load. */
struct piece {
    const struct tensor *tensor;
    uint32_t dst_row;
    uint32_t load; /* index */
};

/* One place on the device: the planes of a matrix, a vector, or a codebook's sum. The usage of a
 * codebook is a load too, right behind its sum; its buffer goes when phase two is over. */
struct load {
    enum load_kind kind;
    enum tensor_type type; /* of the planes */
    uint32_t rows, k, taps, half;
    uint32_t bins, dim; /* LOAD_SUM */
    uint32_t first_piece, n_pieces;
    uint32_t pieces_left;  /* of phase two */
    uint64_t row_bytes[2]; /* of the planes; 0: there is none */
    gpu_buffer *planes[2];
    struct weight *weight; /* set when loaded: one of these two */
    struct gpu_range *range;
};

struct stage;

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
    struct stage *stage; /* NULL unless phase two is under way */
};

/* A part of the ring: what the host read into it, and the program that repacks that. */
struct segment {
    gpu_program *program; /* NULL: free */
    bool submitted;       /* with `ticket`; else being recorded */
    uint64_t ticket;
};

/* Phase two. */
struct stage {
    struct plan *plan;
    gpu_buffer *ring;
    uint8_t *map;
    struct segment *segments;
    uint32_t n_segments, current;
    uint64_t segment_bytes;
    uint64_t used; /* bytes of the current segment */
    uint64_t window_bytes;
    uint64_t done_bytes;
    const struct piece **order; /* [plan->n_pieces] as they lie in the files */
    uint32_t next;              /* of the order, and its row: what is read next */
    uint32_t next_row;
    bool done; /* all of it is on the device */
};

/* Rows of one tensor, short enough for what is left of a segment. */
struct chunk {
    const struct load *load;
    const struct piece *piece;
    uint32_t first_row, rows; /* of the piece */
};

/* Of a piece's rows in its file: elements (k of the load) and bytes. */
uint64_t piece_row_bytes(const struct load *load, const struct piece *piece);
uint32_t piece_rows(const struct load *load, const struct piece *piece);

/* Bytes of a segment of the ring and their number. */
void plan_ring(const struct plan *plan, uint64_t *segment_bytes, uint32_t *segments);

/* Rows that fit into the segment and whose target fits into a binding; never across the halves of a
 * gate, whose targets lie far apart. */
uint32_t chunk_rows(const struct stage *stage, const struct chunk *chunk, uint64_t row_bytes,
                    uint32_t total);
/* The current segment's program brings the chunk to its place from `offset` of the ring. */
enum status record_chunk(struct stage *stage, const struct chunk *chunk, uint64_t offset,
                         uint64_t bytes);
/* sum / usage, where `usage` is the load behind `sum` */
enum status record_centroids(struct stage *stage, const struct load *sum, const struct load *usage);

#endif
