/* SPDX-License-Identifier: MIT */
#include "bench/talker.h"

#include "tests/support.h"

void talker_begin(struct talker *t, stapes_stream *stream, uint64_t seed, size_t samples,
                  const struct sound *sounds, size_t n_sounds)
{
    t->stream = stream;
    t->seed = seed;
    t->samples = samples;
    t->made = t->fed = t->next = 0;
    t->finished = t->ended = false;
    t->steps = 0;
    voice_begin(&t->voice, seed, sounds, n_sounds);
}

bool talker_feed(struct talker *t, size_t samples)
{
    size_t taken;
    if (t->made == t->fed) {
        const size_t left = t->samples - t->made;
        const size_t n = samples < left ? samples : left;
        voice_fill(&t->voice, t->pending, n);
        t->made += n;
        t->next = 0;
    }
    const int status =
        stapes_stream_feed(t->stream, t->pending + t->next, t->made - t->fed, &taken);
    CHECK(status == STAPES_OK || status == STAPES_ERROR_AGAIN, "feed: %s",
          stapes_status_text(status));
    t->fed += taken;
    t->next += taken;
    if (status == STAPES_OK && t->fed == t->samples) {
        CHECK(stapes_stream_finish(t->stream) == STAPES_OK, "finish");
        t->finished = true;
    }
    return status == STAPES_OK;
}

static uint64_t add_bytes(uint64_t digest, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n; i++) /* FNV-1a */
        digest = (digest ^ at[i]) * 0x100000001b3u;
    return digest;
}

static void add_step(struct talker *t, const struct stapes_event *e)
{
    const uint64_t before = t->steps ? talker_digest(t, t->steps - 1) : 0xcbf29ce484222325u;
    uint64_t digest = add_bytes(before, &e->token, sizeof(e->token));
    digest = add_bytes(digest, &e->margin, sizeof(e->margin));
    digest = add_bytes(digest, e->codes, e->n_codes * sizeof(*e->codes));
    digest = add_bytes(digest, e->vad, e->n_vad * sizeof(*e->vad));
    digest = add_bytes(digest, e->audio, e->n_audio * sizeof(*e->audio));
    CHECK(e->step == t->steps, "seed %llu: step %llu came where %llu was due",
          (unsigned long long)t->seed, (unsigned long long)e->step, (unsigned long long)t->steps);
    t->digests[t->steps++ % TALKER_DIGESTS] = digest;
}

void talker_poll(struct talker *t, const struct stapes_model_info *info)
{
    struct stapes_event e;
    while (stapes_stream_poll(t->stream, &e) == STAPES_OK && e.type != STAPES_EVENT_NONE) {
        if (e.type == STAPES_EVENT_STEP)
            add_step(t, &e);
        if (e.type == STAPES_EVENT_END) {
            t->ended = true;
            CHECK(t->steps == talker_steps_due(t, info),
                  "seed %llu: %llu steps, %llu were due after %zu samples",
                  (unsigned long long)t->seed, (unsigned long long)t->steps,
                  (unsigned long long)talker_steps_due(t, info), t->fed);
        }
    }
}

uint64_t talker_digest(const struct talker *t, uint64_t step)
{
    return t->digests[step % TALKER_DIGESTS];
}

uint64_t talker_steps_due(const struct talker *t, const struct stapes_model_info *info)
{
    if (!t->finished)
        return 1 + t->fed / info->frame_samples;
    return 1 + (t->fed + info->frame_samples - 1) / info->frame_samples + info->pad_frames;
}
