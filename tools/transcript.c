/* SPDX-License-Identifier: MIT */
#include "tools/transcript.h"

#include <math.h>

static void add_name(struct transcript *t)
{
    if (t->style->names) {
        text_add_plain(&t->out, t->path);
        text_add(&t->out, ": ");
    }
}

static void begin_json(struct transcript *t, const char *type)
{
    text_addf(&t->out, "{\"type\":\"%s\",\"file\":", type);
    text_add_json(&t->out, t->path);
}

/* A word or a mark in running text. */
static void add_running(struct transcript *t, const char *word)
{
    if (t->begun)
        text_add(&t->out, " ");
    else
        add_name(t);
    text_add_plain(&t->out, word);
    t->begun = true;
}

static void write_word(struct transcript *t, const char *word, double start, double end)
{
    if (t->style->json) {
        begin_json(t, "word");
        text_add(&t->out, ",\"text\":");
        text_add_json(&t->out, word);
        text_add(&t->out, ",\"start\":");
        text_add_number(&t->out, start);
        text_add(&t->out, ",\"end\":");
        text_add_number(&t->out, end);
        text_add(&t->out, "}\n");
    } else {
        add_name(t);
        text_addf(&t->out, "%.2f %.2f ", start, end);
        text_add_plain(&t->out, word);
        text_add(&t->out, "\n");
    }
}

static void release_word(struct transcript *t)
{
    if (t->held)
        write_word(t, t->word.bytes ? t->word.bytes : "", t->start, fmax(t->start, t->end));
    t->held = false;
}

static void add_word(struct transcript *t, const struct stapes_event *event)
{
    if (t->style->json && t->said.length > 0)
        text_add(&t->said, " ");
    if (t->style->json)
        text_add(&t->said, event->text);
    if (!t->style->json && !t->style->timestamps) {
        if (*event->text)
            add_running(t, event->text);
        return;
    }
    release_word(t);
    text_clear(&t->word);
    text_add(&t->word, event->text);
    t->start = event->start_seconds;
    /* Until its WORD_END tells better, a word ends where its last token came. */
    t->end = (double)(event->step + 1) * STAPES_FRAME_SAMPLES / STAPES_SAMPLE_RATE -
             t->style->delay_seconds;
    t->held = true;
}

static void add_turn(struct transcript *t, double seconds)
{
    if (!t->style->vad)
        return;
    release_word(t);
    if (t->style->json) {
        begin_json(t, "turn_end");
        text_add(&t->out, ",\"end\":");
        text_add_number(&t->out, seconds);
        text_add(&t->out, "}\n");
    } else {
        struct text mark = {0};
        text_addf(&mark, "[turn %.2f]", seconds);
        if (t->style->timestamps) {
            add_name(t);
            text_addf(&t->out, "%s\n", mark.bytes ? mark.bytes : "");
        } else if (mark.bytes) {
            add_running(t, mark.bytes);
        }
        text_deinit(&mark);
    }
}

void transcript_event(struct transcript *t, const struct stapes_event *event)
{
    switch (event->type) {
    case STAPES_EVENT_WORD: add_word(t, event); break;
    case STAPES_EVENT_WORD_END:
        if (t->held)
            t->end = event->end_seconds;
        release_word(t);
        break;
    case STAPES_EVENT_TURN_END: add_turn(t, event->end_seconds); break;
    case STAPES_EVENT_NONE:
    case STAPES_EVENT_STEP:
    case STAPES_EVENT_END: break;
    }
}

static void end_line(struct transcript *t)
{
    if (t->begun)
        text_add(&t->out, "\n");
    t->begun = false;
}

void transcript_end(struct transcript *t, double audio_seconds)
{
    release_word(t);
    end_line(t);
    if (!t->style->json)
        return;
    begin_json(t, "end");
    text_add(&t->out, ",\"text\":");
    text_add_json(&t->out, t->said.bytes ? t->said.bytes : "");
    text_add(&t->out, ",\"seconds\":");
    text_add_number(&t->out, audio_seconds);
    text_add(&t->out, "}\n");
}

void transcript_fail(struct transcript *t, const char *message, bool keep_lines)
{
    if (keep_lines) {
        release_word(t);
        end_line(t);
    } else {
        t->held = false;
        text_clear(&t->out);
    }
    if (!t->style->json)
        return;
    begin_json(t, "error");
    text_add(&t->out, ",\"message\":");
    text_add_json(&t->out, message);
    text_add(&t->out, "}\n");
}

void transcript_deinit(struct transcript *t)
{
    text_deinit(&t->out);
    text_deinit(&t->said);
    text_deinit(&t->word);
}
