/* SPDX-License-Identifier: MIT
 *
 * What the tests and benches know of a kernel beyond its row: kernels/SOURCE.c defines SOURCE_ref
 * and SOURCE_cases. Compiled into the tests only.
 */
#ifndef STAPES_KERNELS_REFERENCE_H
#define STAPES_KERNELS_REFERENCE_H

#include "kernels/kernel.h"

#define CASE_MAX_TEXT 96
/* A NaN. checkgpu fills 'o' bindings with it before the reference and before the kernel run; a word
 * that is still poison after the reference must be poison after the kernel. */
#define CASE_POISON 0xffa5a5a5u
/* Case numbers from here on are the bench's: the shapes that stt-1b, stt-2.6b and Mimi have, which
 * would make the tests slow. A row without any is benched on its largest test case. */
#define CASE_BENCH 0x10000u

struct kernel_case;
/* Share of the tolerance that `got` uses where data[binding][word] was expected; above 1 it is
 * wrong. */
typedef double kernel_share_fn(const struct kernel_case *c, uint32_t binding, uint32_t word,
                               uint32_t got);

/* One case: parameters and host copies of what is bound. Buffers come from the case's arena
 * (case_buffer) and are freed with it. */
struct kernel_case {
    char text[CASE_MAX_TEXT]; /* the shape, for messages */
    enum kernel_id id;        /* which row of the source (weight type) the case is for */
    union {
        unsigned char bytes[GPU_MAX_PARAMS_BYTES];
        struct repack_params repack;
        struct centroids_params centroids;
        struct matmul_params matmul;
        struct embed_params embed;
        struct norm_params norm;
        struct rope_table_params rope_table;
        struct rope_kv_params rope_kv;
        struct qkv_params qkv;
        struct attention_params attention;
        struct vq_step_params vq_step;
        struct vq_end_params vq_end;
        struct conv_state_params conv_state;
        struct conv_replicate_params conv_replicate;
        struct step_inputs_params step_inputs;
        struct argmax_params argmax;
        struct head_probs_params head_probs;
        struct frame_begin_params frame_begin;
        struct frame_end_params frame_end;
    } params;
    void *data[GPU_MAX_BINDINGS];     /* inputs before, expected outputs after the reference */
    uint32_t words[GPU_MAX_BINDINGS]; /* 0: unused binding */
    bool careless[GPU_MAX_BINDINGS];  /* contents do not matter (scratch that both may change) */
    double tolerance_absolute,
        tolerance_relative; /* of f elements: |got - want| <= abs + rel |want| */
    kernel_share_fn *share; /* of w elements; NULL: they must be equal */
    float *kept; /* for share: keys, then values, [cols][heads][head_dim], as the reference has them
                  * before it rounds */
    double bytes, flops;    /* moved and done by one dispatch, for the bench */
};

/* Fills case number `index` of the row `id`, or returns false when there are no more. `random`
 * returns the next 32 bits of the case's own seeded generator. */
struct case_source {
    uint32_t (*random)(void *state);
    void *state;
    void *(*alloc)(void *state, size_t bytes); /* zeroed, freed by the caller after the case */
};
typedef bool kernel_cases_fn(enum kernel_id id, uint32_t index, const struct case_source *source,
                             struct kernel_case *out);
/* Computes the outputs in place, in double precision where rounding matters. */
typedef void kernel_ref_fn(const struct kernel_case *c);

#define KERNEL(name, base, params, access, elements, features, plan, suits, source)                \
    kernel_cases_fn source##_cases;                                                                \
    kernel_ref_fn source##_ref;
#include "kernels/kernels.def"
#undef KERNEL

/* The shape of case `index`: one of the test's array, or of the bench's; NULL: there is none. */
#define CASE_SHAPE(index, shapes, bench_shapes)                                                    \
    ((index) < COUNT_OF(shapes)                         ? &(shapes)[index]                         \
     : (index) < CASE_BENCH                             ? NULL                                     \
     : (index) - CASE_BENCH < COUNT_OF(bench_shapes) ? &(bench_shapes)[(index) - CASE_BENCH]       \
                                                        : NULL)

/* Helpers for case generators (tests/checkgpu provides them through case_source). */
static inline float case_uniform(const struct case_source *s) /* [-1, 1) */
{
    return (float)((double)s->random(s->state) / 2147483648.0 - 1.0);
}

#endif
