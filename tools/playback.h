/* SPDX-License-Identifier: MIT
 *
 * Recordings run through a model to their end, several side by side, for what the model does with
 * them rather than for its words.
 */
#ifndef STAPES_TOOLS_PLAYBACK_H
#define STAPES_TOOLS_PLAYBACK_H

#include "tools/recordings.h"

struct playback {
    struct report *report;
    stapes_model *model; /* with `slots` slots, all of them free */
    uint32_t slots;
    const struct recordings *recordings;
    const char *label;            /* of the progress bar */
    uint64_t before, bar_samples; /* of which the bar shows so many as done before, of so many */
    bool told;                    /* what is wrong with recordings was told already */

    /* What came of it: */
    uint64_t samples, words;
    size_t damaged; /* recordings that could be read up to a point; what is before it counts */
};

/* Returns an exit status; EXIT_FAILURE where the model can do no more (told). */
int playback_run(struct playback *playback);

#endif
