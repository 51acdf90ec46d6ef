/* SPDX-License-Identifier: MIT
 *
 * Two transcripts beside each other: the exact lines (no device needed).
 */
#include "tools/evaluation/side_by_side.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int passed, failed;

static void check(const char *name, const struct text *got, const char *want)
{
    const char *bytes = got->bytes ? got->bytes : "";
    if (!got->failed && strcmp(bytes, want) == 0) {
        passed++;
        return;
    }
    failed++;
    fprintf(stderr, "%s:\n%s----- expected:\n%s", name, bytes, want);
}

static void check_lines(const char *name, size_t columns, bool color, const char *a, const char *b,
                        const char *want)
{
    const struct side_style style = {.columns = columns, .color = color};
    struct wer_alignment alignment;
    struct text out = {0};
    if (!wer_align(a, b, &alignment)) {
        failed++;
        return;
    }
    side_by_side(&style, &alignment, &out);
    check(name, &out, want);
    free(alignment.steps);
    text_deinit(&out);
}

static void check_head(const char *name, const char *left, const char *right, const char *want)
{
    const struct side_style style = {.columns = 35};
    struct text out = {0};
    side_by_side_head(&style, left, right, &out);
    check(name, &out, want);
    text_deinit(&out);
}

int main(void)
{
    check_lines("nothing", 35, false, "", "", "");
    check_lines("equal", 35, false, "turn left", "turn left", "turn left          turn left\n");
    check_lines("marks", 43, false, "turn it left now", "turn right now please",
                "turn [it] [left] now | turn [right] now\n"
                "                     | [please]\n");
    /* Halves of 16 columns; what belongs together stays on one line. */
    check_lines("wrapped", 35, false, "one two three four five six", "one two three four five six",
                "one two three      one two three\n"
                "four five six      four five six\n");
    check_lines("a line by itself", 35, false, "a", "a b c d e f",
                "a                | a [b] [c] [d]\n"
                "                 | [e] [f]\n");
    check_lines("too wide", 35, false, "an incomprehensibilities end",
                "an incomprehensibilities end",
                "an                 an\n"
                "incomprehensibilities   incomprehensibilities\n"
                "end                end\n");
    check_lines("only one side", 35, false, "gone", "", "[gone]           |\n");
    check_lines("colour", 35, true, "go left", "go right",
                "go \033[1;31mleft\033[0m          | go \033[1;32mright\033[0m\n");
    check_lines("columns, not bytes", 35, false, "caf\xc3\xa9 \xe6\x97\xa5",
                "caf\xc3\xa9 \xe6\x97\xa5",
                "caf\xc3\xa9 \xe6\x97\xa5            caf\xc3\xa9 \xe6\x97\xa5\n");
    check_lines("at least so wide", 1, false, "a", "b", "[a]              | [b]\n");
    check_head("names", "a.gguf", "b",
               "a.gguf             b\n----------------   ----------------\n");
    check_head("a long name", "/models/of/mine/stt-1b-en_fr-q4.gguf", "a\nb",
               "1b-en_fr-q4.gguf   a b\n----------------   ----------------\n");
    printf("test_side_by_side: %d passed, %d failed\n", passed, failed);
    return failed != 0;
}
