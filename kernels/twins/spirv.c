/* SPDX-License-Identifier: MIT
 *
 * What a compiled shader declares. Only what glslangValidator makes of the shaders here: storage
 * buffers with a single runtime array, push constants with a single struct, and names.
 */
#include "kernels/twins/twins.h"

#include <string.h>

#define MAGIC 0x07230203u
#define HEADER_WORDS 5

enum {
    OP_MEMBER_NAME = 6,
    OP_NAME = 5,
    OP_ENTRY_POINT = 15,
    OP_TYPE_BOOL = 20,
    OP_TYPE_INT = 21,
    OP_TYPE_FLOAT = 22,
    OP_TYPE_VECTOR = 23,
    OP_TYPE_ARRAY = 28,
    OP_TYPE_RUNTIME_ARRAY = 29,
    OP_TYPE_STRUCT = 30,
    OP_TYPE_POINTER = 32,
    OP_CONSTANT = 43,
    OP_SPEC_CONSTANT_TRUE = 48,
    OP_SPEC_CONSTANT_FALSE = 49,
    OP_SPEC_CONSTANT = 50,
    OP_FUNCTION = 54,
    OP_VARIABLE = 59,
    OP_DECORATE = 71,
    OP_MEMBER_DECORATE = 72,

    DECORATION_SPEC_ID = 1,
    DECORATION_ARRAY_STRIDE = 6,
    DECORATION_NON_WRITABLE = 24,
    DECORATION_NON_READABLE = 25,
    DECORATION_BINDING = 33,
    DECORATION_DESCRIPTOR_SET = 34,
    DECORATION_OFFSET = 35,

    STORAGE_UNIFORM_CONSTANT = 0,
    STORAGE_UNIFORM = 2,
    STORAGE_PUSH_CONSTANT = 9,
    STORAGE_STORAGE_BUFFER = 12,
    EXECUTION_GL_COMPUTE = 5,
};

struct spirv {
    const char *file;
    const uint32_t *words;
    size_t n; /* up to the first function */
};

static uint32_t opcode(const uint32_t *instruction)
{
    return instruction[0] & 0xffffu;
}

static uint32_t length(const uint32_t *instruction)
{
    return instruction[0] >> 16;
}

/* The instruction behind `at`, the first one for NULL; NULL at the end. */
static const uint32_t *walk(const struct spirv *s, const uint32_t *at)
{
    const uint32_t *next = at ? at + length(at) : s->words + HEADER_WORDS;
    return next < s->words + s->n ? next : NULL;
}

/* The instruction that makes a type, a constant or a variable. */
static const uint32_t *definition(const struct spirv *s, uint32_t id)
{
    for (const uint32_t *at = walk(s, NULL); at; at = walk(s, at)) {
        const uint32_t op = opcode(at);
        if (op >= OP_TYPE_BOOL && op <= OP_TYPE_POINTER && at[1] == id)
            return at;
        if (((op >= OP_CONSTANT - 2 && op <= OP_SPEC_CONSTANT) || op == OP_VARIABLE) && at[2] == id)
            return at;
    }
    return NULL;
}

static bool decorated(const struct spirv *s, uint32_t id, uint32_t decoration, uint32_t *value)
{
    for (const uint32_t *at = walk(s, NULL); at; at = walk(s, at))
        if (opcode(at) == OP_DECORATE && at[1] == id && at[2] == decoration) {
            if (value)
                *value = at[3];
            return true;
        }
    return false;
}

static bool member_decorated(const struct spirv *s, uint32_t id, uint32_t member,
                             uint32_t decoration, uint32_t *value)
{
    for (const uint32_t *at = walk(s, NULL); at; at = walk(s, at))
        if (opcode(at) == OP_MEMBER_DECORATE && at[1] == id && at[2] == member &&
            at[3] == decoration) {
            if (value)
                *value = at[4];
            return true;
        }
    return false;
}

