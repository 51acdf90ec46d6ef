/* SPDX-License-Identifier: MIT
 *
 * stapes_twins KERNELS_DIR OUTPUT_DIR: makes a WGSL module of each row of kernels.def that has a
 * twin (KERNELS_DIR/NAME.wgsl and the parts that it includes), writes them to OUTPUT_DIR, and fails
 * if one of them says something else than the row's compiled shader.
 */
#define _POSIX_C_SOURCE 200809L
#include "kernels/twins/twins.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/kernel.h"
#include "kernels_spv.h" /* generated: NAME_spv of every row */

static const struct row rows[] = {
#define KERNEL(NAME, BASE, PARAMS, ACCESS, ELEMENTS, FEATURES, PLAN, SUITS, SOURCE)                \
    {#NAME, #PARAMS, ACCESS, FEATURES, NAME##_spv, sizeof(NAME##_spv) / 4, sizeof(struct PARAMS)},
#include "kernels/kernels.def"
#undef KERNEL
};
enum { N_ROWS = sizeof(rows) / sizeof(rows[0]) };

struct tool {
    const char *kernels, *output;
    struct params params;
    struct part *parts[4 * N_ROWS];
    size_t n_parts;
    struct module modules[N_ROWS];
    size_t n_modules;
};

static const struct row *find_row(const char *name)
{
    for (size_t i = 0; i < N_ROWS; i++)
        if (!strcmp(rows[i].name, name))
            return &rows[i];
    return NULL;
}

/* Calls check(tool, path, name) for each directory/NAME.wgsl. */
static void walk_files(const struct tool *tool, const char *directory,
                       void (*check)(const struct tool *tool, const char *path, const char *name))
{
    DIR *entries = opendir(directory);
    const struct dirent *entry;
    if (!entries)
        complain((struct place){directory, 0}, "cannot be read: %s", strerror(errno));
    while (entries && (entry = readdir(entries))) {
        char path[MAX_PATH], name[MAX_NAME];
        const char *end = strstr(entry->d_name, ".wgsl");
        if (!end || end[5])
            continue;
        snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        snprintf(name, sizeof(name), "%.*s", (int)(end - entry->d_name), entry->d_name);
        check(tool, path, name);
    }
    if (entries)
        closedir(entries);
}

/* kernels/NAME.wgsl without a row for it, and one that cannot be run. */
static void check_row(const struct tool *tool, const char *path, const char *name)
{
    const struct row *row = find_row(name);
    (void)tool;
    if (!row)
        complain((struct place){path, 0}, "has no row in kernels.def");
    else if (!kernel_has_twin(row->access, row->features))
        complain((struct place){path, 0},
                 "%s reads texel buffers or has more than eight bindings, which WebGPU does not "
                 "offer: remove this file",
                 row->name);
}

/* kernels/wgsl/NAME.wgsl that no module has. */
static void check_part(const struct tool *tool, const char *path, const char *name)
{
    bool included = false;
    for (size_t i = 0; i < tool->n_modules; i++)
        for (uint32_t k = 0; k + 1 < tool->modules[i].n_parts; k++)
            included |= !strcmp(tool->modules[i].parts[k]->name, name);
    if (!included)
        complain((struct place){path, 0}, "is included by nobody: remove it");
}

/* The part in that file, read only once; NULL after a complaint. */
static struct part *find_part(struct tool *tool, const char *path, const char *name)
{
    for (size_t i = 0; i < tool->n_parts; i++)
        if (!strcmp(tool->parts[i]->path, path))
            return tool->parts[i];
    struct part *part;
    if (!part_read(path, name, &part))
        return NULL;
    if (tool->n_parts == sizeof(tool->parts) / sizeof(tool->parts[0])) {
        complain((struct place){path, 0}, "too many parts");
        part_free(part);
        return NULL;
    }
    return tool->parts[tool->n_parts++] = part;
}

/* `part` and what it includes, each once, what is included first. */
static bool add_part(struct tool *tool, struct module *module, struct part *part)
{
    part->open = true;
    for (uint32_t i = 0; i < part->n_includes; i++) {
        char path[MAX_PATH];
        const char *name = part->includes[i];
        const struct place place = {part->path, part->include_lines[i]};
        bool known = false;
        for (uint32_t k = 0; k < module->n_parts; k++)
            known |= !strcmp(module->parts[k]->name, name);
        if (known)
            continue;
        snprintf(path, sizeof(path), "%s/wgsl/%s.wgsl", tool->kernels, name);
        if (access(path, R_OK)) {
            complain(place, "there is no %s", path);
            return false;
        }
        struct part *included = find_part(tool, path, name);
        if (included && included->open) {
            complain(place, "%s includes itself", path);
            return false;
        }
        if (!included || !add_part(tool, module, included))
            return false;
    }
    part->open = false;
    if (module->n_parts == MAX_PARTS) {
        complain((struct place){part->path, 0}, "more than %d parts", MAX_PARTS);
        return false;
    }
    module->parts[module->n_parts++] = part;
    return true;
}

static void add_module(struct tool *tool, const struct row *row, const char *path)
{
    char shader_path[MAX_PATH];
    struct interface shader;
    struct module module = {.row = row, .params = params_find(&tool->params, row->params)};
    snprintf(shader_path, sizeof(shader_path), "%s.comp", row->name);
    if (!module.params) {
        complain((struct place){tool->params.path, 0}, "there is no struct %s", row->params);
        return;
    }
    struct part *part = find_part(tool, path, row->name);
    if (!part || !add_part(tool, &module, part) ||
        !spirv_read(shader_path, row->spirv, row->spirv_words, &shader))
        return;
    module_compare(&module, shader_path, &shader);
    tool->modules[tool->n_modules++] = module;
}

static void add_modules(struct tool *tool)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        char path[MAX_PATH];
        if (!kernel_has_twin(rows[i].access, rows[i].features))
            continue;
        snprintf(path, sizeof(path), "%s/%s.wgsl", tool->kernels, rows[i].name);
        if (!access(path, F_OK))
            add_module(tool, &rows[i], path);
        else
            complain((struct place){path, 0},
                     "is missing: the row %s of kernels.def needs its twin in WGSL", rows[i].name);
    }
}

