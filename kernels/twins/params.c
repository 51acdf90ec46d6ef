/* SPDX-License-Identifier: MIT
 *
 * params.h as WGSL: `const` declarations of its numeric macros, and its structs with the elements
 * of arrays as members, because in a uniform buffer those of an array would be 16 bytes apart.
 */
#define _POSIX_C_SOURCE 200809L
#include "kernels/twins/twins.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define CONTINUED '\v' /* stands for a newline behind a backslash */

struct reader {
    struct params *params;
    struct params_struct *current; /* the struct that the line is in */
    FILE *constants;
    struct place place;
};

static bool refuse(const struct reader *r, const char *what, const char *line)
{
    complain(r->place, "%s: '%s'", what, line);
    return false;
}

static bool read_define(struct reader *r, const char *line)
{
    struct params *params = r->params;
    char name[MAX_NAME];
    int used = 0;
    if (sscanf(line, "#define %63[A-Z0-9_]%n", name, &used) != 1)
        return refuse(r, "the names of macros are upper case here", line);
    const char *body = line + used;
    if (*body == '(') {
        void *more = realloc(params->functions, (params->n_functions + 1) * MAX_NAME);
        if (!more)
            return refuse(r, "no memory", line);
        params->functions = more;
        char *lower = params->functions[params->n_functions++];
        for (size_t i = 0; i < MAX_NAME; i++)
            lower[i] = (char)tolower((unsigned char)name[i]);
        return true;
    }
    body += strspn(body, " ");
    if (*body)
        fprintf(r->constants, "const %s: %s = %s;\n", name, strchr(body, '.') ? "f32" : "u32",
                body);
    return true;
}

/* A number, or the macro of one, defined before. */
static uint32_t number_of(const struct reader *r, const char *name)
{
    char start[MAX_NAME + 32];
    uint32_t number = 0;
    fflush(r->constants);
    snprintf(start, sizeof(start), "const %s: u32 = ", name);
    const char *at = isdigit((unsigned char)*name) ? name : strstr(r->params->constants, start);
    if (at && sscanf(at == name ? at : at + strlen(start), "%u", &number) == 1)
        return number;
    return 0;
}

static bool add_member(struct reader *r, enum scalar scalar, const char *name)
{
    struct params_struct *to = r->current;
    if (to->n_members == MAX_MEMBERS)
        return refuse(r, "too many members", name);
    struct member *member = &to->members[to->n_members];
    *member = (struct member){.scalar = scalar, .offset = 4 * to->n_members, .place = r->place};
    snprintf(member->name, sizeof(member->name), "%s", name);
    to->n_members++;
    return true;
}

/* `name` or `name[count]` */
static bool read_member(struct reader *r, enum scalar scalar, const char *declared)
{
    char name[40], count[40], element[MAX_NAME];
    const int n = sscanf(declared, " %39[a-z0-9_] [%39[A-Z0-9_]]", name, count);
    if (n == 1)
        return add_member(r, scalar, name);
    const uint32_t elements = n == 2 ? number_of(r, count) : 0;
    if (!elements)
        return refuse(r, "no member, or no array of a known size", declared);
    for (uint32_t i = 0; i < elements; i++) {
        snprintf(element, sizeof(element), "%s_%u", name, i);
        if (!add_member(r, scalar, element))
            return false;
    }
    return true;
}

/* `type name, name;` */
static bool read_members(struct reader *r, char *line)
{
    enum scalar scalar = SCALAR_OTHER;
    char *end = strchr(line, ';');
    char *names = strchr(line, ' ');
    if (!strncmp(line, "uint32_t ", 9))
        scalar = SCALAR_U32;
    else if (!strncmp(line, "float ", 6))
        scalar = SCALAR_F32;
    if (scalar == SCALAR_OTHER || !end || end[1])
        return refuse(r, "expected members of uint32_t or float, up to a semicolon", line);
    *end = 0;
    while (names) {
        char *comma = strchr(names, ',');
        if (comma)
            *comma = 0;
        if (!read_member(r, scalar, names))
            return false;
        names = comma ? comma + 1 : NULL;
    }
    return true;
}

static bool begin_struct(struct reader *r, const char *line)
{
    struct params *params = r->params;
    struct params_struct added = {.n_members = 0};
    if (sscanf(line, "struct %63[a-z0-9_] {", added.name) != 1)
        return refuse(r, "expected 'struct NAME {'", line);
    void *more = realloc(params->structs, (params->n_structs + 1) * sizeof(added));
    if (!more)
        return refuse(r, "no memory", line);
    params->structs = more;
    r->current = &params->structs[params->n_structs++];
    *r->current = added;
    return true;
}

static bool read_line(struct reader *r, char *line)
{
    line += strspn(line, " \v");
    size_t n = strlen(line);
    while (n && isspace((unsigned char)line[n - 1]))
        line[--n] = 0;
    if (!n || !strncmp(line, "#ifndef", 7) || !strcmp(line, "#endif"))
        return true;
    if (!strcmp(line, "};") && r->current) {
        r->current = NULL;
        return true;
    }
    if (r->current)
        return read_members(r, line);
    if (!strncmp(line, "#define ", 8))
        return read_define(r, line);
    return begin_struct(r, line);
}

static bool read_lines(struct reader *r, char *text)
{
    for (char *at = strstr(text, "\\\n"); at; at = strstr(at, "\\\n")) {
        at[0] = ' ';
        at[1] = CONTINUED;
    }
    for (char *line = text; line; r->place.line++) {
        char *end = strchr(line, '\n');
        if (end)
            *end = 0;
        int continued = 0;
        for (char *at = line; *at; at++)
            if (*at == CONTINUED) {
                *at = ' ';
                continued++;
            }
        if (!read_line(r, line))
            return false;
        r->place.line += continued;
        line = end ? end + 1 : NULL;
    }
    return true;
}

bool params_read(const char *directory, struct params *out)
{
    size_t size;
    memset(out, 0, sizeof(*out));
    snprintf(out->path, sizeof(out->path), "%s/params.h", directory);
    char *text = read_file(out->path);
    struct reader r = {.params = out,
                       .constants = open_memstream(&out->constants, &size),
                       .place = {out->path, 1}};
    bool ok = text && r.constants;
    if (ok) {
        blank_comments(text, false);
        ok = read_lines(&r, text);
    }
    if (r.constants)
        fclose(r.constants);
    free(text);
    if (!ok)
        params_free(out);
    return ok;
}

void params_free(struct params *params)
{
    free(params->constants);
    free(params->structs);
    free(params->functions);
    memset(params, 0, sizeof(*params));
}

const struct params_struct *params_find(const struct params *params, const char *name)
{
    for (size_t i = 0; i < params->n_structs; i++)
        if (!strcmp(params->structs[i].name, name))
            return &params->structs[i];
    return NULL;
}

void params_print(const struct params_struct *params, FILE *to)
{
    fprintf(to, "struct Params {\n");
    for (uint32_t i = 0; i < params->n_members; i++)
        fprintf(to, "%s: %s,\n", params->members[i].name, scalar_name(params->members[i].scalar));
    fprintf(to, "}\n@group(1) @binding(0) var<uniform> p: Params;\n");
}
