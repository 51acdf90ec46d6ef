/* SPDX-License-Identifier: MIT
 *
 * checkgpu's cases on a device that cannot be waited for: a module that checkgpu.mjs calls. Each
 * call collects what is done and prepares more; several cases are under way at a time, and each
 * binding has a buffer of its own, because WebGPU allows no other while one of them is written.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/checkgpu.h"

#define EXPORT(NAME) __attribute__((export_name(#NAME)))
#define FLIGHTS 12
#define MAX_CASES 128 /* of a row that can be thinned out; more are all run */

/* One dispatch: buffers are kept from case to case and grow. */
struct trip {
    gpu_buffer *buffers[GPU_PLAIN_BINDINGS];
    gpu_buffer *result; /* the image of all bindings after the dispatch */
    gpu_program *program;
    uint64_t ticket;
};

struct flight {
    enum { FREE, PREPARED, SUBMITTED } state;
    enum kernel_id id;
    struct prepared p, one; /* slot 0 alone, if has_one */
    bool has_one;
    struct trip full, alone;
};

struct row {
    bool selected;
    struct checker checker; /* its pipelines */
    struct row_result result;
    uint32_t next, under_way;
    bool skips[MAX_CASES];
    bool ended; /* there are no more cases */
};

struct shapes {
    bool known;
    uint32_t n;
    unsigned char params[MAX_CASES][GPU_MAX_PARAMS_BYTES];
};

static struct options options = {.seed = 1, .all = true};
static gpu_device *device;
static struct row rows[KERNEL_COUNT];
static struct shapes shapes[KERNEL_COUNT]; /* of rows that have cases of their own */
static struct flight flights[FLIGHTS];

/* The words of a binding after a case that passed, for who compares devices. */
__attribute__((import_module("check"), import_name("output"))) void
check_output(const char *row, uint32_t index, uint32_t binding, uint32_t element,
             const uint32_t *words, uint32_t n_words);

static void print_log(void *user, enum log_level level, const char *message)
{
    (void)user;
    if (level <= LOG_WARNING)
        fprintf(stderr, "%s\n", message);
}

EXPORT(check_open) int32_t check_open(uint32_t seed_low, uint32_t seed_high)
{
    const struct gpu_device_params params = {.log = {print_log, NULL}};
    options.seed = (uint64_t)seed_high << 32 | seed_low;
    const enum status status = gpu_device_create(&params, &device);
    for (int i = 0; i < KERNEL_COUNT; i++)
        rows[i].checker = (struct checker){.options = &options, .device = device};
    return status;
}

EXPORT(check_device) const char *check_device(void)
{
    return gpu_device_get_info(device)->name;
}

EXPORT(check_rows) uint32_t check_rows(void)
{
    return KERNEL_COUNT;
}

EXPORT(check_name) const char *check_name(uint32_t id)
{
    return kernel_table[id].name;
}

EXPORT(check_base) uint32_t check_base(uint32_t id)
{
    return kernel_table[id].base;
}

EXPORT(check_has_twin) uint32_t check_has_twin(uint32_t id)
{
    return kernel_table[id].shader.wgsl != NULL;
}

/* The parameters of a row's cases. Its base has the same ones, unless the row rounds; what _mm rows
 * have beyond these is for large tiles, and never left out. */
static const struct shapes *get_shapes(enum kernel_id id)
{
    const enum kernel_id owner = kernel_rounds(id) ? id : kernel_table[id].base;
    struct shapes *s = &shapes[owner];
    struct prepared p;
    for (uint32_t index = 0; !s->known && case_make(&options, owner, index, &p); index++) {
        if (index < MAX_CASES)
            memcpy(s->params[s->n++], p.c.params.bytes, GPU_MAX_PARAMS_BYTES);
        case_free(&p);
    }
    s->known = true;
    return s;
}

/* What the specialization constants of a row's cases have had: bits, and zeros. */
struct coverage {
    uint32_t bits[GPU_MAX_SPEC], zero[GPU_MAX_SPEC];
};

static struct kernel_plan plan_of(enum kernel_id id, const void *params)
{
    struct kernel_plan plan = {.n_spec = 0};
    kernel_table[id].plan(params, &plan);
    return plan;
}

/* How much a plan has that is new. */
static uint32_t news_of(const struct coverage *c, const struct kernel_plan *plan)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->n_spec; i++)
        n += (uint32_t)__builtin_popcount(plan->spec[i] & ~c->bits[i]) +
             (!plan->spec[i] && !c->zero[i]);
    return n;
}

static void cover(struct coverage *c, const struct kernel_plan *plan)
{
    for (uint32_t i = 0; i < plan->n_spec; i++) {
        c->bits[i] |= plan->spec[i];
        c->zero[i] |= !plan->spec[i];
    }
}

/* The cases that are legal for a row, of which the first ones are spread evenly; rows of a base
 * have different ones first. */
