/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "bench/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double host_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double status_bytes(const char *key)
{
    char line[256];
    double kib = 0;
    const size_t length = strlen(key);
    FILE *file = fopen("/proc/self/status", "r");
    if (!file)
        return 0;
    while (fgets(line, sizeof(line), file))
        if (!strncmp(line, key, length)) {
            kib = strtod(line + length, NULL);
            break;
        }
    fclose(file);
    return kib * 1024;
}

double host_resident_bytes(void)
{
    return status_bytes("VmRSS:");
}

double host_peak_bytes(void)
{
    return status_bytes("VmHWM:");
}

void host_reset_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (!file)
        return;
    fputs("5", file); /* the peak alone */
    fclose(file);
}

uint64_t host_number(const char *option, const char *text, uint64_t lowest, uint64_t highest)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || value < lowest || value > highest) {
        fprintf(stderr, "%s %s: a number from %llu to %llu is wanted\n", option, text,
                (unsigned long long)lowest, (unsigned long long)highest);
        exit(2);
    }
    return value;
}

double host_real(const char *option, const char *text, double lowest, double highest)
{
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || !(value >= lowest && value <= highest)) {
        fprintf(stderr, "%s %s: a number from %g to %g is wanted\n", option, text, lowest, highest);
        exit(2);
    }
    return value;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct host_percentiles host_percentiles(double *values, uint32_t n)
{
    qsort(values, n, sizeof(*values), by_value);
    return (struct host_percentiles){values[n / 2], values[(uint64_t)n * 95 / 100],
                                     values[(uint64_t)n * 99 / 100]};
}

uint64_t host_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
