/* SPDX-License-Identifier: MIT
 *
 * JSON put together piece by piece: what fails (for want of memory) is remembered, so that one look
 * at the end is enough.
 */
#ifndef STAPES_TOOLS_JSON_WRITER_H
#define STAPES_TOOLS_JSON_WRITER_H

#include <cjson/cJSON.h>
#include <stdbool.h>

struct json {
    cJSON *root; /* an object; freed by json_end */
    bool failed;
};

void json_begin(struct json *json);
void json_end(struct json *json);

/* Strings: bytes that are not UTF-8 become U+FFFD. */

/* To an object; where that is NULL, nothing but the failure. */
cJSON *json_object(struct json *json, cJSON *to, const char *key);
cJSON *json_array(struct json *json, cJSON *to, const char *key);
void json_string(struct json *json, cJSON *to, const char *key, const char *value);
void json_number(struct json *json, cJSON *to, const char *key, double value);
void json_bool(struct json *json, cJSON *to, const char *key, bool value);

/* To an array: an object, a string. */
cJSON *json_item(struct json *json, cJSON *array);
void json_element(struct json *json, cJSON *array, const char *value);

#endif
