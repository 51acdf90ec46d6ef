/* SPDX-License-Identifier: MIT
 *
 * Every row of kernels.def, on every case of its source, against the C reference: outputs poisoned,
 * guard bands around every buffer, inputs unchanged, and one slot alone against the same slot among
 * others, bit for bit.
 */
#define _POSIX_C_SOURCE 200809L /* fnmatch, clock_gettime */
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/reference.h"

#define GUARD_BYTES 256u
#define GUARD_WORD 0xffa5a5a5u /* a NaN, so that reading it shows */
#define SKIP 77

static const struct {
    kernel_cases_fn *cases;
    kernel_ref_fn *ref;
    const char *source;
} references[KERNEL_COUNT] = {
#define KERNEL(name, base, params, access, elements, features, plan, suits, source)                \
    [KERNEL_##name] = {source##_cases, source##_ref, #source},
#include "kernels/kernels.def"
#undef KERNEL
};

struct options {
    const char *pattern, *device;
    uint64_t seed;
    bool list, all, validation, verbose;
};

/* What the cases allocate; freed after each case. */
struct allocations {
    void *blocks[64];
    uint32_t n;
    uint64_t random;
};

struct pipeline {
    uint32_t n_spec;
    uint32_t spec[GPU_MAX_SPEC];
    gpu_pipeline *pipeline;
};

struct checker {
    const struct options *options;
    gpu_device *device;
    struct pipeline *pipelines; /* of the row that runs now */
    uint32_t n_pipelines;
    gpu_buffer *buffer; /* all bindings of a case, grown as needed */
};

struct layout {
    uint32_t n;
    uint64_t offset[GPU_MAX_BINDINGS];
    uint64_t bytes; /* of all, guards included */
};

struct row_result {
    uint32_t cases, failures;
    double worst; /* share of the tolerance */
    char worst_at[160];
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint32_t next_random(void *state)
{
    struct allocations *a = state;
    a->random += 0x9e3779b97f4a7c15u;
    return (uint32_t)(mix(a->random) >> 32);
}

static void *allocate(void *state, size_t bytes)
{
    struct allocations *a = state;
    void *block = calloc(1, bytes ? bytes : 1);
    if (!block || a->n == COUNT_OF(a->blocks)) {
        fprintf(stderr, "checkgpu: out of memory for a case\n");
        exit(1);
    }
    a->blocks[a->n++] = block;
    return block;
}

static void free_all(struct allocations *a)
{
    while (a->n)
        free(a->blocks[--a->n]);
}

/* Rows of one source and type see the same data: the seed is that of the base row. */
static uint64_t case_seed(uint64_t seed, enum kernel_id id, uint32_t index)
{
    uint64_t hash = seed;
    for (const char *s = kernel_table[kernel_table[id].base].name; *s; s++)
        hash = mix(hash ^ (unsigned char)*s);
    return mix(hash + index);
}

static void print_log(void *user, enum log_level level, const char *message)
{
    const struct options *o = user;
    if (level <= LOG_WARNING || o->verbose)
        fprintf(stderr, "%s\n", message);
}

static struct layout lay_out(const struct kernel_case *c, uint32_t n)
{
    struct layout layout = {.n = n, .bytes = GUARD_BYTES};
    for (uint32_t b = 0; b < n; b++) {
        layout.offset[b] = layout.bytes;
        if (c->words[b])
            layout.bytes =
                align_up(layout.bytes + c->words[b] * 4 + GUARD_BYTES, GPU_OFFSET_ALIGNMENT);
    }
    return layout;
}

static uint32_t *make_image(const struct kernel_case *c, const struct layout *layout)
{
    uint32_t *image = malloc(layout->bytes);
    if (!image)
        return NULL;
    for (uint64_t i = 0; i < layout->bytes / 4; i++)
        image[i] = GUARD_WORD;
    for (uint32_t b = 0; b < layout->n; b++)
        if (c->words[b])
            memcpy(image + layout->offset[b] / 4, c->data[b], c->words[b] * 4);
    return image;
}

static enum status get_pipeline(struct checker *k, enum kernel_id id,
                                const struct kernel_plan *plan, gpu_pipeline **out)
{
    const struct kernel_info *info = &kernel_table[id];
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
    enum status status = gpu_pipeline_create(
        k->device,
        &(struct gpu_pipeline_params){
            .name = info->name,
            .spirv = info->spirv,
            .spirv_bytes = info->spirv_bytes,
            .n_bindings = (uint32_t)strlen(info->access),
            .texel_bindings = kernel_texel_bindings((enum kernel_id)(info - kernel_table)),
            .params_bytes = info->params_bytes,
            .n_spec = plan->n_spec,
            .spec = plan->spec,
            .subgroups = kernel_uses_subgroups((enum kernel_id)(info - kernel_table))},
        &p->pipeline);
    if (status)
        return status;
    k->n_pipelines++;
    *out = p->pipeline;
    return OK;
}

static void drop_pipelines(struct checker *k)
{
    for (uint32_t i = 0; i < k->n_pipelines; i++)
        gpu_pipeline_destroy(k->device, &k->pipelines[i].pipeline);
    free(k->pipelines);
    k->pipelines = NULL;
    k->n_pipelines = 0;
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

    if (k->buffer && gpu_buffer_size(k->buffer) < layout->bytes)
        gpu_buffer_destroy(k->device, &k->buffer);
    if (!k->buffer) {
        const struct gpu_buffer_params params = {.name = "case",
                                                 .size_bytes = MAX(layout->bytes, 1u << 20)};
        if ((status = gpu_buffer_create(k->device, &params, &k->buffer)))
            return status;
    }
    info->plan(c->params.bytes, &plan);
    if ((status = get_pipeline(k, id, &plan, &pipeline)))
        return status;
    if ((status = gpu_buffer_write(k->device, k->buffer, 0, image, layout->bytes)))
        return status;
    /* The guard behind is part of the range: drivers that drop accesses beyond it would hide them.
     */
    for (uint32_t b = 0; b < layout->n; b++)
        if (c->words[b])
            ranges[b] =
                (struct gpu_range){k->buffer, layout->offset[b], c->words[b] * 4 + GUARD_BYTES};
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

struct mismatch {
    uint32_t n, first, worst;
    double excess;
};

/* Where a buffer differs: 64 columns, each a part of the buffer, at most 8 lines. */
static void print_map(const bool *bad, uint32_t words)
{
    const uint32_t cells = MIN(words, 512u);
    for (uint32_t i = 0; i < cells; i++) {
        const uint32_t from = (uint32_t)((uint64_t)words * i / cells);
        const uint32_t to = (uint32_t)((uint64_t)words * (i + 1) / cells);
        bool any = false;
        for (uint32_t w = from; w < to; w++)
            any |= bad[w];
        fprintf(stderr, "%s%c%s", i % 64 ? "" : "    ", any ? 'x' : '.',
                i % 64 == 63 || i + 1 == cells ? "\n" : "");
    }
}

static float as_float(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

/* Share of the tolerance that `got` uses; above 1 it is wrong. */
static double share(const struct kernel_case *c, char element, uint32_t b, uint32_t i, uint32_t got)
{
    const uint32_t want = ((const uint32_t *)c->data[b])[i];
    if (got == want)
        return 0;
    if (element == 'w' && c->share)
        return c->share(c, b, i, got);
    if (element != 'f' || !isfinite(as_float(want)) || !isfinite(as_float(got)))
        return INFINITY;
    const double error = fabs((double)as_float(got) - as_float(want));
    const double allowed =
        c->tolerance_absolute + c->tolerance_relative * fabs((double)as_float(want));
    return error == 0 ? 0 : allowed > 0 ? error / allowed : INFINITY;
}

static void print_failure(const struct checker *k, enum kernel_id id, uint32_t index,
                          const struct kernel_case *c, const char *what)
{
    fprintf(stderr, "FAILED %s, case %u (%s): %s\n", kernel_table[id].name, index, c->text, what);
    fprintf(stderr, "  device %s, --seed %llu\n", gpu_device_get_info(k->device)->name,
            (unsigned long long)k->options->seed);
}

static bool compare_binding(const struct checker *k, enum kernel_id id, uint32_t index,
                            const struct kernel_case *c, uint32_t b, const uint32_t *got,
                            struct row_result *result)
{
    const char element = kernel_table[id].elements[b];
    const uint32_t *want = c->data[b];
    const uint32_t words = c->words[b];
    bool *bad = calloc(words, sizeof(*bad));
    uint32_t n = 0, first = 0, worst = 0;
    double most = -1;
    for (uint32_t i = 0; i < words && bad; i++) {
        const double s = share(c, element, b, i, got[i]);
        bad[i] = s > 1;
        if (bad[i] && !n++)
            first = i;
        if (s > most) {
            most = s;
            worst = i;
        }
    }
    if (most > result->worst) {
        result->worst = most;
        snprintf(result->worst_at, sizeof(result->worst_at), "case %u (%s), binding %u[%u]", index,
                 c->text, b, worst);
    }
    if (n) {
        char what[64];
        snprintf(what, sizeof(what), "binding %u: %u of %u words are wrong", b, n, words);
        print_failure(k, id, index, c, what);
        const uint32_t shown[2] = {first, worst};
        for (int i = 0; i < (first == worst ? 1 : 2); i++) {
            const uint32_t at = shown[i];
            if (element == 'f')
                fprintf(stderr,
                        "  %s [%u]: expected %.9g (%08x), got %.9g (%08x), tolerance %.3g + %.3g "
                        "relative\n",
                        i ? "worst" : "first", at, as_float(want[at]), want[at], as_float(got[at]),
                        got[at], c->tolerance_absolute, c->tolerance_relative);
            else
                fprintf(stderr, "  %s [%u]: expected %08x, got %08x\n", i ? "worst" : "first", at,
                        want[at], got[at]);
        }
        print_map(bad, words);
    }
    free(bad);
    return n == 0;
}

static bool guards_intact(const struct layout *layout, const struct kernel_case *c,
                          const uint32_t *image, char *what, size_t size)
{
    uint64_t at = 0;
    for (uint32_t b = 0; b <= layout->n; b++) {
        const uint64_t end = b < layout->n ? layout->offset[b] / 4 : layout->bytes / 4;
        for (; at < end; at++) {
            if (image[at] == GUARD_WORD)
                continue;
            snprintf(what, size, "guard before binding %u: %08x at word %lld from there", b,
                     image[at], (long long)at - (long long)end);
            return false;
        }
        if (b < layout->n)
            at = end + c->words[b];
    }
    return true;
}

/* The parameters of the same dispatch with slot 0 alone; false where there is no such thing. */
static bool narrow(enum kernel_id id, struct kernel_case *c)
{
    const char *source = references[id].source;
    if (!strcmp(source, "repack") || !strcmp(source, "centroids"))
        return false;
    if (!strcmp(source, "matmul")) {
        if (c->params.matmul.cols == c->params.matmul.per_slot)
            return false;
        c->params.matmul.cols = c->params.matmul.per_slot;
        return true;
    }
    uint32_t slots; /* or columns: the first member of all other structs */
    memcpy(&slots, c->params.bytes, sizeof(slots));
    if (slots < 2)
        return false;
    slots = 1;
    memcpy(c->params.bytes, &slots, sizeof(slots));
    return true;
}

/* What slot 0 alone writes must be there, bit for bit, when all slots ran. */
static bool check_alone(struct checker *k, enum kernel_id id, uint32_t index,
                        const struct kernel_case *c, const struct layout *layout,
                        const uint32_t *before, const uint32_t *full)
{
    struct kernel_case one = *c;
    if (!narrow(id, &one))
        return true;
    uint32_t *image = malloc(layout->bytes);
    bool same = image != NULL;
    if (image) {
        memcpy(image, before, layout->bytes);
        same = run(k, id, &one, layout, image) == OK;
        if (!same)
            print_failure(k, id, index, c, "one slot alone did not run");
    }
    for (uint32_t b = 0; same && b < layout->n; b++) {
        if (c->careless[b])
            continue;
        for (uint32_t i = 0; i < c->words[b]; i++) {
            const uint64_t at = layout->offset[b] / 4 + i;
            if (image[at] == before[at] || image[at] == full[at])
                continue;
            char what[128];
            snprintf(what, sizeof(what),
                     "binding %u[%u]: slot 0 alone gives %08x, among others %08x", b, i, image[at],
                     full[at]);
            print_failure(k, id, index, c, what);
            same = false;
            break;
        }
    }
    free(image);
    return same;
}

static bool check_case(struct checker *k, enum kernel_id id, uint32_t index, struct kernel_case *c,
                       struct row_result *result)
{
    const char *access = kernel_table[id].access;
    char what[128];
    bool good = true;
    for (uint32_t b = 0; access[b]; b++)
        for (uint32_t i = 0; access[b] == 'o' && i < c->words[b]; i++)
            ((uint32_t *)c->data[b])[i] = CASE_POISON;

    const struct layout layout = lay_out(c, (uint32_t)strlen(access));
    uint32_t *before = make_image(c, &layout), *image = make_image(c, &layout);
    references[id].ref(c);
    if (!before || !image || run(k, id, c, &layout, image) != OK) {
        print_failure(k, id, index, c, "did not run");
        good = false;
        goto end;
    }
    for (uint32_t b = 0; access[b]; b++)
        if (c->words[b] && !c->careless[b])
            good &= compare_binding(k, id, index, c, b, image + layout.offset[b] / 4, result);
    if (!guards_intact(&layout, c, image, what, sizeof(what))) {
        print_failure(k, id, index, c, what);
        good = false;
    }
    if (good)
        good = check_alone(k, id, index, c, &layout, before, image);
end:
    free(before);
    free(image);
    return good;
}

static struct row_result check_row(struct checker *k, enum kernel_id id)
{
    struct row_result result = {.worst_at = ""};
    const uint32_t messages = gpu_device_validation_messages(k->device);
    struct allocations allocations = {.n = 0};
    const struct case_source source = {next_random, &allocations, allocate};
    for (uint32_t index = 0;; index++) {
        struct kernel_case c;
        memset(&c, 0, sizeof(c));
        allocations.random = case_seed(k->options->seed, id, index);
        const bool more = references[id].cases(id, index, &source, &c);
        const bool legal = kernel_table[id].suits(&c.params);
        if (more && legal) {
            result.cases++;
            if (!check_case(k, id, index, &c, &result))
                result.failures++;
        }
        free_all(&allocations);
        if (!more)
            break;
    }
    drop_pipelines(k);
    if (gpu_device_validation_messages(k->device) != messages) {
        fprintf(stderr, "FAILED %s: %u validation messages\n", kernel_table[id].name,
                gpu_device_validation_messages(k->device) - messages);
        result.failures++;
    }
    return result;
}

static void usage(FILE *to)
{
    fputs("usage: checkgpu [--kernel PATTERN] [--device D] [--seed N] [--all | --no-all] "
          "[--validation]\n"
          "                [--list] [--verbose]\n"
          "  --kernel PATTERN  only rows whose name matches (* ? [])\n"
          "  --device D        index, or part of a name\n"
          "  --seed N          of the generated cases (0 to 2^64 - 1)\n"
          "  --all             also rows that want fast barriers, which CPU devices lack (their "
          "default)\n"
          "  --no-all          only rows that the device would be given\n"
          "  --validation      with the validation layer; a message is a failure\n"
          "  --list            names of the rows, and what they need\n"
          "exit status: 0 all passed, 1 a failure, 2 wrong usage, 77 no device\n",
          to);
}

static int parse(int argc, char **argv, struct options *o, int *all)
{
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const char **value = !strcmp(name, "--kernel")   ? &o->pattern
                             : !strcmp(name, "--device") ? &o->device
                                                         : NULL;
        const bool seed = !strcmp(name, "--seed");
        if ((value || seed) && i + 1 == argc) {
            fprintf(stderr, "checkgpu: %s wants a value\n", name);
            return 2;
        }
        if (value) {
            *value = argv[++i];
        } else if (seed) {
            char *end;
            errno = 0;
            o->seed = strtoull(argv[++i], &end, 0);
            if (errno || end == argv[i] || *end || strchr(argv[i], '-')) {
                fprintf(stderr, "checkgpu: --seed wants a number from 0 to 2^64 - 1, not '%s'\n",
                        argv[i]);
                return 2;
            }
        } else if (!strcmp(name, "--all")) {
            *all = 1;
        } else if (!strcmp(name, "--no-all")) {
            *all = 0;
        } else if (!strcmp(name, "--validation")) {
            o->validation = true;
        } else if (!strcmp(name, "--verbose")) {
            o->verbose = true;
        } else if (!strcmp(name, "--list")) {
            o->list = true;
        } else if (!strcmp(name, "--help")) {
            usage(stdout);
            exit(0);
        } else {
            fprintf(stderr, "checkgpu: unknown option '%s'\n", name);
            usage(stderr);
            return 2;
        }
    }
    return 0;
}

static bool selected(const struct options *o, enum kernel_id id)
{
    return !o->pattern || !fnmatch(o->pattern, kernel_table[id].name, 0);
}

static int list(const struct options *o)
{
    for (int i = 0; i < KERNEL_COUNT; i++) {
        const struct kernel_info *info = &kernel_table[i];
        if (selected(o, (enum kernel_id)i))
            printf("%-18s base %-14s %s%s\n", info->name, kernel_table[info->base].name,
                   info->features & GPU_FEATURE_FAST_BARRIERS ? " fast-barriers" : "",
                   info->features & GPU_FEATURE_SUBGROUP_ARITHMETIC ? " subgroup-arithmetic" : "");
    }
    return 0;
}

static int check_all(struct checker *k)
{
    const struct gpu_device_info *info = gpu_device_get_info(k->device);
    uint32_t features = info->features;
    uint32_t passed = 0, failed = 0, skipped = 0;
    if (k->options->all)
        features |= GPU_FEATURE_FAST_BARRIERS;
    printf("checkgpu: %s (%s), seed %llu\n", info->name, info->driver,
           (unsigned long long)k->options->seed);
    for (int i = 0; i < KERNEL_COUNT; i++) {
        const enum kernel_id id = (enum kernel_id)i;
        if (!selected(k->options, id))
            continue;
        if ((kernel_table[i].features & features) != kernel_table[i].features) {
            printf("%-18s skipped: the device lacks what it needs\n", kernel_table[i].name);
            skipped++;
            continue;
        }
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        const struct row_result r = check_row(k, id);
        clock_gettime(CLOCK_MONOTONIC, &to);
        const double ms =
            (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) * 1e-6;
        printf("%-18s %3u cases %s %6.0f ms, at most %.2f of the tolerance", kernel_table[i].name,
               r.cases, r.failures || !r.cases ? "FAILED" : "passed", ms, r.worst);
        if (r.worst > 0)
            printf(": %s", r.worst_at);
        putchar('\n');
        fflush(stdout);
        if (r.failures || !r.cases)
            failed++;
        else
            passed++;
    }
    printf("checkgpu: %u passed, %u failed, %u skipped\n", passed, failed, skipped);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct options o = {.seed = 1};
    int all = -1, any = 0;
    const int wrong = parse(argc, argv, &o, &all);
    if (wrong)
        return wrong;
    for (int i = 0; i < KERNEL_COUNT; i++)
        any |= selected(&o, (enum kernel_id)i);
    if (!any) {
        fprintf(stderr, "checkgpu: no kernel matches '%s'; the kernels are:", o.pattern);
        for (int i = 0; i < KERNEL_COUNT; i++)
            fprintf(stderr, " %s", kernel_table[i].name);
        fputc('\n', stderr);
        return 2;
    }
    if (o.list)
        return list(&o);

    struct checker k = {.options = &o};
    const struct gpu_device_params params = {
        .log = {print_log, &o}, .device = o.device, .validation = o.validation};
    const enum status status = gpu_device_create(&params, &k.device);
    if (status) {
        fprintf(stderr, "checkgpu: no device: %s\n", status_text(status));
        return status == ERROR_NO_DEVICE ? SKIP : 1;
    }
    o.all = all >= 0 ? all : gpu_device_get_info(k.device)->type == GPU_TYPE_CPU;
    const int result = check_all(&k);
    gpu_buffer_destroy(k.device, &k.buffer);
    gpu_device_destroy(&k.device);
    return result;
}
