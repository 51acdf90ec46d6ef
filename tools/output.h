/* SPDX-License-Identifier: MIT
 *
 * Standard output. Full disks and closed pipes are failures.
 */
#ifndef STAPES_TOOLS_OUTPUT_H
#define STAPES_TOOLS_OUTPUT_H

#include "tools/report.h"
#include "tools/text.h"

/* Writes the text and empties it. False: it could not be written, which has been told, unless
 * nobody reads any more (a closed pipe). */
bool output_text(struct report *report, struct text *text);

/* To a file, which is made anew, or to standard output where the path is "-". */
bool output_file(struct report *report, const char *path, struct text *text);

#endif
