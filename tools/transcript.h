/* SPDX-License-Identifier: MIT
 *
 * What one file said, from a stream's events to lines of text or JSON.
 */
#ifndef STAPES_TOOLS_TRANSCRIPT_H
#define STAPES_TOOLS_TRANSCRIPT_H

#include "stream/stapes.h"
#include "tools/text.h"

struct transcript_style {
    bool json, timestamps, vad;
    bool names;           /* more than one file: text lines begin with the file's name */
    double delay_seconds; /* of the model: how far words lag behind the sound */
};

struct transcript {
    const struct transcript_style *style;
    const char *path;
    struct text out;  /* to be written; whoever writes it empties it */
    struct text said; /* all words, for JSON's last line */
    bool begun;       /* something was written that the end must close */
    bool held;        /* a word waits for its end time */
    struct text word;
    double start, end;
};

void transcript_event(struct transcript *transcript, const struct stapes_event *event);
void transcript_end(struct transcript *transcript, double audio_seconds);
/* The file could not be read to its end. keep_lines: what it said until then counts, or has been
 * written already. */
void transcript_fail(struct transcript *transcript, const char *message, bool keep_lines);
void transcript_deinit(struct transcript *transcript);

#endif
