/* SPDX-License-Identifier: MIT
 *
 * The stages of a program: which mark begins which, and what was recorded in each. A mark is where
 * a stage begins that is not the one before; a stage may have many.
 */
#ifndef STAPES_RUNTIME_STAGES_H
#define STAPES_RUNTIME_STAGES_H

#include "runtime/gpu.h"

#define GPU_MAX_STAGES 64
#define GPU_MAX_MARKS 1024

struct gpu_stages {
    const char *names[GPU_MAX_STAGES];
    uint8_t marks[GPU_MAX_MARKS]; /* the stage that each mark begins */
    uint32_t n_stages, n_marks;
    struct gpu_program_counts counts[GPU_MAX_STAGES],
        at_mark; /* of each stage; of all, last mark */
};

/* Whether `name` begins a mark, which then is the last one; now: the program's counts. */
enum status gpu_stages_begin(struct gpu_stages *stages, const struct log *log, const char *program,
                             const char *name, const struct gpu_program_counts *now, bool *marked);
/* Books what was recorded since the last mark on the stage that it began: at the program's end. */
void gpu_stages_count(struct gpu_stages *stages, const struct gpu_program_counts *now);
/* The answer of gpu_program_times: mark i took mark_ns[i]. */
void gpu_stages_sum(const struct gpu_stages *stages, const double *mark_ns, const char **names,
                    double *ns, uint32_t *count);

#endif
