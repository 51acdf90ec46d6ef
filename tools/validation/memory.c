/* SPDX-License-Identifier: MIT */
#define _DEFAULT_SOURCE /* getrusage */

#include "tools/validation/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

static uint64_t status_bytes(const char *key)
{
    char line[256];
    uint64_t kilobytes = 0;
    FILE *file = fopen("/proc/self/status", "r");
    if (!file)
        return 0;
    while (!kilobytes && fgets(line, sizeof(line), file))
        if (!strncmp(line, key, strlen(key)))
            sscanf(line + strlen(key), ": %" SCNu64, &kilobytes);
    fclose(file);
    return kilobytes * 1024;
}

uint64_t memory_resident(void)
{
    return status_bytes("VmRSS");
}

bool memory_reset_peak(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (!file)
        return false;
    const bool written = fputs("5", file) >= 0; /* proc(5): resets VmHWM */
    return fclose(file) == 0 && written;
}

uint64_t memory_peak(void)
{
    const uint64_t peak = status_bytes("VmHWM");
    struct rusage usage;
    if (peak)
        return peak;
    return getrusage(RUSAGE_SELF, &usage) ? 0 : (uint64_t)usage.ru_maxrss * 1024;
}
