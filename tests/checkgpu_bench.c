/* SPDX-License-Identifier: MIT
 *
 * Times rows on one case, side by side. A pass is a program that dispatches once for each of many
 * copies of the case's buffers, which together exceed the last-level cache, so that inputs come
 * from memory as weights do. What is written lies apart, in sets that are restored before each
 * pass: all passes do the same work, and all sets must hold the expected outputs in the end.
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "tests/checkgpu.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIN_COPIES 2u
#define MAX_COPIES 256u
#define MAX_PASSES 1000u

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static enum status add_sample(struct samples *s, double ns)
{
    if (s->n == s->capacity) {
        const uint32_t capacity = s->capacity ? 2 * s->capacity : 64;
        double *grown = realloc(s->ns, capacity * sizeof(*grown));
        if (!grown)
            return ERROR_MEMORY;
        s->ns = grown;
        s->capacity = capacity;
    }
    s->ns[s->n++] = ns;
    return OK;
}

static enum status time_pass(gpu_device *device, const struct pass *pass, struct samples *s)
{
    const char *name;
    uint64_t ticket;
    uint32_t stages = 1;
    double ns = 0;
    enum status status;
    if (pass->restore && ((status = gpu_program_submit(pass->restore, &ticket)) ||
                          (status = gpu_wait(device, ticket, UINT64_MAX))))
        return status;
    const double from = now_ns();
    if ((status = gpu_program_submit(pass->timed, &ticket)) ||
        (status = gpu_wait(device, ticket, UINT64_MAX)))
        return status;
    const double wall = now_ns() - from;
    if ((status = gpu_program_times(pass->timed, &name, &ns, &stages)))
        return status;
    return add_sample(s, (stages ? ns : wall) / pass->dispatches);
}

enum status samples_take(gpu_device *device, const struct pass *passes, uint32_t n, uint32_t least,
                         double budget_ms, struct samples *s)
{
    const double start = now_ns(), warm = start + budget_ms * 0.25e6, end = start + budget_ms * 1e6;
    uint32_t i = 0;
    enum status status = OK;
    while (!status && now_ns() < warm)
        status = time_pass(device, &passes[i++ % n], s);
    s->n = 0;
    while (!status && (s->n < least || (now_ns() < end && s->n < MAX_PASSES)))
        status = time_pass(device, &passes[i++ % n], s);
    return status;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void samples_summarize(struct samples *s, struct timing *out)
{
    qsort(s->ns, s->n, sizeof(*s->ns), ascending);
    out->passes = s->n;
    out->p10_ns = s->ns[s->n / 10];
    out->median_ns = s->n % 2 ? s->ns[s->n / 2] : (s->ns[s->n / 2 - 1] + s->ns[s->n / 2]) / 2;
    out->p90_ns = s->ns[s->n - 1 - s->n / 10];
}

/* Copies of a case's buffers. Set i of what is read is at i * stride of one buffer, set i of what
 * is written at i * stride of another; set n of that is never written, and restores the others. */
struct copies {
    uint32_t n;
    bool written[GPU_MAX_BINDINGS];
    uint64_t offset[GPU_MAX_BINDINGS]; /* in a set */
    uint64_t stride[2];                /* of sets that are read, written */
    gpu_buffer *buffer[2];
};

static void copies_deinit(gpu_device *device, struct copies *s)
{
    gpu_buffer_destroy(device, &s->buffer[0]);
    gpu_buffer_destroy(device, &s->buffer[1]);
}

static uint64_t binding_bytes(const struct prepared *p, uint32_t b)
{
    return align_up((uint64_t)p->c.words[b] * 4 + GUARD_BYTES, GPU_OFFSET_ALIGNMENT);
}

static enum status upload(gpu_device *device, const struct copies *s, const struct prepared *p)
{
    enum status status = OK;
    for (uint32_t b = 0; b < p->layout.n && !status; b++)
        if (p->c.words[b])
            status = gpu_buffer_write(device, s->buffer[s->written[b]],
                                      (s->written[b] ? s->n * s->stride[1] : 0) + s->offset[b],
                                      p->before + p->layout.offset[b] / 4,
                                      (uint64_t)p->c.words[b] * 4 + GUARD_BYTES);
    return status;
}

