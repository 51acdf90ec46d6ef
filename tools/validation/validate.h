/* SPDX-License-Identifier: MIT
 *
 * What a candidate (a quantized model) lost and gained against its reference, measured on
 * recordings, with a verdict. docs/validation.md says how each number is measured.
 */
#ifndef STAPES_TOOLS_VALIDATE_H
#define STAPES_TOOLS_VALIDATE_H

#include <cjson/cJSON.h>

#include "tools/validation/divergence.h"
#include "tools/model.h"
#include "tools/evaluation/normalize.h"
#include "tools/text.h"
#include "tools/evaluation/wer.h"

#define EXIT_LIMITS_MISSED 3 /* of stapes validate: measured, and not good enough */

struct validate_limits {
    double max_wer_increase;        /* percentage points */
    double max_perplexity_increase; /* percent, over the steps with text */
    double min_speed;               /* times the reference's frames a second */
    double max_kl; /* nats, mean KL divergence over the steps with text; 0: no limit */
};
#define VALIDATE_DEFAULT_LIMITS                                                                    \
    {                                                                                              \
        .max_wer_increase = 2, .max_perplexity_increase = 2, .min_speed = 1.5                      \
    }

struct validate_options {
    struct report *report;
    const char *reference, *candidate; /* model files or directories */
    const char *data;                  /* as for stapes eval */
    struct model_options model;        /* device, kernels, kv and so on; its path is not read */
    enum normalize normalize;
    uint32_t slots;          /* 0: 8 */
    uint64_t max_utterances; /* 0: all */
    const char *output;      /* file that is going to be written, which must not be one that is
                              * read; NULL: none */
    const char *scratch;     /* directory for the reference's logits; NULL: $TMPDIR,
                              * or /var/tmp */
    struct validate_limits limits;
};

/* Device time of one frame of all slots, in seconds; zeros where the device has no timestamps. */
struct frame_times {
    double frame;       /* everything */
    double transformer; /* the language model: transformer, heads, depformer */
    double dispatch;    /* of the stage whose dispatches take least: what one costs at least */
    uint32_t transformer_dispatches;
};

struct validation_model {
    char path[4096], name[128], kind[16];
    uint64_t model_bytes;          /* read at loading: language model and Mimi's encoder */
    uint64_t lm_weights, lm_bytes; /* the language model's */
    double bits_per_weight;        /* of these */
    uint64_t matrix_bytes;         /* of these, what a step multiplies with: no embeddings */
    double load_seconds;
    uint64_t host_before_bytes, host_peak_bytes; /* resident, before loading and at most since */
    bool host_peak_of_process; /* it could not be reset: the peak is that of the whole process */
    uint64_t device_bytes;     /* at most */
    double frames_per_second;  /* of all slots together */
    struct frame_times times;
    struct wer_counts words, characters; /* free-running, against the transcripts */
    double wer, cer;
};

/* EXCUSED: missed, but this device cannot show it, for a reason that follows from measurements. */
enum verdict { VERDICT_PASSED, VERDICT_FAILED, VERDICT_EXCUSED };

struct validation_check {
    enum verdict verdict;
    double value, limit;
    char reason[512]; /* empty where the numbers say all */
};

struct validation {
    char device[256], device_type[16], data[4096];
    char kv[8], kernels[256]; /* both models': --kv, --kernels */
    enum normalize normalize;
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
    struct validation_check kl; /* limit 0: none, and passed */
    bool passed;                /* no check has failed */
};

/* These return an exit status: EXIT_SUCCESS where everything was measured, whatever the verdict. */

/* The limits of the options are taken as they are: 0 is one, too, but for max_kl. */
int validate_run(const struct validate_options *options, struct validation *out);

/* The same in two steps, for many candidates of one reference. What the reference says is kept in
 * an unlinked file. The options and their report are borrowed until it is destroyed; of the
 * options `candidate` is not read, and the limits may change between candidates. */
struct validate_reference;
int validate_reference_create(const struct validate_options *options,
                              struct validate_reference **out);
int validate_candidate(struct validate_reference *reference, const char *candidate,
                       struct validation *out);
void validate_reference_destroy(struct validate_reference **reference);

/* From the measurements of both models to differences and verdicts. Part of the above. */
void validation_judge(struct validation *validation, const struct validate_limits *limits);

/* docs/validation.md; NULL where memory is short. */
cJSON *validation_json(const struct validation *validation);
/* For people. */
void validation_table(const struct validation *validation, struct text *out);

#endif
