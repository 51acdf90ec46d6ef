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
/* kernel_share_fn of a word of a cache, binding 4 (keys) or 5 (values) of a case of rope_kv, whose
 * elements were within `error` of c->kept before they were rounded: what is stored must be what
 * such an element rounds to. Bytes may be 1e-3 further off, because a scale's inverse need not be
 * exact, and halves below 2^-14 by a place. */
double kv_ref_share(const struct kernel_case *c, uint32_t binding, uint32_t word, uint32_t got,
                    double error);

#endif