static void name_of(const struct spirv *s, uint32_t id, char name[MAX_NAME])
{
    name[0] = 0;
    for (const uint32_t *at = walk(s, NULL); at; at = walk(s, at))
        if (opcode(at) == OP_NAME && at[1] == id)
            snprintf(name, MAX_NAME, "%s", (const char *)(at + 2));
}

static void member_name_of(const struct spirv *s, uint32_t id, uint32_t member, char name[MAX_NAME])
{
    name[0] = 0;
    for (const uint32_t *at = walk(s, NULL); at; at = walk(s, at))
        if (opcode(at) == OP_MEMBER_NAME && at[1] == id && at[2] == member)
            snprintf(name, MAX_NAME, "%s", (const char *)(at + 3));
}

static enum scalar scalar_of(const uint32_t *type)
{
    switch (type ? opcode(type) : 0) {
    case OP_TYPE_BOOL: return SCALAR_BOOL;
    case OP_TYPE_INT: return type[2] != 32 ? SCALAR_OTHER : type[3] ? SCALAR_I32 : SCALAR_U32;
    case OP_TYPE_FLOAT: return type[2] == 32 ? SCALAR_F32 : SCALAR_OTHER;
    default: return SCALAR_OTHER;
    }
}

/* The type that a variable's pointer points to. */
static const uint32_t *pointee(const struct spirv *s, const uint32_t *variable)
{
    const uint32_t *pointer = definition(s, variable[1]);
    return pointer && opcode(pointer) == OP_TYPE_POINTER ? definition(s, pointer[3]) : NULL;
}

static bool refuse(const struct spirv *s, const char *what)
{
    complain((struct place){s->file, 0}, "%s", what);
    return false;
}

/* A texel buffer has an element that is no array's. */
static bool read_binding(const struct spirv *s, const uint32_t *variable, struct interface *out)
{
    struct binding binding = {.width = 1, .place = {s->file, 0}};
    uint32_t set;
    const uint32_t *block = pointee(s, variable);
    const uint32_t id = variable[2];
    name_of(s, id, binding.name);
    if (!decorated(s, id, DECORATION_BINDING, &binding.index) ||
        !decorated(s, id, DECORATION_DESCRIPTOR_SET, &set) || set != 0)
        return refuse(s, "a buffer without a binding in set 0");
    binding.reads = binding.writes = true;
    if (block && opcode(block) == OP_TYPE_STRUCT) {
        const uint32_t *array = definition(s, block[2]);
        const uint32_t *element =
            array && opcode(array) == OP_TYPE_RUNTIME_ARRAY ? definition(s, array[2]) : NULL;
        member_name_of(s, block[1], 0, binding.name);
        if (length(block) != 3 || !element)
            return refuse(s, "a buffer that is not a single array");
        if (opcode(element) == OP_TYPE_VECTOR) {
            binding.width = element[3];
            element = definition(s, element[2]);
        }
        binding.scalar = scalar_of(element);
        binding.writes = !member_decorated(s, block[1], 0, DECORATION_NON_WRITABLE, NULL) &&
                         !decorated(s, id, DECORATION_NON_WRITABLE, NULL);
        binding.reads = !member_decorated(s, block[1], 0, DECORATION_NON_READABLE, NULL) &&
                        !decorated(s, id, DECORATION_NON_READABLE, NULL);
    }
    if (out->n_bindings == MAX_BINDINGS)
        return refuse(s, "too many bindings");
    out->bindings[out->n_bindings++] = binding;
    return true;
}

static bool add_member(const struct spirv *s, struct interface *out, const char *name,
                       enum scalar scalar, uint32_t offset)
{
    if (scalar == SCALAR_OTHER || out->n_members == MAX_MEMBERS)
        return refuse(s, "parameters that are not 32-bit numbers, or too many");
    struct member *member = &out->members[out->n_members++];
    *member = (struct member){.scalar = scalar, .offset = offset, .place = {s->file, 0}};
    snprintf(member->name, sizeof(member->name), "%s", name);
    return true;
}

