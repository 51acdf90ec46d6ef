/* SPDX-License-Identifier: MIT
 *
 * Alignments and rates computed by hand, and what holds for any texts (no device needed).
 *
 * test_wer [--seed N]
 */
#include "tools/evaluation/wer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base.h"

static int passed, failed;
static uint64_t seed = 1;

#define CHECK(ok, ...) check_at(__LINE__, (ok), __VA_ARGS__)

static void __attribute__((format(printf, 3, 4)))
check_at(int line, bool ok, const char *format, ...)
{
    va_list args;
    if (ok) {
        passed++;
        return;
    }
    failed++;
    fprintf(stderr, "test_wer.c:%d (seed %llu): ", line, (unsigned long long)seed);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static const struct known {
    const char *reference, *hypothesis;
    uint64_t words, substitutions, deletions, insertions;
} known[] = {
    {"", "", 0, 0, 0, 0},
    {"", "a b", 0, 0, 0, 2},
    {"a b", "", 2, 0, 2, 0},
    {" the  cat\tsat\n", "the cat sat", 3, 0, 0, 0},
    {"the cat sat", "the cat sat on", 3, 0, 0, 1},
    {"the cat sat on", "the cat sat", 4, 0, 1, 0},
    {"the cat sat", "the bat sat", 3, 1, 0, 0},
    /* Two errors either way: agreement goes before substitution. */
    {"a b", "b a", 2, 0, 1, 1},
    {"a b c d", "b c d e", 4, 0, 1, 1},
    {"a b c", "x y", 3, 2, 1, 0},
    {"turn the lamp on", "turn lamp the on", 4, 0, 1, 1},
    {"one two three four five", "one too three for five six", 5, 2, 0, 1},
    {"a a a a", "a a", 4, 0, 2, 0},
};

static void check_known(void)
{
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        const struct known *k = &known[i];
        struct wer_counts got;
        CHECK(wer_words(k->reference, k->hypothesis, &got), "out of memory");
        CHECK(got.reference == k->words && got.substitutions == k->substitutions &&
                  got.deletions == k->deletions && got.insertions == k->insertions,
              "\"%s\" and \"%s\": %d words, %d S %d D %d I", k->reference, k->hypothesis,
              (int)got.reference, (int)got.substitutions, (int)got.deletions, (int)got.insertions);
    }
    struct wer_counts c;
    /* kitten, sitting: two substitutions and an insertion. */
    CHECK(wer_characters("kitten", "sitting", &c) && c.reference == 6 && c.substitutions == 2 &&
              c.deletions == 0 && c.insertions == 1,
          "kitten");
    CHECK(wer_characters(" a  b ", "a b", &c) && c.reference == 3 && wer_errors(&c) == 0, "spaces");
    CHECK(wer_characters("caf\xc3\xa9", "cafe", &c) && c.reference == 4 && c.substitutions == 1 &&
              wer_errors(&c) == 1,
          "an accent is one character");
    CHECK(wer_characters("a\xff", "a\xfe", &c) && c.reference == 2 && wer_errors(&c) == 1,
          "bytes that are not UTF-8");
    CHECK(isnan(wer_rate(&(struct wer_counts){.insertions = 1})), "no reference, no rate");
}

static uint32_t next_random(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 32);
}

static void random_text(char *text, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        text[at++] = (char)('a' + next_random() % 4);
        text[at++] = ' ';
    }
    text[at] = '\0';
}

/* Least errors by recursion over every alignment. */
static uint64_t least_errors(const char *a, const char *b)
{
    if (!*a || !*b)
        return (strlen(a) + strlen(b)) / 2;
    const uint64_t both = (a[0] != b[0]) + least_errors(a + 2, b + 2);
    const uint64_t left = 1 + least_errors(a + 2, b), right = 1 + least_errors(a, b + 2);
    return MIN(both, MIN(left, right));
}

static void check_alignment(const char *a, const char *b, const struct wer_counts *counts)
{
    struct wer_alignment alignment;
    uint64_t n[4] = {0};
    const char *left = a, *right = b;
    CHECK(wer_align(a, b, &alignment), "out of memory");
    bool ordered = true;
    for (size_t i = 0; i < alignment.n; i++) {
        const struct wer_step *step = &alignment.steps[i];
        n[step->operation]++;
        if (step->operation != WER_INSERTED) {
            ordered &= step->reference.bytes == left && step->reference.length == 1;
            left += 2;
        }
        if (step->operation != WER_DELETED) {
            ordered &= step->hypothesis.bytes == right && step->hypothesis.length == 1;
            right += 2;
        }
        if (step->operation == WER_SAME)
            ordered &= *step->reference.bytes == *step->hypothesis.bytes;
    }
    CHECK(ordered && !*left && !*right, "\"%s\" and \"%s\": not the words in order", a, b);
    CHECK(n[WER_SUBSTITUTED] == counts->substitutions && n[WER_DELETED] == counts->deletions &&
              n[WER_INSERTED] == counts->insertions,
          "\"%s\" and \"%s\": the alignment has other errors than the counts", a, b);
    free(alignment.steps);
}

