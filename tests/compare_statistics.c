/* SPDX-License-Identifier: MIT
 *
 * compare_statistics A B: whether two files of statistics say the same: the same tensors in the
 * same order, the same numbers of vectors, sums and Gram matrices up to the order of addition. And
 * that the diagonals of Gram matrices are the sums of squares. Says how many it compared.
 */
#include "loader/statistics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A file keeps f32, and Gram matrices are added up in it. */
#define TOLERANCE 1e-5

static void print(void *user, enum log_level level, const char *message)
{
    (void)user;
    if (level == LOG_ERROR)
        fprintf(stderr, "%s\n", message);
}

static const struct log to_stderr = {print, NULL};

static bool same_sums(const struct statistics_entry *a, const struct statistics_entry *b)
{
    for (uint32_t i = 0; i < a->k; i++)
        if (!(fabs(a->sum2[i] - b->sum2[i]) <= TOLERANCE * fabs(a->sum2[i]))) {
            fprintf(stderr, "%s: sum %u is %.9g and %.9g\n", a->name, i, a->sum2[i], b->sum2[i]);
            return false;
        }
    return true;
}

static float *load(struct statistics *s, const struct statistics_entry *entry)
{
    float *gram = malloc((size_t)entry->k * entry->k * sizeof(*gram));
    if (!gram || statistics_load_gram(&to_stderr, s, entry, gram))
        exit(1);
    return gram;
}

static bool same_gram(struct statistics *sa, const struct statistics_entry *a,
                      struct statistics *sb, const struct statistics_entry *b)
{
    bool same = true;
    const uint32_t k = a->k;
    if (a->gram_count != b->gram_count || (a->gram_count && a->gram_count != a->count)) {
        fprintf(stderr, "%s: Gram matrices of %" PRIu64 " and %" PRIu64 " of %" PRIu64 " vectors\n",
                a->name, a->gram_count, b->gram_count, a->count);
        return false;
    }
    if (!a->gram_count)
        return true;
    float *ga = load(sa, a), *gb = load(sb, b);
    for (size_t i = 0; i < k && same; i++) {
        const double own = (double)ga[i * k + i];
        same = fabs(own - a->sum2[i]) <= TOLERANCE * fabs(a->sum2[i]);
        for (size_t j = 0; j < k && same; j++) {
            const double bound = TOLERANCE * sqrt(a->sum2[i] * a->sum2[j]);
            same = fabs((double)ga[i * k + j] - (double)gb[i * k + j]) <= bound;
        }
        if (!same)
            fprintf(stderr, "%s: row %zu of the Gram matrix, sum %.9g\n", a->name, i, a->sum2[i]);
    }
    free(ga);
    free(gb);
    return same;
}

int main(int argc, char **argv)
{
    struct statistics *a, *b;
    uint32_t grams = 0, same = 0;
    if (argc != 3 || statistics_read(&to_stderr, argv[1], &a) ||
        statistics_read(&to_stderr, argv[2], &b))
        return 2;
    const uint32_t n = statistics_count(a);
    for (uint32_t i = 0; i < n && statistics_count(b) == n; i++) {
        const struct statistics_entry *ea = statistics_get(a, i), *eb = statistics_get(b, i);
        if (strcmp(ea->name, eb->name) || ea->k != eb->k || ea->count != eb->count)
            fprintf(stderr, "%s with %" PRIu64 " vectors, %s with %" PRIu64 "\n", ea->name,
                    ea->count, eb->name, eb->count);
        else
            same += same_sums(ea, eb) && same_gram(a, ea, b, eb);
        grams += ea->gram_count > 0;
    }
    printf("%u of %u tensors agree, %u with Gram matrices\n", same, n, grams);
    statistics_destroy(&a);
    statistics_destroy(&b);
    return n > 0 && same == n ? 0 : 1;
}
