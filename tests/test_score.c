/* SPDX-License-Identifier: MIT
 *
 * Models opened for scoring: they say what others say, their logits are upstream's, and given
 * tokens lead to the logits that an independent implementation computes for them.
 *
 * test_score [--device NAME] [--kernels LIST] DIR...: directories as for test_goldens
 */
#include "runtime/base.h"
#include "stream/score.h"
#include "tests/larger.h"
#include "tests/support.h"
#include "tools/npy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PATH 1024
#define SLOTS 3u
#define TOLERANCE 5e-5 /* times max(1, max |want|), as in test_goldens.c */

struct heard {
    float *logits;     /* [n_steps][card] */
    uint32_t *sampled; /* [n_steps][made] */
    uint32_t card, made, n_steps, room;
};

struct scene {
    const char *dir;
    float *pcm;
    size_t samples;
    uint32_t n_steps;
    struct stapes_stream_params params;
    struct stapes_model_info info;
    uint32_t *forced;              /* [n_steps][1 + audio_streams] */
    float *logits, *forced_logits; /* [n_steps][text_card]: what is wanted */
    struct heard own, given;       /* each alone in the model of many slots */
};

static void hear(void *user, uint64_t step, const uint32_t *sampled, const float *logits)
{
    struct heard *h = user;
    if (!CHECK(step == h->n_steps && h->n_steps < h->room, "step %llu came where %u of %u was due",
               (unsigned long long)step, h->n_steps, h->room))
        return;
    memcpy(h->logits + (size_t)h->n_steps * h->card, logits, h->card * sizeof(*logits));
    memcpy(h->sampled + (size_t)h->n_steps * h->made, sampled, h->made * sizeof(*sampled));
    h->n_steps++;
}

static void *allocate(size_t bytes)
{
    void *data = calloc(1, bytes);
    if (!data)
        exit(1);
    return data;
}

static void heard_init(struct heard *h, const struct scene *scene)
{
    h->card = scene->info.text_card;
    h->made = 1 + scene->info.audio_streams;
    h->room = scene->n_steps;
    h->n_steps = 0;
    h->logits = allocate((size_t)h->room * h->card * sizeof(*h->logits));
    h->sampled = allocate((size_t)h->room * h->made * sizeof(*h->sampled));
}

static void heard_free(struct heard *h)
{
    free(h->logits);
    free(h->sampled);
}

static void *read_array(const char *dir, const char *name, bool is_int, size_t elements)
{
    char path[MAX_PATH], message[NPY_MESSAGE_SIZE];
    struct npy npy;
    snprintf(path, sizeof(path), "%s/goldens/%s.npy", dir, name);
    void *data = allocate(elements * 4);
    if (!CHECK(npy_open(&npy, path, message) == 0 && npy.elements == elements &&
                   (is_int ? npy_read_i32(&npy, data, elements, message)
                           : npy_read_f32(&npy, data, elements, message)) == 0,
               "%s: not %zu elements", path, elements))
        exit(1);
    npy_close(&npy);
    return data;
}

/* The sound, and as much silence behind it as the goldens had. */
static void scene_init(struct scene *scene, const char *dir, stapes_model *model)
{
    char path[MAX_PATH], message[NPY_MESSAGE_SIZE];
    struct npy steps;
    *scene = (struct scene){.dir = dir};
    stapes_model_get_info(model, &scene->info);
    join_path(path, sizeof(path), dir, "goldens/input.wav");
    scene->pcm = read_sound(path, &scene->samples);
    join_path(path, sizeof(path), dir, "goldens/lm_shift/text_tokens.npy");
    if (npy_open(&steps, path, message) != 0)
        exit(1);
    scene->n_steps = (uint32_t)steps.elements;
    npy_close(&steps);
    const uint32_t frames =
        (uint32_t)((scene->samples + scene->info.frame_samples - 1) / scene->info.frame_samples);
    const int pad = (int)scene->n_steps - 1 - (int)frames;
    scene->params = (struct stapes_stream_params){
        .trace = 1, .pad_frames = pad > 0 ? pad : -1, .prefix_frames = -1};
    const size_t logits = (size_t)scene->n_steps * scene->info.text_card;
    scene->forced = read_array(dir, "forced/tokens", true,
                               (size_t)scene->n_steps * (1 + scene->info.audio_streams));
    scene->logits = read_array(dir, "lm_shift/text_logits", false, logits);
    scene->forced_logits = read_array(dir, "forced/text_logits", false, logits);
    heard_init(&scene->own, scene);
    heard_init(&scene->given, scene);
}

