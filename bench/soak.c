/* SPDX-License-Identifier: MIT
 *
 * Many hours of sound through one model. Streams join, leave and are reset at random, are fed and
 * polled at random, and everything that comes out of one has to be, bit for bit, what a stream
 * alone in another model makes of the same sound. Beside them two twins live as long as the run:
 * the same sound at other moments in other slots, so that the rings of keys and values wrap again
 * and again; they have to stay equal. Memory must not grow after the warm-up.
 *
 * bench_soak [--device NAME] [--kernels LIST] [--no-validation] [--hours H] [--streams N]
 *            [--seed N] [--replay PERCENT] [--wall SECONDS] MODEL [RECORDING...]
 */
#include "bench/host.h"
#include "bench/talker.h"
#include "kernels/params.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

#define MAX_TALKERS 62
#define TWINS 2
#define TWIN_LAG 200       /* frames that one may be ahead of the other; below TALKER_DIGESTS */
#define LONGEST_FRAMES 300 /* of an utterance; with its silence below TALKER_DIGESTS */
#define WARM_HOURS 0.5     /* of sound, before memory is measured; a fifth of a shorter run */
#define REPORT_SECONDS 60.0

/* How much more may be resident after that. AddressSanitizer keeps what was freed, 256 MB of it. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN
#endif
#ifdef HAS_ASAN
#define GROWTH_BYTES (512 << 20)
#else
#define GROWTH_BYTES (8 << 20)
#endif

static struct options {
    double hours, wall_seconds;
    uint32_t talkers, replay_percent;
    uint64_t seed;
    const char *model;
} options = {.hours = 1, .wall_seconds = 1e9, .talkers = 4, .replay_percent = 100, .seed = 1};

static struct soak {
    stapes_model *model, *alone;
    struct stapes_model_info info;
    struct sound *sounds;
    size_t n_sounds;
    struct talker talkers[MAX_TALKERS], twins[TWINS], replay;
    uint64_t random;
    double said_seconds; /* by talkers that are done; what all have said: said_seconds() */
    uint64_t utterances, left, resets, replays, twin_steps;
    double start, reported, warm_resident;
    uint64_t warm_device;
} soak;

static bool chance(uint32_t one_in)
{
    return host_random(&soak.random) % one_in == 0;
}

static stapes_stream *new_stream(stapes_model *model)
{
    const struct stapes_stream_params params = {.trace = 1, .prefix_frames = -1};
    stapes_stream *stream = NULL;
    CHECK(stapes_stream_create(model, &params, &stream) == STAPES_OK, "no stream");
    if (!stream)
        exit(1);
    return stream;
}

static double seconds_of(const struct talker *t)
{
    return (double)t->fed / STAPES_SAMPLE_RATE;
}

static double said_seconds(void)
{
    double sum = soak.said_seconds;
    for (uint32_t i = 0; i < options.talkers; i++)
        if (soak.talkers[i].stream)
            sum += seconds_of(&soak.talkers[i]);
    for (uint32_t i = 0; i < TWINS; i++)
        sum += seconds_of(&soak.twins[i]);
    return sum;
}

/* Says everything; false where something failed on the way. */
static bool say_alone(struct talker *r)
{
    const int failed_before = failed;
    int status = STAPES_OK;
    while (!r->finished && status == STAPES_OK && failed == failed_before) {
        talker_feed(r, soak.info.frame_samples);
        status = stapes_model_run(soak.alone, STAPES_RUN_READY);
        talker_poll(r, &soak.info);
    }
    for (bool more = status == STAPES_OK; more; more = status == STAPES_ERROR_AGAIN) {
        status = stapes_model_run(soak.alone, STAPES_RUN_WAIT);
        talker_poll(r, &soak.info);
    }
    CHECK(status == STAPES_OK, "seed %llu: run alone: %s", (unsigned long long)r->seed,
          stapes_status_text(status));
    return failed == failed_before;
}

/* The same sound through a stream that is alone from its beginning. */
static void check_alone(const struct talker *t)
{
    struct talker *r = &soak.replay;
    /* one that was not fed has made its first step; alone it would finish without */
    if (!t->fed || !t->steps || host_random(&soak.random) % 100 >= options.replay_percent)
        return;
    talker_begin(r, new_stream(soak.alone), t->seed, t->finished ? t->samples : t->fed, soak.sounds,
                 soak.n_sounds);
    if (!say_alone(r)) {
        stapes_stream_destroy(&r->stream);
        return;
    }
    CHECK(r->ended && r->steps >= t->steps, "seed %llu: %llu steps alone, %llu among others",
          (unsigned long long)t->seed, (unsigned long long)r->steps, (unsigned long long)t->steps);
    for (uint64_t s = 0; s < t->steps && s < r->steps; s++)
        if (!CHECK(talker_digest(t, s) == talker_digest(r, s),
                   "seed %llu: step %llu of %llu differs from that of a stream alone",
                   (unsigned long long)t->seed, (unsigned long long)s,
                   (unsigned long long)t->steps))
            break;
    stapes_stream_destroy(&r->stream);
    soak.replays++;
}

