/* SPDX-License-Identifier: MIT
 *
 * What the fuzzers of the file readers share. Each is one file with libFuzzer's entry point; built
 * without libFuzzer it plays files again (replay.c).
 */
#ifndef STAPES_TESTS_FUZZ_H
#define STAPES_TESTS_FUZZ_H

#include "loader/tensor.h"

/* Always 0. A reader may refuse the input, with whatever message; nothing else may happen. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A directory for this process, removed with its files at the end. */
const char *fuzz_directory(void);
/* A file of that directory, overwritten; its path is valid for the process. At most 8 names. */
const char *fuzz_file(const char *name, const uint8_t *data, size_t size);

/* Opens a model and reads all that can be read without a device; where it is a GGUF of the browser
 * port again with `beside` (may be NULL). */
void fuzz_model(const char *path, const struct source_beside *beside);

#endif