static void scene_free(struct scene *scene)
{
    heard_free(&scene->own);
    heard_free(&scene->given);
    free(scene->forced);
    free(scene->logits);
    free(scene->forced_logits);
    free(scene->pcm);
}

static stapes_stream *listen(const struct scene *scene, stapes_model *model, const uint32_t *tokens,
                             uint32_t n_steps, struct heard *heard)
{
    stapes_stream *stream = NULL;
    const struct score_stream score = {tokens, n_steps, hear, heard};
    CHECK(stapes_stream_create(model, &scene->params, &stream) == STAPES_OK, "no stream");
    CHECK(score_attach(stream, &score) == STAPES_OK, "attach");
    return stream;
}

static void say(const struct scene *scene, stapes_model *model, const uint32_t *tokens,
                uint32_t n_steps, struct heard *heard, struct transcript *t)
{
    stapes_stream *stream = listen(scene, model, tokens, n_steps, heard);
    transcribe(model, stream, scene->pcm, scene->samples, scene->samples, t);
    CHECK(heard->n_steps == scene->n_steps, "%u steps instead of %u", heard->n_steps,
          scene->n_steps);
    stapes_stream_destroy(&stream);
}

static void check_near(const struct heard *got, const float *want, const char *what)
{
    const size_t n = (size_t)got->n_steps * got->card;
    double most = 1, worst = 0;
    for (size_t i = 0; i < n; i++) {
        most = larger(most, fabs((double)want[i]));
        worst = larger(worst, fabs((double)got->logits[i] - (double)want[i]));
    }
    CHECK(worst < TOLERANCE * most, "%s: logits differ by %g, and are at most %g", what, worst,
          most);
    printf("  %-28s %u steps, max |diff| %.1e (max |value| %.3g)\n", what, got->n_steps, worst,
           most);
}

/* Bit for bit, up to n_steps. */
static void check_same(const struct heard *a, const struct heard *b, uint32_t n_steps,
                       const char *what)
{
    CHECK(!memcmp(a->logits, b->logits, (size_t)n_steps * a->card * sizeof(*a->logits)),
          "%s: logits differ", what);
    CHECK(!memcmp(a->sampled, b->sampled, (size_t)n_steps * a->made * sizeof(*a->sampled)),
          "%s: tokens differ", what);
}

static void check_sampled(const struct heard *h, const struct transcript *t)
{
    uint32_t wrong = 0;
    for (uint32_t s = 0; s < h->n_steps; s++) {
        const float *logits = h->logits + (size_t)s * h->card;
        uint32_t best = 0;
        float second = -INFINITY;
        for (uint32_t i = 1; i < h->card; i++)
            best = logits[i] > logits[best] ? i : best;
        for (uint32_t i = 0; i < h->card; i++)
            if (i != best)
                second = fmaxf(second, logits[i]);
        wrong += best != h->sampled[s * h->made] || best != t->tokens[s] ||
                 logits[best] - second != t->margins[s];
        for (uint32_t k = 1; k < h->made; k++)
            wrong += (int32_t)h->sampled[s * h->made + k] != t->audio[s * (h->made - 1) + k - 1];
    }
    CHECK(wrong == 0, "%u tokens or margins are not those of the logits", wrong);
}

static void test_own(struct scene *scene, stapes_model *model)
{
    struct transcript plain = {0}, scoring = {0}, again = {0};
    struct heard repeated;
    stapes_model *other = open_model(scene->dir, 1, false);
    stapes_stream *stream = NULL;
    CHECK(stapes_stream_create(other, &scene->params, &stream) == STAPES_OK, "no stream");
    transcribe(other, stream, scene->pcm, scene->samples, scene->samples, &plain);
    CHECK(score_attach(stream, &(struct score_stream){0}) == STAPES_ERROR_ARGUMENT,
          "attached to a model that is not for scoring");
    close_model(&other);

    say(scene, model, NULL, 0, &scene->own, &scoring);
    check_equal(&plain, &scoring, &scene->info, "a model for scoring");
    check_sampled(&scene->own, &scoring);
    check_near(&scene->own, scene->logits, "own tokens");

    heard_init(&repeated, scene);
    say(scene, model, scene->own.sampled, scene->n_steps, &repeated, &again);
    check_equal(&plain, &again, &scene->info, "given its own tokens");
    check_same(&scene->own, &repeated, scene->n_steps, "given its own tokens");
    heard_free(&repeated);
    transcript_free(&plain);
    transcript_free(&scoring);
    transcript_free(&again);
}