/* Copies set `from` of a buffer to sets first to end - 1. */
static enum status record_copies(const struct copies *s, uint32_t which, uint32_t from,
                                 uint32_t first, uint32_t end, gpu_program *program)
{
    const uint64_t stride = s->stride[which];
    enum status status = OK;
    for (uint32_t i = first; i < end && stride && !status; i++) {
        const struct gpu_range source = {s->buffer[which], from * stride, stride};
        const struct gpu_range target = {s->buffer[which], i * stride, stride};
        status = gpu_program_copy(program, &source, &target);
    }
    return status;
}

static enum status spread(gpu_device *device, const struct copies *s)
{
    gpu_program *program = NULL;
    uint64_t ticket;
    enum status status = gpu_program_begin(device, "spread", false, &program);
    if (!status && !(status = record_copies(s, 0, 0, 1, s->n, program)) &&
        !(status = record_copies(s, 1, s->n, 0, s->n, program)) &&
        !(status = gpu_program_end(program)) && !(status = gpu_program_submit(program, &ticket)))
        status = gpu_wait(device, ticket, UINT64_MAX);
    gpu_program_destroy(device, &program);
    return status;
}

static enum status copies_init(gpu_device *device, const struct roofs *roofs,
                               const struct prepared *p, enum kernel_id id, struct copies *s)
{
    const char *access = kernel_table[id].access;
    enum status status = OK;
    memset(s, 0, sizeof(*s));
    for (uint32_t b = 0; access[b]; b++) {
        s->written[b] = access[b] == 'o' || access[b] == 'x';
        if (!p->c.words[b])
            continue;
        s->offset[b] = s->stride[s->written[b]];
        s->stride[s->written[b]] += binding_bytes(p, b);
    }
    const uint64_t bytes = s->stride[0] + s->stride[1], left = gpu_device_memory_left(device) / 2;
    uint64_t n = (roofs->rotate_bytes + bytes - 1) / bytes;
    n = MIN(MAX(n, MIN_COPIES), MAX_COPIES);
    s->n = (uint32_t)MAX(MIN(n, left / bytes), 1);
    for (uint32_t i = 0; i < 2 && !status; i++) {
        const struct gpu_buffer_params params = {
            .name = i ? "written" : "read",
            .size_bytes = MAX((s->n + i) * s->stride[i], GPU_OFFSET_ALIGNMENT)};
        status = gpu_buffer_create(device, &params, &s->buffer[i]);
    }
    if (!status && !(status = upload(device, s, p)))
        status = spread(device, s);
    if (status)
        copies_deinit(device, s);
    return status;
}

/* The ranges of set i. One binding that is written reaches into the next set, so that the recorder
 * puts a barrier between neighbours: in a model, too, each dispatch waits for the one before. */
static void bind_set(const struct checker *k, const struct copies *s, const struct prepared *p,
                     uint32_t i, struct gpu_range *ranges)
{
    const uint64_t most = gpu_device_get_info(k->device)->max_binding_bytes;
    bool chained = false;
    for (uint32_t b = 0; b < p->layout.n; b++) {
        ranges[b] = (struct gpu_range){0};
        if (!p->c.words[b])
            continue;
        const uint64_t stride = s->stride[s->written[b]];
        ranges[b] = (struct gpu_range){s->buffer[s->written[b]], i * stride + s->offset[b],
                                       (uint64_t)p->c.words[b] * 4 + GUARD_BYTES};
        if (s->written[b] && !chained && stride + ranges[b].size <= most) {
            ranges[b].size += stride;
            chained = true;
        }
    }
}

/* A pass over sets first to end - 1. */
static enum status record(struct checker *k, const struct copies *s, const struct prepared *p,
                          enum kernel_id id, uint32_t first, uint32_t end, struct pass *out)
{
    struct kernel_plan plan = {.n_spec = 0};
    struct gpu_range ranges[GPU_MAX_BINDINGS];
    struct gpu_binding bindings[GPU_MAX_BINDINGS];
    gpu_pipeline *pipeline;
    out->dispatches = end - first;
    kernel_table[id].plan(p->c.params.bytes, &plan);
    enum status status = checker_pipeline(k, id, &plan, &pipeline);
    if (!status && !(status = gpu_program_begin(k->device, "restore", false, &out->restore)) &&
        !(status = record_copies(s, 1, s->n, first, end, out->restore)) &&
        !(status = gpu_program_end(out->restore)) &&
        !(status = gpu_program_begin(k->device, kernel_table[id].name, true, &out->timed)))
        status = gpu_program_stage(out->timed, "dispatches");
    for (uint32_t i = first; i < end && !status; i++) {
        bind_set(k, s, p, i, ranges);
        kernel_bind(id, ranges, bindings);
        status =
            gpu_program_dispatch(out->timed, pipeline, bindings, p->c.params.bytes, plan.groups);
    }
    return status ? status : gpu_program_end(out->timed);
}

