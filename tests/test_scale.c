/* SPDX-License-Identifier: MIT
 *
 * Hundreds of streams in one model, which come, go and begin anew at random ticks: each says, bit
 * for bit, what it says alone in that model; a model of one slot, which may take other forms of the
 * kernels, gives the same codes and tokens. And what a model that does not fit says.
 *
 * test_scale [--device NAME] [--kernels LIST] [--slots N] [--ticks N] [--seed N] MODEL RECORDING
 */
#include "runtime/base.h"
#include "tests/larger.h"
#include "tests/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXCERPTS 4
#define MESSAGE_BYTES 1024
#define SHORTEST_FRAMES 2
#define LONGEST_FRAMES 5
/* What other forms of the kernels may make of a margin: rounding errors of f32, through all layers,
 * and a key or a value of f16 that they make round to the next place. */
#define MARGIN_TOLERANCE 1e-3

struct excerpt {
    const float *pcm;
    size_t n;
    struct transcript alone; /* in the model of many slots */
};

struct seat {
    stapes_stream *stream;
    const struct excerpt *excerpt;
    size_t at;
    bool finished;
    struct transcript said;
};

static uint32_t rng = 1, slots = 200, ticks = 24;
static const struct stapes_stream_params stream_params = {
    .trace = 1, .pad_frames = 1, .prefix_frames = -1};

static uint32_t random_below(uint32_t n)
{
    rng = rng * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(rng >> 8) * n >> 24);
}

static stapes_stream *new_stream(stapes_model *model)
{
    stapes_stream *stream = NULL;
    CHECK(stapes_stream_create(model, &stream_params, &stream) == STAPES_OK, "no stream");
    return stream;
}

static void say_alone(stapes_model *model, const struct excerpt *e, struct transcript *said)
{
    stapes_stream *stream = new_stream(model);
    transcribe(model, stream, e->pcm, e->n, e->n, said);
    stapes_stream_destroy(&stream);
}

static void begin(struct seat *seat, const struct excerpt *excerpts)
{
    transcript_free(&seat->said);
    seat->excerpt = &excerpts[random_below(EXCERPTS)];
    seat->at = 0;
    seat->finished = false;
}

static void feed(struct seat *seat, size_t frame)
{
    const size_t left = seat->excerpt->n - seat->at, part = left < frame ? left : frame;
    if (seat->finished)
        return;
    const int status = stapes_stream_feed(seat->stream, seat->excerpt->pcm + seat->at, part, NULL);
    CHECK(status == STAPES_OK, "feed: %s", stapes_status_text(status));
    seat->at += part;
    if (seat->at == seat->excerpt->n) {
        CHECK(stapes_stream_finish(seat->stream) == STAPES_OK, "finish");
        seat->finished = true;
    }
}

/* One tick of a seat's life: a stream may join, leave or begin anew in the middle; one that has
 * ended is compared and leaves. Returns whether one was compared. */
static bool live(stapes_model *model, struct seat *seat, const struct excerpt *excerpts,
                 const struct stapes_model_info *info, uint32_t number)
{
    char what[64];
    if (!seat->stream) {
        if (random_below(3))
            return false;
        seat->stream = new_stream(model);
        begin(seat, excerpts);
    }
    if (seat->said.ended) {
        snprintf(what, sizeof(what), "stream %u among %u", number, slots);
        check_equal(&seat->excerpt->alone, &seat->said, info, what);
        stapes_stream_destroy(&seat->stream);
        transcript_free(&seat->said);
        return true;
    }
    switch (random_below(40)) {
    case 0:
        stapes_stream_destroy(&seat->stream);
        transcript_free(&seat->said);
        return false;
    case 1:
        CHECK(stapes_stream_reset(seat->stream) == STAPES_OK, "reset");
        begin(seat, excerpts);
        break;
    case 2: return false; /* brings nothing */
    }
    feed(seat, info->frame_samples);
    return false;
}

static void test_crowd(stapes_model *model, const struct excerpt *excerpts)
{
    struct stapes_model_info info;
    uint32_t compared = 0;
    struct seat *seats = calloc(slots, sizeof(*seats));
    if (!CHECK(seats != NULL, "out of memory"))
        return;
    stapes_model_get_info(model, &info);
    const double start = now_seconds();
    for (uint32_t tick = 0; tick < ticks; tick++) {
        for (uint32_t i = 0; i < slots; i++)
            compared += live(model, &seats[i], excerpts, &info, i);
        CHECK(stapes_model_run(model, random_below(4) ? STAPES_RUN_READY : STAPES_RUN_WAIT) ==
                  STAPES_OK,
              "run");
        for (uint32_t i = 0; i < slots; i++)
            if (seats[i].stream)
                transcript_poll(&seats[i].said, seats[i].stream, &info);
    }
    CHECK(stapes_model_run(model, STAPES_RUN_WAIT) == STAPES_OK, "run");
    printf("%u ticks of %u slots in %.1f s, %u streams compared\n", ticks, slots,
           now_seconds() - start, compared);
    CHECK(compared >= slots / 2, "only %u streams came to their end", compared);
    for (uint32_t i = 0; i < slots; i++) {
        stapes_stream_destroy(&seats[i].stream);
        transcript_free(&seats[i].said);
    }
    free(seats);
}

