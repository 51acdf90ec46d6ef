/* SPDX-License-Identifier: MIT
 *
 * A stream that is fed a voice from a seed, and a digest of all that came out of it, step by step:
 * two talkers of one seed said the same, bit for bit, if their digests at a step are equal.
 */
#ifndef STAPES_BENCH_TALKER_H
#define STAPES_BENCH_TALKER_H

#include "bench/voice.h"
#include "stream/stapes.h"

#include <stdbool.h>

#define TALKER_CHUNK 4096   /* most samples that are fed at once */
#define TALKER_DIGESTS 1024 /* the last steps whose digests are kept */

struct talker {
    stapes_stream *stream; /* NULL: silent */
    uint64_t seed;
    struct voice voice;
    size_t samples;              /* that it has to say; SIZE_MAX: without end */
    size_t made, fed;            /* samples taken from the voice, and of them queued */
    float pending[TALKER_CHUNK]; /* the last made - fed samples at `next` are not queued yet */
    size_t next;
    bool finished, ended;
    uint64_t steps;                   /* that came out */
    uint64_t digests[TALKER_DIGESTS]; /* of steps 0 .. s at s % TALKER_DIGESTS */
};

/* Starts anew on `stream`, which is new or was reset. */
void talker_begin(struct talker *t, stapes_stream *stream, uint64_t seed, size_t samples,
                  const struct sound *sounds, size_t n_sounds);
/* Feeds up to `samples` (at most TALKER_CHUNK) and finishes where the voice is at its end. Returns
 * false where the stream has to be polled first. */
bool talker_feed(struct talker *t, size_t samples);
void talker_poll(struct talker *t, const struct stapes_model_info *info);
uint64_t talker_digest(const struct talker *t, uint64_t step);
/* Steps that come out of all that was fed, once nothing is queued or in flight any more. */
uint64_t talker_steps_due(const struct talker *t, const struct stapes_model_info *info);

#endif
