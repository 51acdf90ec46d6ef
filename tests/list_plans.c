/* SPDX-License-Identifier: MIT
 *
 * list_plans: prints the name of each row that has a twin in WGSL, and the specialization constants
 * that its plan gives it, a line for each plan of the cases of tests and benches: "rmsnorm_wg 256".
 */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "kernels/reference.h"

static kernel_cases_fn *const cases[KERNEL_COUNT] = {
#define KERNEL(name, base, params, access, elements, features, plan, suits, source)                \
    [KERNEL_##name] = source##_cases,
#include "kernels/kernels.def"
#undef KERNEL
};

static uint32_t no_random(void *state)
{
    (void)state;
    return 0;
}

/* A case's parameters are complete when it asks for its first buffer, and are all that a plan
 * needs: the contents of the bench's would take minutes to make. */
static _Noreturn void *leave(void *state, size_t bytes)
{
    (void)bytes;
    longjmp(*(jmp_buf *)state, 1);
}

static bool make_params(enum kernel_id id, uint32_t index, struct kernel_case *c)
{
    jmp_buf made;
    const struct case_source source = {no_random, &made, leave};
    if (setjmp(made))
        return true;
    return cases[id](id, index, &source, c);
}

static void list(enum kernel_id id, uint32_t index)
{
    static struct kernel_case c;
    for (memset(&c, 0, sizeof(c)); make_params(id, index, &c); memset(&c, 0, sizeof(c)), index++) {
        struct kernel_plan plan = {.n_spec = 0};
        if (!kernel_table[id].suits(&c.params))
            continue;
        kernel_table[id].plan(&c.params, &plan);
        printf("%s", kernel_table[id].name);
        for (uint32_t i = 0; i < plan.n_spec; i++)
            printf(" %u", plan.spec[i]);
        printf("\n");
    }
}

int main(void)
{
    for (int id = 0; id < KERNEL_COUNT; id++)
        if (kernel_has_twin(kernel_table[id].access, kernel_table[id].features)) {
            list((enum kernel_id)id, 0);
            list((enum kernel_id)id, CASE_BENCH);
        }
    return 0;
}
