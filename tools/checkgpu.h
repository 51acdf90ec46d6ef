/* SPDX-License-Identifier: MIT
 *
 * checkgpu, which has the kernels' references, and the same for WebGPU, run as children: they
 * belong to the tests.
 */
#ifndef STAPES_TOOLS_CHECKGPU_H
#define STAPES_TOOLS_CHECKGPU_H

#include <limits.h>
#include <sys/types.h>

#include "tools/report.h"

enum checkgpu_api { CHECKGPU_VULKAN, CHECKGPU_WEBGPU };

/* Zero-initialized: not started. */
struct checkgpu {
    char path[PATH_MAX];
    pid_t pid;
    bool interrupted;
};

/* Starts it with these arguments, NULL at the end, and the descriptor `out` as its standard output.
 * False: it is not there or cannot be started, which has been told. */
bool checkgpu_start(struct report *report, enum checkgpu_api api, const char *const *arguments,
                    int out, struct checkgpu *child);

/* Ends those of n that run as Ctrl-C does. */
void checkgpu_interrupt(struct checkgpu *children, size_t n);

/* Waits for the end of all n, which Ctrl-C hastens, and so does one that could not run the kernels.
 * EXIT_USAGE: a pattern that matches no kernel; EXIT_FAILURE: no device, or kernels that are wrong.
 * Of these they have told themselves. */
int checkgpu_wait(struct report *report, struct checkgpu *children, size_t n);

#endif
