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

/* A whole number of at least 0 that a double holds exactly. */
bool json_u64(const cJSON *item, uint64_t *out);

#endif
