/* SPDX-License-Identifier: MIT
 *
 * The outcome of an evaluation, for people and for programs.
 */
#ifndef STAPES_TOOLS_EVAL_REPORT_H
#define STAPES_TOOLS_EVAL_REPORT_H

#include "tools/text.h"
#include "tools/evaluation/wer.h"

struct eval_report {
    const char *model, *data, *normalize;
    const char *device; /* empty where nothing was left to run */
    struct wer_summary summary;
    size_t unreadable;  /* utterances that are not in the summary */
    double seconds;     /* sound of the utterances in the summary */
    double run_seconds; /* sound that went through the model in this run, in */
    double wall_seconds;
};

void eval_report_table(const struct eval_report *report, struct text *out);
/* One object and a newline; what is not known is null. */
void eval_report_json(const struct eval_report *report, struct text *out);

#endif
