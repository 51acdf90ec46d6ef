/* SPDX-License-Identifier: MIT
 *
 * tools/validation/divergence.c against answers worked out by hand.
 */
#include "runtime/base.h"
#include "tests/support.h"
#include "tools/validation/divergence.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define LN2 0.69314718055994530942
#define NEAR(got, want, tolerance)                                                                 \
    CHECK(fabs((got) - (want)) <= (tolerance), #got " is %.17g instead of %.17g", (double)(got),   \
          (double)(want))

static struct divergence_step measure(const float *p, const float *q, uint32_t card, uint32_t token)
{
    struct divergence_step step = {0};
    CHECK(divergence_measure(p, q, card, token, &step), "not measured");
    return step;
}

/* p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2), whatever is added to all logits. */
static void test_known(void)
{
    const float ln2 = (float)LN2;
    const float p[] = {100 + ln2, 100, 100}, q[] = {-7, -7, -7 + ln2};
    const struct divergence_step step = measure(p, q, 3, 0);
    NEAR(step.kl, LN2 / 4, 1e-5); /* a float near 100 has steps of 8e-6 */
    NEAR(step.reference_log_prob, -LN2, 1e-5);
    NEAR(step.candidate_log_prob, -2 * LN2, 1e-5);
    CHECK(!step.agrees, "maxima 0 and 2 agree");
    CHECK(measure(p, p, 3, 2).agrees, "a model disagrees with itself");
    NEAR(measure(q, q, 3, 1).kl, 0, 0);
}

static void test_extremes(void)
{
    /* beyond what exp can hold, and tokens that cannot happen */
    const float p[] = {FLT_MAX, -FLT_MAX, 0}, q[] = {0, 0, 1e4f};
    struct divergence_step step = measure(p, q, 3, 0);
    NEAR(step.kl, 1e4, 1e-9);
    NEAR(step.reference_log_prob, 0, 0);
    NEAR(step.candidate_log_prob, -1e4, 1e-9);
    /* the first of equal ones counts */
    const float tie[] = {1, 3, 3}, first[] = {0, 5, 1}, last[] = {0, 1, 5};
    CHECK(measure(tie, first, 3, 0).agrees && !measure(tie, last, 3, 0).agrees, "ties");
    NEAR(measure(tie, tie, 1, 0).reference_log_prob, 0, 0);

    const float nan[] = {0, NAN, 0}, infinite[] = {0, INFINITY, 0};
    CHECK(!divergence_measure(nan, q, 3, 0, &step) && !divergence_measure(q, nan, 3, 0, &step) &&
              !divergence_measure(infinite, q, 3, 0, &step) &&
              !divergence_measure(q, q, 3, 3, &step),
          "what is no distribution was measured");
}

/* 1000 steps with KL 1 to 1000, added in another order. */
static void test_percentiles(void)
{
    struct divergence d = {0};
    struct divergence_summary s;
    for (uint32_t i = 0; i < 1000; i++) {
        const struct divergence_step step = {.kl = (i * 387 + 5) % 1000 + 1};
        CHECK(divergence_add(&d, &step), "out of memory");
    }
    divergence_summarize(&d, &s);
    CHECK(s.steps == 1000, "%llu steps", (unsigned long long)s.steps);
    NEAR(s.kl_mean, 500.5, 1e-9);
    NEAR(s.kl_median, 500, 0);
    NEAR(s.kl_90, 900, 0);
    NEAR(s.kl_99, 990, 0);
    NEAR(s.kl_999, 999, 0);
    NEAR(s.kl_max, 1000, 0);
    divergence_deinit(&d);

    CHECK(divergence_add(&d, &(struct divergence_step){.kl = 3}), "out of memory");
    divergence_summarize(&d, &s);
    CHECK(s.kl_median == 3 && s.kl_90 == 3 && s.kl_999 == 3 && s.kl_max == 3, "one step");
    divergence_deinit(&d);
}

/* Two steps: the reference gives its token 1/2 and 1/8, the candidate 1/8 and 1/8. */
static void test_sums(void)
{
    struct divergence d = {0};
    struct divergence_summary s;
    divergence_summarize(&d, &s);
    CHECK(s.steps == 0 && s.kl_max == 0 && s.reference_perplexity == 0, "nothing has a summary");
    divergence_add(&d, &(struct divergence_step){1, -LN2, -3 * LN2, true});
    divergence_add(&d, &(struct divergence_step){0, -3 * LN2, -3 * LN2, false});
    divergence_summarize(&d, &s);
    NEAR(s.reference_perplexity, 4, 1e-12);
    NEAR(s.candidate_perplexity, 8, 1e-12);
    NEAR(s.agreement, 0.5, 0);
    NEAR(s.rms, sqrt(0.375 * 0.375 / 2), 1e-15);
    NEAR(s.kl_mean, 0.5, 0);
    divergence_deinit(&d);
}

int main(void)
{
    test_known();
    test_extremes();
    test_percentiles();
    test_sums();
    return support_finish("test_divergence");
}