static uint32_t order_cases(enum kernel_id id, const struct shapes *s, uint32_t most,
                            uint32_t *order)
{
    uint32_t legal[MAX_CASES], n = 0, ordered = 0;
    for (uint32_t i = 0; i < s->n; i++)
        if (kernel_table[id].suits(s->params[i]))
            legal[n++] = i;
    const uint32_t stride = MAX(div_up(n, most), 1u);
    for (uint32_t r = 0; r < stride; r++)
        for (uint32_t i = (id + r) % stride; i < n; i += stride)
            order[ordered++] = legal[i];
    return n;
}

/* Leaves `most` of a row's cases: always the one whose plan has most that is new, so that each
 * branch of a module runs in some case if there is room for it. */
static void thin_out(enum kernel_id id, uint32_t most)
{
    const struct shapes *s = get_shapes(id);
    struct coverage covered = {.bits = {0}};
    uint32_t order[MAX_CASES];
    const uint32_t n = order_cases(id, s, most, order);
    for (uint32_t i = 0; i < s->n; i++)
        rows[id].skips[i] = true;
    for (uint32_t picked = 0; picked < MIN(most, n); picked++) {
        uint32_t best = picked, most_news = 0;
        for (uint32_t i = picked; i < n; i++) {
            const struct kernel_plan plan = plan_of(id, s->params[order[i]]);
            const uint32_t news = news_of(&covered, &plan);
            if (news > most_news) {
                most_news = news;
                best = i;
            }
        }
        const uint32_t index = order[best];
        const struct kernel_plan plan = plan_of(id, s->params[index]);
        order[best] = order[picked];
        cover(&covered, &plan);
        rows[id].skips[index] = false;
    }
}

/* Takes a row into the walk, with all its cases or, if `most` is not 0, so many of them and those
 * for large tiles; 0 if the device lacks what it needs. */
EXPORT(check_select) uint32_t check_select(uint32_t id, uint32_t most)
{
    const uint32_t features = gpu_device_get_info(device)->features | GPU_FEATURE_FAST_BARRIERS;
    rows[id].selected = !(kernel_table[id].features & ~features);
    if (rows[id].selected && most)
        thin_out((enum kernel_id)id, most);
    return rows[id].selected;
}

/* Whether all cases of a selected row are judged. */
EXPORT(check_ended) uint32_t check_ended(uint32_t id)
{
    return rows[id].ended && !rows[id].under_way;
}

EXPORT(check_result) const struct row_result *check_result(uint32_t id)
{
    return &rows[id].result;
}

static enum status fit(gpu_buffer **buffer, const char *name, uint64_t bytes,
                       enum gpu_memory memory)
{
    if (*buffer && gpu_buffer_size(*buffer) >= bytes)
        return OK;
    gpu_buffer_destroy(device, buffer);
    const struct gpu_buffer_params params = {
        .name = name, .size_bytes = MAX(2 * bytes, 4096u), .memory = memory};
    return gpu_buffer_create(device, &params, buffer);
}

/* What a binding's own buffer holds of the image: from the guard before it to the one behind. */
static uint64_t binding_bytes(const struct kernel_case *c, uint32_t b)
{
    return GUARD_BYTES + (uint64_t)c->words[b] * 4 + GUARD_BYTES;
}

static enum status fill_buffers(struct trip *t, const struct prepared *p, struct gpu_range *ranges)
{
    enum status status = fit(&t->result, "image", p->layout.bytes, GPU_MEMORY_READBACK);
    for (uint32_t b = 0; b < p->layout.n && !status; b++) {
        const uint64_t bytes = binding_bytes(&p->c, b);
        if (!p->c.words[b])
            continue;
        if (!(status = fit(&t->buffers[b], "binding", bytes, GPU_MEMORY_DEVICE)))
            status = gpu_buffer_write(device, t->buffers[b], 0,
                                      p->before + (p->layout.offset[b] - GUARD_BYTES) / 4, bytes);
        ranges[b] = (struct gpu_range){t->buffers[b], GUARD_BYTES, bytes - GUARD_BYTES};
    }
    return status;
}

/* Without the guards before: what is bound begins behind them, and one of them would hide the guard
 * that ends the binding before. */
static enum status record_results(struct trip *t, const struct prepared *p)
{
    enum status status = OK;
    for (uint32_t b = 0; b < p->layout.n && !status; b++) {
        if (!p->c.words[b])
            continue;
        const uint64_t bytes = binding_bytes(&p->c, b) - GUARD_BYTES;
        const struct gpu_range from = {t->buffers[b], GUARD_BYTES, bytes},
                               to = {t->result, p->layout.offset[b], bytes};
        status = gpu_program_copy(t->program, &from, &to);
    }
    return status;
}

/* image: the case whose contents the buffers get; c: whose parameters the dispatch does. */
static enum status prepare_trip(struct row *row, enum kernel_id id, const struct prepared *image,
                                const struct kernel_case *c, struct trip *t)
{
    struct gpu_range ranges[GPU_MAX_BINDINGS] = {{0}};
    struct gpu_binding bindings[GPU_MAX_BINDINGS];
    struct kernel_plan plan = {.n_spec = 0};
    gpu_pipeline *pipeline;
    enum status status;

    kernel_table[id].plan(c->params.bytes, &plan);
    if ((status = fill_buffers(t, image, ranges)) ||
        (status = checker_pipeline(&row->checker, id, &plan, &pipeline)))
        return status;
    kernel_bind(id, ranges, bindings);
    if ((status = gpu_program_begin(device, kernel_table[id].name, false, &t->program)) ||
        (status =
             gpu_program_dispatch(t->program, pipeline, bindings, c->params.bytes, plan.groups)) ||
        (status = record_results(t, image)))
        return status;
    return gpu_program_end(t->program);
}

