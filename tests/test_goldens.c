/* SPDX-License-Identifier: MIT
 *
 * A model against what upstream's PyTorch code computed with it: every array that both have, tokens
 * and codes exactly, and the word events.
 *
 * test_goldens [--device NAME] [--kernels LIST] [--kv TYPE] DIR...: checkpoint directories with a
 * goldens/ folder (tests/goldens/README.md). With --model GGUF before a DIR, the model comes from
 * there.
 *
 * Keys and values are f32 as upstream's; Mimi's always are. Rounded ones may change a token where
 * upstream's margin is small; everything after it is another text, so a run is compared up to
 * there.
 */
#define _POSIX_C_SOURCE 200809L

#include "runtime/base.h"
#include "tests/support.h"
#include "tools/npy.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PATH 1024
#define MAX_ARRAYS 40

/* |got - want| <= tolerance * max(1, max |want|). f32: sums in another order; upstream's own
 * float32 and float64 differ by a tenth of it (tests/goldens/README.md). Others: twice what was
 * measured. Tokens whose logits are `margin` apart or more are equal; codes always. `least`: rows
 * that must be left to compare, at most as many as there are. */
static const struct {
    double tolerance, margin;
    uint32_t least;
} bounds[] = {
    [STAPES_KV_F32] = {5e-5, 0, UINT32_MAX},
    [STAPES_KV_F16] = {3e-3, 0.05, UINT32_MAX},
    [STAPES_KV_Q8] = {3e-2, 0.1, 8},
};

struct series {
    char name[64];
    bool is_int;
    uint32_t width, rows;
    uint32_t *data;
};

struct run {
    struct series series[MAX_ARRAYS];
    uint32_t n_series;
    struct transcript transcript;
    cJSON *events; /* Word and EndWord, as in asr_events.json */
    uint32_t n_steps;
};

static cJSON *read_json(const char *dir, const char *name)
{
    char path[MAX_PATH];
    join_path(path, sizeof(path), dir, name);
    char *text = read_text(path);
    cJSON *json = text ? cJSON_Parse(text) : NULL;
    free(text);
    return json;
}

static void collect_arrays(struct run *run, stapes_stream *stream)
{
    struct stapes_array arrays[MAX_ARRAYS];
    uint32_t count = MAX_ARRAYS;
    if (!CHECK(stapes_stream_dump(stream, arrays, &count) == STAPES_OK, "dump failed"))
        return;
    for (uint32_t i = 0; i < count; i++) {
        struct series *s = run->series;
        while (s < run->series + run->n_series && strcmp(s->name, arrays[i].name))
            s++;
        if (s == run->series + run->n_series) {
            run->n_series++;
            snprintf(s->name, sizeof(s->name), "%s", arrays[i].name);
            s->is_int = arrays[i].is_int;
            s->width = 1;
            for (uint32_t d = 0; d < arrays[i].n_dims; d++)
                s->width *= arrays[i].dims[d];
        }
        const size_t old = (size_t)s->rows * s->width, more = (size_t)arrays[i].rows * s->width;
        s->data = realloc(s->data, (old + more) * 4 + 4);
        memcpy(s->data + old, arrays[i].data, more * 4);
        s->rows += arrays[i].rows;
    }
}

/* Steps the model frame by frame, with a dump after each, as `stapes trace --dump` does. */
static void step(struct run *run, stapes_model *model, stapes_stream *stream)
{
    struct stapes_event e;
    CHECK(stapes_model_run(model, STAPES_RUN_WAIT) == STAPES_OK, "run failed");
    while (stapes_stream_poll(stream, &e) == STAPES_OK && e.type != STAPES_EVENT_NONE) {
        if (e.type == STAPES_EVENT_STEP)
            run->n_steps++;
        if (e.type == STAPES_EVENT_WORD) {
            cJSON *word = cJSON_CreateObject(), *tokens = cJSON_AddArrayToObject(word, "tokens");
            cJSON_AddStringToObject(word, "type", "Word");
            cJSON_AddStringToObject(word, "text", e.text);
            cJSON_AddNumberToObject(word, "time", e.start_seconds);
            cJSON_AddNumberToObject(word, "step", (double)e.step);
            for (uint32_t i = 0; i < e.n_tokens; i++)
                cJSON_AddItemToArray(tokens, cJSON_CreateNumber(e.tokens[i]));
            cJSON_AddItemToArray(run->events, word);
        }
        if (e.type == STAPES_EVENT_WORD_END) {
            cJSON *end = cJSON_CreateObject();
            cJSON_AddStringToObject(end, "type", "EndWord");
            cJSON_AddNumberToObject(end, "time", e.end_seconds);
            cJSON_AddNumberToObject(end, "step", (double)e.step);
            cJSON_AddItemToArray(run->events, end);
        }
    }
    collect_arrays(run, stream);
}

