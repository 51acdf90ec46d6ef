/* SPDX-License-Identifier: MIT
 *
 * make_qwen3_asr [--hf] [--untied] DIRECTORY: writes a tiny Qwen3-ASR checkpoint.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/qwen3_asr_checkpoint.h"

int main(int argc, char **argv)
{
    struct qwen3_asr_checkpoint checkpoint = {.seed = 1};
    const char *directory = NULL;
    bool right = true;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--hf"))
            checkpoint.hf = true;
        else if (!strcmp(argv[i], "--untied"))
            checkpoint.untied = true;
        else if (argv[i][0] != '-' && !directory)
            directory = argv[i];
        else
            right = false;
    }
    if (!right || !directory) {
        fprintf(stderr, "usage: make_qwen3_asr [--hf] [--untied] DIRECTORY\n");
        return 2;
    }
    if ((mkdir(directory, 0777) && errno != EEXIST) || !qwen3_asr_write(&checkpoint, directory)) {
        fprintf(stderr, "make_qwen3_asr: %s: %s\n", directory, strerror(errno));
        return 1;
    }
    return 0;
}
