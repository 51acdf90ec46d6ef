/* SPDX-License-Identifier: MIT
 *
 * Ctrl-C: the first one asks the command to come to an end, the second one kills it.
 */
#ifndef STAPES_TOOLS_INTERRUPT_H
#define STAPES_TOOLS_INTERRUPT_H

#include <stdbool.h>

#define EXIT_INTERRUPTED 130

void interrupt_install(void);
/* Whether SIGINT has come. Blocking calls return EINTR then. */
bool interrupt_pending(void);

#endif
