/* SPDX-License-Identifier: MIT
 *
 * The numbers of a configuration: where JSON and GGUF have them, and what they may be.
 */
#ifndef STAPES_LOADER_CONFIG_FIELDS_H
#define STAPES_LOADER_CONFIG_FIELDS_H

#include "loader/config.h"

enum config_kind { CONFIG_U32, CONFIG_BOOL, CONFIG_F32 };

struct config_field {
    const char
        *json; /* config.json's for the LM, mimi_config.json's for Mimi; dots lead into objects */
    const char *gguf; /* behind "<architecture>." */
    size_t offset;    /* in struct model_config */
    enum config_kind kind;
    uint32_t min, max;
    uint32_t fallback; /* where JSON has no such key, or null; CONFIG_REQUIRED: none */
};

#define CONFIG_REQUIRED UINT32_MAX
#define CONFIG_FROM_TENSORS (UINT32_MAX - 1) /* extra_heads, until the tensors are counted */

struct config_fields {
    const struct config_field *fields;
    size_t count;
};

struct config_fields config_lm_fields(void);
struct config_fields config_depformer_fields(void);
struct config_fields config_mimi_fields(void);

/* ERROR_FORMAT, logged, if it is out of range. `where` and `key` are for the message. */
enum status config_set(const struct log *log, const char *where, const char *key,
                       const struct config_field *field, double value, struct model_config *config);
double config_get(const struct config_field *field, const struct model_config *config);

/* config_read for either kind of source. */
enum status config_read_json(const struct log *log, const struct source *source,
                             struct model_config *config);
enum status config_read_gguf(const struct log *log, const struct source *source,
                             struct model_config *config);

/* Of source->mimi_config; the real Mimi's where that is NULL. */
enum status config_read_mimi_json(const struct log *log, const struct source *source,
                                  struct model_config *config);

/* The name in general.architecture, in front of the keys. */
const char *config_architecture(enum model_kind kind);

#endif
