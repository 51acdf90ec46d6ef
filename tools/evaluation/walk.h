/* SPDX-License-Identifier: MIT
 *
 * The files in a directory and in those below it.
 */
#ifndef STAPES_TOOLS_WALK_H
#define STAPES_TOOLS_WALK_H

#include "runtime/base.h"

/* Calls visit(user, path) for every regular file, in any order; the path is the visitor's to free.
 * Links are followed; names that begin with a dot are passed over. Ends with the first status that
 * is not OK; ERROR_IO: a directory or file cannot be looked at, ERROR_FORMAT: more than 32 deep. */
enum status walk_files(const struct log *log, const char *directory,
                       enum status (*visit)(void *user, char *path), void *user);

/* Whether the name has an extension that people give to sound that libsndfile reads. */
bool walk_is_sound(const char *name);

#endif