/* A model of one slot may take other forms: sums differ in their last bits, decisions do not. On a
 * CPU device it takes the same ones, unless --kernels has it use workgroups. */
static void test_one_slot(const char *path, const struct excerpt *excerpts)
{
    stapes_model *model = open_model(path, 1, false);
    struct stapes_model_info info;
    double worst = 0;
    stapes_model_get_info(model, &info);
    for (uint32_t i = 0; i < EXCERPTS; i++) {
        const struct transcript *want = &excerpts[i].alone;
        struct transcript said = {0};
        say_alone(model, &excerpts[i], &said);
        CHECK(said.n_steps == want->n_steps, "%u steps and %u", said.n_steps, want->n_steps);
        for (uint32_t s = 0; s < want->n_steps && s < said.n_steps; s++) {
            CHECK(said.tokens[s] == want->tokens[s] &&
                      !memcmp(said.codes + s * info.codebooks, want->codes + s * info.codebooks,
                              info.codebooks * sizeof(*want->codes)),
                  "excerpt %u: a model of one slot differs in step %u", i, s);
            worst = larger(worst, fabs((double)said.margins[s] - want->margins[s]));
        }
        transcript_free(&said);
    }
    printf("one slot: margins differ by at most %.3g\n", worst);
    CHECK(worst <= MARGIN_TOLERANCE, "margins differ by %g", worst);
    close_model(&model);
}

static void keep_message(void *user, enum stapes_log_level level, const char *message)
{
    if (level == STAPES_LOG_ERROR)
        snprintf(user, MESSAGE_BYTES, "%s", message);
}

static int open_within(const char *path, uint32_t n, uint64_t limit, char *message)
{
    stapes_model *model = NULL;
    const struct stapes_model_params params = {.path = path,
                                               .device = wanted_device,
                                               .slots = n,
                                               .tune = STAPES_TUNE_OFF,
                                               .memory_limit_bytes = limit,
                                               .log = keep_message,
                                               .log_user = message};
    const int status = stapes_model_open(&params, &model);
    stapes_model_close(&model);
    return status;
}

/* A model that does not fit says how many slots would, and so many do: not one more. The limit is
 * the first below what suffices. */
static void test_limit(const char *path, uint64_t limit)
{
    char message[MESSAGE_BYTES] = "";
    int status = open_within(path, slots, limit, message);
    for (; status == STAPES_OK && limit > 1; status = open_within(path, slots, limit, message))
        limit -= (limit + 3) / 4;
    CHECK(status == STAPES_ERROR_DEVICE_MEMORY, "%s", message);
    printf("%s\n", message);
    const char *advice = strrchr(message, ':');
    const uint32_t fit = advice ? (uint32_t)strtoul(advice + 1, NULL, 10) : 0;
    if (!CHECK(fit > 0 && fit < slots && strstr(message, " fit"), "no advice: %s", message))
        return;
    CHECK(open_within(path, fit, limit, message) == STAPES_OK, "%u slots: %s", fit, message);
    CHECK(open_within(path, fit + 1, limit, message) == STAPES_ERROR_DEVICE_MEMORY,
          "%u slots fit as well", fit + 1);
}

int main(int argc, char **argv)
{
    struct excerpt excerpts[EXCERPTS] = {0};
    struct stapes_model_info info;
    size_t n;
    support_init(&argc, argv);
    for (; argc > 2 && argv[1][0] == '-'; argv += 2, argc -= 2) {
        uint32_t *value = !strcmp(argv[1], "--slots")   ? &slots
                          : !strcmp(argv[1], "--ticks") ? &ticks
                          : !strcmp(argv[1], "--seed")  ? &rng
                                                        : NULL;
        if (!value)
            break;
        *value = (uint32_t)strtoul(argv[2], NULL, 10);
    }
    if (argc != 3) {
        fprintf(stderr, "usage: test_scale [--device NAME] [--kernels LIST] [--slots N] "
                        "[--ticks N] [--seed N] MODEL WAV\n");
        return 2;
    }
    printf("seed %u\n", rng);
    float *pcm = read_sound(argv[2], &n);
    stapes_model *model = open_model(argv[1], slots, false);
    stapes_model_get_info(model, &info);
    for (uint32_t i = 0; i < EXCERPTS; i++) {
        struct excerpt *e = &excerpts[i];
        const uint32_t frames =
            SHORTEST_FRAMES + random_below(LONGEST_FRAMES - SHORTEST_FRAMES + 1);
        e->n = (size_t)frames * info.frame_samples - random_below(info.frame_samples);
        e->pcm = pcm + random_below((uint32_t)(n - e->n));
        say_alone(model, e, &e->alone);
    }
    test_crowd(model, excerpts);
    close_model(&model);
    test_one_slot(argv[1], excerpts);
    test_limit(argv[1], info.device_bytes / 4 * 3);
    for (uint32_t i = 0; i < EXCERPTS; i++)
        transcript_free(&excerpts[i].alone);
    free(pcm);
    return support_finish("test_scale");
}
