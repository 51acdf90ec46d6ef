/* SPDX-License-Identifier: MIT
 *
 * Parts of WGSL modules: what they include, and what they declare at module scope. Of the code
 * inside of functions only the braces count.
 */
#define _POSIX_C_SOURCE 200809L
#include "kernels/twins/twins.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define INCLUDE "//!include "

struct scanner {
    struct part *part;
    const char *at;
    int line;
    char token[MAX_NAME]; /* a word, a number or one character; "" at the end */
};

/* The attributes of a declaration; -1 if they are not there. */
struct attributes {
    int group, binding, id;
    bool compute;
    char workgroup_size[MAX_NAME];
};

static struct place place_of(const struct scanner *s)
{
    return (struct place){s->part->path, s->line};
}

static bool refuse(const struct scanner *s, const char *what)
{
    complain(place_of(s), "%s, not '%s'", what, s->token);
    return false;
}

static void next(struct scanner *s)
{
    size_t n = 0;
    while (isspace((unsigned char)*s->at))
        s->line += *s->at++ == '\n';
    if (isalnum((unsigned char)*s->at) || *s->at == '_') {
        for (; isalnum((unsigned char)*s->at) || *s->at == '_'; s->at++)
            if (n + 1 < sizeof(s->token))
                s->token[n++] = *s->at;
    } else if (*s->at) {
        s->token[n++] = *s->at++;
    }
    s->token[n] = 0;
}

static bool is(const struct scanner *s, const char *token)
{
    return !strcmp(s->token, token);
}

static bool take(struct scanner *s, const char *token)
{
    if (!is(s, token))
        return false;
    next(s);
    return true;
}

/* Tokens of a type or of an attribute's value, joined, up to one of `ends` at the same depth of
 * brackets, which stays. */
static bool take_text(struct scanner *s, const char *ends, char text[MAX_NAME])
{
    size_t n = 0;
    int depth = 0;
    text[0] = 0;
    while (s->token[0]) {
        if (!depth && !s->token[1] && strchr(ends, s->token[0]))
            return true;
        depth += is(s, "(") || is(s, "<");
        depth -= is(s, ")") || is(s, ">");
        const size_t length = strlen(s->token);
        if (n + length < MAX_NAME) {
            memcpy(text + n, s->token, length + 1);
            n += length;
        }
        next(s);
    }
    return refuse(s, "expected the declaration's end");
}

static bool skip_to(struct scanner *s, const char *token)
{
    while (s->token[0] && !is(s, token))
        next(s);
    return s->token[0] || refuse(s, "expected the declaration's end");
}

static bool take_name(struct scanner *s, char *name)
{
    if (!isalpha((unsigned char)s->token[0]) && s->token[0] != '_')
        return refuse(s, "expected a name");
    memcpy(name, s->token, MAX_NAME);
    next(s);
    return true;
}

static bool read_attributes(struct scanner *s, struct attributes *out)
{
    char name[MAX_NAME], value[MAX_NAME];
    *out = (struct attributes){.group = -1, .binding = -1, .id = -1};
    while (take(s, "@")) {
        value[0] = 0;
        if (!take_name(s, name))
            return false;
        if (take(s, "(")) {
            if (!take_text(s, ")", value))
                return false;
            next(s);
        }
        char *end;
        const long number = strtol(value, &end, 10);
        const bool plain =
            end != value && (!*end || !strcmp(end, "u")) && number >= 0 && number < 1000;
        int *to = !strcmp(name, "group")     ? &out->group
                  : !strcmp(name, "binding") ? &out->binding
                  : !strcmp(name, "id")      ? &out->id
                                             : NULL;
        if (to && !plain) {
            complain(place_of(s), "@%s needs a number, not '%s'", name, value);
            return false;
        }
        if (to)
            *to = (int)number;
        out->compute |= !strcmp(name, "compute");
        if (!strcmp(name, "workgroup_size"))
            memcpy(out->workgroup_size, value, sizeof(value));
    }
    return true;
}

