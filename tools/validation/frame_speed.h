/* SPDX-License-Identifier: MIT
 *
 * How fast an open model makes frames: the same sound in every slot, no files read meanwhile.
 */
#ifndef STAPES_TOOLS_FRAME_SPEED_H
#define STAPES_TOOLS_FRAME_SPEED_H

#include "tools/validation/validate.h"

/* Frames of sound that both functions take. */
#define FRAME_SPEED_FRAMES 16u
#define FRAME_SPEED_SAMPLES (FRAME_SPEED_FRAMES * STAPES_FRAME_SAMPLES)

/* These return an exit status. pcm: FRAME_SPEED_SAMPLES. Every slot of the model must be free. */

/* Frames a second of all slots together: the fastest of some rounds, each of FRAME_SPEED_FRAMES a
 * slot, after one that does not count. */
int frame_speed_measure(struct report *report, stapes_model *model, const float *pcm,
                        double *frames_per_second);
/* Of a model opened with .timed: the least time of each stage in some frames. */
int frame_speed_times(struct report *report, stapes_model *model, const float *pcm,
                      struct frame_times *times);

#endif
