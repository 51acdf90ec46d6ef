/* SPDX-License-Identifier: MIT */
#include "kernels/kernel.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/plan.h"
#ifdef __wasm__
#include "kernels_wgsl.h" /* generated: NAME_wgsl of every row */
#define SHADER(NAME) {.wgsl = NAME##_wgsl}
#else
#include "kernels_spv.h" /* generated: NAME_spv of every row */
#define SHADER(NAME) {.spirv = NAME##_spv, .spirv_bytes = sizeof(NAME##_spv)}
#endif

const struct kernel_info kernel_table[KERNEL_COUNT] = {
#define KERNEL(NAME, BASE, PARAMS, ACCESS, ELEMENTS, FEATURES, PLAN, SUITS, SOURCE)                \
    [KERNEL_##NAME] = {                                                                            \
        .name = #NAME,                                                                             \
        .base = KERNEL_##BASE,                                                                     \
        .params_bytes = sizeof(struct PARAMS),                                                     \
        .access = ACCESS,                                                                          \
        .elements = ELEMENTS,                                                                      \
        .features = FEATURES,                                                                      \
        .plan = plan_##PLAN,                                                                       \
        .suits = suits_##SUITS,                                                                    \
        .shader = SHADER(NAME),                                                                    \
    },
#include "kernels/kernels.def"
#undef KERNEL
};

#define KERNEL(name, base, params, access, elements, features, ...)                                \
    _Static_assert(sizeof(struct params) <= GPU_MAX_PARAMS_BYTES, #name ": parameters");           \
    _Static_assert(                                                                                \
        sizeof(access) - 1 <=                                                                      \
            ((features)&GPU_FEATURE_MORE_BINDINGS ? GPU_MAX_BINDINGS : GPU_PLAIN_BINDINGS),        \
        #name ": bindings");                                                                       \
    _Static_assert(sizeof(access) == sizeof(elements), #name ": access and elements differ");
#include "kernels/kernels.def"
#undef KERNEL

#define ORDERED(NAME, TYPE)                                                                        \
    _Static_assert(KERNEL_OF_TYPE(matmul, TYPE) == KERNEL_matmul_##NAME &&                         \
                       KERNEL_OF_TYPE(embed, TYPE) == KERNEL_embed_##NAME,                         \
                   #NAME ": order of the rows");
ORDERED(f16, TYPE_F16)
ORDERED(bf16, TYPE_BF16)
ORDERED(q8_0, TYPE_Q8_0)
ORDERED(q4_0, TYPE_Q4_0)
ORDERED(q4_1, TYPE_Q4_1)
ORDERED(q5_0, TYPE_Q5_0)
ORDERED(q5_1, TYPE_Q5_1)
ORDERED(q4_k, TYPE_Q4_K)
ORDERED(q6_k, TYPE_Q6_K)

enum status kernel_find(const struct log *log, const char *name, size_t length,
                        enum kernel_id *out)
{
    char legal[4096] = "";
    size_t used = 0;
    for (int i = 0; i < KERNEL_COUNT; i++) {
        const char *row = kernel_table[i].name;
        const size_t row_length = strlen(row);
        if (row_length == length && !memcmp(row, name, length)) {
            *out = (enum kernel_id)i;
            return OK;
        }
        if (used + row_length + 2 < sizeof(legal)) {
            legal[used++] = ' ';
            memcpy(legal + used, row, row_length + 1);
            used += row_length;
        }
    }
    log_error(log, ERROR_ARGUMENT, "no kernel is called '%.*s'; the kernels are:", (int)length,
              name);
    for (const char *line = legal; *line;) { /* a message holds 1023 characters */
        size_t n = strlen(line);
        if (n > 900)
            for (n = 900; line[n] != ' '; n--)
                ;
        log_error(log, ERROR_ARGUMENT, "%.*s", (int)n, line);
        line += n;
    }
    return ERROR_ARGUMENT;
}

static bool reads(char access)
{
    return access == 'i' || access == 't';
}

uint32_t kernel_texel_bindings(enum kernel_id id)
{
    uint32_t texels = 0;
    for (uint32_t i = 0; kernel_table[id].access[i]; i++)
        texels |= (uint32_t)(kernel_table[id].access[i] == 't') << i;
    return texels;
}

bool kernel_uses_subgroups(enum kernel_id id)
{
    return kernel_table[id].features & GPU_FEATURE_SUBGROUP_ARITHMETIC;
}

bool kernel_rounds(enum kernel_id id)
{
    return kernel_table[id].features & GPU_FEATURE_INTEGER_DOT;
}

enum status kernel_pipeline_create(gpu_device *device, enum kernel_id id,
                                   const struct kernel_plan *plan, gpu_pipeline **out)
{
    const struct kernel_info *info = &kernel_table[id];
    const struct gpu_pipeline_params params = {
        .name = info->name,
        .shader = info->shader,
        .n_bindings = (uint32_t)strlen(info->access),
        .texel_bindings = kernel_texel_bindings(id),
        .params_bytes = info->params_bytes,
        .n_spec = plan->n_spec,
        .spec = plan->spec,
        .subgroups = kernel_uses_subgroups(id),
    };
    return gpu_pipeline_create(device, &params, out);
}

void kernel_bind(enum kernel_id id, const struct gpu_range *ranges, struct gpu_binding *bindings)
{
    const char *access = kernel_table[id].access;
    const struct gpu_range *written = &ranges[0];
    for (uint32_t i = (uint32_t)strlen(access); i-- > 0;)
        if (!reads(access[i]) && ranges[i].buffer)
            written = &ranges[i];
    for (uint32_t i = 0; access[i]; i++) {
        bindings[i].range = ranges[i];
        bindings[i].access = reads(access[i])   ? GPU_READ
                             : access[i] == 'o' ? GPU_WRITE
                                                : GPU_READ_WRITE;
        if (ranges[i].buffer)
            continue;
        /* A shader declares it as written, and validation believes the declaration: it goes where
         * this dispatch writes anyway. */
        bindings[i].range = reads(access[i]) ? ranges[0] : *written;
        bindings[i].access = GPU_UNUSED;
    }
}
