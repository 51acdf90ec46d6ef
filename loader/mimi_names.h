/* SPDX-License-Identifier: MIT
 *
 * Mimi as transformers saves it (kyutai/mimi): the tensors of Kyutai's file under other names,
 * queries, keys and values apart, and the rows of queries and keys in another order.
 */
#ifndef STAPES_LOADER_MIMI_NAMES_H
#define STAPES_LOADER_MIMI_NAMES_H

#include "loader/tensor.h"

/* Whether a tensor "mimi.*" has a name of that form that Kyutai's does not have. */
bool mimi_is_renamed(const char *name);
/* Gives a tensor of the encoding side Kyutai's name, behind "mimi.", and says in rope_heads how its
 * rows lie where that is not as in Kyutai's file. Others stay as they are. */
void mimi_rename(struct tensor *tensor, uint32_t n_heads);

#endif
