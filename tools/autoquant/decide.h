/* SPDX-License-Identifier: MIT
 *
 * What stapes autoquant tries next: a function of what was tried and measured, and of nothing else,
 * so that a search that was cut off goes on as it would have. docs/autoquant.md has the table.
 */
#ifndef STAPES_TOOLS_AUTOQUANT_DECIDE_H
#define STAPES_TOOLS_AUTOQUANT_DECIDE_H

#include "loader/tensor.h"
#include "tools/text.h"

enum { AUTOQUANT_MAX_TYPES = 10, AUTOQUANT_MAX_METHODS = 5, AUTOQUANT_MIXES = 3 };

/* A miss is a measured loss over the limit for it, of the limit that is missed by most; above 1. */
#define AUTOQUANT_HOPELESS 16.0 /* a miss that neither methods nor mixing make good */
#define AUTOQUANT_MIX_REACH                                                                        \
    2.0 /* how far off the wider type's expected miss may be, to mix it in */
#define AUTOQUANT_DATA_GAIN 0.95 /* more data goes on while the miss falls to this or less */

struct autoquant_method {
    const char *name;
    bool calibrated; /* needs statistics */
};

struct autoquant_search {
    const struct tensor_type_info *types[AUTOQUANT_MAX_TYPES]; /* by bits a weight; at least one */
    struct autoquant_method methods[AUTOQUANT_MAX_METHODS];    /* by cost; at least one */
    uint32_t n_types, n_methods;
    double first_seconds, most_seconds; /* of calibration; the first at most the most */
};

struct autoquant_attempt {
    uint32_t type, method; /* indices of the search's lists */
    double seconds;        /* of calibration; 0: the method needs none */
    uint32_t mix; /* 0: all matrices have the type; else some are wider, so many quarters of the way
                     to the next wider type's size */
    /* What came of it: */
    bool passed;
    bool slow;   /* only the speed's limit was missed */
    double miss; /* not of passed and slow ones */
};

enum autoquant_step {
    AUTOQUANT_FIRST,
    AUTOQUANT_METHOD, /* the same type, a better method */
    AUTOQUANT_DATA,   /* the best method, twice the calibration data */
    AUTOQUANT_TYPE,   /* another type of as many bits a weight */
    AUTOQUANT_MIX,    /* some tensors wider */
    AUTOQUANT_WIDER,  /* the next wider type */
    AUTOQUANT_PASSED, /* the end: the last attempt is the result */
    AUTOQUANT_FAILED, /* the end: none passes */
};

struct autoquant_decision {
    enum autoquant_step step;
    struct autoquant_attempt next; /* unless at the end; nothing measured */
    char reason[256];
};

/* Of a loss that exceeds its limit. Limits below `least` (above 0) count as that here, so that 0
 * can be missed by little, too. */
double autoquant_miss(double loss, double limit, double least);

/* Types in blocks: the others round each weight alone, and all methods are one to them. */
bool autoquant_has_blocks(const struct tensor_type_info *type);
double autoquant_bits(const struct tensor_type_info *type);
/* The next type with more bits a weight than `type`; n_types if there is none. */
uint32_t autoquant_wider(const struct autoquant_search *search, uint32_t type);

/* `attempts` are those that earlier decisions asked for, in order, with what came of them. */
void autoquant_decide(const struct autoquant_search *search,
                      const struct autoquant_attempt *attempts, size_t n,
                      struct autoquant_decision *out);

/* "q4_0 gptq 120 s mixed 2/4" */
void autoquant_describe(const struct autoquant_search *search,
                        const struct autoquant_attempt *attempt, struct text *out);

/* After AUTOQUANT_FAILED: what a user may try next, from what was measured, a sentence a line.
 * *closest is the attempt with the smallest miss; slow ones come before all others. */
void autoquant_advise(const struct autoquant_search *search,
                      const struct autoquant_attempt *attempts, size_t n, size_t *closest,
                      struct text *out);

#endif
