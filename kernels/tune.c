/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "kernels/tune.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER "stapes kernel choices 1\n"
#define MAX_LINE 128
#define LEAST_WEIGHTS (1u << 16)    /* a smaller product takes no time in any form */
#define MOST_SCRATCH (256ull << 20) /* bytes; a larger binding is not worth it */
#define RUNS 3                      /* of which the fastest counts */
#define RUN_NS 1e6                  /* about what one takes */
#define MOST_REPEATS 32
#define BUDGET_SECONDS 3.0     /* nobody waits longer for this */
#define TOLERANCE 1e-3         /* of the largest result; rounding stays far below */
#define ROUNDED_TOLERANCE 3e-2 /* of rows that round columns to 8 bits */
#define TIMEOUT_NS (30ull * 1000000000ull)
#define REFUSED (-1.0)

/* What was found: the fastest row of a product, or that a row is wrong on this device. */
struct choice {
    uint64_t key; /* of the product and the rows there were; of the row's code if it is refused */
    enum kernel_id id;
    double ns; /* or REFUSED */
};

struct tuner {
    gpu_device *device;
    struct choice *choices;
    size_t n_choices, capacity;
    bool grown, finished;
    bool refused[KERNEL_COUNT];
    uint64_t code[KERNEL_COUNT]; /* hashes of the rows' shaders: a new build measures anew */
    double started;              /* seconds */
    gpu_buffer *scratch[GPU_MAX_BINDINGS];
    float *host; /* [3][host_words]: to be uploaded, the first form's result, another's */
    size_t host_words;
};

static uint64_t hash(uint64_t seed, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    for (size_t i = 0; i < bytes; i++)
        seed = (seed ^ at[i]) * 0x100000001b3u;
    return seed;
}

#define HASH_SEED 0xcbf29ce484222325u

static uint64_t hash_shader(const struct gpu_shader *shader)
{
    uint64_t seed = hash(HASH_SEED, shader->spirv, shader->spirv_bytes);
    for (const char *const *part = shader->wgsl; part && *part; part++)
        seed = hash(seed, *part, strlen(*part));
    return seed;
}

static bool has_many_slots(const struct matmul_params *p)
{
    return p->model_slots >= MATMUL_MANY_SLOTS;
}

/* The product, but for its slots, and the rows that can make it. */
static uint64_t key_of(const struct tuner *tuner, const void *params, const enum kernel_id *ids,
                       size_t n)
{
    const struct matmul_params *p = params;
    const uint32_t shape[] = {
        p->rows,          p->k, p->flags,
        p->per_slot,      n,    (p->x_base | p->x_slot_stride | p->x_col_stride) % 4,
        has_many_slots(p)};
    uint64_t key = hash(HASH_SEED, shape, sizeof(shape));
    for (size_t i = 0; i < n; i++)
        key = hash(key, &tuner->code[ids[i]], sizeof(tuner->code[0]));
    return key;
}

static enum status remember(struct tuner *tuner, uint64_t key, enum kernel_id id, double ns)
{
    if (tuner->n_choices == tuner->capacity) {
        const size_t capacity = tuner->capacity ? 2 * tuner->capacity : 64;
        struct choice *grown = realloc(tuner->choices, capacity * sizeof(*grown));
        if (!grown)
            return log_error(gpu_device_log(tuner->device), ERROR_MEMORY,
                             "no memory for kernel choices");
        tuner->choices = grown;
        tuner->capacity = capacity;
    }
    tuner->choices[tuner->n_choices++] = (struct choice){key, id, ns};
    return OK;
}

/* A line that names no row of today is dropped. */
static enum status parse(struct tuner *tuner, char *text)
{
    const struct log silent = {0};
    if (strncmp(text, HEADER, strlen(HEADER)))
        return OK;
    for (char *line = text + strlen(HEADER), *next; *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = 0;
        uint64_t key;
        char name[64];
        double ns;
        enum kernel_id id;
        if (sscanf(line, "%16" SCNx64 " %63s %lf", &key, name, &ns) != 3 ||
            kernel_find(&silent, name, strlen(name), &id))
            continue;
        tuner->refused[id] |= ns < 0 && key == tuner->code[id];
        const enum status status = remember(tuner, key, id, ns);
        if (status)
            return status;
    }
    return OK;
}

