/* SPDX-License-Identifier: MIT
 *
 * What goes to standard error: errors, warnings, the progress bar, the summary.
 */
#ifndef STAPES_TOOLS_REPORT_H
#define STAPES_TOOLS_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base.h"
#include "stream/stapes.h"

struct report {
    bool quiet;   /* errors only */
    bool verbose; /* and what the library tells about itself */
    bool bar;     /* standard error is a terminal: a progress bar may be drawn */
    bool drawn;
    int percent;
    uint32_t errors;
};

void report_init(struct report *report, bool quiet, bool verbose);

/* One line, "stapes: ...", over the progress bar if there is one. */
void report_error(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void report_warning(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void report_note(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Draws "label [###   ] 42 %" where that changes anything. */
void report_progress(struct report *report, const char *label, uint64_t done, uint64_t total);
void report_clear(struct report *report);

/* Loggers for the library and for loader/; `user` is the report. */
void report_library(void *user, enum stapes_log_level level, const char *message);
struct log report_log(struct report *report);

#endif
