/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "tools/npy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* "\x93NUMPY", version, length of the rest: 10 bytes; all of it a multiple of 64. */
enum { HEADER_BYTES = 128, HEADER_MAX = 4096 };

static int fail(char *message, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fail(char *message, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(message, NPY_MESSAGE_SIZE, format, args);
    va_end(args);
    return -1;
}

static const char *type_name(enum npy_type type)
{
    return type == NPY_F32 ? "<f4" : type == NPY_I32 ? "<i4" : "<i8";
}

static uint64_t type_bytes(enum npy_type type)
{
    return type == NPY_I64 ? 8 : 4;
}

/* The value after 'key': in the dictionary that is the header. */
static const char *find_value(const char *header, const char *key)
{
    char quoted[40];
    snprintf(quoted, sizeof(quoted), "'%s'", key);
    const char *at = strstr(header, quoted);
    if (!at)
        return NULL;
    at += strlen(quoted);
    at += strspn(at, " ");
    if (*at != ':')
        return NULL;
    at++;
    return at + strspn(at, " ");
}

static bool parse_shape(const char *at, struct npy *npy)
{
    if (*at++ != '(')
        return false;
    npy->elements = 1;
    while (*(at += strspn(at, " ,")) != ')') {
        uint64_t value = 0;
        if (*at < '0' || *at > '9' || npy->n_dims == NPY_MAX_DIMS)
            return false;
        for (; *at >= '0' && *at <= '9'; at++) {
            if (value > (UINT64_C(1) << 40))
                return false;
            value = value * 10 + (uint64_t)(*at - '0');
        }
        if (value && npy->elements > (UINT64_C(1) << 56) / value)
            return false;
        npy->elements *= value;
        npy->dims[npy->n_dims++] = value;
    }
    return true;
}

static int parse_header(struct npy *npy, const char *header, const char *path, char *message)
{
    const char *descr = find_value(header, "descr");
    const char *order = find_value(header, "fortran_order");
    const char *shape = find_value(header, "shape");
    if (!descr || !order || !shape)
        return fail(message, "%s: the .npy header lacks descr, fortran_order or shape", path);
    if (strncmp(descr, "'<f4'", 5) == 0)
        npy->type = NPY_F32;
    else if (strncmp(descr, "'<i4'", 5) == 0)
        npy->type = NPY_I32;
    else if (strncmp(descr, "'<i8'", 5) == 0)
        npy->type = NPY_I64;
    else
        return fail(message, "%s: elements are %.8s; '<i4', '<i8' and '<f4' can be read", path,
                    descr);
    if (!parse_shape(shape, npy))
        return fail(message, "%s: the .npy header has no shape of at most %d dimensions", path,
                    NPY_MAX_DIMS);
    if (strncmp(order, "False", 5) != 0 && npy->n_dims > 1)
        return fail(message, "%s: the array is in Fortran order; C order is needed", path);
    return 0;
}

static int read_header(struct npy *npy, const char *path, char *message)
{
    unsigned char start[12];
    char header[HEADER_MAX + 1];
    if (fread(start, 1, 10, npy->file) != 10 || memcmp(start, "\x93NUMPY", 6) != 0)
        return fail(message, "%s: not a .npy file", path);
    size_t bytes = start[8] | (size_t)start[9] << 8;
    uint64_t offset = 10;
    if (start[6] == 2 || start[6] == 3) {
        if (fread(start + 10, 1, 2, npy->file) != 2)
            return fail(message, "%s: not a .npy file", path);
        bytes |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
        offset = 12;
    } else if (start[6] != 1) {
        return fail(message, "%s: .npy version %d is unknown", path, start[6]);
    }
    if (bytes > HEADER_MAX || fread(header, 1, bytes, npy->file) != bytes)
        return fail(message, "%s: the .npy header is too long or cut off", path);
    header[bytes] = '\0';
    if (parse_header(npy, header, path, message))
        return -1;

    struct stat st;
    offset += bytes;
    if (fstat(fileno(npy->file), &st) != 0)
        return fail(message, "%s: %s", path, strerror(errno));
    uint64_t expected = offset + npy->elements * type_bytes(npy->type);
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size != expected)
        return fail(message, "%s: has %" PRIu64 " bytes, but its header asks for %" PRIu64, path,
                    (uint64_t)st.st_size, expected);
    return 0;
}