static void check_random(void)
{
    char a[64], b[64];
    for (int i = 0; i < 400; i++) {
        struct wer_counts forth, back, same;
        random_text(a, next_random() % 8);
        random_text(b, next_random() % 8);
        CHECK(wer_words(a, b, &forth) && wer_words(b, a, &back) && wer_words(a, a, &same),
              "out of memory");
        CHECK(wer_errors(&same) == 0, "\"%s\" and itself", a);
        CHECK(wer_errors(&forth) == least_errors(a, b), "\"%s\" and \"%s\": %d errors", a, b,
              (int)wer_errors(&forth));
        CHECK(forth.substitutions == back.substitutions && forth.deletions == back.insertions &&
                  forth.insertions == back.deletions,
              "\"%s\" and \"%s\": not the same both ways", a, b);
        CHECK(forth.reference + forth.insertions == back.reference + forth.deletions,
              "\"%s\" and \"%s\": the lengths do not fit", a, b);
        check_alignment(a, b, &forth);
    }
}

static void check_loops(void)
{
    static const struct {
        const char *reference, *hypothesis;
        bool loop;
    } cases[] = {
        {"", "", false},
        {"a b c", "a b c", false},
        {"a b c", "a a a", false},
        {"a b c", "a a a a", true},
        {"a a a a", "a a a a", false},
        {"a a a a", "a a a a a", true},
        {"x", "go on go on go on go on", true},
        {"x", "go on go on go on go", false},
        {"two four two four two four two four", "two four two four two four two four", false},
        {"x", "b 1 2 3 4 5 6 7 1 2 3 4 5 6 7 1 2 3 4 5 6 7 1 2 3 4 5 6 7", true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool loop;
        CHECK(wer_find_loop(cases[i].reference, cases[i].hypothesis, &loop) &&
                  loop == cases[i].loop,
              "\"%s\": %s", cases[i].hypothesis, cases[i].loop ? "no loop found" : "a loop");
    }
}

static void check_summary(void)
{
    const struct wer_score scores[] = {
        {.words = {10, 1, 0, 0}, .characters = {50, 1, 1, 1}},
        {.words = {30, 0, 2, 1}, .characters = {150, 3, 0, 4}, .loop = true},
        {.words = {0, 0, 0, 4}, .characters = {0, 0, 0, 10}}, /* something heard in silence */
        {.words = {10, 0, 10, 0}, .characters = {50, 0, 50, 0}, .empty = true},
    };
    struct wer_summary a, b;
    CHECK(wer_summarize(scores, COUNT_OF(scores), &a), "out of memory");
    CHECK(a.utterances == 4 && a.words.reference == 50 && wer_errors(&a.words) == 18,
          "sum of words");
    CHECK(fabs(wer_rate(&a.words) - 0.36) < 1e-12, "corpus %g", wer_rate(&a.words));
    CHECK(fabs(wer_rate(&a.characters) - 0.28) < 1e-12, "CER %g", wer_rate(&a.characters));
    CHECK(fabs(a.mean_wer - 1.2 / 3) < 1e-12, "mean %g", a.mean_wer);
    CHECK(a.loops == 1 && a.empty == 1, "%zu loops, %zu empty", a.loops, a.empty);
    CHECK(a.low >= 0.1 && a.low < 0.36 && a.high > 0.36, "%g to %g", a.low, a.high);
    CHECK(wer_summarize(scores, COUNT_OF(scores), &b) && a.low == b.low && a.high == b.high,
          "another interval the second time");
    CHECK(wer_summarize(scores + 2, 1, &a) && isnan(a.mean_wer) && isnan(a.low), "no words");
    CHECK(wer_summarize(scores, 1, &a) && a.low == 0.1 && a.high == 0.1, "one utterance");
}

/* The interval of a rate p from n equal utterances of one word is that of a binomial. */
static void check_interval(void)
{
    enum { N = 400 };
    static struct wer_score scores[N];
    struct wer_summary summary;
    for (size_t i = 0; i < N; i++)
        scores[i].words = (struct wer_counts){.reference = 1, .substitutions = i % 5 == 0};
    const double half = 1.96 * sqrt(0.2 * 0.8 / N);
    CHECK(wer_summarize(scores, N, &summary), "out of memory");
    CHECK(fabs(summary.low - (0.2 - half)) < 0.006 && fabs(summary.high - (0.2 + half)) < 0.006,
          "%g to %g, expected about %g to %g", summary.low, summary.high, 0.2 - half, 0.2 + half);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seed") == 0)
        seed = strtoull(argv[2], NULL, 0);
    check_known();
    check_random();
    check_loops();
    check_summary();
    check_interval();
    printf("test_wer: %d passed, %d failed\n", passed, failed);
    return failed != 0;
}
