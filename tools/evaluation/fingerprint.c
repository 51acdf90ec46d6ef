/* SPDX-License-Identifier: MIT */
#include "tools/evaluation/fingerprint.h"

#include <string.h>

#include "tools/evaluation/hash.h"

enum { SAMPLE_BYTES = 4096, SAMPLES = 4 };

static enum status hash_tensor(const struct source *source, const struct tensor *tensor,
                               uint64_t *hash)
{
    unsigned char bytes[SAMPLE_BYTES];
    const uint64_t n = MIN(tensor->bytes, SAMPLE_BYTES);
    *hash = hash_bytes(*hash, tensor->name, strlen(tensor->name) + 1);
    *hash = hash_bytes(*hash, &tensor->type, sizeof(tensor->type));
    *hash = hash_bytes(*hash, tensor->dims, tensor->n_dims * sizeof(tensor->dims[0]));
    for (uint64_t i = 0; i < SAMPLES; i++) {
        const uint64_t at = (tensor->bytes - n) / (SAMPLES - 1) * i;
        enum status status = source_read(source, tensor, at, bytes, n);
        if (status)
            return status;
        *hash = hash_bytes(*hash, bytes, (size_t)n);
    }
    return OK;
}

enum status fingerprint_model(const struct log *log, const char *path,
                              const struct source_beside *beside, uint64_t *out)
{
    uint64_t hash = HASH_START;
    struct source *source = NULL;
    enum status status = source_open_beside(log, path, beside, &source);
    for (uint32_t i = 0; !status && i < source_count(source); i++)
        status = hash_tensor(source, source_tensor(source, i), &hash);
    if (!status)
        *out = hash;
    source_close(&source);
    return status;
}
