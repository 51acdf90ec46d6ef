/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "tools/program.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool program_find(const char *const *places, size_t n, int mode, char *path, size_t size)
{
    char program[PATH_MAX];
    ssize_t end = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (end <= 0)
        return false;
    program[end] = '\0';
    char *slash = strrchr(program, '/');
    if (slash)
        slash[1] = '\0';
    for (size_t i = 0; i < n; i++) {
        int length = snprintf(path, size, "%s%s", program, places[i]);
        if (length > 0 && (size_t)length < size && access(path, mode) == 0)
            return true;
    }
    return false;
}