static bool read_member(const struct spirv *s, const uint32_t *type, uint32_t member, uint32_t base,
                        struct interface *out)
{
    char name[MAX_NAME], element[2 * MAX_NAME];
    uint32_t offset = 0, stride = 0;
    const uint32_t *of = definition(s, type[2 + member]);
    member_name_of(s, type[1], member, name);
    member_decorated(s, type[1], member, DECORATION_OFFSET, &offset);
    if (!of || opcode(of) != OP_TYPE_ARRAY)
        return add_member(s, out, name, scalar_of(of), base + offset);
    const uint32_t *count = definition(s, of[3]);
    decorated(s, of[1], DECORATION_ARRAY_STRIDE, &stride);
    for (uint32_t i = 0; count && i < count[3]; i++) {
        snprintf(element, sizeof(element), "%s_%u", name, i);
        if (!add_member(s, out, element, scalar_of(definition(s, of[2])),
                        base + offset + i * stride))
            return false;
    }
    return true;
}

/* A block with the struct of params.h as its only member. */
static bool read_params(const struct spirv *s, const uint32_t *variable, struct interface *out)
{
    const uint32_t *block = pointee(s, variable);
    const uint32_t *type =
        block && opcode(block) == OP_TYPE_STRUCT ? definition(s, block[2]) : NULL;
    uint32_t base = 0;
    if (!type || opcode(type) != OP_TYPE_STRUCT || length(block) != 3)
        return refuse(s, "push constants that are not one struct");
    member_decorated(s, block[1], 0, DECORATION_OFFSET, &base);
    for (uint32_t member = 0; member < length(type) - 2; member++)
        if (!read_member(s, type, member, base, out))
            return false;
    return true;
}

static bool read_spec(const struct spirv *s, uint32_t id, uint32_t spec_id, struct interface *out)
{
    const uint32_t *constant = definition(s, id);
    if (!constant || out->n_specs == MAX_SPECS)
        return refuse(s, "a specialization constant without a value, or too many");
    struct spec *spec = &out->specs[out->n_specs++];
    *spec = (struct spec){
        .id = spec_id, .scalar = scalar_of(definition(s, constant[1])), .place = {s->file, 0}};
    name_of(s, id, spec->name);
    return true;
}

static bool read_variable(const struct spirv *s, const uint32_t *variable, struct interface *out)
{
    switch (variable[3]) {
    case STORAGE_UNIFORM_CONSTANT:
    case STORAGE_UNIFORM:
    case STORAGE_STORAGE_BUFFER: return read_binding(s, variable, out);
    case STORAGE_PUSH_CONSTANT: return read_params(s, variable, out);
    default: return true;
    }
}

bool spirv_read(const char *file, const uint32_t *words, size_t n_words, struct interface *out)
{
    struct spirv s = {file, words, n_words};
    memset(out, 0, sizeof(*out));
    if (n_words < HEADER_WORDS || words[0] != MAGIC)
        return refuse(&s, "this is not SPIR-V");
    for (const uint32_t *at = walk(&s, NULL); at; at = walk(&s, at)) {
        if (!length(at) || length(at) > (size_t)(words + n_words - at))
            return refuse(&s, "an instruction without an end");
        if (opcode(at) == OP_FUNCTION) {
            s.n = (size_t)(at - words);
            break;
        }
    }
    for (const uint32_t *at = walk(&s, NULL); at; at = walk(&s, at)) {
        bool ok = true;
        if (opcode(at) == OP_ENTRY_POINT && at[1] == EXECUTION_GL_COMPUTE)
            snprintf(out->entry, sizeof(out->entry), "%s", (const char *)(at + 3));
        else if (opcode(at) == OP_VARIABLE)
            ok = read_variable(&s, at, out);
        else if (opcode(at) == OP_DECORATE && at[2] == DECORATION_SPEC_ID)
            ok = read_spec(&s, at[1], at[3], out);
        if (!ok)
            return false;
    }
    return true;
}
