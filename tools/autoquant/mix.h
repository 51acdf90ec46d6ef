/* SPDX-License-Identifier: MIT
 *
 * Mixed precision: what each type does to each matrix, and which matrices are worth more bits.
 */
#ifndef STAPES_TOOLS_AUTOQUANT_MIX_H
#define STAPES_TOOLS_AUTOQUANT_MIX_H

#include "loader/quantize.h"
#include "loader/statistics.h"
#include "tools/autoquant/decide.h"

/* A matrix of the language model. Types are indices of the search's list; where its rows do not fit
 * the blocks of one, what it takes instead stands for it. */
struct mix_tensor {
    char name[TENSOR_MAX_NAME];
    uint64_t bytes[AUTOQUANT_MAX_TYPES];
    /* E |(Q - W) x|^2 / E |W x|^2 with Q rounded as naive does and x as in the statistics, as if
     * its elements did not correlate; without statistics as if all were alike. */
    double damage[AUTOQUANT_MAX_TYPES];
    uint32_t type; /* chosen */
};

struct mix {
    struct mix_tensor *tensors;
    size_t n, capacity;
};

/* Reads all matrices of the language model of a checkpoint but those that a rule of `fixed`
 * matches. Of large ones, evenly spaced rows stand for all. `statistics` may be NULL. */
enum status mix_measure(const struct log *log, const char *checkpoint,
                        const struct autoquant_search *search, const struct quantize_options *fixed,
                        struct statistics *statistics, struct mix *out);
void mix_deinit(struct mix *mix);

/* Chooses types: all tensors begin with `type`; again and again the one with the largest damage
 * takes its next wider type, unless the file then grew by more than `share` (0 to 1) of what it
 * would grow by with all tensors in the next wider type of the search. Returns how many are wider
 * than they began. */
size_t mix_choose(const struct autoquant_search *search, struct mix *mix, uint32_t type,
                  double share);

#endif
