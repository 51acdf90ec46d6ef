/* SPDX-License-Identifier: MIT
 *
 * list_plans: prints the name of each row that has a twin in WGSL, and the specialization constants
 * that its plan gives it, a line for each plan of the test cases: "rmsnorm_wg 256".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/reference.h"

static kernel_cases_fn *const cases[KERNEL_COUNT] = {
#define KERNEL(name, base, params, access, elements, features, plan, suits, source)                \
    [KERNEL_##name] = source##_cases,
#include "kernels/kernels.def"
#undef KERNEL
};

struct blocks {
    void *at[64];
    uint32_t n;
    uint32_t random;
};

static uint32_t next_random(void *state)
{
    struct blocks *blocks = state;
    blocks->random = blocks->random * 1664525u + 1013904223u;
    return blocks->random;
}

static void *allocate(void *state, size_t bytes)
{
    struct blocks *blocks = state;
    void *block = calloc(1, bytes ? bytes : 1);
    if (!block || blocks->n == COUNT_OF(blocks->at)) {
        fprintf(stderr, "list_plans: out of memory for a case\n");
        exit(1);
    }
    blocks->at[blocks->n++] = block;
    return block;
}

static bool has_twin(enum kernel_id id)
{
    return !kernel_texel_bindings(id) &&
           !(kernel_table[id].features & GPU_FEATURE_MORE_BINDINGS);
}

static void list(enum kernel_id id)
{
    struct kernel_plan last = {.n_spec = 0};
    for (uint32_t index = 0;; index++) {
        struct kernel_case c = {.id = id};
        struct blocks blocks = {.random = index};
        const struct case_source source = {next_random, &blocks, allocate};
        const bool more = cases[id](id, index, &source, &c);
        while (blocks.n)
            free(blocks.at[--blocks.n]);
        if (!more)
            return;
        struct kernel_plan plan = {.n_spec = 0};
        if (!kernel_table[id].suits(&c.params))
            continue;
        kernel_table[id].plan(&c.params, &plan);
        if (plan.n_spec == last.n_spec && !memcmp(plan.spec, last.spec, 4 * plan.n_spec))
            continue;
        last = plan;
        printf("%s", kernel_table[id].name);
        for (uint32_t i = 0; i < plan.n_spec; i++)
            printf(" %u", plan.spec[i]);
        printf("\n");
    }
}

int main(void)
{
    for (int id = 0; id < KERNEL_COUNT; id++)
        if (has_twin((enum kernel_id)id))
            list((enum kernel_id)id);
    return 0;
}
