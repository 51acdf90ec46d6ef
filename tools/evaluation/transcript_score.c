/* SPDX-License-Identifier: MIT */
#include "tools/evaluation/transcript_score.h"

static const char *words_of(const struct text *text)
{
    return text->bytes ? text->bytes : "";
}

static bool normalize_both(enum normalize how, const char *reference, const char *hypothesis,
                           struct text *a, struct text *b)
{
    return normalize_text(how, reference, a) && normalize_text(how, hypothesis, b);
}

bool score_transcript(enum normalize how, const char *reference, const char *hypothesis,
                      struct wer_score *out)
{
    struct text a = {0}, b = {0};
    struct wer_score score = {0};
    bool ok = normalize_both(how, reference, hypothesis, &a, &b) &&
              wer_words(words_of(&a), words_of(&b), &score.words) &&
              wer_characters(words_of(&a), words_of(&b), &score.characters);
    if (ok)
        score.empty = score.words.reference > 0 && b.length == 0;
    ok = ok && normalize_both(NORMALIZE_BASIC, reference, hypothesis, &a, &b) &&
         wer_find_loop(words_of(&a), words_of(&b), &score.loop);
    text_deinit(&a);
    text_deinit(&b);
    if (ok)
        *out = score;
    return ok;
}
