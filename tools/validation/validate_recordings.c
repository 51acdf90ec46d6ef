/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "loader/file.h"
#include "tools/audio.h"
#include "tools/validation/frame_speed.h"
#include "tools/evaluation/transcript_score.h"
#include "tools/validation/validate_parts.h"

enum { DEFAULT_SLOTS = 8 };

static const struct audio_raw raw = {.rate = AUDIO_RATE, .channels = 1};

bool validate_no_memory(struct validate_reference *r)
{
    report_error(r->report, "out of memory");
    return false;
}

static bool check_words(struct validate_reference *r)
{
    struct text words = {0};
    bool normalized = true, any = false;
    for (size_t i = 0; i < r->n && normalized && !any; i++) {
        normalized = normalize_text(r->options->normalize, r->dataset.items[i].text, &words);
        any = words.length > 0;
    }
    text_deinit(&words);
    if (!normalized)
        return validate_no_memory(r);
    if (!any)
        report_error(r->report, "%s: there are no words in the transcripts", r->options->data);
    return any;
}

/* Opens each once: what cannot be read is told before anything long begins. */
static bool count_steps(struct validate_reference *r)
{
    const struct model_config *c = &r->facts.config;
    const double silence = c->audio_delay_seconds + c->audio_silence_prefix_seconds + 1;
    const uint64_t more = 2 + (uint64_t)(silence * AUDIO_RATE / STAPES_FRAME_SAMPLES);
    for (size_t i = 0; i < r->n; i++) {
        char message[AUDIO_MESSAGE_SIZE];
        struct audio *audio = audio_open(r->paths[i], &raw, message);
        if (!audio) {
            report_error(r->report, "%s: %s", r->paths[i], message);
            return false;
        }
        r->expected_steps +=
            (audio_total(audio) + STAPES_FRAME_SAMPLES - 1) / STAPES_FRAME_SAMPLES + more;
        audio_close(&audio);
    }
    return true;
}

/* Appends the sound of one recording to pcm. */
static bool append_pcm(struct validate_reference *r, size_t index, size_t *filled)
{
    char message[AUDIO_MESSAGE_SIZE];
    struct audio *audio = audio_open(r->paths[index], &raw, message);
    long n = audio ? 1 : -1;
    while (n > 0 && *filled < FRAME_SPEED_SAMPLES) {
        n = audio_read(audio, r->pcm + *filled, FRAME_SPEED_SAMPLES - *filled);
        *filled += n > 0 ? (size_t)n : 0;
    }
    if (n < 0)
        report_error(r->report, "%s: %s", r->paths[index], audio ? audio_message(audio) : message);
    audio_close(&audio);
    return n >= 0;
}

/* The recordings one behind the other, and again as often as it takes. */
static bool fill_pcm(struct validate_reference *r)
{
    size_t filled = 0;
    for (size_t i = 0; filled < FRAME_SPEED_SAMPLES; i = (i + 1) % r->n) {
        if (!append_pcm(r, i, &filled))
            return false;
        if (i + 1 == r->n && filled == 0) {
            report_error(r->report, "%s: there is no sound in the recordings", r->options->data);
            return false;
        }
    }
    return true;
}

static bool check_output(struct validate_reference *r)
{
    const char *output = r->options->output;
    bool same = path_is_same(output, r->options->data);
    for (size_t i = 0; i < r->n && !same; i++)
        same = path_is_same(output, r->paths[i]);
    if (same)
        report_error(r->report, VALIDATE_OUTPUT_IS_INPUT, output);
    return !same;
}

bool validate_open_recordings(struct validate_reference *r)
{
    const struct validate_options *o = r->options;
    const struct log log = report_log(r->report);
    if (dataset_open(&log, o->data, &r->dataset) != OK)
        return false;
    r->n = o->max_utterances ? MIN(r->dataset.n, o->max_utterances) : r->dataset.n;
    r->slots = (uint32_t)MIN(o->slots ? o->slots : DEFAULT_SLOTS, r->n);
    r->paths = calloc(r->n, sizeof(*r->paths));
    r->kept = calloc(r->n, sizeof(*r->kept));
    r->pcm = calloc(FRAME_SPEED_SAMPLES, sizeof(*r->pcm));
    if (!r->paths || !r->kept || !r->pcm)
        return validate_no_memory(r);
    for (size_t i = 0; i < r->n; i++)
        r->paths[i] = r->dataset.items[i].path;
    return check_output(r) && check_words(r) && count_steps(r) && fill_pcm(r);
}

bool validate_count_errors(struct validate_reference *r, const struct transcriber_result *result,
                           struct validation_model *to)
{
    struct wer_score score;
    if (!score_transcript(r->options->normalize, r->dataset.items[result->index].text, result->text,
                          &score))
        return validate_no_memory(r);
    wer_add(&to->words, &score.words);
    wer_add(&to->characters, &score.characters);
    return true;
}
