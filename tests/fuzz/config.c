/* SPDX-License-Identifier: MIT
 *
 * The JSON files of a checkpoint directory: config.json, mimi_config.json, then the index of a
 * sharded checkpoint, each behind a line that is a single NUL. What is missing is empty.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

/* A tensor of each, so that an index can find them. */
static const char weights[] =
    "\x38\0\0\0\0\0\0\0{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}  \0\0\0";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"config.json", "mimi_config.json",
                                        "model.safetensors.index.json"};
    for (int i = 0; i < 3; i++) {
        const uint8_t *end = size ? memchr(data, 0, size) : NULL;
        const size_t n = end ? (size_t)(end - data) : size;
        fuzz_file(names[i], data, n);
        data += end ? n + 1 : n;
        size -= end ? n + 1 : n;
    }
    fuzz_file("tokenizer.model", (const uint8_t *)"", 0);
    fuzz_file("mimi.safetensors", (const uint8_t *)weights, sizeof(weights));
    fuzz_file("shard.safetensors", (const uint8_t *)weights, sizeof(weights));
    fuzz_model(fuzz_directory(), NULL);
    return 0;
}