static enum scalar scalar_of(const char *text)
{
    static const struct {
        const char *name;
        enum scalar scalar;
    } names[] = {{"u32", SCALAR_U32}, {"i32", SCALAR_I32}, {"f32", SCALAR_F32},  {"u", SCALAR_U32},
                 {"i", SCALAR_I32},   {"f", SCALAR_F32},   {"bool", SCALAR_BOOL}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!strcmp(names[i].name, text))
            return names[i].scalar;
    return SCALAR_OTHER;
}

/* f32, vec4f or vec4<f32> */
static void read_element(const char *text, enum scalar *scalar, uint32_t *width)
{
    char inner[MAX_NAME];
    *width = 1;
    if (sscanf(text, "vec%1u<%63[a-z0-9]>", width, inner) == 2 ||
        sscanf(text, "vec%1u%63[a-z]", width, inner) == 2)
        text = inner;
    *scalar = scalar_of(text);
}

/* What is behind `var`. Only storage and uniform variables have bindings. */
static bool read_var(struct scanner *s, const struct attributes *attributes)
{
    struct interface *to = &s->part->interface;
    char space[MAX_NAME] = "", name[MAX_NAME], type[MAX_NAME] = "", element[MAX_NAME];
    const struct place place = place_of(s);
    if (take(s, "<")) {
        if (!take_text(s, ">", space))
            return false;
        next(s);
    }
    if (!take_name(s, name) || (take(s, ":") && !take_text(s, "=;", type)) || !skip_to(s, ";"))
        return false;
    if (strncmp(space, "storage", 7) && attributes->binding < 0)
        return true;
    struct binding binding = {
        .index = (uint32_t)attributes->binding, .reads = true, .place = place};
    binding.writes = !strcmp(space, "storage,read_write");
    memcpy(binding.name, name, sizeof(name));
    if (attributes->group != 0 || attributes->binding < 0 ||
        (!binding.writes && strcmp(space, "storage") && strcmp(space, "storage,read"))) {
        complain(place,
                 "'%s' must be a variable of storage, read or read_write, in group 0; the "
                 "parameters in group 1 are generated",
                 name);
        return false;
    }
    const size_t length = strlen(type);
    if (strncmp(type, "array<", 6) || type[length - 1] != '>') {
        complain(place, "'%s' is a %s; only arrays can be bound", name, type);
        return false;
    }
    snprintf(element, sizeof(element), "%.*s", (int)(length - 7), type + 6);
    read_element(element, &binding.scalar, &binding.width);
    if (binding.scalar == SCALAR_OTHER || to->n_bindings == MAX_BINDINGS) {
        complain(place,
                 "'%s' is an array of %s; it must be one of u32, i32, f32 or vectors of them", name,
                 element);
        return false;
    }
    to->bindings[to->n_bindings++] = binding;
    return true;
}

static bool read_override(struct scanner *s, const struct attributes *attributes)
{
    struct interface *to = &s->part->interface;
    struct spec spec = {.id = (uint32_t)attributes->id, .place = place_of(s)};
    char type[MAX_NAME] = "";
    if (!take_name(s, spec.name) || (take(s, ":") && !take_text(s, "=;", type)) || !skip_to(s, ";"))
        return false;
    spec.scalar = scalar_of(type);
    if (attributes->id < 0) /* computed from others */
        return true;
    if (spec.scalar == SCALAR_OTHER || to->n_specs == MAX_SPECS) {
        complain(spec.place, "override '%s' needs a type, one of u32, i32, f32, bool", spec.name);
        return false;
    }
    to->specs[to->n_specs++] = spec;
    return true;
}