/* Rows of the golden `array` and of `got` that are equal up to the first difference, which must be
 * where the golden `margins` is small; exact keys and values have none. */
static uint32_t agreeing_rows(const struct series *got, const char *dir, const char *margins)
{
    struct npy want, margin;
    char path[MAX_PATH], message[NPY_MESSAGE_SIZE];
    snprintf(path, sizeof(path), "%s/goldens/%s.npy", dir, got->name);
    if (!CHECK(npy_open(&want, path, message) == 0, "%s", message))
        return 0;
    snprintf(path, sizeof(path), "%s/goldens/%s.npy", dir, margins);
    if (!CHECK(npy_open(&margin, path, message) == 0, "%s", message))
        return 0;
    int32_t *tokens = malloc(want.elements * sizeof(*tokens) + 1);
    float *apart = malloc(margin.elements * sizeof(*apart) + 1);
    uint32_t row = got->rows;
    if (CHECK(npy_read_i32(&want, tokens, want.elements, message) == 0 &&
                  npy_read_f32(&margin, apart, margin.elements, message) == 0 &&
                  want.elements == margin.elements &&
                  want.elements == (size_t)got->rows * got->width,
              "%s: %s", got->name, message)) {
        size_t i = 0;
        while (i < want.elements && tokens[i] == ((int32_t *)got->data)[i])
            i++;
        row = (uint32_t)(i / got->width);
        if (i < want.elements) {
            printf("  %-28s row %u differs at a margin of %g\n", got->name, row, (double)apart[i]);
            CHECK((double)apart[i] < bounds[wanted_kv_type].margin,
                  "%s: row %u has token %d instead of %d, whose margin is %g", got->name, row,
                  ((int32_t *)got->data)[i], tokens[i], (double)apart[i]);
        }
    }
    free(tokens);
    free(apart);
    npy_close(&want);
    npy_close(&margin);
    return row;
}

/* Compares the first `limit` rows. */
static void compare(const struct series *s, const char *dir, uint32_t limit)
{
    char path[MAX_PATH], message[NPY_MESSAGE_SIZE];
    struct npy npy;
    snprintf(path, sizeof(path), "%s/goldens/%s.npy", dir, s->name);
    if (!CHECK(npy_open(&npy, path, message) == 0, "%s", message))
        return;
    const uint64_t want_rows = npy.dims[0], width = npy.elements / (want_rows ? want_rows : 1);
    /* Upstream's arrays of hidden states stop after a few steps. */
    const bool prefix = strstr(s->name, "hidden_") || strstr(s->name, "embedded");
    CHECK(width == s->width && (prefix ? want_rows <= s->rows : want_rows == s->rows),
          "%s: [%u, %u] where [%llu, %llu] was expected", s->name, s->rows, s->width,
          (unsigned long long)want_rows, (unsigned long long)width);
    const size_t n = MIN(npy.elements, limit * width);
    const enum stapes_kv_type type = strncmp(s->name, "mimi/", 5) ? wanted_kv_type : STAPES_KV_F32;
    const double tolerance = bounds[type].tolerance;
    if (width != s->width || want_rows > s->rows) {
        npy_close(&npy);
        return;
    }
    if (s->is_int) {
        int32_t *want = malloc(n * sizeof(*want) + 1);
        CHECK(npy_read_i32(&npy, want, n, message) == 0, "%s", message);
        size_t bad = 0, first = 0;
        for (size_t i = n; i-- > 0;)
            if (want[i] != ((int32_t *)s->data)[i])
                bad++, first = i;
        CHECK(bad == 0, "%s: %zu of %zu differ, first row %zu: %d instead of %d", s->name, bad, n,
              first / s->width, ((int32_t *)s->data)[first], want[first]);
        printf("  %-28s %zu equal\n", s->name, n - bad);
        free(want);
    } else {
        float *want = malloc(n * sizeof(*want) + 1);
        CHECK(npy_read_f32(&npy, want, n, message) == 0, "%s", message);
        double scale = 1, worst = 0;
        size_t at = 0;
        for (size_t i = 0; i < n; i++)
            scale = fmax(scale, fabs((double)want[i]));
        for (size_t i = 0; i < n; i++) {
            const double got = (double)((float *)s->data)[i], error = fabs(got - (double)want[i]);
            if (!(error <= worst))
                worst = error, at = i;
        }
        const double share = worst / (tolerance * scale);
        CHECK(share <= 1, "%s: row %zu is off by %g: %.9g instead of %.9g", s->name, at / s->width,
              worst, (double)((float *)s->data)[at], (double)want[at]);
        printf("  %-28s within %.2g of %.2g (%.1f %% of the tolerance)\n", s->name, worst,
               tolerance * scale, 100 * share);
        free(want);
    }
    npy_close(&npy);
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-6;
}

