/* SPDX-License-Identifier: MIT
 *
 * What lies beside the program, in a build tree or where it is installed.
 */
#ifndef STAPES_TOOLS_PROGRAM_H
#define STAPES_TOOLS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

/* The first of n places, relative to the program's directory, that access() allows `mode` of.
 * False: none. */
bool program_find(const char *const *places, size_t n, int mode, char *path, size_t size);

#endif
