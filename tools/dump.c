/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "tools/dump.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* The goldens hold only the first steps of these. */
static const char *const short_arrays[] = {"lm_shift/embedded", "lm_shift/hidden_l0",
                                           "lm_shift/hidden_last"};
enum { SHORT_ROWS = 4 };

/* With the directories above it. */
static bool make_directory(struct report *report, const char *path)
{
    char part[PATH_MAX];
    struct stat info;
    if (strlen(path) >= sizeof(part))
        errno = ENAMETOOLONG;
    else
        for (const char *end = path + strcspn(path, "/");; end += 1 + strcspn(end + 1, "/")) {
            const size_t length = (size_t)(end - path);
            memcpy(part, path, length);
            part[length] = '\0';
            if (length && mkdir(part, 0777) != 0 && errno != EEXIST)
                break;
            if (!*end && stat(path, &info) == 0 && S_ISDIR(info.st_mode))
                return true;
            if (!*end) {
                errno = ENOTDIR;
                break;
            }
        }
    report_error(report, "%s: %s", path, strerror(errno));
    return false;
}

bool dump_init(struct dump *dump, struct report *report, const char *directory)
{
    *dump = (struct dump){.report = report, .directory = directory};
    return make_directory(report, directory);
}

static bool create_file(struct dump *dump, const struct stapes_array *array)
{
    char path[PATH_MAX], message[NPY_MESSAGE_SIZE];
    if (dump->n_files == DUMP_MAX_ARRAYS) {
        report_error(dump->report, "too many arrays to dump");
        return false;
    }
    const char *slash = strchr(array->name, '/');
    snprintf(path, sizeof(path), "%s/%.*s", dump->directory, slash ? (int)(slash - array->name) : 0,
             array->name);
    if (!make_directory(dump->report, path))
        return false;
    struct dump_file *file = &dump->files[dump->n_files];
    *file = (struct dump_file){.name = array->name, .max_rows = UINT64_MAX};
    for (size_t i = 0; i < COUNT_OF(short_arrays); i++)
        if (strcmp(array->name, short_arrays[i]) == 0)
            file->max_rows = SHORT_ROWS;
    int n = snprintf(path, sizeof(path), "%s/%s.npy", dump->directory, array->name);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        report_error(dump->report, "%s: %s", dump->directory, strerror(ENAMETOOLONG));
        return false;
    }
    if (npy_create(&file->npy, path, array->is_int ? NPY_I32 : NPY_F32, array->n_dims, array->dims,
                   message) != 0) {
        report_error(dump->report, "%s", message);
        return false;
    }
    dump->n_files++;
    return true;
}

static bool append(struct dump *dump, const struct stapes_array *array)
{
    char message[NPY_MESSAGE_SIZE];
    uint32_t i = 0;
    while (i < dump->n_files && strcmp(dump->files[i].name, array->name) != 0)
        i++;
    if (i == dump->n_files && !create_file(dump, array))
        return false;
    struct dump_file *file = &dump->files[i];
    uint64_t rows = MIN(array->rows, file->max_rows - file->npy.dims[0]);
    if (npy_append(&file->npy, array->data, rows, message) != 0) {
        report_error(dump->report, "%s/%s: %s", dump->directory, array->name, message);
        return false;
    }
    return true;
}

bool dump_tick(struct dump *dump, stapes_stream *stream)
{
    struct stapes_array arrays[DUMP_MAX_ARRAYS];
    uint32_t count = DUMP_MAX_ARRAYS;
    if (stapes_stream_dump(stream, arrays, &count) != STAPES_OK)
        return false;
    for (uint32_t i = 0; i < MIN(count, DUMP_MAX_ARRAYS); i++)
        if (arrays[i].rows > 0 && !append(dump, &arrays[i]))
            return false;
    return true;
}

bool dump_finish(struct dump *dump)
{
    char message[NPY_MESSAGE_SIZE];
    for (uint32_t i = 0; i < dump->n_files; i++)
        if (npy_finish(&dump->files[i].npy, message) != 0) {
            report_error(dump->report, "%s/%s: %s", dump->directory, dump->files[i].name, message);
            return false;
        }
    return true;
}

void dump_deinit(struct dump *dump)
{
    for (uint32_t i = 0; i < dump->n_files; i++)
        npy_close(&dump->files[i].npy);
    dump->n_files = 0;
}
