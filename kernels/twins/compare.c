/* SPDX-License-Identifier: MIT
 *
 * A module against the compiled shader of the same row, its row and its parameters in C.
 */
#include "kernels/twins/twins.h"

#include <string.h>

#include "runtime/gpu.h"

#define MOST_BINDINGS 8 /* WebGPU's default limit of storage buffers */

struct comparison {
    const struct module *module;
    const char *shader_path; /* NAME.comp, as in messages */
    const struct interface *shader;
    struct interface twin; /* of all parts */
    struct place place;    /* the row's own part */
};

/* What a module must say before it uses what a row asks of a device, and not say otherwise. */
static const struct {
    const char *line, *name;
    uint32_t feature;
} directives[] = {
    {"enable subgroups;\n", "GPU_FEATURE_SUBGROUP_ARITHMETIC", GPU_FEATURE_SUBGROUP_ARITHMETIC},
    {"requires packed_4x8_integer_dot_product;\n", "GPU_FEATURE_INTEGER_DOT",
     GPU_FEATURE_INTEGER_DOT},
};
enum { N_DIRECTIVES = sizeof(directives) / sizeof(directives[0]) };

static const char *access_name(const struct binding *binding)
{
    return !binding->writes ? "only read" : binding->reads ? "read and written" : "only written";
}

/* Parts declare each binding and constant once. */
static void merge(struct comparison *c, const struct part *part)
{
    const struct interface *from = &part->interface;
    struct interface *to = &c->twin;
    for (uint32_t i = 0; i < from->n_bindings; i++) {
        const struct binding *binding = &from->bindings[i];
        for (uint32_t k = 0; k < to->n_bindings; k++)
            if (to->bindings[k].index == binding->index)
                complain(binding->place, "binding %u is '%s' here and '%s' in %s:%d",
                         binding->index, binding->name, to->bindings[k].name,
                         to->bindings[k].place.file, to->bindings[k].place.line);
        if (to->n_bindings < MAX_BINDINGS)
            to->bindings[to->n_bindings++] = *binding;
    }
    for (uint32_t i = 0; i < from->n_specs; i++) {
        const struct spec *spec = &from->specs[i];
        for (uint32_t k = 0; k < to->n_specs; k++)
            if (to->specs[k].id == spec->id)
                complain(spec->place, "@id(%u) is '%s' here and '%s' in %s:%d", spec->id,
                         spec->name, to->specs[k].name, to->specs[k].place.file,
                         to->specs[k].place.line);
        if (to->n_specs < MAX_SPECS)
            to->specs[to->n_specs++] = *spec;
    }
    if (from->entry[0] && to->entry[0])
        complain(from->entry_place, "a second entry point, beside that of %s:%d",
                 to->entry_place.file, to->entry_place.line);
    if (from->entry[0]) {
        memcpy(to->entry, from->entry, sizeof(to->entry));
        memcpy(to->workgroup_size, from->workgroup_size, sizeof(to->workgroup_size));
        to->entry_place = from->entry_place;
    }
}

/* A shader may declare a buffer twice, with elements of different types. */
static const struct binding *shader_binding(const struct comparison *c, const struct binding *like)
{
    const struct binding *found = NULL;
    for (uint32_t i = 0; i < c->shader->n_bindings; i++) {
        const struct binding *binding = &c->shader->bindings[i];
        if (binding->index == like->index &&
            (!found || (binding->scalar == like->scalar && binding->width == like->width)))
            found = binding;
    }
    return found;
}

static void compare_binding(const struct comparison *c, const struct binding *twin)
{
    const char *access = c->module->row->access;
    const struct binding *shader = shader_binding(c, twin);
    if (!shader || twin->index >= strlen(access)) {
        complain(twin->place, "binding %u '%s': %s has no such binding, and kernels.def %s",
                 twin->index, twin->name, c->shader_path,
                 twin->index < strlen(access) ? "has it" : "has none either");
        return;
    }
    const char letter = access[twin->index];
    if (twin->writes != (letter != 'i') || shader->writes != (letter != 'i'))
        complain(twin->place,
                 "binding %u '%s' is declared as %s; in %s it is %s, and kernels.def says '%c'",
                 twin->index, twin->name, twin->writes ? "read_write" : "read", c->shader_path,
                 access_name(shader), letter);
    if (shader->scalar != twin->scalar || shader->width != twin->width)
        complain(twin->place, "binding %u '%s' has elements of %u x %s; in %s they are %u x %s",
                 twin->index, twin->name, twin->width, scalar_name(twin->scalar), c->shader_path,
                 shader->width, scalar_name(shader->scalar));
}

static void compare_bindings(const struct comparison *c)
{
    for (uint32_t i = 0; i < c->twin.n_bindings; i++)
        compare_binding(c, &c->twin.bindings[i]);
    for (uint32_t i = 0; i < c->shader->n_bindings; i++) {
        const struct binding *shader = &c->shader->bindings[i];
        bool found = false;
        for (uint32_t k = 0; k < c->twin.n_bindings; k++)
            found |= c->twin.bindings[k].index == shader->index;
        if (!found)
            complain(c->place, "binding %u is missing; in %s it is '%s', %s", shader->index,
                     c->shader_path, shader->name, access_name(shader));
    }
    if (c->twin.n_bindings > MOST_BINDINGS)
        complain(c->place, "%u bindings; WebGPU promises %d storage buffers", c->twin.n_bindings,
                 MOST_BINDINGS);
}

