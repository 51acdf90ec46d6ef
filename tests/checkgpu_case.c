/* SPDX-License-Identifier: MIT
 *
 * One case of a row against the C reference: outputs poisoned, guard bands around every buffer,
 * inputs unchanged, and one slot alone against the same slot among others, bit for bit.
 */
#include "tests/checkgpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

struct arena {
    void *blocks[64];
    uint32_t n;
    uint64_t random;
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint32_t next_random(void *state)
{
    struct arena *a = state;
    a->random += 0x9e3779b97f4a7c15u;
    return (uint32_t)(mix(a->random) >> 32);
}

static _Noreturn void out_of_memory(void)
{
    fprintf(stderr, "checkgpu: out of memory for a case\n");
    exit(1);
}

static void *allocate(void *state, size_t bytes)
{
    struct arena *a = state;
    void *block = calloc(1, bytes ? bytes : 1);
    if (!block || a->n == COUNT_OF(a->blocks))
        out_of_memory();
    a->blocks[a->n++] = block;
    return block;
}

uint64_t case_seed(uint64_t seed, enum kernel_id id, uint32_t index)
{
    uint64_t hash = seed;
    for (const char *s = kernel_table[kernel_table[id].base].name; *s; s++)
        hash = mix(hash ^ (unsigned char)*s);
    return mix(hash + index);
}

bool case_legal(enum kernel_id id, const struct kernel_case *c)
{
    return kernel_table[id].suits(&c->params);
}

static struct layout lay_out(const struct kernel_case *c, uint32_t n)
{
    struct layout layout = {.n = n, .bytes = GUARD_BYTES};
    for (uint32_t b = 0; b < n; b++) {
        layout.offset[b] = layout.bytes;
        if (c->words[b])
            layout.bytes = align_up(layout.bytes + (uint64_t)c->words[b] * 4 + GUARD_BYTES,
                                    GPU_OFFSET_ALIGNMENT);
    }
    return layout;
}

static uint32_t *make_image(const struct kernel_case *c, const struct layout *layout)
{
    uint32_t *image = malloc(layout->bytes);
    if (!image)
        out_of_memory();
    for (uint64_t i = 0; i < layout->bytes / 4; i++)
        image[i] = GUARD_WORD;
    for (uint32_t b = 0; b < layout->n; b++)
        if (c->words[b])
            memcpy(image + layout->offset[b] / 4, c->data[b], (size_t)c->words[b] * 4);
    return image;
}

bool case_make(const struct options *o, enum kernel_id id, uint32_t index, struct prepared *out)
{
    memset(out, 0, sizeof(*out));
    out->index = index;
    out->arena = calloc(1, sizeof(*out->arena));
    if (!out->arena)
        out_of_memory();
    out->arena->random = case_seed(o->seed, id, index);
    const struct case_source source = {next_random, out->arena, allocate};
    if (references[id].cases(id, index, &source, &out->c))
        return true;
    case_free(out);
    return false;
}

void case_free(struct prepared *p)
{
    while (p->arena && p->arena->n)
        free(p->arena->blocks[--p->arena->n]);
    free(p->arena);
    free(p->before);
    p->arena = NULL;
    p->before = NULL;
}

bool case_cost(const struct options *o, enum kernel_id id, uint32_t index, double *bytes,
               double *flops)
{
    struct prepared p;
    if (!case_make(o, id, index, &p))
        return false;
    *bytes = case_legal(id, &p.c) ? p.c.bytes : -1;
    *flops = p.c.flops;
    case_free(&p);
    return true;
}

/* The parameters of the same dispatch with slot 0 alone; false where there is no such thing. */
static bool narrow(enum kernel_id id, struct kernel_case *c)
{
    const char *source = references[id].source;
    if (!strcmp(source, "repack") || !strcmp(source, "centroids"))
        return false;
    if (!strcmp(source, "qkv")) {
        if (c->params.qkv.cols == c->params.qkv.per_slot)
            return false;
        c->params.qkv.cols = c->params.qkv.per_slot;
        return true;
    }
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

bool case_prepare(const struct options *o, enum kernel_id id, uint32_t index, bool alone,
                  struct prepared *out)
{
    const char *access = kernel_table[id].access;
    if (!case_make(o, id, index, out))
        return false;
    struct kernel_case *c = &out->c;
    if (alone && !narrow(id, c)) {
        case_free(out);
        return false;
    }
    for (uint32_t b = 0; access[b]; b++)
        for (uint32_t i = 0; access[b] == 'o' && i < c->words[b]; i++)
            ((uint32_t *)c->data[b])[i] = CASE_POISON;
    out->layout = lay_out(c, (uint32_t)strlen(access));
    out->before = make_image(c, &out->layout);
    references[id].ref(c);
    return true;
}

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

void case_failed(const struct checker *k, enum kernel_id id, const struct prepared *p,
                 const char *what)
{
    const bool bench = p->index >= CASE_BENCH;
    fprintf(stderr, "FAILED %s, %scase %u (%s): %s\n", kernel_table[id].name, bench ? "bench " : "",
            bench ? p->index - CASE_BENCH : p->index, p->c.text, what);
    fprintf(stderr, "  device %s, --seed %llu\n", gpu_device_get_info(k->device)->name,
            (unsigned long long)k->options->seed);
}

static void print_word(const struct kernel_case *c, char element, const char *which, uint32_t at,
                       uint32_t want, uint32_t got)
{
    if (element == 'f')
        fprintf(stderr,
                "  %s [%u]: expected %.9g (%08x), got %.9g (%08x), tolerance %.3g + %.3g "
                "relative\n",
                which, at, as_float(want), want, as_float(got), got, c->tolerance_absolute,
                c->tolerance_relative);
    else
        fprintf(stderr, "  %s [%u]: expected %08x, got %08x\n", which, at, want, got);
}

/* Of floats; infinite where only one of them is a number. */
static double difference(uint32_t want, uint32_t got)
{
    if (want == got)
        return 0;
    const double difference = fabs((double)as_float(got) - as_float(want));
    return isnan(difference) ? INFINITY : difference;
}

bool case_compare(const struct checker *k, enum kernel_id id, const struct prepared *p, uint32_t b,
                  const uint32_t *got, struct row_result *result)
{
    const struct kernel_case *c = &p->c;
    const char element = kernel_table[id].elements[b];
    const uint32_t *want = c->data[b];
    const uint32_t words = c->words[b];
    bool *bad = calloc(words, sizeof(*bad));
    uint32_t n = 0, first = 0, worst = 0;
    double most = -1;
    if (!bad)
        out_of_memory();
    for (uint32_t i = 0; i < words; i++) {
        const double s = share(c, element, b, i, got[i]);
        if (element == 'f')
            result->worst_error = fmax(result->worst_error, difference(want[i], got[i]));
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
        snprintf(result->worst_at, sizeof(result->worst_at), "case %u (%s), binding %u[%u]",
                 p->index, c->text, b, worst);
    }
    if (n) {
        char what[64];
        snprintf(what, sizeof(what), "binding %u: %u of %u words are wrong", b, n, words);
        case_failed(k, id, p, what);
        print_word(c, element, "first", first, want[first], got[first]);
        if (worst != first)
            print_word(c, element, "worst", worst, want[worst], got[worst]);
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

bool case_judge(const struct checker *k, enum kernel_id id, const struct prepared *p,
                const uint32_t *image, struct row_result *result)
{
    char what[128];
    bool good = true;
    for (uint32_t b = 0; b < p->layout.n; b++)
        if (p->c.words[b] && !p->c.careless[b])
            good &= case_compare(k, id, p, b, image + p->layout.offset[b] / 4, result);
    if (!guards_intact(&p->layout, &p->c, image, what, sizeof(what))) {
        case_failed(k, id, p, what);
        good = false;
    }
    return good;
}

bool case_judge_alone(const struct checker *k, enum kernel_id id, const struct prepared *p,
                      const uint32_t *full, const struct prepared *one, const uint32_t *image)
{
    const struct layout *layout = &p->layout;
    for (uint32_t b = 0; b < layout->n; b++) {
        if (p->c.careless[b])
            continue;
        const uint32_t *want = one->c.data[b];
        for (uint32_t i = 0; i < p->c.words[b]; i++) {
            const uint64_t at = layout->offset[b] / 4 + i;
            const bool untouched = image[at] == p->before[at] && want[i] == p->before[at];
            if (untouched || image[at] == full[at])
                continue;
            char what[128];
            snprintf(what, sizeof(what),
                     "binding %u[%u]: slot 0 alone gives %08x, among others %08x", b, i, image[at],
                     full[at]);
            case_failed(k, id, p, what);
            return false;
        }
    }
    return true;
}