/* Words and their ends as upstream's asr.rs tells them; it makes one step less than
 * run_inference.py. */
static void compare_events(const struct run *run, const char *dir)
{
    char path[MAX_PATH];
    join_path(path, sizeof(path), dir, "goldens/lm_shift");
    cJSON *json = read_json(path, "asr_events.json");
    if (!json)
        return;
    const double steps = cJSON_GetObjectItem(json, "steps")->valuedouble;
    const cJSON *want, *got = run->events->child;
    uint32_t n = 0;
    cJSON_ArrayForEach(want, cJSON_GetObjectItem(json, "events"))
    {
        const char *type = cJSON_GetObjectItem(want, "type")->valuestring;
        if (!strcmp(type, "Step"))
            continue;
        if (!CHECK(got && cJSON_GetObjectItem(got, "step")->valuedouble < steps,
                   "event %u (%s) is missing", n, type))
            break;
        const bool word = !strcmp(type, "Word");
        const double time =
            cJSON_GetObjectItem(want, word ? "start_time" : "stop_time")->valuedouble;
        if (!CHECK(!strcmp(type, cJSON_GetObjectItem(got, "type")->valuestring),
                   "event %u is no %s", n, type))
            break;
        CHECK(near(time, cJSON_GetObjectItem(got, "time")->valuedouble),
              "event %u: %g s instead of %g s", n, cJSON_GetObjectItem(got, "time")->valuedouble,
              time);
        if (word) {
            CHECK(cJSON_Compare(cJSON_GetObjectItem(want, "tokens"),
                                cJSON_GetObjectItem(got, "tokens"), true),
                  "event %u has other tokens", n);
            CHECK(!strcmp(cJSON_GetObjectItem(want, "text")->valuestring,
                          cJSON_GetObjectItem(got, "text")->valuestring),
                  "event %u: \"%s\" instead of \"%s\"", n,
                  cJSON_GetObjectItem(got, "text")->valuestring,
                  cJSON_GetObjectItem(want, "text")->valuestring);
        }
        got = got->next;
        n++;
    }
    CHECK(!got || cJSON_GetObjectItem(got, "step")->valuedouble >= steps,
          "there are more events than upstream's %u", n);
    printf("  %-28s %u equal\n", "asr_events", n);
    cJSON_Delete(json);
}

static int32_t *read_codes(const char *dir, const struct stapes_model_info *info, uint32_t *frames)
{
    char path[MAX_PATH], message[NPY_MESSAGE_SIZE];
    struct npy npy;
    join_path(path, sizeof(path), dir, "goldens/mimi/codes.npy");
    if (npy_open(&npy, path, message) || npy.n_dims != 2 || npy.dims[1] != info->codebooks)
        exit(1);
    int32_t *codes = malloc(npy.elements * sizeof(*codes) + 1);
    if (!codes || npy_read_i32(&npy, codes, npy.elements, message))
        exit(1);
    *frames = (uint32_t)npy.dims[0];
    npy_close(&npy);
    return codes;
}

static void check_rows(const char *what, uint32_t compared, uint32_t rows)
{
    printf("  %-28s %u of %u rows compared\n", what, compared, rows);
    CHECK(compared >= MIN(rows, bounds[wanted_kv_type].least), "%s: only %u of %u rows compared",
          what, compared, rows);
}

static void compare_tokens(const struct transcript *t, const char *dir, const char *array,
                           const char *margins)
{
    struct series s = {.is_int = true, .width = 1, .rows = t->n_steps, .data = t->tokens};
    snprintf(s.name, sizeof(s.name), "%s", array);
    const uint32_t rows = agreeing_rows(&s, dir, margins);
    compare(&s, dir, rows);
    check_rows("given codes", rows, t->n_steps);
}

/* What comes before the first token that differs, from the text or the depformer. */
static void compare_run(const struct run *run, const char *dir)
{
    uint32_t limit = UINT32_MAX;
    for (uint32_t i = 0; i < run->n_series; i++) {
        const struct series *s = &run->series[i];
        if (!strcmp(s->name, "lm_shift/text_tokens"))
            limit = MIN(limit, agreeing_rows(s, dir, "lm_shift/text_margin"));
        if (!strcmp(s->name, "lm_shift/dep_tokens"))
            limit = MIN(limit, agreeing_rows(s, dir, "lm_shift/dep_margin"));
    }
    for (uint32_t i = 0; i < run->n_series; i++) {
        const struct series *s = &run->series[i];
        compare(s, dir, strncmp(s->name, "mimi/", 5) ? limit : UINT32_MAX);
    }
    check_rows("given sound", MIN(limit, run->n_steps), run->n_steps);
    if (limit >= run->n_steps)
        compare_events(run, dir);
    else
        printf("  %-28s not compared\n", "asr_events");
}

