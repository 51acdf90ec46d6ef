/* SPDX-License-Identifier: MIT
 *
 * Texts of data sets: the input as a manifest, and as what LibriSpeech says of a directory.
 */
#include "tools/evaluation/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static void open_dataset(const char *path)
{
    struct dataset set;
    if (dataset_open(NULL, path, &set))
        return;
    for (size_t i = 0; i < set.n; i++)
        if (!set.items[i].text || !set.items[i].path ||
            (i > 0 && strcmp(set.items[i - 1].id, set.items[i].id) >= 0))
            abort();
    dataset_fingerprint(&set);
    dataset_deinit(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_file("a.wav", NULL, 0);
    fuzz_file("a.trans.txt", data, size);
    open_dataset(fuzz_file("manifest.jsonl", data, size));
    open_dataset(fuzz_directory());
    return 0;
}