static void compare_specs(const struct comparison *c)
{
    for (uint32_t i = 0; i < c->twin.n_specs; i++) {
        const struct spec *twin = &c->twin.specs[i], *shader = NULL;
        for (uint32_t k = 0; k < c->shader->n_specs; k++)
            if (c->shader->specs[k].id == twin->id)
                shader = &c->shader->specs[k];
        if (!shader)
            complain(twin->place, "@id(%u) '%s': %s has no specialization constant %u", twin->id,
                     twin->name, c->shader_path, twin->id);
        else if (shader->scalar != twin->scalar)
            complain(twin->place, "@id(%u) '%s' is %s; in %s '%s' is %s", twin->id, twin->name,
                     scalar_name(twin->scalar), c->shader_path, shader->name,
                     scalar_name(shader->scalar));
        else if (shader->name[0] && strcmp(shader->name, twin->name))
            complain(twin->place, "@id(%u) is called '%s'; in %s it is '%s'", twin->id, twin->name,
                     c->shader_path, shader->name);
    }
    for (uint32_t i = 0; i < c->shader->n_specs; i++) {
        const struct spec *shader = &c->shader->specs[i];
        bool found = false;
        for (uint32_t k = 0; k < c->twin.n_specs; k++)
            found |= c->twin.specs[k].id == shader->id;
        if (!found)
            complain(c->place, "@id(%u) is missing; in %s it is '%s', of type %s", shader->id,
                     c->shader_path, shader->name, scalar_name(shader->scalar));
    }
}

/* GLSL has reserved words that C has not: the shader's name may have an underscore more. */
static bool same_name(const char *twin, const char *shader)
{
    const size_t n = strlen(twin);
    return !strncmp(twin, shader, n) && (!shader[n] || !strcmp(shader + n, "_"));
}

static void compare_params(const struct comparison *c)
{
    const struct params_struct *twin = c->module->params;
    const struct interface *shader = c->shader;
    if (4 * twin->n_members != c->module->row->params_bytes)
        complain(twin->members[0].place, "struct %s has %zu bytes in C, 4 x %u in WGSL", twin->name,
                 c->module->row->params_bytes, twin->n_members);
    for (uint32_t i = 0; i < twin->n_members && i < shader->n_members; i++) {
        const struct member *a = &twin->members[i], *b = &shader->members[i];
        if (!same_name(a->name, b->name) || a->scalar != b->scalar || a->offset != b->offset)
            complain(a->place,
                     "member %u of %s is '%s', %s, at byte %u; in %s it is '%s', %s, at %u", i,
                     twin->name, a->name, scalar_name(a->scalar), a->offset, c->shader_path,
                     b->name, scalar_name(b->scalar), b->offset);
    }
    if (twin->n_members != shader->n_members)
        complain(c->place, "%s has %u members; the parameters of %s have %u", twin->name,
                 twin->n_members, c->shader_path, shader->n_members);
}

static void compare_entry(const struct comparison *c)
{
    const struct interface *twin = &c->twin;
    const char *size = "no override";
    for (uint32_t i = 0; i < twin->n_specs; i++)
        if (twin->specs[i].id == 0)
            size = twin->specs[i].name;
    if (!twin->entry[0])
        complain(c->place, "no entry point: @compute fn %s is missing", c->shader->entry);
    else if (strcmp(twin->entry, c->shader->entry))
        complain(twin->entry_place, "the entry point is '%s'; in %s it is '%s'", twin->entry,
                 c->shader_path, c->shader->entry);
    else if (strcmp(twin->workgroup_size, size))
        complain(twin->entry_place, "@workgroup_size(%s); it must be @id(0), %s",
                 twin->workgroup_size, size);
}

static void compare_directives(const struct comparison *c)
{
    const struct module *module = c->module;
    bool said[N_DIRECTIVES] = {false};
    for (uint32_t i = 0; i < module->n_parts; i++) {
        const struct part *part = module->parts[i];
        for (const char *line = part->directives; *line; line = strchr(line, '\n') + 1) {
            bool known = false;
            for (int k = 0; k < N_DIRECTIVES; k++)
                if (!strncmp(line, directives[k].line, strlen(directives[k].line)))
                    known = said[k] = true;
            if (!known)
                complain((struct place){part->path, 0},
                         "'%.*s': no feature of kernels.def stands for it",
                         (int)strcspn(line, "\n"), line);
        }
    }
    for (int k = 0; k < N_DIRECTIVES; k++) {
        const bool asked = module->row->features & directives[k].feature;
        if (said[k] != asked)
            complain(c->place, "the module %s '%.*s', and kernels.def %s for %s",
                     said[k] ? "says" : "does not say", (int)strcspn(directives[k].line, "\n"),
                     directives[k].line, asked ? "asks" : "does not ask", directives[k].name);
    }
}

void module_compare(const struct module *module, const char *shader_path,
                    const struct interface *shader)
{
    const struct part *own = module->parts[module->n_parts - 1];
    struct comparison c = {
        .module = module, .shader_path = shader_path, .shader = shader, .place = {own->path, 0}};
    for (uint32_t i = 0; i < module->n_parts; i++)
        merge(&c, module->parts[i]);
    compare_bindings(&c);
    compare_specs(&c);
    compare_params(&c);
    compare_entry(&c);
    compare_directives(&c);
}
