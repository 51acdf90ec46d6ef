/* SPDX-License-Identifier: MIT
 *
 * How much memory of the host this process has resident, from /proc where it is there.
 */
#ifndef STAPES_TOOLS_MEMORY_H
#define STAPES_TOOLS_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes; 0 where the system does not tell. */
uint64_t memory_resident(void);

/* The peak counts from here on. False: the system cannot do that, and memory_peak goes on telling
 * the most since the process began. Gives freed memory back to the system first, so that what was
 * used before counts as little as possible. */
bool memory_reset_peak(void);
uint64_t memory_peak(void);

#endif
