/* SPDX-License-Identifier: MIT
 *
 * JSON from files that nobody vouches for: cJSON behind checks that bound memory and leave nothing
 * ambiguous.
 */
#ifndef STAPES_LOADER_JSON_H
#define STAPES_LOADER_JSON_H

#include <cjson/cJSON.h>

#include "runtime/base.h"

/* One value and nothing behind it. Refused: duplicate keys, NUL characters, nesting deeper than 64,
 * more than a million values. `path` is for messages. *out is freed with cJSON_Delete. */
enum status json_parse(const struct log *log, const char *path, const char *text, size_t size,
                       cJSON **out);

/* The value at a path of keys with dots between them. NULL if it is absent or null, which are the
 * same to the programs that write configurations. */
const cJSON *json_find(const cJSON *item, const char *path);

/* A whole number of at least 0 that a double holds exactly. */
bool json_u64(const cJSON *item, uint64_t *out);

#endif
