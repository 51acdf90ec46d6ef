/* SPDX-License-Identifier: MIT
 *
 * The inside of stapes autoquant: the search itself (run.c), one attempt (attempt.c), its files
 * (files.c), what a search is about (identity.c), the decision after each attempt (decide.c), mixed
 * precision (mix.c), and the summary, by which a later call goes on (resume.c).
 */
#ifndef STAPES_TOOLS_AUTOQUANT_H
#define STAPES_TOOLS_AUTOQUANT_H

#include "tools/autoquant/mix.h"
#include "tools/calibration.h"
#include "tools/recordings.h"
#include "tools/validation/json_writer.h"
#include "tools/validation/validate.h"

#define AUTOQUANT_PATH 4096 /* bytes of a path */
#define AUTOQUANT_SUMMARY "quantization_summary.json"
#define AUTOQUANT_CONFIG "quantization_config.json"
#define AUTOQUANT_REPORT "validation_report.json"
#define AUTOQUANT_MODEL "model.gguf"

/* As on the command line. */
struct autoquant_options {
    struct model_options model;
    const char *data, *output, *types, *methods;
    struct option_list calibrate, tensors;
    int64_t seconds; /* of calibration, in the first attempt that is calibrated */
    uint64_t memory_bytes;
    int64_t slots, max_utterances;
    int normalize;
    struct validate_limits limits;
    bool keep;
};

/* An attempt that is complete. */
struct autoquant_record {
    struct autoquant_attempt attempt;
    uint64_t wider;                      /* tensors, in mixed precision */
    uint64_t model_bytes;                /* of the file */
    double bits_per_weight;              /* of the language model */
    double wer;                          /* share */
    double wer_increase;                 /* percentage points */
    double text_perplexity_increase;     /* percent */
    double text_kl_mean, text_agreement; /* over the steps with text */
    double speed;
    double seconds;       /* that the attempt took */
    char why[512];        /* which limits it missed; empty: none */
    char fingerprint[17]; /* of its configuration and its report, as they lie in their files */
};

struct autoquant {
    const struct autoquant_options *options;
    const char *checkpoint;
    struct report *report;
    struct log log;
    char directory[AUTOQUANT_PATH]; /* where everything goes */
    struct autoquant_search search;
    struct recordings recordings; /* all to calibrate with; none without --calibrate */
    enum quantize_method methods[AUTOQUANT_MAX_METHODS]; /* of the search */
    struct quantize_rule rules[OPTION_LIST_MAX];         /* the user's */
    size_t n_rules;
    struct validate_options validate;
    struct validate_reference *reference; /* NULL until it is needed */
    struct mix mix;
    double mix_seconds; /* of calibration, that it was measured with */
    bool mixed;         /* mix is measured */
    cJSON *identity;    /* what another call must have in common with this one to go on with it */
    struct autoquant_record *records;
    size_t n_records, capacity;
};

/* These return an exit status, and tell what is wrong. */

/* Goes on from the records. Prints a row an attempt. EXIT_LIMITS_MISSED: nothing passes. */
int autoquant_run(struct autoquant *a);

/* Quantizes and validates; *record gets the attempt with its results. The files are there then:
 * configuration, report, and the model where it passed (in the directory of all) or is kept. */
int autoquant_try(struct autoquant *a, const struct autoquant_attempt *attempt, size_t number,
                  struct autoquant_record *record);

/* DIRECTORY/attempt-NN/name, or DIRECTORY/name for number 0; without a name the directory. False:
 * too long, told. */
bool autoquant_path(const struct autoquant *a, size_t number, const char *name,
                    char path[AUTOQUANT_PATH]);
/* Of the statistics of so many seconds, in the directory. */
void autoquant_statistics_name(double seconds, char name[64]);

/* Fills a->identity. */
int autoquant_identify(struct autoquant *a);
/* Reads the records of an earlier call as far as their files are there and as they were. A
 * directory that holds anything else, or the work of a call with other inputs or options, is
 * refused. */
int autoquant_resume(struct autoquant *a);

/* Files appear, or are replaced, only when complete. */
int autoquant_write_json(const struct autoquant *a, size_t number, const char *name,
                         struct json *json);
/* With all records, and the decision after each. */
int autoquant_write_summary(const struct autoquant *a);
int autoquant_write_config(const struct autoquant *a, size_t number,
                           const struct autoquant_attempt *attempt,
                           const struct quantize_options *options,
                           const struct quantize_summary *summary);
int autoquant_write_report(const struct autoquant *a, size_t number,
                           const struct validation *validation);
/* Of the configuration and the report of an attempt; false where they are not both there. */
bool autoquant_fingerprint(const struct autoquant *a, size_t number, char out[17]);

#endif