static void land(struct flight *f)
{
    gpu_program_destroy(device, &f->full.program);
    gpu_program_destroy(device, &f->alone.program);
    case_free(&f->p);
    if (f->has_one)
        case_free(&f->one);
    rows[f->id].under_way--;
    f->state = FREE;
}

static void fail(struct flight *f, const char *what)
{
    case_failed(&rows[f->id].checker, f->id, &f->p, what);
    rows[f->id].result.failures++;
    land(f);
}

/* The next case of a selected row that is legal for it. */
static bool next_case(struct flight *f)
{
    for (uint32_t i = 0; i < KERNEL_COUNT; i++) {
        struct row *row = &rows[i];
        f->id = (enum kernel_id)i;
        while (row->selected && !row->ended) {
            const uint32_t index = row->next++;
            if (index < MAX_CASES && row->skips[index])
                continue;
            row->ended = !case_prepare(&options, f->id, index, false, &f->p);
            if (!row->ended && case_legal(f->id, &f->p.c)) {
                row->result.cases++;
                row->under_way++;
                f->has_one = case_prepare(&options, f->id, index, true, &f->one);
                return true;
            }
            case_free(&f->p);
        }
    }
    return false;
}

static void prepare(struct flight *f)
{
    struct row *row = &rows[f->id];
    enum status status = prepare_trip(row, f->id, &f->p, &f->p.c, &f->full);
    if (!status && f->has_one)
        status = prepare_trip(row, f->id, &f->p, &f->one.c, &f->alone);
    f->state = PREPARED;
    if (status)
        fail(f, "was not recorded");
}

static void output(enum kernel_id id, const struct prepared *p, const uint32_t *image)
{
    const struct kernel_info *info = &kernel_table[id];
    for (uint32_t b = 0; b < p->layout.n; b++)
        if (p->c.words[b] && !p->c.careless[b] &&
            (info->access[b] == 'o' || info->access[b] == 'x'))
            check_output(info->name, p->index, b, (uint32_t)info->elements[b],
                         image + p->layout.offset[b] / 4, p->c.words[b]);
}

/* What lies between the copies of the bindings was not copied. */
static const uint32_t *image_of(struct trip *t, const struct prepared *p)
{
    uint32_t *image = gpu_buffer_map(t->result);
    uint64_t at = 0;
    for (uint32_t b = 0; b <= p->layout.n; b++) {
        const uint64_t end = b < p->layout.n ? p->layout.offset[b] : p->layout.bytes;
        for (; at < end; at += 4)
            image[at / 4] = GUARD_WORD;
        if (b < p->layout.n && p->c.words[b])
            at = p->layout.offset[b] + (uint64_t)p->c.words[b] * 4 + GUARD_BYTES;
    }
    return image;
}

static void judge(struct flight *f)
{
    struct row *row = &rows[f->id];
    const uint32_t *full = image_of(&f->full, &f->p);
    bool good = case_judge(&row->checker, f->id, &f->p, full, &row->result);
    if (good && f->has_one)
        good = case_judge_alone(&row->checker, f->id, &f->p, full, &f->one,
                                image_of(&f->alone, &f->p));
    row->result.failures += !good;
    output(f->id, &f->p, full);
    land(f);
}

/* Submits what is prepared; the pipelines should be compiled by now. */
EXPORT(check_submit) void check_submit(void)
{
    for (uint32_t i = 0; i < FLIGHTS; i++) {
        struct flight *f = &flights[i];
        if (f->state != PREPARED)
            continue;
        f->state = SUBMITTED;
        if (gpu_program_submit(f->full.program, &f->full.ticket) ||
            (f->has_one && gpu_program_submit(f->alone.program, &f->alone.ticket)))
            fail(f, "did not run");
    }
}

/* Judges what is done and prepares more cases; returns how many are under way, 0 at the end. */
EXPORT(check_step) uint32_t check_step(void)
{
    uint32_t under_way = 0;
    for (uint32_t i = 0; i < FLIGHTS; i++) {
        struct flight *f = &flights[i];
        if (f->state == SUBMITTED) {
            const uint64_t ticket = f->has_one ? f->alone.ticket : f->full.ticket;
            const enum status status = gpu_wait(device, ticket, 0);
            if (status && status != ERROR_AGAIN)
                fail(f, "did not finish");
            else if (!status)
                judge(f);
        }
        while (f->state == FREE && next_case(f)) /* until one could be prepared */
            prepare(f);
        under_way += f->state != FREE;
    }
    for (int i = 0; i < KERNEL_COUNT; i++)
        if (check_ended((uint32_t)i))
            checker_drop_pipelines(&rows[i].checker);
    return under_way;
}
