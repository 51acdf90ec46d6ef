/* SPDX-License-Identifier: MIT
 *
 * The intermediate arrays of a traced stream as .npy files, DIR/mimi/latent.npy and so on.
 */
#ifndef STAPES_TOOLS_DUMP_H
#define STAPES_TOOLS_DUMP_H

#include "tools/npy.h"
#include "tools/report.h"

enum { DUMP_MAX_ARRAYS = 64 };

struct dump {
    struct report *report;
    const char *directory;
    struct dump_file {
        const char *name;
        struct npy npy;
        uint64_t max_rows;
    } files[DUMP_MAX_ARRAYS];
    uint32_t n_files;
};

/* Makes the directory. Everything here returns false after telling what is wrong. */
bool dump_init(struct dump *dump, struct report *report, const char *directory);
/* Appends what the last tick of the stream made. */
bool dump_tick(struct dump *dump, stapes_stream *stream);
/* Writes the number of rows into the files' headers: they are empty arrays until then. */
bool dump_finish(struct dump *dump);
void dump_deinit(struct dump *dump);

#endif
