/* SPDX-License-Identifier: MIT
 *
 * GGUF files: models, and statistics of activations.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "loader/gguf.h"
#include "loader/statistics.h"

enum { MAX_K = 64 };

/* As much of Mimi as makes it known. */
static const char mimi[] = "\x59\0\0\0\0\0\0\0"
                           "{\"encoder.model.0.conv.conv.weight\":{\"dtype\":\"F32\","
                           "\"shape\":[1,1,1],\"data_offsets\":[0,4]}}\0\0\0";

static void read_statistics(const char *path)
{
    static float gram[MAX_K * MAX_K];
    struct statistics *statistics;
    if (statistics_read(NULL, path, &statistics))
        return;
    for (uint32_t i = 0; i < statistics_count(statistics); i++) {
        const struct statistics_entry *entry = statistics_get(statistics, i);
        if (!statistics_find(statistics, entry->name))
            abort();
        if (entry->gram_count && entry->k <= MAX_K)
            statistics_load_gram(NULL, statistics, entry, gram); /* may refuse its values */
    }
    statistics_destroy(&statistics);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct source_beside beside; /* for the browser port */
    if (!beside.mimi) {
        beside.mimi = fuzz_file("mimi.safetensors", (const uint8_t *)mimi, sizeof(mimi));
        beside.tokenizer = fuzz_file("tokenizer.model", NULL, 0);
    }
    const char *path = fuzz_file("fuzz.gguf", data, size);
    fuzz_model(path, &beside);
    read_statistics(path);
    return 0;
}
