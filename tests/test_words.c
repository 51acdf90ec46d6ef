/* SPDX-License-Identifier: MIT
 *
 * Words, their times and ends of turns from hand-made token sequences (no device needed).
 */
#include "stream/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int passed, failed;
static char told[4096];

#define CHECK_TOLD(want) check_told(__LINE__, want)

static void check_told(int line, const char *want)
{
    if (!strcmp(told, want)) {
        passed++;
    } else {
        failed++;
        fprintf(stderr, "test_words.c:%d: \"%s\" instead of \"%s\"\n", line, told, want);
    }
    told[0] = 0;
}

static void tell(void *user, enum words_what what, double seconds, const uint32_t *tokens,
                 uint32_t n_tokens)
{
    static const char *const names[] = {"word", "end", "turn"};
    size_t at = strlen(told);
    (void)user;
    at += (size_t)snprintf(told + at, sizeof(told) - at, "%s@%.2f", names[what], seconds);
    for (uint32_t i = 0; i < n_tokens && i < 4; i++)
        at += (size_t)snprintf(told + at, sizeof(told) - at, "%c%u", i ? ',' : ':', tokens[i]);
    if (n_tokens > 4)
        at += (size_t)snprintf(told + at, sizeof(told) - at, "(%u)", n_tokens);
    snprintf(told + at, sizeof(told) - at, " ");
}

static void run(struct words *w, const uint32_t *tokens, uint64_t n)
{
    for (uint64_t s = 0; s < n; s++)
        words_step(w, s, tokens[s], NULL, tell, NULL);
}

int main(void)
{
    struct words w = {.delay = 2, .padding = 3, .frame_seconds = 0.08, .vad_threshold = 0.5};

    /* The first delay - 1 tokens are not shown; a 0 is a boundary, and any 3 or 0 ends a word. */
    words_reset(&w);
    run(&w, (const uint32_t[]){9, 0, 10, 11, 3, 3, 0, 12, 3, 0}, 10);
    CHECK_TOLD("word@0.00:10,11 end@0.40 word@0.40:12 end@0.64 ");

    /* Two words without a boundary between them begin together; the end comes once. */
    words_reset(&w);
    run(&w, (const uint32_t[]){3, 3, 0, 10, 3, 11, 3, 0}, 8);
    CHECK_TOLD("word@0.08:10 word@0.08:11 end@0.48 ");

    /* Upstream never tells a word that nothing follows; the flush does, no later than the sound. */
    words_reset(&w);
    run(&w, (const uint32_t[]){3, 3, 0, 10, 11}, 5);
    CHECK_TOLD("");
    words_flush(&w, 5, INFINITY, tell, NULL);
    CHECK_TOLD("word@0.08:10,11 end@0.24 ");
    words_flush(&w, 5, INFINITY, tell, NULL);
    CHECK_TOLD("");
    words_reset(&w);
    run(&w, (const uint32_t[]){3, 3, 0, 10, 11, 3}, 6);
    words_flush(&w, 6, 0.2, tell, NULL);
    CHECK_TOLD("word@0.08:10,11 end@0.20 ");

    /* A word without end is cut, none of it is lost. */
    words_reset(&w);
    for (uint32_t s = 0; s < WORDS_MAX_TOKENS + 9; s++)
        words_step(&w, s, 7, NULL, tell, NULL);
    words_flush(&w, WORDS_MAX_TOKENS + 9, INFINITY, tell, NULL);
    CHECK_TOLD("word@0.00:7,7,7,7(256) word@0.00:7,7,7,7(8) end@21.04 ");

    /* Silence put before the sound does not count, and no time is negative. */
    w.offset = 0.24;
    words_reset(&w);
    run(&w, (const uint32_t[]){3, 3, 0, 10, 3, 3, 0}, 7);
    CHECK_TOLD("word@0.00:10 end@0.16 ");
    w.offset = 0;

    /* A turn ends once, after something was said, and again only after something else was. */
    const float quiet = 0.9f, loud = 0.1f, at_limit = 0.5f;
    words_reset(&w);
    words_step(&w, 0, 3, &quiet, tell, NULL);
    words_step(&w, 1, 0, &quiet, tell, NULL);
    CHECK_TOLD("");
    words_step(&w, 2, 10, &quiet, tell, NULL);
    words_step(&w, 3, 3, &loud, tell, NULL);
    CHECK_TOLD("word@0.00:10 ");
    words_step(&w, 4, 3, &at_limit, tell, NULL);
    CHECK_TOLD("");
    words_step(&w, 5, 3, &quiet, tell, NULL);
    words_step(&w, 6, 3, &quiet, tell, NULL);
    CHECK_TOLD("turn@0.40 ");

    printf("test_words: %d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
