/* SPDX-License-Identifier: MIT
 *
 * What the parts of checkgpu share: checkgpu.c has the options and walks the rows,
 * checkgpu_case.c makes and compares a case, checkgpu_run.c runs one, checkgpu_bench.c times one,
 * checkgpu_roofs.c measures what the device can do at most, checkgpu_report.c prints.
 */
#ifndef STAPES_TESTS_CHECKGPU_H
#define STAPES_TESTS_CHECKGPU_H

#include <stdio.h>

#include "kernels/reference.h"

struct options {
    const char *pattern, *variant, *device, *json, *outputs;
    uint64_t seed, rotate_mb; /* 0: from the device */
    bool list, all, validation, verbose, bench, quick;
};

struct pipeline {
    uint32_t n_spec;
    uint32_t spec[GPU_MAX_SPEC];
    gpu_pipeline *pipeline;
};

struct checker {
    const struct options *options;
    gpu_device *device;
    struct pipeline *pipelines; /* of the row that runs now */
    uint32_t n_pipelines;
    gpu_buffer *buffer; /* all bindings of a case, grown as needed */
    FILE *outputs;      /* what cases write goes there, if not NULL; errors stay in it */
};

struct row_result {
    uint32_t cases, failures;
    double worst; /* share of the tolerance */
    char worst_at[160];
    double worst_error; /* of floats: largest difference from the reference */
};

/* --- Cases (checkgpu_case.c) ----------------------------------------------------------------- */

/* The bindings of a case in one image: guards around each, each where a binding may begin. */
struct layout {
    uint32_t n;
    uint64_t offset[GPU_MAX_BINDINGS];
    uint64_t bytes; /* of all, guards included */
};

#define GUARD_BYTES 256u
#define GUARD_WORD 0xffa5a5a5u /* a NaN, so that reading it shows */

struct prepared {
    struct kernel_case c; /* its data are the expected contents */
    uint32_t index;
    struct layout layout;
    uint32_t *before;    /* image before the run: outputs poisoned, guards */
    struct arena *arena; /* what the case's data lie in */
};

/* Rows of one base see the same data: the seed is that of the base and of the case's number. */
uint64_t case_seed(uint64_t seed, enum kernel_id id, uint32_t index);
/* Whether row `id` may run with these parameters. */
bool case_legal(enum kernel_id id, const struct kernel_case *c);
/* Makes case `index` of row `id` without its outputs. False: there is no such case. */
bool case_make(const struct options *o, enum kernel_id id, uint32_t index, struct prepared *out);
/* Makes case `index` of row `id` and its expected outputs, with slot 0 alone if `alone`. False:
 * there is no such case. */
bool case_prepare(const struct options *o, enum kernel_id id, uint32_t index, bool alone,
                  struct prepared *out);
void case_free(struct prepared *p);
/* What case `index` moves and computes, without its reference; negative bytes: it is not legal for
 * this row. False: the row has no case of this number. */
bool case_cost(const struct options *o, enum kernel_id id, uint32_t index, double *bytes,
               double *flops);

/* Tells what is wrong with what row `id` wrote, guards included: image is what p->before became. */
bool case_judge(const struct checker *k, enum kernel_id id, const struct prepared *p,
                const uint32_t *image, struct row_result *result);
/* What slot 0 alone writes (case `one`, made from the same image) must be there, bit for bit, when
 * all slots ran; and it must write what the reference does. */
bool case_judge_alone(const struct checker *k, enum kernel_id id, const struct prepared *p,
                      const uint32_t *full, const struct prepared *one, const uint32_t *image);
/* The same of binding b, whose contents are at `got`, for a run of one's own. */
bool case_compare(const struct checker *k, enum kernel_id id, const struct prepared *p, uint32_t b,
                  const uint32_t *got, struct row_result *result);
void case_failed(const struct checker *k, enum kernel_id id, const struct prepared *p,
                 const char *what);

