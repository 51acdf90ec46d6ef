/* SPDX-License-Identifier: MIT
 *
 * What the layouts of a data set share.
 */
#ifndef STAPES_TOOLS_DATASET_PARTS_H
#define STAPES_TOOLS_DATASET_PARTS_H

#include "tools/evaluation/dataset.h"
#include "tools/evaluation/lines.h"

#define DATASET_MAX_TEXT_BYTES (1u << 30)

/* Takes id, path and text, which are the caller's to free only where this fails. */
enum status dataset_add(const struct log *log, struct dataset *set, char *id, char *path,
                        char *text);
/* A copy of n bytes with runs of white space as one space and none around; NULL without memory. */
char *dataset_trim(const char *bytes, size_t n);

enum status dataset_read_manifest(const struct log *log, const char *path, struct dataset *set);
enum status dataset_read_directory(const struct log *log, const char *path, struct dataset *set);

#endif
