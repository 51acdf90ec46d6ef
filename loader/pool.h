/* SPDX-License-Identifier: MIT
 *
 * Threads that share the items of a loop.
 */
#ifndef STAPES_LOADER_POOL_H
#define STAPES_LOADER_POOL_H

#include "runtime/base.h"

struct pool;

/* threads: 0 for one a core. Fewer than asked for is no error; the caller is one of them. */
enum status pool_create(const struct log *log, uint32_t threads, struct pool **out);
void pool_destroy(struct pool **pool);
uint32_t pool_threads(const struct pool *pool);
/* Calls work(user, i) for every i below n, on any thread and in any order; returns when all are
 * done.
 */
void pool_run(struct pool *pool, void (*work)(void *user, uint32_t item), void *user, uint32_t n);

#endif
