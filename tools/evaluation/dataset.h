/* SPDX-License-Identifier: MIT
 *
 * Recordings and what is said in them, in one of three layouts:
 *
 * - LibriSpeech's: a directory with *.trans.txt files somewhere below it, each line of which is an
 *   utterance's id and its text; the sound lies beside, ID.flac (or another format).
 * - pairs: a directory with, anywhere below it, NAME.wav (or another format) beside NAME.txt; the
 *   id is the path below the directory, without the extension.
 * - a manifest: a file of JSON objects, one a line, {"audio": PATH, "text": TEXT}, the path
 * relative to the manifest; NeMo's "audio_filepath" does as well. The id is the "id", else the path
 * as written.
 *
 * Names that begin with a dot are passed over, and so are files that are neither sound (by their
 * extension) nor text.
 */
#ifndef STAPES_TOOLS_DATASET_H
#define STAPES_TOOLS_DATASET_H

#include "runtime/base.h"

struct utterance {
    char *id;   /* unique in the set, the same each time the set is opened */
    char *path; /* of the sound, readable */
    char *text; /* UTF-8, one line without space around it, as written otherwise; may be empty */
};

struct dataset {
    struct utterance *items; /* sorted by id, byte by byte */
    size_t n;                /* at least 1 */
    size_t capacity;
};

/* Finds all utterances and reads their texts, not their sound. Refused, with the file's name and
 * the line: a text without sound, sound without a text, an id that is there twice, what is not
 * UTF-8 or not JSON, and a set without utterances. *out is set on success only, for dataset_deinit.
 */
enum status dataset_open(const struct log *log, const char *path, struct dataset *out);
void dataset_deinit(struct dataset *set);

/* 64 bits that change with the ids, the texts and the sizes of the sound files. */
uint64_t dataset_fingerprint(const struct dataset *set);

#endif
