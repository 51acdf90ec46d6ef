/* SPDX-License-Identifier: MIT */
#include "tools/validation/json_writer.h"

#include "tools/text.h"

void json_begin(struct json *json)
{
    json->root = cJSON_CreateObject();
    json->failed = !json->root;
}

void json_end(struct json *json)
{
    cJSON_Delete(json->root);
    json->root = NULL;
}

cJSON *json_object(struct json *json, cJSON *to, const char *key)
{
    cJSON *object = cJSON_AddObjectToObject(to, key);
    json->failed |= !object;
    return object;
}

cJSON *json_array(struct json *json, cJSON *to, const char *key)
{
    cJSON *array = cJSON_AddArrayToObject(to, key);
    json->failed |= !array;
    return array;
}

cJSON *json_item(struct json *json, cJSON *array)
{
    cJSON *object = cJSON_CreateObject();
    if (!object || !cJSON_AddItemToArray(array, object)) {
        cJSON_Delete(object);
        json->failed = true;
        return NULL;
    }
    return object;
}

/* cJSON writes what it is given, and paths may be anything. */
static cJSON *create_string(const char *value)
{
    struct text text = {0};
    text_add_utf8(&text, value);
    cJSON *string = text.failed ? NULL : cJSON_CreateString(text.bytes ? text.bytes : "");
    text_deinit(&text);
    return string;
}

void json_element(struct json *json, cJSON *array, const char *value)
{
    cJSON *string = create_string(value);
    if (!string || !cJSON_AddItemToArray(array, string)) {
        cJSON_Delete(string);
        json->failed = true;
    }
}

void json_string(struct json *json, cJSON *to, const char *key, const char *value)
{
    cJSON *string = create_string(value);
    if (!string || !cJSON_AddItemToObject(to, key, string)) {
        cJSON_Delete(string);
        json->failed = true;
    }
}

void json_number(struct json *json, cJSON *to, const char *key, double value)
{
    json->failed |= !cJSON_AddNumberToObject(to, key, value);
}

void json_bool(struct json *json, cJSON *to, const char *key, bool value)
{
    json->failed |= !cJSON_AddBoolToObject(to, key, value);
}
