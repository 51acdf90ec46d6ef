/* SPDX-License-Identifier: MIT
 *
 * A roofline plot as SVG: operations a byte against operations a second, under what the device was
 * measured to do.
 */
#ifndef STAPES_TOOLS_ROOFLINE_H
#define STAPES_TOOLS_ROOFLINE_H

#include "tools/text.h"

struct roofline_point {
    const char *kernel, *variant, *shape;
    double flop_per_byte, gflop_per_s; /* above 0 */
    double median_ns;
};

struct roofline {
    const char *device;
    double copy_gb_per_s, fma_gflop_per_s; /* above 0 */
    const struct roofline_point *points;
    int n_points;
    int n_left_out; /* kernels without arithmetic, for a note */
};

/* Points are numbered; the list at the side tells what they are. */
void roofline_write(const struct roofline *plot, struct text *out);

#endif