/* --- Running (checkgpu_run.c) ----------------------------------------------------------------- */

#define OUTPUTS_MAGIC "STOUTPT1"
#define OUTPUTS_NAME_BYTES 48

/* Runs row `id` on a prepared case and on its slot 0 alone, and judges both. What it wrote goes to
 * k->outputs, as docs/benchmarks.md describes. */
bool case_check(struct checker *k, enum kernel_id id, const struct prepared *p,
                struct row_result *result);
enum status checker_pipeline(struct checker *k, enum kernel_id id, const struct kernel_plan *plan,
                             gpu_pipeline **out);
void checker_drop_pipelines(struct checker *k);

/* --- Timing (checkgpu_bench.c, checkgpu_roofs.c) -----------------------------------------------
 */

/* Times of one dispatch over the passes of a program, sorted. */
struct samples {
    double *ns;
    uint32_t n, capacity;
};

struct timing {
    double median_ns, p10_ns, p90_ns;
    uint32_t passes, copies; /* a pass dispatches once for each copy of the buffers */
    bool cold; /* all copies together take what they should, and the last-level cache at least */
};

/* A program that is timed, and what puts its outputs back before (may be NULL, untimed). */
struct pass {
    gpu_program *restore, *timed;
    uint32_t dispatches;
};

/* Warms up and then takes samples of one dispatch, the passes in turn: at least `least`, and until
 * budget_ms has gone (0: no warm-up either). */
enum status samples_take(gpu_device *device, const struct pass *passes, uint32_t n, uint32_t least,
                         double budget_ms, struct samples *s);
void samples_summarize(struct samples *s, struct timing *out);

struct roofs {
    double copy_bytes_per_s; /* read and written */
    double fma_flop_per_s;
    uint64_t cache_bytes;  /* last level: read from the system for CPU devices, else assumed */
    uint64_t rotate_bytes; /* what the copies of a case's buffers take together */
};

enum status roofs_measure(const struct checker *k, struct roofs *out);

struct bench_result {
    enum kernel_id id;
    uint32_t index;
    char text[CASE_MAX_TEXT];
    double bytes, flops;
    struct timing timing;
    double plain_ns; /* median of the plain form; 0: not timed */
    bool chosen;     /* the form that a model would be given on this device */
};

struct bench_results {
    struct bench_result *at;
    uint32_t n, capacity;
    uint32_t left_out[KERNEL_COUNT];  /* cases of a row that would take too long */
    uint32_t too_large[KERNEL_COUNT]; /* with a buffer beyond the device's largest binding */
};

/* Times the rows of `base` for which run[] is set, on the base's bench cases: side by side, each
 * checked before and after. False: something failed (told). */
bool bench_base(struct checker *k, const struct roofs *roofs, const kernel_set *set,
                enum kernel_id base, const bool *run, struct bench_results *results);

/* --- Report (checkgpu_report.c) -----------------------------------------------------------------
 */

/* "" for a plain form, otherwise what its name adds to its base's: "_wg". */
const char *row_suffix(enum kernel_id id);
void report_list(FILE *to, const bool *selected);
void report_row(FILE *to, enum kernel_id id, const struct row_result *r, double ms);
void report_roofs(FILE *to, const struct checker *k, const struct roofs *roofs);
/* One line a form; those of one shape belong together. */
void report_bench(FILE *to, const struct roofs *roofs, const struct bench_result *results,
                  uint32_t n);
/* One line a row of `base` of which cases were left out. */
void report_left_out(FILE *to, enum kernel_id base, const struct bench_results *results);
/* The document that docs/benchmarks.md describes. `rows` and `skipped`: KERNEL_COUNT of them, rows
 * without cases where not walked; roofs and results only with --bench. False: not written (told).
 */
bool report_json(const struct checker *k, const struct row_result *rows, const bool *skipped,
                 const struct roofs *roofs, const struct bench_results *results);

#endif
