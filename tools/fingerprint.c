/* SPDX-License-Identifier: MIT */
#include "tools/fingerprint.h"

#include <string.h>

enum { SAMPLE_BYTES = 4096, SAMPLES = 4 };

/* FNV-1a */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

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
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    struct source *source = NULL;
    enum status status = source_open_beside(log, path, beside, &source);
    for (uint32_t i = 0; !status && i < source_count(source); i++)
        status = hash_tensor(source, source_tensor(source, i), &hash);
    if (!status)
        *out = hash;
    source_close(&source);
    return status;
}
