/* SPDX-License-Identifier: MIT */
#include "runtime/stages.h"

#include <string.h>

void gpu_stages_count(struct gpu_stages *stages, const struct gpu_program_counts *now)
{
    const struct gpu_program_counts then = stages->at_mark;
    if (stages->n_marks > 0) {
        struct gpu_program_counts *sum = &stages->counts[stages->marks[stages->n_marks - 1]];
        sum->dispatches += now->dispatches - then.dispatches;
        sum->copies += now->copies - then.copies;
        sum->barriers += now->barriers - then.barriers;
    }
    stages->at_mark = *now;
}

enum status gpu_stages_begin(struct gpu_stages *stages, const struct log *log, const char *program,
                             const char *name, const struct gpu_program_counts *now, bool *marked)
{
    uint32_t stage = 0;
    if (!name)
        return log_error(log, ERROR_ARGUMENT, "program %s: a stage without a name", program);
    while (stage < stages->n_stages && strcmp(stages->names[stage], name))
        stage++;
    *marked = stages->n_marks == 0 || stages->marks[stages->n_marks - 1] != stage;
    if (!*marked)
        return OK;
    if (stage == GPU_MAX_STAGES || stages->n_marks == GPU_MAX_MARKS)
        return log_error(log, ERROR_ARGUMENT,
                         "program %s: stage %s is one too many (%d stages, %d changes)", program,
                         name, GPU_MAX_STAGES, GPU_MAX_MARKS);
    if (stage == stages->n_stages)
        stages->names[stages->n_stages++] = name;
    gpu_stages_count(stages, now);
    stages->marks[stages->n_marks++] = (uint8_t)stage;
    return OK;
}

void gpu_stages_sum(const struct gpu_stages *stages, const double *mark_ns, const char **names,
                    double *ns, uint32_t *count)
{
    double sums[GPU_MAX_STAGES] = {0};
    for (uint32_t i = 0; i < stages->n_marks; i++)
        sums[stages->marks[i]] += mark_ns[i];
    for (uint32_t i = 0; i < stages->n_stages && i < *count; i++) {
        names[i] = stages->names[i];
        ns[i] = sums[i];
    }
    *count = stages->n_stages;
}