static void drop_passes(gpu_device *device, struct pass *passes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        gpu_program_destroy(device, &passes[i].restore);
        gpu_program_destroy(device, &passes[i].timed);
    }
}

/* Some drivers drop work and say nothing: what was written last must be right in each of the first
 * n sets. */
static bool check_sets(const struct checker *k, const struct copies *s, const struct prepared *p,
                       enum kernel_id id, uint32_t n)
{
    struct row_result result = {.cases = 0};
    uint32_t *set = malloc(s->stride[1]);
    bool good = set != NULL;
    for (uint32_t i = 0; i < n && good; i++) {
        if (gpu_buffer_read(k->device, s->buffer[1], i * s->stride[1], set, s->stride[1])) {
            good = false;
            break;
        }
        for (uint32_t b = 0; b < p->layout.n && good; b++)
            if (s->written[b] && p->c.words[b] && !p->c.careless[b])
                good = case_compare(k, id, p, b, set + s->offset[b] / 4, &result);
    }
    if (!good)
        case_failed(k, id, p, "wrong after it was timed");
    free(set);
    return good;
}

/* The sets in as many passes as keep each short: slow forms on slow devices would take minutes for
 * all sets. *n is the number of passes there are to destroy, also after an error. */
static enum status record_passes(struct checker *k, const struct copies *s,
                                 const struct prepared *p, enum kernel_id id, double pass_ms,
                                 struct pass *passes, uint32_t *n)
{
    struct samples samples = {0};
    *n = 1;
    enum status status = record(k, s, p, id, 0, 1, &passes[0]);
    if (!status)
        status = samples_take(k->device, passes, 1, 1, 0, &samples);
    const double one_ns = status ? 0 : samples.ns[0];
    free(samples.ns);
    drop_passes(k->device, passes, 1);
    *n = 0;
    const uint32_t sets = (uint32_t)MAX(MIN(pass_ms * 1e6 / MAX(one_ns, 1), s->n), 1);
    for (uint32_t first = 0; first < s->n && !status; first += sets)
        status = record(k, s, p, id, first, MIN(first + sets, s->n), &passes[(*n)++]);
    return status;
}

static bool time_row(struct checker *k, const struct copies *s, const struct prepared *p,
                     enum kernel_id id, struct timing *out)
{
    const double budget_ms = k->options->quick ? 30 : 300;
    struct samples samples = {0};
    struct pass passes[MAX_COPIES] = {{0}};
    uint32_t n;
    enum status status = record_passes(k, s, p, id, budget_ms / 10, passes, &n);
    if (!status)
        status = samples_take(k->device, passes, n, k->options->quick ? 3 : 7, budget_ms, &samples);
    bool good = status == OK;
    if (good) {
        out->copies = s->n;
        samples_summarize(&samples, out);
        good = check_sets(k, s, p, id, MIN(s->n, samples.n * passes[0].dispatches));
    } else {
        case_failed(k, id, p, "could not be timed");
    }
    drop_passes(k->device, passes, n);
    free(samples.ns);
    return good;
}

static bool add_result(struct bench_results *results, const struct bench_result *result)
{
    if (results->n == results->capacity) {
        const uint32_t capacity = results->capacity ? 2 * results->capacity : 64;
        struct bench_result *grown = realloc(results->at, capacity * sizeof(*grown));
        if (!grown)
            return false;
        results->at = grown;
        results->capacity = capacity;
    }
    results->at[results->n++] = *result;
    return true;
}

/* Checks row `id` on the case and times it. What is expected of a row that rounds differs from what
 * is expected of its base, on the same inputs. */
static bool check_and_time(struct checker *k, const struct copies *copies, const struct prepared *p,
                           enum kernel_id id, struct timing *out)
{
    struct row_result checked = {.cases = 1};
    struct prepared own;
    if (!kernel_rounds(id))
        return case_check(k, id, p, &checked) && time_row(k, copies, p, id, out);
    if (!case_prepare(k->options, id, p->index, false, &own))
        return false;
    const bool good = case_check(k, id, &own, &checked) && time_row(k, copies, &own, id, out);
    case_free(&own);
    return good;
}

