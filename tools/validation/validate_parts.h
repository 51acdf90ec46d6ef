/* SPDX-License-Identifier: MIT
 *
 * The inside of a validation, shared by validate_run.c, validate_recordings.c and validate_pass.c.
 */
#ifndef STAPES_TOOLS_VALIDATE_PARTS_H
#define STAPES_TOOLS_VALIDATE_PARTS_H

#include "tools/evaluation/dataset.h"
#include "tools/validation/logits_file.h"
#include "tools/validation/model_facts.h"
#include "tools/transcriber.h"
#include "tools/validation/validate.h"

/* What the reference sampled at the steps of one recording. */
struct kept {
    uint32_t *tokens; /* [n_steps][made] */
    uint64_t *rows;   /* [n_steps] of the file of logits */
    uint64_t n_steps, room;
};

struct validate_reference {
    const struct validate_options *options;
    struct report *report;
    uint32_t slots;
    struct dataset dataset;
    size_t n; /* recordings that are taken */
    const char **paths;
    uint64_t expected_steps;
    struct model_facts facts;
    uint32_t made; /* tokens a step */
    struct kept *kept;
    struct logits_file logits;
    float *pcm;                 /* [FRAME_SPEED_SAMPLES] */
    struct validation measured; /* what does not depend on the candidate */
};

#define VALIDATE_OUTPUT_IS_INPUT "%s: is the input, and cannot be the output"

/* Tells it; false. */
bool validate_no_memory(struct validate_reference *reference);

/* validate_recordings.c; false: told. */
/* After the facts: data set, paths, expected steps, pcm, and room for what is kept. */
bool validate_open_recordings(struct validate_reference *reference);
/* Adds the errors of one recording. */
bool validate_count_errors(struct validate_reference *reference,
                           const struct transcriber_result *result, struct validation_model *to);

/* validate_pass.c: passes of a model for scoring over the recordings; these return an exit status.
 */
/* The reference says what it says; every step is kept. */
int validate_run_reference(struct validate_reference *reference, stapes_model *model);
/* A candidate says what it says. */
int validate_run_free(struct validate_reference *reference, stapes_model *model, const char *path,
                      struct validation_model *to);
/* It is given the reference's tokens: how far its distributions are from the reference's. */
int validate_run_forced(struct validate_reference *reference, stapes_model *model, const char *path,
                        struct validation *out);

#endif
