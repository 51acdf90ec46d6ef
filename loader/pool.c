/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "loader/pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_THREADS 256

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t started, done;
    void (*work)(void *user, uint32_t item);
    void *user;
    uint32_t next, n;    /* items: the next one to take, and their number */
    uint32_t unfinished; /* items that are not done */
    bool closing;
    uint32_t n_threads; /* without the caller */
    pthread_t threads[MAX_THREADS];
};

/* Under the lock, which is released while an item is worked on. */
static void work_off(struct pool *pool)
{
    while (pool->next < pool->n) {
        uint32_t item = pool->next++;
        pthread_mutex_unlock(&pool->lock);
        pool->work(pool->user, item);
        pthread_mutex_lock(&pool->lock);
        if (--pool->unfinished == 0)
            pthread_cond_signal(&pool->done);
    }
}

static void *run_thread(void *user)
{
    struct pool *pool = user;
    pthread_mutex_lock(&pool->lock);
    while (!pool->closing) {
        work_off(pool);
        if (!pool->closing)
            pthread_cond_wait(&pool->started, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

enum status pool_create(const struct log *log, uint32_t threads, struct pool **out)
{
    struct pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return log_error(log, ERROR_MEMORY, "out of memory for threads");
    if (pthread_mutex_init(&pool->lock, NULL))
        goto no_mutex;
    if (pthread_cond_init(&pool->started, NULL))
        goto no_started;
    if (pthread_cond_init(&pool->done, NULL))
        goto no_done;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t wanted = threads ? threads : cores > 0 ? (uint32_t)cores : 1;
    while (pool->n_threads + 1 < MIN(wanted, MAX_THREADS) &&
           !pthread_create(&pool->threads[pool->n_threads], NULL, run_thread, pool))
        pool->n_threads++;
    *out = pool;
    return OK;
no_done:
    pthread_cond_destroy(&pool->started);
no_started:
    pthread_mutex_destroy(&pool->lock);
no_mutex:
    free(pool);
    return log_error(log, ERROR_MEMORY, "no locks for threads");
}

void pool_destroy(struct pool **pool)
{
    if (!pool || !*pool)
        return;
    struct pool *p = *pool;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->started);
    pthread_mutex_unlock(&p->lock);
    for (uint32_t i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->started);
    pthread_mutex_destroy(&p->lock);
    free(p);
    *pool = NULL;
}

uint32_t pool_threads(const struct pool *pool)
{
    return pool->n_threads + 1;
}

void pool_run(struct pool *pool, void (*work)(void *user, uint32_t item), void *user, uint32_t n)
{
    pthread_mutex_lock(&pool->lock);
    pool->work = work;
    pool->user = user;
    pool->next = 0;
    pool->n = pool->unfinished = n;
    if (n > 1)
        pthread_cond_broadcast(&pool->started);
    work_off(pool);
    while (pool->unfinished > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
