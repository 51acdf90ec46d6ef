/* SPDX-License-Identifier: MIT */
#include "loader/file.h"

#include <stdlib.h>

enum status file_load(const struct log *log, const char *path, uint64_t limit, char **out,
                      size_t *size)
{
    struct file file;
    char *bytes = NULL;

    enum status status = file_open(log, path, &file);
    if (status)
        return status;
    if (file.size > limit) {
        status = log_error(log, ERROR_FORMAT, "%s: %llu bytes, more than the %llu expected at most",
                           path, (unsigned long long)file.size, (unsigned long long)limit);
        goto fail;
    }
    bytes = malloc((size_t)file.size + 1);
    if (!bytes) {
        status = log_error(log, ERROR_MEMORY, "%s: out of memory", path);
        goto fail;
    }
    status = file_read(log, &file, NULL, 0, bytes, file.size);
    if (status)
        goto fail;
    bytes[file.size] = 0;
    *out = bytes;
    *size = (size_t)file.size;
    file_close(&file);
    return OK;
fail:
    free(bytes);
    file_close(&file);
    return status;
}
