/* SPDX-License-Identifier: MIT
 *
 * The build's tool that puts WGSL modules together and holds them against the SPIR-V of the same
 * rows of kernels.def: main.c walks the rows, params.c makes WGSL of params.h, wgsl.c reads parts
 * of modules, spirv.c reads compiled shaders, compare.c compares, write.c writes.
 */
#ifndef STAPES_KERNELS_TWINS_H
#define STAPES_KERNELS_TWINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MAX_NAME 64
#define MAX_PATH 1024
#define MAX_BINDINGS 16
#define MAX_SPECS 16
#define MAX_MEMBERS 32
#define MAX_INCLUDES 16
#define MAX_PARTS 32 /* of a module */

/* Where something was declared, for messages. Line 0: the file as a whole. */
struct place {
    const char *file;
    int line;
};

/* Prints "FILE:LINE: message" to stderr. Any complaint makes the tool fail at its end. */
void complain(struct place place, const char *format, ...) __attribute__((format(printf, 2, 3)));
int complaints(void);

/* Of `text`, terminated; the caller frees it. NULL after a complaint. */
char *read_file(const char *path);
/* C's and WGSL's comments become spaces; lines stay. WGSL's may be nested. */
void blank_comments(char *text, bool nested);

enum scalar { SCALAR_OTHER, SCALAR_U32, SCALAR_I32, SCALAR_F32, SCALAR_BOOL };
const char *scalar_name(enum scalar scalar);

/* What a shader has in common with whoever runs it. */
struct binding {
    uint32_t index;
    bool reads, writes;
    enum scalar scalar; /* of an element of the array */
    uint32_t width;     /* 1, or that of a vector */
    char name[MAX_NAME];
    struct place place;
};
struct spec {
    uint32_t id;
    enum scalar scalar;
    char name[MAX_NAME];
    struct place place;
};
struct member {
    char name[MAX_NAME];
    enum scalar scalar;
    uint32_t offset; /* bytes */
    struct place place;
};
struct interface {
    struct binding bindings[MAX_BINDINGS];
    struct spec specs[MAX_SPECS];
    struct member members[MAX_MEMBERS]; /* of the parameters; members of arrays one by one */
    uint32_t n_bindings, n_specs, n_members;
    char entry[MAX_NAME];          /* the compute entry point; "" if there is none */
    char workgroup_size[MAX_NAME]; /* WGSL: the name in @workgroup_size(name) */
    struct place entry_place;
};

/* --- params.h ----------------------------------------------------------------------------------*/
struct params_struct {
    char name[MAX_NAME];
    struct member members[MAX_MEMBERS];
    uint32_t n_members;
};
struct params {
    char *constants; /* WGSL */
    struct params_struct *structs;
    size_t n_structs;
    char (*functions)[MAX_NAME]; /* function-like macros, in lower case */
    size_t n_functions;
    char path[MAX_PATH];
};
bool params_read(const char *directory, struct params *out);
void params_free(struct params *params);
const struct params_struct *params_find(const struct params *params, const char *name);
/* WGSL of the struct and of the variable `p`. */
void params_print(const struct params_struct *params, FILE *to);

/* --- WGSL --------------------------------------------------------------------------------------*/
struct part {
    char name[MAX_NAME];
    char path[MAX_PATH];
    char *code;       /* without comments, indentation and directives */
    char *directives; /* `enable` and `requires`: they go before everything else */
    char includes[MAX_INCLUDES][MAX_NAME];
    int include_lines[MAX_INCLUDES];
    uint32_t n_includes;
    struct interface interface; /* what is declared here */
    bool open;                  /* while its includes are added to a module */
};
/* *out is the caller's; false after a complaint, and then there is nothing to free. */
bool part_read(const char *path, const char *name, struct part **out);
void part_free(struct part *part);

/* --- SPIR-V ------------------------------------------------------------------------------------*/
/* Of a shader compiled by glslangValidator; `file` is told in messages. */
bool spirv_read(const char *file, const uint32_t *words, size_t n_words, struct interface *out);

/* --- Rows --------------------------------------------------------------------------------------*/
struct row {
    const char *name, *params, *access;
    uint32_t features;
    const uint32_t *spirv;
    size_t spirv_words, params_bytes;
};
/* A row's module: its parts in the order in which they go into it, the row's own last. */
struct module {
    const struct row *row;
    const struct params_struct *params;
    struct part *parts[MAX_PARTS];
    uint32_t n_parts;
};
/* Complains of whatever the twin says otherwise than the shader or kernels.def. */
void module_compare(const struct module *module, const char *shader_path,
                    const struct interface *shader);

/* Writes directory/NAME.wgsl of each module and directory/kernels_wgsl.h, which has NAME_wgsl for
 * each row, and nothing that is there already and the same. */
bool modules_write(const char *directory, const struct params *params, const struct module *modules,
                   size_t n_modules, const struct row *rows, size_t n_rows);

#endif
