/* SPDX-License-Identifier: MIT
 *
 * What the benches ask of the machine that they run on, and of their command line.
 */
#ifndef STAPES_BENCH_HOST_H
#define STAPES_BENCH_HOST_H

#include <stdint.h>

double host_now(void); /* seconds of a clock that never jumps */

/* Of this process: its resident set now, and its largest one since the start or the last reset. 0
 * where the system does not say. */
double host_resident_bytes(void);
double host_peak_bytes(void);
void host_reset_peak(void);

/* A number from lowest to highest, or exit status 2 with a message that names the option. */
uint64_t host_number(const char *option, const char *text, uint64_t lowest, uint64_t highest);
double host_real(const char *option, const char *text, double lowest, double highest);

struct host_percentiles {
    double p50, p95, p99;
};
/* Of n values, at least one; sorts them. */
struct host_percentiles host_percentiles(double *values, uint32_t n);

/* splitmix64: the next number of a sequence. */
uint64_t host_random(uint64_t *state);

#endif