static void test_given(struct scene *scene, stapes_model *model)
{
    struct transcript t = {0}, first = {0};
    struct heard half;
    say(scene, model, scene->forced, scene->n_steps, &scene->given, &t);
    check_near(&scene->given, scene->forced_logits, "given tokens");
    check_sampled(&scene->given, &t);

    heard_init(&half, scene);
    const uint32_t n = scene->n_steps / 2;
    say(scene, model, scene->forced, n, &half, &first);
    check_same(&scene->given, &half, n + 1, "given half of the tokens");
    CHECK(memcmp(scene->given.logits, half.logits,
                 (size_t)scene->n_steps * half.card * sizeof(*half.logits)) != 0,
          "the other half of the tokens changes nothing");
    heard_free(&half);
    transcript_free(&t);
    transcript_free(&first);
}

/* Slot 0 is given tokens, slot 1 feeds back its own, slot 2 is given tokens and brings its sound
 * later. */
static void test_together(struct scene *scene, stapes_model *model)
{
    const uint32_t *tokens[SLOTS] = {scene->forced, NULL, scene->forced};
    stapes_stream *streams[SLOTS];
    struct heard heard[SLOTS];
    struct transcript t = {0};
    struct stapes_model_info before, after;
    stapes_model_get_info(model, &before);
    for (uint32_t i = 0; i < SLOTS; i++) {
        heard_init(&heard[i], scene);
        streams[i] = listen(scene, model, tokens[i], tokens[i] ? scene->n_steps : 0, &heard[i]);
    }
    for (uint32_t i = 0; i + 1 < SLOTS; i++)
        CHECK(stapes_stream_feed(streams[i], scene->pcm, scene->samples, NULL) == STAPES_OK,
              "feed");
    CHECK(stapes_model_run(model, STAPES_RUN_READY) == STAPES_OK, "run");
    CHECK(score_attach(streams[0], &(struct score_stream){0}) == STAPES_ERROR_ARGUMENT,
          "attached after the first step");
    for (uint32_t i = 0; i < SLOTS; i++) {
        transcribe(model, streams[i], scene->pcm, i == SLOTS - 1 ? scene->samples : 0,
                   scene->samples, &t);
        transcript_free(&t);
    }
    stapes_model_get_info(model, &after);
    CHECK(before.driver_work == after.driver_work && before.device_bytes == after.device_bytes,
          "%llu allocations or recordings while it ran",
          (unsigned long long)(after.driver_work - before.driver_work));
    for (uint32_t i = 0; i < SLOTS; i++) {
        CHECK(heard[i].n_steps == scene->n_steps, "slot %u: %u steps", i, heard[i].n_steps);
        check_same(tokens[i] ? &scene->given : &scene->own, &heard[i], scene->n_steps,
                   "beside others");
        stapes_stream_destroy(&streams[i]);
        heard_free(&heard[i]);
    }
}

static void test_refused(struct scene *scene, stapes_model *model)
{
    const uint32_t made = 1 + scene->info.audio_streams, at = scene->n_steps * made - 1;
    stapes_stream *stream = NULL;
    const struct score_stream score = {.tokens = scene->forced, .n_steps = scene->n_steps};
    CHECK(stapes_stream_create(model, NULL, &stream) == STAPES_OK, "no stream");
    const uint32_t kept = scene->forced[at];
    scene->forced[at] = scene->info.text_card;
    CHECK(score_attach(stream, &score) == STAPES_ERROR_ARGUMENT, "a token that there is not");
    scene->forced[at] = kept;
    CHECK(score_attach(stream, &(struct score_stream){.n_steps = 1}) == STAPES_ERROR_ARGUMENT,
          "steps without tokens");
    CHECK(score_attach(stream, &score) == STAPES_OK, "attach");
    stapes_stream_destroy(&stream);
}

int main(int argc, char **argv)
{
    struct scene scene;
    wanted_kv_type = STAPES_KV_F32;
    support_init(&argc, argv);
    if (argc < 2) {
        fprintf(stderr, "usage: test_score [--device NAME] [--kernels LIST] DIR...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        printf("%s\n", argv[i]);
        stapes_model *model = open_scoring_model(argv[i], SLOTS);
        scene_init(&scene, argv[i], model);
        test_own(&scene, model);
        test_given(&scene, model);
        test_together(&scene, model);
        test_refused(&scene, model);
        close_model(&model);
        scene_free(&scene);
    }
    return support_finish("test_score");
}
