/* SPDX-License-Identifier: MIT */
#include "tools/playback.h"

#include <stdlib.h>

#include "tools/audio.h"
#include "tools/interrupt.h"

/* A recording on its way. */
struct lane {
    const struct recording *recording; /* NULL: none */
    struct audio *audio;
    stapes_stream *stream;
    uint64_t left; /* samples still to be read */
    size_t read, fed;
    bool input_end;
    float pcm[STAPES_FRAME_SAMPLES];
};

struct player {
    struct playback *playback;
    struct lane *lanes;
    size_t next; /* the first recording that was not started */
    uint32_t n_active;
};

static void tell_damage(const struct player *player, const struct lane *lane, const char *message)
{
    player->playback->damaged++;
    if (!player->playback->told)
        report_warning(player->playback->report, "%s: %s: what is before it is used",
                       lane->recording->path, message);
}

/* A recording that could be read a moment ago may be gone. */
static int start_lane(struct player *player, struct lane *lane)
{
    struct playback *p = player->playback;
    const struct audio_raw raw = {.rate = AUDIO_RATE, .channels = 1};
    char message[AUDIO_MESSAGE_SIZE];
    lane->recording = &p->recordings->items[player->next++];
    lane->audio = audio_open(lane->recording->path, &raw, message);
    if (!lane->audio) {
        tell_damage(player, lane, message);
        lane->recording = NULL;
        return 0;
    }
    lane->left = lane->recording->samples;
    lane->read = lane->fed = 0;
    lane->input_end = false;
    player->n_active++;
    return stapes_stream_create(p->model, NULL, &lane->stream);
}

static void stop_lane(struct player *player, struct lane *lane)
{
    stapes_stream_destroy(&lane->stream);
    audio_close(&lane->audio);
    lane->recording = NULL;
    player->n_active--;
}

static int finish_lane(struct lane *lane)
{
    int status = stapes_stream_finish(lane->stream);
    lane->input_end = status == STAPES_OK;
    return status == STAPES_ERROR_AGAIN ? STAPES_OK : status;
}

/* The next frame of its sound, or the end. */
static int feed_lane(struct player *player, struct lane *lane)
{
    if (lane->read == lane->fed) {
        size_t wanted = (size_t)MIN(lane->left, STAPES_FRAME_SAMPLES);
        long n = wanted > 0 ? audio_read(lane->audio, lane->pcm, wanted) : 0;
        if (n < 0)
            tell_damage(player, lane, audio_message(lane->audio));
        if (n <= 0) {
            lane->left = 0;
            return finish_lane(lane);
        }
        lane->read = (size_t)n;
        lane->fed = 0;
        lane->left -= (uint64_t)n;
        player->playback->samples += (uint64_t)n;
    }
    size_t taken = 0;
    int status =
        stapes_stream_feed(lane->stream, lane->pcm + lane->fed, lane->read - lane->fed, &taken);
    lane->fed += taken;
    if (status == STAPES_ERROR_ARGUMENT)
        report_error(player->playback->report, "%s: is this its format?", lane->recording->path);
    return status == STAPES_ERROR_AGAIN ? STAPES_OK : status;
}

static void poll_lane(struct player *player, struct lane *lane, bool *progress)
{
    struct stapes_event event;
    while (stapes_stream_poll(lane->stream, &event) == STAPES_OK &&
           event.type != STAPES_EVENT_NONE) {
        *progress = true;
        player->playback->words += event.type == STAPES_EVENT_WORD;
        if (event.type == STAPES_EVENT_END) {
            stop_lane(player, lane);
            return;
        }
    }
}

/* Every lane moves on by a frame. *progress: something was done. */
static int advance(struct player *player, bool *progress)
{
    const struct playback *p = player->playback;
    int status = STAPES_OK;
    for (uint32_t i = 0; i < p->slots && status == STAPES_OK; i++) {
        struct lane *lane = &player->lanes[i];
        while (!lane->recording && player->next < p->recordings->n && status == STAPES_OK)
            status = start_lane(player, lane);
        if (lane->recording && !lane->input_end && status == STAPES_OK) {
            status = feed_lane(player, lane);
            *progress = true;
        }
    }
    if (status == STAPES_OK)
        status = stapes_model_run(p->model, *progress ? STAPES_RUN_READY : STAPES_RUN_WAIT);
    for (uint32_t i = 0; i < p->slots; i++)
        if (player->lanes[i].recording)
            poll_lane(player, &player->lanes[i], progress);
    return status == STAPES_ERROR_AGAIN ? STAPES_OK : status;
}

int playback_run(struct playback *p)
{
    struct player player = {.playback = p, .lanes = calloc(p->slots, sizeof(*player.lanes))};
    int status = STAPES_OK;
    uint32_t errors = p->report->errors;
    if (!player.lanes) {
        report_error(p->report, "out of memory");
        return EXIT_FAILURE;
    }
    do {
        bool progress = false;
        status = advance(&player, &progress);
        report_progress(p->report, p->label, p->before + p->samples, p->bar_samples);
        if (status == STAPES_OK && !progress && player.n_active > 0)
            status = STAPES_ERROR_DEVICE;
    } while (status == STAPES_OK && !interrupt_pending() &&
             (player.n_active > 0 || player.next < p->recordings->n));
    for (uint32_t i = 0; i < p->slots; i++)
        if (player.lanes[i].recording)
            stop_lane(&player, &player.lanes[i]);
    free(player.lanes);
    if (interrupt_pending())
        return EXIT_INTERRUPTED;
    if (status != STAPES_OK && p->report->errors == errors)
        report_error(p->report, "the model stopped: %s", stapes_status_text(status));
    return status == STAPES_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
