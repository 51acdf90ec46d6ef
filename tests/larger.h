/* SPDX-License-Identifier: MIT */
#ifndef STAPES_TESTS_LARGER_H
#define STAPES_TESTS_LARGER_H

#include <math.h>

/* The larger one; NaN if either is NaN, which fmax leaves out: then `larger < limit` is false. */
static inline double larger(double a, double b)
{
    return a > b || isnan(a) ? a : b;
}

#endif
