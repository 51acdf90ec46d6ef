/* SPDX-License-Identifier: MIT
 *
 * What the layouts of a data set share.
 */
#ifndef STAPES_TOOLS_DATASET_PARTS_H
#define STAPES_TOOLS_DATASET_PARTS_H

#include "tools/dataset.h"

#define DATASET_MAX_TEXT_BYTES (1u << 30)

/* One line of a text in memory: its bytes are NUL-terminated, without the newline. */
struct line {
    char *bytes;
    size_t length;
    uint32_t number; /* from 1 */
};

/* Where the first line begins: behind the mark that some editors put before UTF-8. */
char *line_first(char *bytes, size_t size);
/* Cuts the next line off *at, in place; false at the end. */
bool line_next(char **at, char *end, struct line *line);
/* Refuses what is not UTF-8, and NULs, which would end the text early. */
enum status line_check(const struct log *log, const char *path, const struct line *line);

/* Takes id, path and text, which are the caller's to free only where this fails. */
enum status dataset_add(const struct log *log, struct dataset *set, char *id, char *path,
                        char *text);
/* A copy of n bytes with runs of white space as one space and none around; NULL without memory. */
char *dataset_trim(const char *bytes, size_t n);

enum status dataset_read_manifest(const struct log *log, const char *path, struct dataset *set);
enum status dataset_read_directory(const struct log *log, const char *path, struct dataset *set);

#endif
