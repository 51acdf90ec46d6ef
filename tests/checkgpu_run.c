/* SPDX-License-Identifier: MIT
 *
 * Runs cases one after the other on a device that can be waited for: all bindings in one buffer.
 */
#include "tests/checkgpu.h"

#include <stdlib.h>
#include <string.h>

enum status checker_pipeline(struct checker *k, enum kernel_id id, const struct kernel_plan *plan,
                             gpu_pipeline **out)
{
    for (uint32_t i = 0; i < k->n_pipelines; i++) {
        const struct pipeline *p = &k->pipelines[i];
        if (p->n_spec == plan->n_spec && !memcmp(p->spec, plan->spec, plan->n_spec * 4)) {
            *out = p->pipeline;
            return OK;
        }
    }
    struct pipeline *grown = realloc(k->pipelines, (k->n_pipelines + 1) * sizeof(*grown));
    if (!grown)
        return ERROR_MEMORY;
    k->pipelines = grown;
    struct pipeline *p = &grown[k->n_pipelines];
    *p = (struct pipeline){.n_spec = plan->n_spec};
    memcpy(p->spec, plan->spec, sizeof(p->spec));
    enum status status = kernel_pipeline_create(k->device, id, plan, &p->pipeline);
    if (status)
        return status;
    k->n_pipelines++;
    *out = p->pipeline;
    return OK;
}

void checker_drop_pipelines(struct checker *k)
{
    for (uint32_t i = 0; i < k->n_pipelines; i++)
        gpu_pipeline_destroy(k->device, &k->pipelines[i].pipeline);
    free(k->pipelines);
    k->pipelines = NULL;
    k->n_pipelines = 0;
}

static enum status grow_buffer(struct checker *k, uint64_t bytes)
{
    const struct gpu_buffer_params params = {.name = "case", .size_bytes = MAX(bytes, 1u << 20)};
    if (k->buffer && gpu_buffer_size(k->buffer) >= bytes)
        return OK;
    gpu_buffer_destroy(k->device, &k->buffer);
    return gpu_buffer_create(k->device, &params, &k->buffer);
}

/* Runs row `id` on an image of all bindings and overwrites it with what is there afterwards. */
static enum status run(struct checker *k, enum kernel_id id, const struct kernel_case *c,
                       const struct layout *layout, uint32_t *image)
{
    const struct kernel_info *info = &kernel_table[id];
    struct kernel_plan plan = {.n_spec = 0};
    struct gpu_range ranges[GPU_MAX_BINDINGS] = {{0}};
    struct gpu_binding bindings[GPU_MAX_BINDINGS];
    gpu_pipeline *pipeline;
    gpu_program *program = NULL;
    uint64_t ticket;
    enum status status;

    info->plan(c->params.bytes, &plan);
    if ((status = grow_buffer(k, layout->bytes)) ||
        (status = checker_pipeline(k, id, &plan, &pipeline)) ||
        (status = gpu_buffer_write(k->device, k->buffer, 0, image, layout->bytes)))
        return status;
    /* The guard behind is part of the range: drivers that drop accesses beyond it would hide them.
     */
    for (uint32_t b = 0; b < layout->n; b++)
        if (c->words[b])
            ranges[b] = (struct gpu_range){k->buffer, layout->offset[b],
                                           (uint64_t)c->words[b] * 4 + GUARD_BYTES};
    kernel_bind(id, ranges, bindings);
    if ((status = gpu_program_begin(k->device, info->name, false, &program)))
        return status;
    if (!(status =
              gpu_program_dispatch(program, pipeline, bindings, c->params.bytes, plan.groups)) &&
        !(status = gpu_program_end(program)) && !(status = gpu_program_submit(program, &ticket)) &&
        !(status = gpu_wait(k->device, ticket, UINT64_MAX)))
        status = gpu_buffer_read(k->device, k->buffer, 0, image, layout->bytes);
    gpu_program_destroy(k->device, &program);
    return status;
}

static bool check_alone(struct checker *k, enum kernel_id id, const struct prepared *p,
                        const uint32_t *full, uint32_t *image)
{
    struct prepared one;
    if (!case_prepare(k->options, id, p->index, true, &one))
        return true;
    memcpy(image, p->before, p->layout.bytes);
    bool same = run(k, id, &one.c, &p->layout, image) == OK;
    if (same)
        same = case_judge_alone(k, id, p, full, &one, image);
    else
        case_failed(k, id, p, "one slot alone did not run");
    case_free(&one);
    return same;
}

static void put_word(FILE *to, uint32_t word)
{
    for (int i = 0; i < 4; i++)
        fputc((int)(word >> 8 * i & 0xff), to);
}

static void put_outputs(FILE *to, enum kernel_id id, const struct prepared *p,
                        const uint32_t *image)
{
    const struct kernel_info *info = &kernel_table[id];
    for (uint32_t b = 0; b < p->layout.n; b++) {
        char name[OUTPUTS_NAME_BYTES] = {0};
        if (!p->c.words[b] || p->c.careless[b] || !strchr("ox", info->access[b]))
            continue;
        memcpy(name, info->name, MIN(strlen(info->name), sizeof(name)));
        fwrite(name, 1, sizeof(name), to);
        put_word(to, p->index);
        put_word(to, b);
        put_word(to, (uint32_t)info->elements[b]);
        put_word(to, p->c.words[b]);
        for (uint32_t i = 0; i < p->c.words[b]; i++)
            put_word(to, image[p->layout.offset[b] / 4 + i]);
    }
}

bool case_check(struct checker *k, enum kernel_id id, const struct prepared *p,
                struct row_result *result)
{
    uint32_t *full = malloc(p->layout.bytes), *alone = malloc(p->layout.bytes);
    bool good = full && alone;
    if (good) {
        memcpy(full, p->before, p->layout.bytes);
        good = run(k, id, &p->c, &p->layout, full) == OK;
    }
    if (!good)
        case_failed(k, id, p, "did not run");
    else if (k->outputs)
        put_outputs(k->outputs, id, p, full);
    good = good && case_judge(k, id, p, full, result) && check_alone(k, id, p, full, alone);
    free(full);
    free(alone);
    return good;
}
