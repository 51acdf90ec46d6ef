/* SPDX-License-Identifier: MIT
 *
 * What the tests of the stream room share: checks that count, models opened under the validation
 * layers, recordings, and whole streams run to their end.
 */
#ifndef STAPES_TESTS_SUPPORT_H
#define STAPES_TESTS_SUPPORT_H

#include "stream/stapes.h"

#include <stdbool.h>
#include <stdio.h>

extern int passed, failed;
extern bool timed;                         /* --timed: models are opened so */
extern enum stapes_kv_type wanted_kv_type; /* --kv */
/* OFF if not set: without a cache every opening measures anew, and two models of which equal bits
 * are demanded might choose other forms. */
extern enum stapes_tune wanted_tune;
extern const char *wanted_device;

/* Counts; prints file, line and the formatted message of a failure. Returns ok. */
bool check_at(const char *file, int line, bool ok, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define CHECK(ok, ...) check_at(__FILE__, __LINE__, (ok), __VA_ARGS__)

/* Parses --device NAME, --kernels LIST, --kv TYPE, --timed and --no-validation; what is left is in
 * argv[1 .. *argc). */
void support_init(int *argc, char **argv);
/* Exits 77 where there is no device; otherwise prints the closing line and returns the exit status.
 */
int support_finish(const char *name);

/* The options above. */
struct stapes_model_params model_params(const char *path, uint32_t slots, bool trace);
/* Opens a model with them; a failure ends the program (77 without a device). */
stapes_model *open_model(const char *path, uint32_t slots, bool trace);
stapes_model *open_scoring_model(const char *path, uint32_t slots); /* stream/score.h */
/* Closes it, and counts a failure for any message of the validation layers. */
void close_model(stapes_model **model);

/* A whole recording as 24 kHz mono, as it is in the file (no resampling); freed by the caller. */
float *read_sound(const char *path, size_t *samples);
char *read_text(const char *path); /* freed by the caller; NULL if there is none */
void join_path(char *out, size_t size, const char *dir, const char *name);

/* What a stream said. */
struct transcript {
    uint32_t n_steps;
    uint32_t *tokens; /* [n_steps] */
    int32_t *codes;   /* [n_steps][codebooks]; row 0 is -1 */
    float *margins;
    int32_t *audio;  /* [n_steps][audio_streams] */
    float *vad;      /* [n_steps][vad_heads] */
    char text[8192]; /* words joined by spaces */
    uint32_t n_words, n_word_ends, n_turn_ends;
    bool ended;
};
void transcript_free(struct transcript *t);
/* Moves what the stream has to say into t. */
void transcript_poll(struct transcript *t, stapes_stream *stream,
                     const struct stapes_model_info *info);
/* Feeds everything in chunks of `chunk` samples, finishes, and runs to the end. */
void transcribe(stapes_model *model, stapes_stream *stream, const float *pcm, size_t samples,
                size_t chunk, struct transcript *t);
/* Counts a failure and says where if the two differ in codes, tokens, audio, margins or vad (bit
 * for bit). */
void check_equal(const struct transcript *a, const struct transcript *b,
                 const struct stapes_model_info *info, const char *what);

/* Word errors (insertions, deletions, substitutions) between two texts; *words: words in reference.
 */
uint32_t word_errors(const char *reference, const char *candidate, uint32_t *words);

#endif