enum status tuner_create(gpu_device *device, struct tuner **out)
{
    void *data = NULL;
    size_t bytes = 0;
    enum status status = OK;
    struct tuner *tuner = calloc(1, sizeof(*tuner));
    if (!tuner)
        return log_error(gpu_device_log(device), ERROR_MEMORY, "no memory for kernel choices");
    tuner->device = device;
    tuner->started = now_seconds();
    for (int i = 0; i < KERNEL_COUNT; i++)
        tuner->code[i] = hash_shader(&kernel_table[i].shader);
    if (gpu_cache_read(device, "kernels", &data, &bytes)) {
        char *text = realloc(data, bytes + 1);
        if (text) {
            text[bytes] = 0;
            status = parse(tuner, text);
        }
        free(text ? text : data);
    }
    if (status) {
        tuner_destroy(&tuner);
        return status;
    }
    *out = tuner;
    return OK;
}

static void save(struct tuner *tuner)
{
    char *text = malloc(sizeof(HEADER) + tuner->n_choices * MAX_LINE);
    if (!text)
        return;
    size_t used = (size_t)sprintf(text, HEADER);
    for (size_t i = 0; i < tuner->n_choices; i++) {
        const struct choice *c = &tuner->choices[i];
        used += (size_t)snprintf(text + used, MAX_LINE, "%016" PRIx64 " %s %.0f\n", c->key,
                                 kernel_table[c->id].name, c->ns);
    }
    gpu_cache_write(tuner->device, "kernels", text, used);
    free(text);
}

static void release_scratch(struct tuner *tuner)
{
    for (uint32_t i = 0; i < GPU_MAX_BINDINGS; i++)
        gpu_buffer_destroy(tuner->device, &tuner->scratch[i]);
    free(tuner->host);
    tuner->host = NULL;
    tuner->host_words = 0;
}

void tuner_finish(struct tuner *tuner)
{
    if (tuner->grown)
        save(tuner);
    release_scratch(tuner);
    tuner->grown = false;
    tuner->finished = true;
}

void tuner_destroy(struct tuner **tuner)
{
    if (!tuner || !*tuner)
        return;
    tuner_finish(*tuner);
    free((*tuner)->choices);
    free(*tuner);
    *tuner = NULL;
}

static uint64_t range_bytes(const struct gpu_range *range)
{
    if (!range->buffer)
        return 0;
    return range->size ? range->size : gpu_buffer_size(range->buffer) - range->offset;
}

/* Activations are f32; the planes of a weight are bound as they are. */
static bool is_scratch(enum kernel_id base, uint32_t binding)
{
    return binding >= 2 && kernel_table[base].elements[binding] == 'f';
}

static bool is_product(enum kernel_id base)
{
    return base >= KERNEL_OF_TYPE(matmul, 0) && base < KERNEL_OF_TYPE(matmul, WEIGHT_TYPES);
}

bool tuner_wants(const struct tuner *tuner, enum kernel_id base, const void *params,
                 const struct gpu_range *ranges)
{
    const struct matmul_params *p = params;
    if (!is_product(base))
        return false;
    uint64_t bytes = 0;
    for (uint32_t i = 0; kernel_table[base].access[i]; i++)
        if (is_scratch(base, i))
            bytes += range_bytes(&ranges[i]);
    return !tuner->finished && (uint64_t)p->rows * p->k >= LEAST_WEIGHTS && bytes <= MOST_SCRATCH &&
           bytes <= gpu_device_memory_left(tuner->device) &&
           now_seconds() - tuner->started < BUDGET_SECONDS;
}

bool tuner_refuses(const struct tuner *tuner, enum kernel_id id)
{
    return tuner->refused[id];
}