int npy_open(struct npy *npy, const char *path, char *message)
{
    struct stat st;
    *npy = (struct npy){0};
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return fail(message, "%s: %s", path, strerror(EISDIR));
    npy->file = fopen(path, "rb");
    if (!npy->file)
        return fail(message, "%s: %s", path, strerror(errno));
    if (read_header(npy, path, message) != 0) {
        npy_close(npy);
        return -1;
    }
    return 0;
}

static int read_elements(struct npy *npy, void *to, size_t n, char *message)
{
    if (n > npy->elements - npy->position)
        return fail(message, "read past the end of a .npy file");
    if (fread(to, type_bytes(npy->type), n, npy->file) != n)
        return fail(message, "a .npy file is cut off");
    npy->position += n;
    return 0;
}

int npy_read_i32(struct npy *npy, int32_t *to, size_t n, char *message)
{
    if (npy->type == NPY_I32)
        return read_elements(npy, to, n, message);
    if (npy->type != NPY_I64)
        return fail(message, "the .npy file has float32 elements; integers are needed");
    for (size_t i = 0; i < n; i++) {
        int64_t value;
        if (read_elements(npy, &value, 1, message))
            return -1;
        if (value < INT32_MIN || value > INT32_MAX)
            return fail(message, "element %" PRIu64 " of the .npy file is out of range",
                        npy->position - 1);
        to[i] = (int32_t)value;
    }
    return 0;
}

int npy_read_f32(struct npy *npy, float *to, size_t n, char *message)
{
    if (npy->type != NPY_F32)
        return fail(message, "the .npy file has %s elements; float32 is needed",
                    type_name(npy->type));
    return read_elements(npy, to, n, message);
}

void npy_close(struct npy *npy)
{
    if (npy->file)
        fclose(npy->file);
    npy->file = NULL;
}

static bool write_header(struct npy *npy)
{
    char header[HEADER_BYTES] = "\x93NUMPY\x01";
    int n =
        10 + snprintf(header + 10, sizeof(header) - 10,
                      "{'descr': '%s', 'fortran_order': False, 'shape': (", type_name(npy->type));
    for (uint32_t i = 0; i < npy->n_dims; i++)
        n += snprintf(header + n, sizeof(header) - (size_t)n, "%" PRIu64 "%s", npy->dims[i],
                      i + 1 < npy->n_dims ? ", "
                      : npy->n_dims == 1  ? ","
                                          : "");
    n += snprintf(header + n, sizeof(header) - (size_t)n, "), }");
    header[8] = (char)(HEADER_BYTES - 10);
    memset(header + n, ' ', sizeof(header) - (size_t)n);
    header[HEADER_BYTES - 1] = '\n';
    return fwrite(header, 1, sizeof(header), npy->file) == sizeof(header);
}

int npy_create(struct npy *npy, const char *path, enum npy_type type, uint32_t n_dims,
               const uint32_t *dims, char *message)
{
    *npy = (struct npy){.type = type, .n_dims = 1 + n_dims};
    if (n_dims >= NPY_MAX_DIMS || type == NPY_I64)
        return fail(message, "%s: cannot write such an array", path);
    for (uint32_t i = 0; i < n_dims; i++)
        npy->dims[1 + i] = dims[i];
    npy->file = fopen(path, "wb");
    if (!npy->file || !write_header(npy)) {
        fail(message, "%s: %s", path, strerror(errno));
        npy_close(npy);
        return -1;
    }
    return 0;
}

int npy_append(struct npy *npy, const void *rows, uint64_t n_rows, char *message)
{
    uint64_t elements = n_rows;
    for (uint32_t i = 1; i < npy->n_dims; i++)
        elements *= npy->dims[i];
    if (fwrite(rows, type_bytes(npy->type), elements, npy->file) != elements)
        return fail(message, "cannot write a .npy file: %s", strerror(errno));
    npy->dims[0] += n_rows;
    return 0;
}

int npy_finish(struct npy *npy, char *message)
{
    bool written = fseek(npy->file, 0, SEEK_SET) == 0 && write_header(npy);
    int error = errno;
    if (fclose(npy->file) != 0 && written) {
        written = false;
        error = errno;
    }
    npy->file = NULL;
    return written ? 0 : fail(message, "cannot write a .npy file: %s", strerror(error));
}
