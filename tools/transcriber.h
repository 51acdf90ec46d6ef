/* SPDX-License-Identifier: MIT
 *
 * A list of sound files through a model, as many side by side as it has slots.
 */
#ifndef STAPES_TOOLS_TRANSCRIBER_H
#define STAPES_TOOLS_TRANSCRIBER_H

#include "tools/report.h"

/* What a file said. Lives during the call it is passed to. */
struct transcriber_result {
    size_t index;      /* of the file in the list */
    const char *error; /* why it could not be read, or not to its end; NULL: all is well */
    const char *text;  /* the words with single spaces between them */
    size_t n_words;
    double seconds; /* of sound */
};

/* Called once for every file, in the order in which they come to their end. False stops the run. */
typedef bool transcriber_fn(void *user, const struct transcriber_result *result);
/* Called for a file's stream before its first step; it may attach to it (stream/score.h). False
 * stops the run. */
typedef bool transcriber_begin_fn(void *user, size_t index, stapes_stream *stream);

struct transcriber_params {
    const char *const *paths; /* regular files that tools/audio.h reads */
    size_t n;
    const uint64_t *most_samples; /* [n], of each file to be taken at most; NULL: all */
    transcriber_begin_fn *begin;  /* may be NULL */
    transcriber_fn *done;
    void *user;
    const char *label; /* of the progress bar; NULL: none */
};

enum transcriber_end {
    TRANSCRIBER_DONE,
    TRANSCRIBER_INTERRUPTED, /* Ctrl-C: files that were not at their end are not told of */
    TRANSCRIBER_STOPPED,     /* by `begin` or `done` */
    TRANSCRIBER_FAILED,      /* the model can do no more, which has been told */
};

/* Needs all slots of the model free, and leaves them so. */
enum transcriber_end transcriber_run(struct report *report, stapes_model *model,
                                     const struct transcriber_params *params);

#endif