bool tuner_known(const struct tuner *tuner, const void *params, const enum kernel_id *ids, size_t n,
                 enum kernel_id *out)
{
    if (!is_product(kernel_table[ids[0]].base))
        return false;
    const uint64_t key = key_of(tuner, params, ids, n);
    for (size_t i = tuner->n_choices; i-- > 0;) /* the newest of equal keys */
        for (size_t k = 0; k < n && tuner->choices[i].key == key; k++)
            if (tuner->choices[i].id == ids[k] && tuner->choices[i].ns >= 0) {
                *out = ids[k];
                return true;
            }
    return false;
}

/* [-1, 1), the same in every run */
static void fill(float *values, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        values[i] = (float)(int32_t)seed * 0x1p-31f;
    }
}

static enum status need_host(struct tuner *tuner, enum kernel_id base,
                             const struct gpu_range *ranges)
{
    size_t words = (size_t)((range_bytes(&ranges[6]) + range_bytes(&ranges[7])) / 4);
    for (uint32_t i = 0; kernel_table[base].access[i]; i++)
        if (is_scratch(base, i))
            words = MAX(words, (size_t)(range_bytes(&ranges[i]) / 4));
    if (words <= tuner->host_words)
        return OK;
    free(tuner->host);
    tuner->host_words = 0;
    tuner->host = malloc(3 * words * sizeof(float));
    if (!tuner->host)
        return log_error(gpu_device_log(tuner->device), ERROR_MEMORY, "no memory for tuning");
    tuner->host_words = words;
    return OK;
}

/* Scratch of the same sizes as the activations of `ranges`, with the same contents each time: zeros
 * where only results go, so that nothing else is compared. */
static enum status prepare(struct tuner *tuner, enum kernel_id base, bool adds,
                           const struct gpu_range *ranges, struct gpu_range *scratch)
{
    for (uint32_t i = 0; kernel_table[base].access[i]; i++) {
        const uint64_t bytes = range_bytes(&ranges[i]);
        scratch[i] = ranges[i];
        if (!is_scratch(base, i) || !bytes)
            continue;
        if (tuner->scratch[i] && gpu_buffer_size(tuner->scratch[i]) < bytes)
            gpu_buffer_destroy(tuner->device, &tuner->scratch[i]);
        enum status status = OK;
        if (!tuner->scratch[i])
            status = gpu_buffer_create(
                tuner->device, &(struct gpu_buffer_params){.name = "tuning", .size_bytes = bytes},
                &tuner->scratch[i]);
        if (status)
            return status;
        if (i < 6 || (i == 6 && adds))
            fill(tuner->host, bytes / 4, i);
        else
            memset(tuner->host, 0, bytes);
        status = gpu_buffer_write(tuner->device, tuner->scratch[i], 0, tuner->host, bytes);
        if (status)
            return status;
        scratch[i] = (struct gpu_range){tuner->scratch[i], 0, bytes};
    }
    return OK;
}

/* Nanoseconds of one of `repeats` dispatches in a row. */
static enum status run(struct tuner *tuner, const struct tune_candidate *c, const void *params,
                       const struct gpu_range *ranges, uint32_t repeats, uint32_t runs, double *ns)
{
    struct gpu_binding bindings[GPU_MAX_BINDINGS];
    const char *name;
    gpu_program *program;
    *ns = HUGE_VAL;
    kernel_bind(c->id, ranges, bindings);
    enum status status = gpu_program_begin(tuner->device, "tuning", true, &program);
    if (status)
        return status;
    status = gpu_program_stage(program, "tuning");
    for (uint32_t i = 0; i < repeats && status == OK; i++)
        status = gpu_program_dispatch(program, c->pipeline, bindings, params, c->plan.groups);
    if (status == OK)
        status = gpu_program_end(program);
    for (uint32_t i = 0; i < runs && status == OK; i++) {
        uint64_t ticket;
        double total = 0;
        uint32_t count = 1;
        if ((status = gpu_program_submit(program, &ticket)) == OK &&
            (status = gpu_wait(tuner->device, ticket, TIMEOUT_NS)) == OK &&
            (status = gpu_program_times(program, &name, &total, &count)) == OK) {
            *ns = MIN(*ns, total / repeats);
        }
    }
    gpu_program_destroy(tuner->device, &program);
    return status;
}

