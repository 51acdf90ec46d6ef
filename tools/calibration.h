/* SPDX-License-Identifier: MIT
 *
 * Statistics of what the matrices of a model read while recordings run through it.
 */
#ifndef STAPES_TOOLS_CALIBRATION_H
#define STAPES_TOOLS_CALIBRATION_H

#include "loader/statistics.h"
#include "tools/model.h"
#include "tools/options.h"

#define CALIBRATION_MEMORY (4ull << 30)

struct calibration_options {
    struct option_list data; /* directories and files; needed */
    bool gram;               /* Gram matrices, too */
    bool silent;             /* no word is no error */
    int64_t limit_seconds;   /* of sound; 0: all */
    int64_t slots;           /* recordings side by side; 0: at most 8 */
    uint64_t memory_bytes;   /* for Gram matrices; 0: CALIBRATION_MEMORY */
};

struct calibration_summary {
    uint64_t recordings, unreadable, damaged, words, steps;
    double sound_seconds, wall_seconds;
    uint32_t passes;
};

/* Runs the recordings as often as the Gram matrices need that do not fit in memory together: they
 * go to files beside `output`, which have no name any more when this returns. `output` itself is
 * only checked: it can be written, and is neither model nor recording. Returns an exit status, and
 * tells what is wrong; *out and *summary are set on success. */
int calibration_gather(struct report *report, const struct model_options *model,
                       const struct calibration_options *options, const char *output,
                       struct statistics **out, struct calibration_summary *summary);
void calibration_tell(struct report *report, const struct statistics *statistics,
                      const struct calibration_summary *summary);

#endif