/* What became of a talker's utterance is checked and counted; the stream stays. */
static void settle(struct talker *t)
{
    check_alone(t);
    soak.said_seconds += seconds_of(t);
    soak.utterances++;
}

static void begin(struct talker *t, stapes_stream *stream)
{
    const uint64_t seed = host_random(&soak.random);
    const size_t samples = 1 + host_random(&soak.random) % (LONGEST_FRAMES * STAPES_FRAME_SAMPLES);
    talker_begin(t, stream, seed, samples, soak.sounds, soak.n_sounds);
}

static void advance_talker(struct talker *t)
{
    if (!t->stream) {
        if (chance(8))
            begin(t, new_stream(soak.model));
    } else if (t->ended || chance(600)) {
        settle(t);
        stapes_stream_destroy(&t->stream);
        soak.left++;
    } else if (chance(600)) {
        settle(t);
        CHECK(stapes_stream_reset(t->stream) == STAPES_OK, "reset");
        begin(t, t->stream);
        soak.resets++;
    } else if (!t->finished && !chance(4)) {
        talker_feed(t, 1 + host_random(&soak.random) % TALKER_CHUNK);
    }
}

static void advance_twins(void)
{
    struct talker *a = &soak.twins[0], *b = &soak.twins[1];
    const size_t frame = soak.info.frame_samples;
    if (!chance(6) && a->fed < b->fed + TWIN_LAG * frame)
        talker_feed(a, frame);
    if (!chance(6) && b->fed < a->fed + TWIN_LAG * frame)
        talker_feed(b, 1 + host_random(&soak.random) % (2 * frame));
}

static void compare_twins(void)
{
    const struct talker *a = &soak.twins[0], *b = &soak.twins[1];
    for (; soak.twin_steps < a->steps && soak.twin_steps < b->steps; soak.twin_steps++)
        if (!CHECK(talker_digest(a, soak.twin_steps) == talker_digest(b, soak.twin_steps),
                   "the twins differ at step %llu", (unsigned long long)soak.twin_steps))
            exit(1); /* all digests after it differ, too */
}

static void poll_some(uint32_t not_one_in)
{
    for (uint32_t i = 0; i < options.talkers; i++)
        if (soak.talkers[i].stream && !chance(not_one_in))
            talker_poll(&soak.talkers[i], &soak.info);
    for (uint32_t i = 0; i < TWINS; i++)
        if (!chance(not_one_in))
            talker_poll(&soak.twins[i], &soak.info);
    compare_twins();
}

static void tick(void)
{
    for (uint32_t i = 0; i < options.talkers; i++)
        advance_talker(&soak.talkers[i]);
    advance_twins();
    const int status =
        stapes_model_run(soak.model, chance(16) ? STAPES_RUN_WAIT : STAPES_RUN_READY);
    if (!CHECK(status == STAPES_OK || status == STAPES_ERROR_AGAIN, "run: %s",
               stapes_status_text(status)))
        exit(1);
    poll_some(16);
}

static void report(void)
{
    struct stapes_model_info info;
    stapes_model_get_info(soak.model, &info);
    soak.reported = host_now();
    printf("%8.0f s: %8.3f h of sound, %llu ticks, %llu utterances, %llu replayed, %llu resets, "
           "twins equal over %llu steps, resident %.1f MB, device %.1f MB, %d failed\n",
           soak.reported - soak.start, said_seconds() / 3600, (unsigned long long)info.submits,
           (unsigned long long)soak.utterances, (unsigned long long)soak.replays,
           (unsigned long long)soak.resets, (unsigned long long)soak.twin_steps,
           host_resident_bytes() / 1e6, (double)info.device_bytes / 1e6, failed);
    fflush(stdout);
}

static void check_memory(void)
{
    struct stapes_model_info info;
    stapes_model_get_info(soak.model, &info);
    if (soak.warm_resident == 0) {
        const double fifth = options.hours / 5;
        if (said_seconds() < 3600 * (fifth < WARM_HOURS ? fifth : WARM_HOURS))
            return;
        soak.warm_resident = host_resident_bytes();
        soak.warm_device = info.device_bytes;
        printf("warm: resident %.1f MB, device %.1f MB\n", soak.warm_resident / 1e6,
               (double)soak.warm_device / 1e6);
    }
    const double grown = host_resident_bytes() - soak.warm_resident;
    if (!CHECK(grown <= GROWTH_BYTES, "%.1f MB more are resident than after the warm-up",
               grown / 1e6) ||
        !CHECK(info.device_bytes == soak.warm_device, "device memory changed by %lld bytes",
               (long long)(info.device_bytes - soak.warm_device)))
        exit(1);
}