/* No difference exceeds `tolerance` times the largest of a; NaN is never right. */
static bool alike(const float *a, const float *b, size_t n, double tolerance)
{
    float largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmaxf(largest, fabsf(a[i]));
    for (size_t i = 0; i < n; i++)
        if (!(fabsf(a[i] - b[i]) <= tolerance * largest))
            return false;
    return true;
}

/* What a dispatch leaves in y, and in y2 if it is bound. */
static enum status result(struct tuner *tuner, const struct gpu_range *ranges, float *out)
{
    size_t at = 0;
    enum status status = OK;
    for (uint32_t i = 6; i < 8 && status == OK; i++) {
        const uint64_t bytes = range_bytes(&ranges[i]);
        if (!bytes)
            continue;
        status = gpu_buffer_read(tuner->device, ranges[i].buffer, 0, out + at, bytes);
        at += bytes / 4;
    }
    return status;
}

static enum status refuse(struct tuner *tuner, enum kernel_id id)
{
    log_write(gpu_device_log(tuner->device), LOG_WARNING,
              "kernel %s gives wrong results on %s and is not used; please report it",
              kernel_table[id].name, gpu_device_get_info(tuner->device)->name);
    tuner->refused[id] = true;
    tuner->grown = true;
    return remember(tuner, tuner->code[id], id, REFUSED);
}

/* *ns: HUGE_VAL if the candidate does not agree with the first. */
static enum status time_candidate(struct tuner *tuner, const void *params,
                                  const struct gpu_range *ranges, const struct tune_candidate *c,
                                  bool first, double *ns)
{
    const struct matmul_params *p = params;
    struct gpu_range scratch[GPU_MAX_BINDINGS] = {{0}};
    const size_t words = (size_t)((range_bytes(&ranges[6]) + range_bytes(&ranges[7])) / 4);
    float *right = tuner->host + tuner->host_words, *mine = right + tuner->host_words;
    enum status status =
        prepare(tuner, kernel_table[c->id].base, p->flags & MATMUL_ADD_TO, ranges, scratch);
    if (status == OK)
        status = run(tuner, c, params, scratch, 1, 1, ns);
    if (status == OK)
        status = result(tuner, scratch, first ? right : mine);
    if (status)
        return status;
    if (!first &&
        !alike(right, mine, words, kernel_rounds(c->id) ? ROUNDED_TOLERANCE : TOLERANCE)) {
        *ns = HUGE_VAL;
        return refuse(tuner, c->id);
    }
    if (has_many_slots(p))
        return OK;
    const double repeats = *ns > 0 ? RUN_NS / *ns : MOST_REPEATS;
    return run(tuner, c, params, scratch, (uint32_t)MAX(1, MIN(repeats, MOST_REPEATS)), RUNS, ns);
}

enum status tuner_measure(struct tuner *tuner, const void *params, const struct gpu_range *ranges,
                          const struct tune_candidate *candidates, size_t n, enum kernel_id *out)
{
    enum kernel_id ids[KERNEL_COUNT];
    double fastest = HUGE_VAL;
    size_t good = 0;
    enum status status = need_host(tuner, kernel_table[candidates[0].id].base, ranges);
    for (size_t i = 0; i < n && status == OK; i++) {
        double ns;
        status = time_candidate(tuner, params, ranges, &candidates[i], i == 0, &ns);
        if (status || ns == HUGE_VAL)
            continue;
        ids[good++] = candidates[i].id;
        if (ns < fastest || has_many_slots(params)) {
            fastest = ns;
            *out = candidates[i].id;
        }
    }
    if (status == OK)
        status = remember(tuner, key_of(tuner, params, ids, good), *out, fastest);
    tuner->grown |= status == OK;
    return status;
}
