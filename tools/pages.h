/* SPDX-License-Identifier: MIT
 *
 * Man pages (troff) and the bash completion, from the tables of options.h.
 */
#ifndef STAPES_TOOLS_PAGES_H
#define STAPES_TOOLS_PAGES_H

#include "tools/options.h"

void pages_man(const struct command *command, const struct command *const *commands, FILE *file);
/* stapes(1) itself. */
void pages_man_main(const struct command *const *commands, FILE *file);
void pages_completion(const struct command *const *commands, FILE *file);

#endif