/* Functions of wgsl/params.wgsl stand for the macros that WGSL cannot have. */
static void check_functions(struct tool *tool)
{
    char path[MAX_PATH], start[MAX_NAME + 8];
    snprintf(path, sizeof(path), "%s/wgsl/params.wgsl", tool->kernels);
    const struct part *part = find_part(tool, path, "params");
    for (size_t i = 0; part && i < tool->params.n_functions; i++) {
        snprintf(start, sizeof(start), "fn %s(", tool->params.functions[i]);
        if (!strstr(part->code, start))
            complain((struct place){path, 0}, "'%s' is missing: params.h has a macro for it",
                     start);
    }
}

int main(int argc, char **argv)
{
    static struct tool tool;
    if (argc != 3) {
        fprintf(stderr, "usage: %s KERNELS_DIR OUTPUT_DIR\n", argv[0]);
        return 2;
    }
    tool.kernels = argv[1];
    tool.output = argv[2];
    if (params_read(tool.kernels, &tool.params)) {
        char parts[MAX_PATH];
        snprintf(parts, sizeof(parts), "%s/wgsl", tool.kernels);
        walk_files(&tool, tool.kernels, check_row);
        check_functions(&tool);
        add_modules(&tool);
        if (!complaints())
            walk_files(&tool, parts, check_part);
        if (!complaints())
            modules_write(tool.output, &tool.params, tool.modules, tool.n_modules, rows, N_ROWS);
    }
    for (size_t i = 0; i < tool.n_parts; i++)
        part_free(tool.parts[i]);
    params_free(&tool.params);
    return complaints() > 0;
}