/* All rows of a base on one case; the plain form comes first in kernels.def. */
static bool bench_case(struct checker *k, const struct roofs *roofs, const kernel_set *set,
                       enum kernel_id base, const bool *run, const struct prepared *p,
                       struct bench_results *results)
{
    struct copies copies;
    double plain_ns = 0;
    bool good = true;
    if (copies_init(k->device, roofs, p, base, &copies)) {
        case_failed(k, base, p, "no buffers to time it with");
        return false;
    }
    const enum kernel_id chosen = kernel_set_choose(set, base, p->c.params.bytes);
    for (int i = 0; i < KERNEL_COUNT; i++) {
        const enum kernel_id id = (enum kernel_id)i;
        struct bench_result result = {.id = id, .index = p->index, .chosen = id == chosen};
        if (kernel_table[i].base != base || !run[i] || !case_legal(id, &p->c))
            continue;
        memcpy(result.text, p->c.text, sizeof(result.text));
        result.bytes = p->c.bytes;
        result.flops = p->c.flops;
        if (!check_and_time(k, &copies, p, id, &result.timing)) {
            good = false;
        } else {
            if (id == base)
                plain_ns = result.timing.median_ns;
            result.plain_ns = plain_ns;
            result.timing.cold = copies.n * (copies.stride[0] + copies.stride[1]) >=
                                 MAX(roofs->rotate_bytes, roofs->cache_bytes);
            good &= add_result(results, &result);
        }
        checker_drop_pipelines(k);
    }
    copies_deinit(k->device, &copies);
    return good;
}

/* The largest test case of a row, for one without bench cases. */
static uint32_t largest_case(const struct options *o, enum kernel_id id)
{
    uint32_t largest = UINT32_MAX;
    double most = -1;
    double bytes, flops;
    for (uint32_t index = 0; case_cost(o, id, index, &bytes, &flops); index++) {
        if (bytes > most) {
            most = bytes;
            largest = index;
        }
    }
    return largest;
}

/* On a CPU device a form that would take a second or more for one dispatch is left out: plain forms
 * do about a tenth of a GFLOP/s on lavapipe, the others more than ten. */
static bool takes_long(const struct checker *k, enum kernel_id id, uint32_t index, double flops)
{
    const bool plain = kernel_table[id].base == id;
    double bytes;
    return gpu_device_get_info(k->device)->type == GPU_TYPE_CPU && flops > (plain ? 2e8 : 4e9) &&
           case_cost(k->options, id, index, &bytes, &flops) && bytes >= 0;
}

/* Whether the device allows bindings of this size. */
static bool case_fits(const struct checker *k, const struct prepared *p)
{
    const uint64_t most = gpu_device_get_info(k->device)->max_binding_bytes;
    for (uint32_t b = 0; b < p->layout.n; b++)
        if ((uint64_t)p->c.words[b] * 4 > most)
            return false;
    return true;
}

bool bench_base(struct checker *k, const struct roofs *roofs, const kernel_set *set,
                enum kernel_id base, const bool *run, struct bench_results *results)
{
    struct prepared p;
    double bytes, flops;
    bool good = true, wanted[KERNEL_COUNT];
    uint32_t index = CASE_BENCH;
    for (; case_cost(k->options, base, index, &bytes, &flops); index++) {
        bool any = false;
        for (int i = 0; i < KERNEL_COUNT; i++) {
            wanted[i] = run[i] && kernel_table[i].base == base;
            if (wanted[i] && takes_long(k, (enum kernel_id)i, index, flops)) {
                wanted[i] = false;
                results->left_out[i]++;
            }
            any |= wanted[i];
        }
        if (!any || !case_prepare(k->options, base, index, false, &p))
            continue;
        if (case_fits(k, &p))
            good &= bench_case(k, roofs, set, base, wanted, &p, results);
        else
            for (int i = 0; i < KERNEL_COUNT; i++)
                results->too_large[i] += wanted[i];
        case_free(&p);
    }
    if (index > CASE_BENCH)
        return good;
    const uint32_t largest = largest_case(k->options, base);
    if (case_prepare(k->options, base, largest, false, &p)) {
        good = bench_case(k, roofs, set, base, run, &p, results);
        case_free(&p);
    }
    return good;
}