static void finish(void)
{
    int status;
    do {
        poll_some(UINT32_MAX);
        status = stapes_model_run(soak.model, STAPES_RUN_WAIT);
    } while (status == STAPES_ERROR_AGAIN);
    CHECK(status == STAPES_OK, "run: %s", stapes_status_text(status));
    poll_some(UINT32_MAX);
    for (uint32_t i = 0; i < TWINS; i++)
        CHECK(soak.twins[i].steps == talker_steps_due(&soak.twins[i], &soak.info),
              "twin %u made %llu steps of %zu samples", i, (unsigned long long)soak.twins[i].steps,
              soak.twins[i].fed);
    for (uint32_t i = 0; i < options.talkers; i++) {
        struct talker *t = &soak.talkers[i];
        if (!t->stream)
            continue;
        CHECK(t->steps == talker_steps_due(t, &soak.info), "%llu steps of %zu samples",
              (unsigned long long)t->steps, t->fed);
        settle(t);
        stapes_stream_destroy(&t->stream);
    }
    CHECK(soak.replays > 0 || options.replay_percent == 0, "nothing was replayed: too short a run");
    CHECK(soak.warm_resident > 0, "memory was not measured: too short a run");
    report();
    for (uint32_t i = 0; i < TWINS; i++)
        stapes_stream_destroy(&soak.twins[i].stream);
}

static _Noreturn void usage(void)
{
    fprintf(stderr,
            "usage: bench_soak [--device NAME] [--kernels LIST] [--no-validation] [--hours H]\n"
            "                  [--streams N] [--seed N] [--replay PERCENT] [--wall SECONDS]\n"
            "                  MODEL [RECORDING...]\n");
    exit(2);
}

static void read_sounds(int count, char **paths)
{
    soak.sounds = calloc((size_t)count + 1, sizeof(*soak.sounds));
    if (!soak.sounds)
        exit(1);
    for (int i = 0; i < count; i++) {
        struct sound *sound = &soak.sounds[soak.n_sounds];
        sound->pcm = read_sound(paths[i], &sound->samples);
        if (sound->samples)
            soak.n_sounds++;
        else
            free(sound->pcm);
    }
}

static void parse(int argc, char **argv)
{
    int i = 1;
    support_init(&argc, argv);
    for (; i < argc && argv[i][0] == '-'; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (i + 1 >= argc)
            usage();
        if (!strcmp(name, "--hours"))
            options.hours = host_real(name, value, 1e-3, 1e5);
        else if (!strcmp(name, "--wall"))
            options.wall_seconds = host_real(name, value, 1, 1e7);
        else if (!strcmp(name, "--streams"))
            options.talkers = (uint32_t)host_number(name, value, 1, MAX_TALKERS);
        else if (!strcmp(name, "--replay"))
            options.replay_percent = (uint32_t)host_number(name, value, 0, 100);
        else if (!strcmp(name, "--seed"))
            options.seed = host_number(name, value, 0, UINT64_MAX);
        else
            usage();
    }
    if (i == argc)
        usage();
    options.model = argv[i];
    read_sounds(argc - i - 1, argv + i + 1);
}

/* One in the first slot, one in the last, so that programs of several sizes run them. */
static void begin_twins(void)
{
    stapes_stream *streams[MAX_TALKERS + TWINS];
    const uint64_t seed = host_random(&soak.random);
    const uint32_t last = options.talkers + TWINS - 1;
    for (uint32_t i = 0; i <= last; i++)
        streams[i] = new_stream(soak.model);
    for (uint32_t i = 1; i < last; i++)
        stapes_stream_destroy(&streams[i]);
    talker_begin(&soak.twins[0], streams[0], seed, SIZE_MAX, soak.sounds, soak.n_sounds);
    talker_begin(&soak.twins[1], streams[last], seed, SIZE_MAX, soak.sounds, soak.n_sounds);
}

static void open_all(void)
{
    const uint32_t slots = options.talkers + TWINS;
    soak.model = open_model(options.model, slots, false);
    /* of the same forms of the kernels, which add up in the same order */
    soak.alone =
        open_model(options.model, slots < MATMUL_MANY_SLOTS ? 1 : MATMUL_MANY_SLOTS, false);
    stapes_model_get_info(soak.model, &soak.info);
    soak.random = options.seed;
    soak.start = soak.reported = host_now();
    begin_twins();
    printf("%s on %s: seed %llu, %u streams and two twins, %.3f h of sound or %.0f s, %zu "
           "recordings, %u %% of the utterances replayed\n",
           soak.info.name, soak.info.device, (unsigned long long)options.seed, options.talkers,
           options.hours, options.wall_seconds, soak.n_sounds, options.replay_percent);
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    open_all();
    while (said_seconds() < options.hours * 3600 &&
           host_now() - soak.start < options.wall_seconds && !failed) {
        for (int i = 0; i < 64; i++)
            tick();
        check_memory();
        if (host_now() - soak.reported > REPORT_SECONDS)
            report();
    }
    finish();
    close_model(&soak.alone);
    close_model(&soak.model);
    for (size_t i = 0; i < soak.n_sounds; i++)
        free(soak.sounds[i].pcm);
    free(soak.sounds);
    return support_finish("bench_soak");
}
