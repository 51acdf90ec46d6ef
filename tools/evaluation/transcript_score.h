/* SPDX-License-Identifier: MIT
 *
 * A transcript against what was said.
 */
#ifndef STAPES_TOOLS_TRANSCRIPT_SCORE_H
#define STAPES_TOOLS_TRANSCRIPT_SCORE_H

#include "tools/evaluation/normalize.h"
#include "tools/evaluation/wer.h"

/* Errors are counted after normalization. Loops are looked for in the words as `basic` leaves them:
 * english makes one number of a row of digits. False: out of memory. */
bool score_transcript(enum normalize how, const char *reference, const char *hypothesis,
                      struct wer_score *out);

#endif
