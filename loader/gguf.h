/* SPDX-License-Identifier: MIT
 *
 * GGUF files: the header of one file, read and checked, and a writer. docs/gguf.md describes the
 * format as stapes uses it.
 */
#ifndef STAPES_LOADER_GGUF_H
#define STAPES_LOADER_GGUF_H

#include "loader/file.h"
#include "loader/tensor.h"

enum gguf_type {
    GGUF_U8 = 0,
    GGUF_I8 = 1,
    GGUF_U16 = 2,
    GGUF_I16 = 3,
    GGUF_U32 = 4,
    GGUF_I32 = 5,
    GGUF_F32 = 6,
    GGUF_BOOL = 7,
    GGUF_STRING = 8,
    GGUF_ARRAY = 9,
    GGUF_U64 = 10,
    GGUF_I64 = 11,
    GGUF_F64 = 12,
};

/* "u8", "string", ...; NULL if unknown. */
const char *gguf_type_name(enum gguf_type type);

/* A key and what it says. Strings are NUL-terminated and hold no other NUL; they need not be UTF-8.
 */
struct gguf_value {
    char *key;
    enum gguf_type type; /* of the value, or of the elements of an array; never GGUF_ARRAY */
    bool array;
    uint64_t count; /* 1 unless an array */
    void *data;     /* `count` elements; for strings: char ** */
};

struct gguf {
    uint32_t version, alignment;
    uint32_t n_values, n_tensors;
    struct gguf_value *values;
    struct tensor *tensors; /* in the file's order; offsets from the start of the file, file 0 */
    uint64_t data_offset;
    bool packed;      /* tensors begin anywhere: loader/stt_web.h */
    const char *path; /* the file's */
};

/* Reads and checks the header of `file` (docs/gguf.md lists what is refused). The file must stay
 * open for `path` only. */
enum status gguf_open(const struct log *log, const struct file *file, struct gguf **out);
void gguf_close(struct gguf **gguf);

/* NULL if there is no such key. */
const struct gguf_value *gguf_find(const struct gguf *gguf, const char *key);

/* Getters: the value if the key is there, of a type that holds it exactly; else false, silently.
 * Integers of any width and sign convert; floats do between f32 and f64. */
bool gguf_get_u64(const struct gguf *gguf, const char *key, uint64_t *out);
bool gguf_get_f64(const struct gguf *gguf, const char *key, double *out);
bool gguf_get_bool(const struct gguf *gguf, const char *key, bool *out);
/* Lives as long as the gguf. */
bool gguf_get_string(const struct gguf *gguf, const char *key, const char **out);
/* Element `index` of an array (or of a single value, 0). Here a bool is an integer, too. */
bool gguf_element_u64(const struct gguf_value *value, uint64_t index, uint64_t *out);
bool gguf_element_i64(const struct gguf_value *value, uint64_t index, int64_t *out);
bool gguf_element_f64(const struct gguf_value *value, uint64_t index, double *out);
const char *gguf_element_string(const struct gguf_value *value, uint64_t index);

/* --- Writing
 * --------------------------------------------------------------------------------------- Add keys,
 * declare tensors, begin, append the tensors' bytes in the order of their declaration, end. The
 * first error is logged and kept: every later call returns it. */
struct gguf_writer;

enum status gguf_writer_create(const struct log *log, const char *path, struct gguf_writer **out);
/* Files of at most `max_bytes` each (or one tensor), named after the path: PATH without .gguf,
 * -00001-of-0000N.gguf. Before gguf_writer_begin. */
void gguf_writer_split(struct gguf_writer *writer, uint64_t max_bytes);
/* Without gguf_writer_end before it, removes what was written. */
void gguf_writer_destroy(struct gguf_writer **writer);

enum status gguf_write_u32(struct gguf_writer *writer, const char *key, uint32_t value);
enum status gguf_write_u64(struct gguf_writer *writer, const char *key, uint64_t value);
enum status gguf_write_f32(struct gguf_writer *writer, const char *key, float value);
enum status gguf_write_f64(struct gguf_writer *writer, const char *key, double value);
enum status gguf_write_bool(struct gguf_writer *writer, const char *key, bool value);
enum status gguf_write_string(struct gguf_writer *writer, const char *key, const char *value);
/* Elements of any fixed-size type, or char *const * for GGUF_STRING. */
enum status gguf_write_array(struct gguf_writer *writer, const char *key, enum gguf_type type,
                             const void *elements, uint64_t count);
/* A value as it was read. */
enum status gguf_write_value(struct gguf_writer *writer, const struct gguf_value *value);
/* dims as in struct tensor: the last one is contiguous and a multiple of the type's block. */
enum status gguf_declare(struct gguf_writer *writer, const char *name, uint32_t type,
                         uint32_t n_dims, const uint64_t *dims);
/* Creates the file, under a temporary name, and writes the header. No key and no tensor may follow.
 */
enum status gguf_writer_begin(struct gguf_writer *writer);
/* From gguf_writer_begin on: the files that will be there. */
uint32_t gguf_writer_files(const struct gguf_writer *writer);
const char *gguf_writer_path(const struct gguf_writer *writer, uint32_t file);
/* The next bytes of the current tensor; the next one begins where it is complete. */
enum status gguf_append(struct gguf_writer *writer, const void *from, uint64_t bytes);
/* ERROR_ARGUMENT if a tensor is incomplete. The files are there, synchronized, when this returns
 * OK.
 */
enum status gguf_writer_end(struct gguf_writer *writer);

#endif
