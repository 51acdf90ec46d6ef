/* SPDX-License-Identifier: MIT
 *
 * What a model's files say before it is loaded: whether two models can be compared step by step,
 * and how many bits their weights have.
 */
#ifndef STAPES_TOOLS_MODEL_FACTS_H
#define STAPES_TOOLS_MODEL_FACTS_H

#include "loader/config.h"
#include "loader/tokenizer.h"
#include "tools/report.h"

struct model_facts {
    const char *path;
    struct model_config config;
    struct tokenizer *tokenizer;
    uint64_t lm_weights, lm_bytes; /* of the language model's tensors */
    uint64_t matrix_bytes;         /* of these, matrices without embeddings */
};

/* path is borrowed. False: told. */
bool model_facts_read(struct model_facts *facts, struct report *report, const char *path);
/* Whether both make the same steps of the same tokens for the same sound. False: told, with what
 * differs. */
bool model_facts_match(const struct model_facts *reference, const struct model_facts *candidate,
                       struct report *report);
/* Whether the file at `path` is read when the model is opened. */
bool model_facts_has_file(const char *model, const char *path);
void model_facts_deinit(struct model_facts *facts);

#endif
