/* SPDX-License-Identifier: MIT
 *
 * Caches of keys and values on the host, for references and case generators (layouts in params.h).
 */
#ifndef STAPES_KERNELS_KV_REF_H
#define STAPES_KERNELS_KV_REF_H

#include "kernels/reference.h"

struct kv_shape {
    uint32_t type, capacity, heads, head_dim; /* type: KV_* */
};

extern const char *const kv_type_names[]; /* indexed with KV_* */

/* Rounds head_dim elements into a position of a head; padding becomes zero. */
void kv_ref_store(const struct kv_shape *shape, uint32_t *cache, uint32_t slot, uint32_t head,
                  uint32_t position, const float *from);
/* What lies there, as doubles. */
void kv_ref_load(const struct kv_shape *shape, const uint32_t *cache, uint32_t slot, uint32_t head,
                 uint32_t position, double *to);
/* Fills a position of a head with NaNs (and bytes of -1). */
void kv_ref_poison(const struct kv_shape *shape, uint32_t *cache, uint32_t slot, uint32_t head,
                   uint32_t position);
/* kernel_share_fn of a word of a cache whose elements were within `error` before they were rounded:
 * a half may be off by one place more, a byte or a scale by one. */
double kv_ref_share(const struct kv_shape *shape, uint32_t word, uint32_t got, uint32_t want,
                    double error);

#endif
