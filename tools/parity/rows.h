/* SPDX-License-Identifier: MIT
 *
 * A kernel's row on two devices: what both documents of checkgpu say, and how the outputs differ.
 */
#ifndef STAPES_TOOLS_PARITY_ROWS_H
#define STAPES_TOOLS_PARITY_ROWS_H

#include <cjson/cJSON.h>

#include "tools/parity/outputs.h"
#include "tools/report.h"
#include "tools/text.h"

enum { PARITY_VULKAN, PARITY_WEBGPU, PARITY_SIDES };

extern const char *const parity_names[PARITY_SIDES];

struct parity_side {
    bool there; /* false: this device lacks what the row needs */
    uint32_t cases, failures;
    double share, error; /* the worst: of the tolerance, and of floats from the reference */
};

struct parity_row {
    const char *name; /* lives as long as the documents */
    struct parity_side sides[PARITY_SIDES];
    struct outputs_difference difference; /* where both are there */
};

struct parity {
    struct parity_row *rows; /* [n], in the order of kernels.def */
    size_t n, compared;
    size_t without_twin; /* rows of the first document that can have none */
};

/* Of the documents and files of both sides; `part`: WebGPU did not run all cases of each row.
 * False: a row or a case is missing that should be there, a tolerance is missed, or nothing could
 * be compared; all of that is told, and *out has the rows all the same. */
bool parity_compare(struct report *report, const cJSON *const documents[PARITY_SIDES],
                    const struct outputs outputs[PARITY_SIDES], bool part, struct parity *out);
void parity_deinit(struct parity *parity);

/* parity/report.c: a table for people, a document that docs/benchmarks.md describes. */
void parity_table(const struct parity *parity, const cJSON *const documents[PARITY_SIDES],
                  struct text *out);
void parity_json(const struct parity *parity, const cJSON *const documents[PARITY_SIDES],
                 struct text *out);

#endif