/* Given codes instead of sound: the alignment of the goldens' lm_shift, and, fed one frame ahead,
 * that of lm (KYUTAI.md section 4: plain LMGen loses frame 0 and sees frame s at step s). */
static void check_codes(const char *model_path, const char *dir)
{
    for (uint32_t skip = 0; skip < 2; skip++) {
        stapes_model *model = open_model(model_path, 1, false);
        struct stapes_model_info info;
        stapes_model_get_info(model, &info);
        stapes_stream *stream = NULL;
        struct transcript t = {0};
        uint32_t frames;
        int32_t *codes = read_codes(dir, &info, &frames);
        CHECK(stapes_stream_create(model, &(struct stapes_stream_params){.trace = 1}, &stream) == 0,
              "no stream");
        CHECK(stapes_stream_feed_codes(stream, codes + skip * info.codebooks, frames - skip,
                                       NULL) == 0,
              "codes");
        CHECK(stapes_stream_finish(stream) == 0, "finish");
        while (stapes_model_run(model, STAPES_RUN_WAIT) == STAPES_ERROR_AGAIN)
            transcript_poll(&t, stream, &info);
        transcript_poll(&t, stream, &info);
        compare_tokens(&t, dir, skip ? "lm/text_tokens" : "lm_shift/text_tokens",
                       skip ? "lm/text_margin" : "lm_shift/text_margin");
        free(codes);
        transcript_free(&t);
        close_model(&model);
    }
}

static void check_sound(const char *model_path, const char *dir)
{
    char path[MAX_PATH];
    struct stapes_model_info info;
    struct run run = {.events = cJSON_CreateArray()};
    size_t samples;
    stapes_stream *stream = NULL;
    cJSON *manifest = read_json(dir, "goldens/manifest.json");
    if (!CHECK(manifest != NULL, "%s/goldens/manifest.json is missing", dir))
        exit(1);
    const int trailing = cJSON_GetObjectItem(manifest, "frames_of_trailing_silence")->valueint;
    const int want_frames = cJSON_GetObjectItem(manifest, "frames")->valueint;
    stapes_model *model = open_model(model_path, 1, true);
    stapes_model_get_info(model, &info);
    join_path(path, sizeof(path), dir, "goldens/input.wav");
    float *sound = read_sound(path, &samples);
    const size_t frames =
        (samples + info.frame_samples - 1) / info.frame_samples + (size_t)trailing;
    float *pcm = calloc(frames * info.frame_samples, sizeof(*pcm));
    memcpy(pcm, sound, samples * sizeof(*pcm));
    CHECK((int)frames == want_frames, "%zu frames instead of %d", frames, want_frames);

    const struct stapes_stream_params params = {.trace = 1, .pad_frames = -1, .prefix_frames = -1};
    CHECK(stapes_stream_create(model, &params, &stream) == 0, "no stream");
    step(&run, model, stream);
    for (size_t f = 0; f < frames; f++) {
        CHECK(stapes_stream_feed(stream, pcm + f * info.frame_samples, info.frame_samples, NULL) ==
                  0,
              "feed");
        step(&run, model, stream);
    }
    CHECK(run.n_steps == frames + 1, "%u steps for %zu frames", run.n_steps, frames);
    compare_run(&run, dir);
    for (uint32_t i = 0; i < run.n_series; i++)
        free(run.series[i].data);
    CHECK(run.n_series >= 18, "only %u arrays", run.n_series);
    cJSON_Delete(run.events);
    cJSON_Delete(manifest);
    free(sound);
    free(pcm);
    close_model(&model);
}

int main(int argc, char **argv)
{
    const char *model = NULL;
    wanted_kv_type = STAPES_KV_F32;
    support_init(&argc, argv);
    if (argc < 2) {
        fprintf(stderr, "usage: test_goldens [--device NAME] [--kernels LIST] [--kv TYPE] "
                        "[--model GGUF] DIR...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--model") && i + 1 < argc) {
            model = argv[++i];
            continue;
        }
        printf("%s\n", model ? model : argv[i]);
        check_sound(model ? model : argv[i], argv[i]);
        check_codes(model ? model : argv[i], argv[i]);
        model = NULL;
    }
    return support_finish("test_goldens");
}
