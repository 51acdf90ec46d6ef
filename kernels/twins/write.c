/* SPDX-License-Identifier: MIT
 *
 * Modules as files, for tests and people, and as strings of C, each part once.
 */
#define _POSIX_C_SOURCE 200809L
#include "kernels/twins/twins.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static FILE *create(char path[MAX_PATH], const char *directory, const char *name)
{
    snprintf(path, MAX_PATH, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    if (!file)
        complain((struct place){path, 0}, "cannot be written: %s", strerror(errno));
    return file;
}

static bool finish(FILE *file, const char *path)
{
    const bool failed = ferror(file);
    if (!fclose(file) && !failed)
        return true;
    complain((struct place){path, 0}, "cannot be written: %s", strerror(errno));
    return false;
}

/* Directives come before everything else in a module. */
static void print_directives(const struct module *module, FILE *to)
{
    for (uint32_t i = 0; i < module->n_parts; i++)
        fputs(module->parts[i]->directives, to);
}

static bool write_module(const char *directory, const struct params *params,
                         const struct module *module)
{
    char path[MAX_PATH], name[MAX_NAME + 8];
    snprintf(name, sizeof(name), "%s.wgsl", module->row->name);
    FILE *file = create(path, directory, name);
    if (!file)
        return false;
    print_directives(module, file);
    fputs(params->constants, file);
    params_print(module->params, file);
    for (uint32_t i = 0; i < module->n_parts; i++)
        fputs(module->parts[i]->code, file);
    return finish(file, path);
}

static void print_string(FILE *to, const char *text)
{
    fputc('"', to);
    for (const char *at = text; *at; at++) {
        if (*at == '\n')
            fputs(at[1] ? "\\n\"\n\"" : "\\n", to);
        else if (*at == '"' || *at == '\\')
            fprintf(to, "\\%c", *at);
        else
            fputc(*at, to);
    }
    fputc('"', to);
}

static void print_part(FILE *to, const char *kind, const char *name, const char *text)
{
    fprintf(to, "static const char wgsl_%s_%s[] =\n", kind, name);
    print_string(to, text);
    fputs(";\n", to);
}

/* The parts that no module before this one has. */
static bool print_parts(FILE *to, const struct module *modules, size_t index)
{
    const struct module *module = &modules[index];
    bool known = false;
    for (size_t i = 0; i < index; i++)
        known |= modules[i].params == module->params;
    if (!known) {
        char *text = NULL;
        size_t size;
        FILE *memory = open_memstream(&text, &size);
        if (!memory)
            return false;
        params_print(module->params, memory);
        fclose(memory);
        print_part(to, "struct", module->params->name, text);
        free(text);
    }
    for (uint32_t k = 0; k < module->n_parts; k++) {
        known = false;
        for (size_t i = 0; i < index; i++)
            for (uint32_t m = 0; m < modules[i].n_parts; m++)
                known |= modules[i].parts[m] == module->parts[k];
        if (!known)
            print_part(to, k + 1 < module->n_parts ? "part" : "row", module->parts[k]->name,
                       module->parts[k]->code);
    }
    return true;
}

static bool print_module(FILE *to, const struct module *module)
{
    char *directives = NULL;
    size_t size;
    FILE *memory = open_memstream(&directives, &size);
    if (!memory)
        return false;
    print_directives(module, memory);
    fclose(memory);
    fprintf(to, "static const char *const %s_wgsl[] = {\n", module->row->name);
    if (directives[0]) {
        print_string(to, directives);
        fputs(",\n", to);
    }
    fprintf(to, "wgsl_params_h_constants, wgsl_struct_%s", module->params->name);
    for (uint32_t k = 0; k < module->n_parts; k++)
        fprintf(to, ", wgsl_%s_%s", k + 1 < module->n_parts ? "part" : "row",
                module->parts[k]->name);
    fputs(", NULL};\n", to);
    free(directives);
    return true;
}

bool modules_write(const char *directory, const struct params *params, const struct module *modules,
                   size_t n_modules, const struct row *rows, size_t n_rows)
{
    char path[MAX_PATH];
    bool ok = true;
    for (size_t i = 0; ok && i < n_modules; i++)
        ok = write_module(directory, params, &modules[i]);
    FILE *header = ok ? create(path, directory, "kernels_wgsl.h") : NULL;
    if (!header)
        return false;
    fputs("/* Generated from kernels/: parts of modules, and NAME_wgsl of each row. */\n", header);
    print_part(header, "params_h", "constants", params->constants);
    for (size_t i = 0; ok && i < n_modules; i++)
        ok = print_parts(header, modules, i) && print_module(header, &modules[i]);
    for (size_t i = 0; i < n_rows; i++) {
        bool has = false;
        for (size_t k = 0; k < n_modules; k++)
            has |= modules[k].row == &rows[i];
        if (!has)
            fprintf(header, "#define %s_wgsl NULL\n", rows[i].name);
    }
    if (!ok)
        complain((struct place){path, 0}, "no memory");
    return finish(header, path) && ok;
}
