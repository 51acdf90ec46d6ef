/* SPDX-License-Identifier: MIT
 *
 * What an evaluation found, utterance by utterance, as it goes: a file of JSON lines that a later
 * run can continue. docs/evaluation.md has its form.
 */
#ifndef STAPES_TOOLS_DETAILS_H
#define STAPES_TOOLS_DETAILS_H

#include <stdio.h>

#include "tools/report.h"
#include "tools/evaluation/wer.h"

/* What must be the same for a run to continue another's file; the paths are for messages. */
struct details_head {
    const char *model, *data;
    uint64_t model_fingerprint, data_fingerprint;
    const char *normalize, *kv, *kernels; /* values of the options */
};

struct details_utterance {
    const char *id, *reference, *hypothesis; /* as they are, before normalization */
    struct wer_score score;
    double seconds; /* of sound */
};

struct details {
    struct report *report;
    const char *path;
    FILE *file;
};

/* Called for every utterance of a continued file; only id, hypothesis and seconds are set. */
typedef bool details_fn(void *user, const struct details_utterance *utterance);

/* Everything here returns false after telling what is wrong. */

/* A new file; one that is there already is refused. */
bool details_create(struct details *details, struct report *report, const char *path,
                    const struct details_head *head);
/* Continues a file: what was not written to its end is cut off. Without a file, a new one. */
bool details_resume(struct details *details, struct report *report, const char *path,
                    const struct details_head *head, details_fn *fn, void *user);
/* Written when these return. */
bool details_add(struct details *details, const struct details_utterance *utterance);
bool details_add_error(struct details *details, const char *id, const char *message);
bool details_close(struct details *details);

#endif
