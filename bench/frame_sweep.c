/* SPDX-License-Identifier: MIT */
#include "bench/frame.h"

#include "stream/internal.h"

struct sweep {
    const struct frame_options *options;
    bool full;
    void (*each)(void *user, const struct frame_run *run);
    void *user;
};

/* *fits: whether this many streams are served in time; where not, *limit says why. */
static int try_streams(const struct sweep *s, uint32_t streams, bool *fits, enum frame_limit *limit)
{
    struct frame_model *model = NULL;
    struct frame_opening opening;
    struct frame_run run;
    int status = frame_open(s->options, streams, &model, &opening);
    *fits = false;
    if (status == STAPES_ERROR_DEVICE_MEMORY) {
        *limit = FRAME_LIMIT_MEMORY;
        return STAPES_OK;
    }
    if (status == STAPES_OK)
        status = frame_measure(model, s->full, true, &run);
    frame_close(&model);
    if (status)
        return status;
    s->each(s->user, &run);
    *fits = !run.too_slow && run.wall.p99 < FRAME_SECONDS;
    if (!*fits)
        *limit = FRAME_LIMIT_TIME;
    return STAPES_OK;
}

int frame_find_most(const struct frame_options *options, bool full,
                    void (*each)(void *user, const struct frame_run *run), void *user,
                    struct frame_sweep *out)
{
    const struct sweep s = {options, full, each, user};
    uint32_t fitting = 0, refused = MAX_SLOTS + 1;
    enum frame_limit limit = FRAME_LIMIT_SLOTS;
    while (refused - fitting > 1) {
        const bool doubling = refused > MAX_SLOTS;
        const uint32_t next =
            doubling ? MIN(MAX(2 * fitting, 1), MAX_SLOTS) : fitting + (refused - fitting) / 2;
        bool fits;
        const int status = try_streams(&s, next, &fits, &limit);
        if (status)
            return status;
        if (fits)
            fitting = next;
        else
            refused = next;
    }
    *out = (struct frame_sweep){fitting, limit};
    return STAPES_OK;
}
