/* SPDX-License-Identifier: MIT
 *
 * Invented statistics, for tests of what reads them.
 */
#ifndef STAPES_TESTS_TEST_QUANTIZE_METHODS_H
#define STAPES_TESTS_TEST_QUANTIZE_METHODS_H

#include "loader/quantize.h"
#include "tests/test_loader.h"

enum statistics_kind { ALL, DIAGONAL, ANOTHER_WIDTH, ANOTHER_NAME };

/* Of what each matrix of a golden's model reads, or of another model; DIAGONAL: without Gram
 * matrices. The caller's to destroy. */
struct statistics *invent_statistics(struct test *test, const char *golden,
                                     enum statistics_kind kind);

#endif
