/* SPDX-License-Identifier: MIT
 *
 * What a candidate (a quantized model) lost and gained against its reference, measured on
 * recordings, with a verdict. docs/validation.md says how each number is measured.
 */
#ifndef STAPES_TOOLS_VALIDATE_H
#define STAPES_TOOLS_VALIDATE_H

#include <cjson/cJSON.h>

#include "tools/divergence.h"
#include "tools/model.h"
#include "tools/text.h"

#define EXIT_LIMITS_MISSED 3 /* of stapes validate: measured, and not good enough */

struct validate_limits {
    double max_wer_increase;        /* percentage points */
    double max_perplexity_increase; /* percent, over the steps with text */
    double min_speed;               /* times the reference's frames a second */
};
extern const struct validate_limits validate_default_limits;

struct validate_options {
    struct report *report;
    const char *reference, *candidate; /* model files or directories */
    const char *data;                  /* as for stapes eval */
    struct model_options model;        /* device, kernels, kv and so on; its path is not read */
    int normalize;                     /* enum normalize_mode of tools/normalize.h */
    uint32_t slots;                    /* 0: 8 */
    uint64_t max_utterances;           /* 0: all */
    const char *scratch; /* directory for the reference's logits; NULL: $TMPDIR, /tmp */
    struct validate_limits limits;
};

struct error_counts {
    uint64_t reference_units, insertions, deletions, substitutions;
    double rate; /* errors / reference_units */
};

/* Device time of one frame of all slots, in seconds; zeros where the device has no timestamps. */
struct frame_times {
    double frame;       /* everything */
    double transformer; /* the language model: transformer, heads, depformer */
    double dispatch;    /* the least of a stage with one dispatch: what one costs at least */
    uint32_t transformer_dispatches;
};

struct validation_model {
    char path[1024], name[128], kind[16];
    uint64_t weights, weight_bytes;       /* of all tensors */
    uint64_t lm_weights, lm_weight_bytes; /* of the language model's alone */
    double bits_per_weight, lm_bits_per_weight;
    double load_seconds;
    uint64_t host_before_bytes, host_peak_bytes; /* resident, before loading and at most since */
    uint64_t device_bytes;                       /* at most */
    double frames_per_second;                    /* of all slots together */
    struct frame_times times;
    struct error_counts words, characters; /* free-running, against the transcripts */
};

enum verdict { VERDICT_PASSED, VERDICT_FAILED, VERDICT_EXCUSED };

struct validation_check {
    enum verdict verdict;
    double value, limit;
    char reason[512]; /* of EXCUSED and, for the speed, of FAILED */
};

struct validation {
    char device[256], device_type[16], data[1024];
    const char *normalize; /* static */
    uint32_t slots;
    uint64_t utterances;
    double audio_seconds;
    struct validation_model reference, candidate;
    /* Teacher-forced: both are fed the tokens that the reference sampled. All steps, and those at
     * which the reference's token is not padding. */
    struct divergence_summary all, text;
    double wer_increase, cer_increase;                    /* percentage points */
    double perplexity_increase, text_perplexity_increase; /* percent */
    double speed;                                         /* times the reference's */
    struct validation_check wer, perplexity, fast;
    bool passed; /* no check has failed */
};

/* These return an exit status: EXIT_SUCCESS where everything was measured, whatever the verdict. */

int validate_run(const struct validate_options *options, struct validation *out);

/* The same in two steps, for many candidates of one reference. What the reference says is kept in
 * an unlinked file. The options and their report are borrowed until it is destroyed; `candidate` of
 * the options is not read. */
struct validate_reference;
int validate_reference_create(const struct validate_options *options,
                              struct validate_reference **out);
int validate_candidate(struct validate_reference *reference, const char *candidate,
                       struct validation *out);
void validate_reference_destroy(struct validate_reference **reference);

/* docs/validation.md; NULL where memory is short. */
cJSON *validation_json(const struct validation *validation);
/* For people. */
void validation_table(const struct validation *validation, struct text *out);

#endif
