/* SPDX-License-Identifier: MIT */
#include "loader/source.h"

#include <stdlib.h>

#include "loader/safetensors.h"

enum status source_add_safetensors(struct source *source, const char *path, const char *prefix,
                                   bool (*keep)(const void *user, const struct tensor *),
                                   const void *user)
{
    struct tensor *tensors;
    uint32_t index, count;

    enum status status = source_add_file(source, path, &index);
    if (status)
        return status;
    status = safetensors_read(&source->log, &source->files[index], &tensors, &count);
    if (status)
        return status;
    status = source_add_tensors(source, tensors, count, index, prefix, keep, user);
    free(tensors);
    return status;
}

enum status source_open_safetensors(struct source *source)
{
    return source_add_safetensors(source, source->path, "", NULL, NULL);
}
