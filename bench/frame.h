/* SPDX-License-Identifier: MIT
 *
 * The parts of bench_frame: a model opened with some slots, what is measured of it, and the report.
 */
#ifndef STAPES_BENCH_FRAME_H
#define STAPES_BENCH_FRAME_H

#include "bench/host.h"
#include "stream/stapes.h"

#include <stdbool.h>
#include <stdio.h>

#define FRAME_MAX_STAGES 16
#define FRAME_MAX_RUNS 64
#define FRAME_SECONDS 0.08 /* a frame of every released model */

struct frame_options {
    const char *path; /* of a model's file or directory */
    const char *device, *kernels, *cache_dir;
    uint64_t memory_limit_bytes, seed;
    uint32_t frames; /* of each measurement */
};

/* Bytes of the weights that a frame reads, once each, as they lie in the file: embedding tables, of
 * which it reads a row, are left out. */
struct frame_weights {
    double mimi_bytes, transformer_bytes, heads_bytes, depformer_bytes;
};
struct log;
int frame_weigh(const struct log *log, const char *path, struct frame_weights *out);

struct frame_model; /* opened */

struct frame_opening {
    double open_seconds, load_seconds; /* load: with pipelines and programs */
    double first_seconds;              /* from the call of open to the result of the first frame */
    double file_bytes, device_bytes;   /* device: at most */
};
/* Statuses of stapes.h. */
int frame_open(const struct frame_options *options, uint32_t slots, struct frame_model **out,
               struct frame_opening *opening);
void frame_close(struct frame_model **model);

struct frame_run {
    uint32_t streams, frames;
    bool full; /* the window; else it is kept nearly empty */
    /* Frames one at a time: from the last stream's samples to the last stream's result. */
    struct host_percentiles wall;
    struct host_percentiles device;               /* all 0 without timestamps */
    struct stapes_stage stages[FRAME_MAX_STAGES]; /* means */
    uint32_t n_stages;
    double queued_seconds; /* a frame, with frames queued ahead; 0: not measured */
    double host_bytes;     /* at most; on a CPU device without the device's memory */
    struct frame_opening opening;
    bool too_slow; /* given up: more than 1 % of all frames took longer than 80 ms */
};
/* One stream in every slot. give_up: see too_slow; and frames are not queued ahead. */
int frame_measure(struct frame_model *model, bool full, bool give_up, struct frame_run *run);

enum frame_limit { FRAME_LIMIT_TIME, FRAME_LIMIT_MEMORY, FRAME_LIMIT_SLOTS };
struct frame_sweep {
    uint32_t streams; /* the most whose p99 is below 80 ms; 0: not even one */
    enum frame_limit limit;
};
/* Runs are handed to `each` as they are made. */
int frame_find_most(const struct frame_options *options, bool full,
                    void (*each)(void *user, const struct frame_run *run), void *user,
                    struct frame_sweep *out);

/* Seconds of frame_open with no compiled pipeline on disk, the driver's own caches included, and
 * then again, each in a process of its own. `dir` is where the caches of both go. */
int frame_open_cold(const struct frame_options *options, const char *dir, double *cold,
                    double *warm);

struct frame_report {
    const char *title; /* model and types */
    struct stapes_device device;
    struct frame_weights weights;
    double cold_seconds, warm_seconds; /* 0: not measured */
    struct frame_run runs[FRAME_MAX_RUNS];
    uint32_t n_runs;
    bool swept;
    struct frame_sweep sweep;
};
void frame_print_head(const struct frame_report *report);
void frame_print_run(const struct frame_report *report, const struct frame_run *run);
void frame_print_sweep(const struct frame_sweep *sweep);
/* STAPES_ERROR_IO if the file cannot be written. */
int frame_write_json(const struct frame_report *report, const char *path);

#endif
