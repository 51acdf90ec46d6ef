/* SPDX-License-Identifier: MIT
 *
 * make_statistics CHECKPOINT OUT.gguf [diagonal]: statistics of a model from invented vectors, for
 * tests of what reads them: a few directions that all elements share, noise, and channels of very
 * different size.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/statistics.h"
#include "tests/make_vectors.h"

static void print_message(void *user, enum log_level level, const char *message)
{
    (void)user;
    if (level <= LOG_WARNING)
        fprintf(stderr, "%s\n", message);
}

static bool is_matrix(const struct tensor *tensor)
{
    return tensor->n_dims == 2 && strncmp(tensor->name, "mimi.", 5) &&
           !strstr(tensor->name, "emb.");
}

static enum status add_tensor(const struct log *log, struct statistics *statistics,
                              const struct tensor *tensor, bool gram)
{
    const uint32_t k = (uint32_t)tensor->dims[1], n = 3 * k;
    float *x = malloc((size_t)n * k * sizeof(*x));
    if (!x)
        return ERROR_MEMORY;
    /* what reads the same input must have seen the same */
    bool head = !strncmp(tensor->name, "extra_heads.", 12);
    make_vectors(head ? "text_linear.weight" : tensor->name, k, n, x);
    enum status status = statistics_add(log, statistics, tensor->name, k, x, n, k, gram);
    free(x);
    return status;
}

int main(int argc, char **argv)
{
    const struct log log = {print_message, NULL};
    struct source *source = NULL;
    struct statistics *statistics = NULL;
    if (argc < 3) {
        fprintf(stderr, "usage: make_statistics CHECKPOINT OUT.gguf [diagonal]\n");
        return 2;
    }
    enum status status = source_open(&log, argv[1], &source);
    if (!status)
        status = statistics_create(&log, &statistics);
    for (uint32_t i = 0; !status && i < source_count(source); i++)
        if (is_matrix(source_tensor(source, i)))
            status = add_tensor(&log, statistics, source_tensor(source, i), argc == 3);
    if (!status)
        status = statistics_write(&log, statistics, argv[2]);
    statistics_destroy(&statistics);
    source_close(&source);
    return status != OK;
}