static bool read_function(struct scanner *s, const struct attributes *attributes)
{
    struct interface *to = &s->part->interface;
    char name[MAX_NAME];
    const struct place place = place_of(s);
    if (!take_name(s, name) || !skip_to(s, "{"))
        return false;
    if (attributes->compute && to->entry[0]) {
        complain(place, "a second entry point, '%s'", name);
        return false;
    }
    if (attributes->compute) {
        memcpy(to->entry, name, sizeof(name));
        memcpy(to->workgroup_size, attributes->workgroup_size, MAX_NAME);
        to->entry_place = place;
    }
    int depth = 0;
    do {
        depth += is(s, "{");
        depth -= is(s, "}");
        next(s);
    } while (depth && s->token[0]);
    return !depth || refuse(s, "expected '}'");
}

static bool read_declaration(struct scanner *s)
{
    struct attributes attributes;
    if (!read_attributes(s, &attributes))
        return false;
    if (take(s, ";"))
        return true;
    if (take(s, "fn"))
        return read_function(s, &attributes);
    if (take(s, "struct"))
        return skip_to(s, "}") && take(s, "}");
    if (take(s, "var")) {
        if (!read_var(s, &attributes))
            return false;
    } else if (take(s, "override")) {
        if (!read_override(s, &attributes))
            return false;
    } else if (is(s, "const") || is(s, "alias") || is(s, "const_assert")) {
        if (!skip_to(s, ";"))
            return false;
    } else {
        return refuse(s, "expected a declaration");
    }
    return take(s, ";") || refuse(s, "expected ';'");
}

/* Moves `enable` and `requires` lines to *directives, and the others, without indentation, to
 * *code. */
static bool strip(char *text, char **code, char **directives)
{
    size_t size;
    FILE *files[] = {open_memstream(code, &size), open_memstream(directives, &size)};
    const bool ok = files[0] && files[1];
    for (char *line = text, *end; ok && *line; line = end) {
        end = line + strcspn(line, "\n");
        const char *from = line + strspn(line, " \t");
        int n = (int)(end - from);
        while (n > 0 && isspace((unsigned char)from[n - 1]))
            n--;
        const bool directive = !strncmp(from, "enable ", 7) || !strncmp(from, "requires ", 9);
        if (n > 0)
            fprintf(files[directive], "%.*s\n", n, from);
        if (directive)
            memset(line, ' ', (size_t)(end - line));
        end += *end == '\n';
    }
    for (int i = 0; i < 2; i++)
        if (files[i] && fclose(files[i]))
            return false;
    return ok;
}

static bool read_includes(struct part *part, const char *text)
{
    int number = 1;
    for (const char *line = text; line; number++) {
        const struct place place = {part->path, number};
        char name[MAX_NAME], rest;
        if (!strncmp(line, INCLUDE, strlen(INCLUDE))) {
            if (part->n_includes == MAX_INCLUDES ||
                sscanf(line + strlen(INCLUDE), "%63[a-z0-9_]%c", name, &rest) != 2 ||
                rest != '\n') {
                complain(place, "expected '" INCLUDE "NAME' for kernels/wgsl/NAME.wgsl, %d at most",
                         MAX_INCLUDES);
                return false;
            }
            part->include_lines[part->n_includes] = number;
            memcpy(part->includes[part->n_includes++], name, sizeof(name));
        }
        line = strchr(line, '\n');
        if (line)
            line++;
    }
    return true;
}

bool part_read(const char *path, const char *name, struct part **out)
{
    struct part *part = calloc(1, sizeof(*part));
    char *text = read_file(path);
    bool ok = part && text;
    if (ok) {
        snprintf(part->path, sizeof(part->path), "%s", path);
        snprintf(part->name, sizeof(part->name), "%s", name);
        ok = read_includes(part, text);
    }
    if (ok) {
        struct scanner s = {.part = part, .at = text, .line = 1};
        blank_comments(text, true);
        ok = strip(text, &part->code, &part->directives);
        next(&s);
        while (ok && s.token[0])
            ok = read_declaration(&s);
    }
    free(text);
    if (ok)
        *out = part;
    else
        part_free(part);
    return ok;
}

void part_free(struct part *part)
{
    if (!part)
        return;
    free(part->code);
    free(part->directives);
    free(part);
}
