/* SPDX-License-Identifier: MIT
 *
 * Capture, for the model's own code: which products there are, and where their columns go.
 */
#ifndef STAPES_STREAM_CAPTURE_PLAN_H
#define STAPES_STREAM_CAPTURE_PLAN_H

#include "stream/capture.h"
#include "stream/recorder.h"

struct lm;
struct depformer;
struct buffers;

struct capture {
    capture_fn *sink;
    void *user;
    struct capture_inputs list;
    struct capture_input *inputs;
    struct capture_alias *aliases;
    uint32_t capacity, next; /* next: input of the program being recorded */
    uint32_t *slots;         /* [most_slots] */
    uint64_t words;
    struct gpu_range range;
};

/* Lists the inputs of a model that is planned, in the order of its products. depformer: NULL
 * without one. */
enum status capture_plan(struct capture *capture, const struct lm *lm,
                         const struct depformer *depformer, uint32_t slots, struct buffers *buffers,
                         const struct log *log);
void capture_deinit(struct capture *capture);

/* Whether the next product to be captured is this one. */
bool capture_wants(const struct capture *capture, const struct weight *w, uint32_t first_row);
/* Copies the columns of a product to the host, if it is the next one. */
void record_capture(struct recorder *r, const struct weight *w, const struct matmul_args *args);

#endif
