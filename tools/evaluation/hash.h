/* SPDX-License-Identifier: MIT
 *
 * FNV-1a, 64 bits: to tell whether something is still the same, not against those who mean harm.
 * http://www.isthe.com/chongo/tech/comp/fnv/
 */
#ifndef STAPES_TOOLS_HASH_H
#define STAPES_TOOLS_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

#endif
