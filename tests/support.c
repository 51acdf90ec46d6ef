/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "tests/support.h"

#include "stream/score.h"

#include <math.h>
#include <sndfile.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int passed, failed;
bool timed;
const char *wanted_device;
static const char *wanted_kernels;
static int validation = 1;
enum stapes_kv_type wanted_kv_type; /* DEFAULT */
enum stapes_tune wanted_tune = STAPES_TUNE_OFF;

bool check_at(const char *file, int line, bool ok, const char *format, ...)
{
    if (ok) {
        passed++;
        return true;
    }
    failed++;
    va_list args;
    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return false;
}

static enum stapes_kv_type kv_type(const char *name)
{
    static const char *const names[] = {
        [STAPES_KV_F32] = "f32", [STAPES_KV_F16] = "f16", [STAPES_KV_Q8] = "q8"};
    for (int i = STAPES_KV_F32; i <= STAPES_KV_Q8; i++)
        if (!strcmp(name, names[i]))
            return (enum stapes_kv_type)i;
    fprintf(stderr, "--kv takes f32, f16 or q8, not \"%s\"\n", name);
    exit(2);
}

void support_init(int *argc, char **argv)
{
    int kept = 1;
    for (int i = 1; i < *argc; i++) {
        if (!strcmp(argv[i], "--device") && i + 1 < *argc)
            wanted_device = argv[++i];
        else if (!strcmp(argv[i], "--kernels") && i + 1 < *argc)
            wanted_kernels = argv[++i];
        else if (!strcmp(argv[i], "--kv") && i + 1 < *argc)
            wanted_kv_type = kv_type(argv[++i]);
        else if (!strcmp(argv[i], "--no-validation"))
            validation = 0;
        else if (!strcmp(argv[i], "--timed"))
            timed = true;
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
}

int support_finish(const char *name)
{
    printf("%s: %d passed, %d failed\n", name, passed, failed);
    return failed ? 1 : 0;
}

static void print_log(void *user, enum stapes_log_level level, const char *message)
{
    (void)user;
    if (level <= STAPES_LOG_WARNING)
        fprintf(stderr, "%s: %s\n", level == STAPES_LOG_ERROR ? "error" : "warning", message);
}

struct stapes_model_params model_params(const char *path, uint32_t slots, bool trace)
{
    return (struct stapes_model_params){.path = path,
                                        .device = wanted_device,
                                        .kernels = wanted_kernels,
                                        .tune = wanted_tune,
                                        .kv_type = wanted_kv_type,
                                        .slots = slots,
                                        .trace = trace,
                                        .timed = timed,
                                        .validation = validation,
                                        .log = print_log};
}

static stapes_model *open_with(int open(const struct stapes_model_params *, stapes_model **),
                               const char *path, uint32_t slots, bool trace)
{
    stapes_model *model = NULL;
    const struct stapes_model_params params = model_params(path, slots, trace);
    const int status = open(&params, &model);
    if (status == STAPES_ERROR_NO_DEVICE)
        exit(77);
    if (status) {
        fprintf(stderr, "%s: %s\n", path, stapes_status_text(status));
        exit(1);
    }
    return model;
}

stapes_model *open_model(const char *path, uint32_t slots, bool trace)
{
    return open_with(stapes_model_open, path, slots, trace);
}

stapes_model *open_scoring_model(const char *path, uint32_t slots)
{
    return open_with(score_open, path, slots, false);
}

void close_model(stapes_model **model)
{
    struct stapes_model_info info;
    stapes_model_get_info(*model, &info);
    CHECK(info.validation_messages == 0, "%u messages of the validation layers",
          info.validation_messages);
    stapes_model_close(model);
}

float *read_sound(const char *path, size_t *samples)
{
    SF_INFO info = {0};
    SNDFILE *file = sf_open(path, SFM_READ, &info);
    if (!file || info.channels != 1 || info.samplerate != STAPES_SAMPLE_RATE) {
        fprintf(stderr, "%s: not a mono recording at %d Hz\n", path, STAPES_SAMPLE_RATE);
        exit(1);
    }
    float *pcm = malloc((size_t)info.frames * sizeof(float) + 1);
    if (!pcm || sf_readf_float(file, pcm, info.frames) != info.frames)
        exit(1);
    sf_close(file);
    *samples = (size_t)info.frames;
    return pcm;
}

char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    rewind(file);
    char *text = calloc(1, (size_t)size + 1);
    if (!text || fread(text, 1, (size_t)size, file) != (size_t)size)
        exit(1);
    fclose(file);
    return text;
}

void join_path(char *out, size_t size, const char *dir, const char *name)
{
    if ((size_t)snprintf(out, size, "%s/%s", dir, name) >= size)
        exit(1);
}

void transcript_free(struct transcript *t)
{
    free(t->tokens);
    free(t->codes);
    free(t->margins);
    free(t->audio);
    free(t->vad);
    memset(t, 0, sizeof(*t));
}

static void *grow(void *old, size_t bytes)
{
    void *data = realloc(old, bytes + 1);
    if (!data)
        exit(1);
    return data;
}

static void add_step(struct transcript *t, const struct stapes_event *e,
                     const struct stapes_model_info *info)
{
    const uint32_t n = t->n_steps++;
    CHECK(e->step == n, "step %llu came where %u was due", (unsigned long long)e->step, n);
    t->tokens = grow(t->tokens, t->n_steps * sizeof(*t->tokens));
    t->margins = grow(t->margins, t->n_steps * sizeof(*t->margins));
    t->codes = grow(t->codes, (size_t)t->n_steps * info->codebooks * sizeof(*t->codes));
    t->audio = grow(t->audio, (size_t)t->n_steps * info->audio_streams * sizeof(*t->audio));
    t->vad = grow(t->vad, (size_t)t->n_steps * info->vad_heads * sizeof(*t->vad));
    t->tokens[n] = e->token;
    t->margins[n] = e->margin;
    for (uint32_t k = 0; k < info->codebooks; k++)
        t->codes[n * info->codebooks + k] = e->n_codes ? e->codes[k] : -1;
    for (uint32_t k = 0; k < info->audio_streams; k++)
        t->audio[n * info->audio_streams + k] = e->audio[k];
    for (uint32_t k = 0; k < info->vad_heads; k++)
        t->vad[n * info->vad_heads + k] = e->vad[k];
}

void transcript_poll(struct transcript *t, stapes_stream *stream,
                     const struct stapes_model_info *info)
{
    struct stapes_event e;
    while (stapes_stream_poll(stream, &e) == STAPES_OK && e.type != STAPES_EVENT_NONE) {
        const size_t length = strlen(t->text);
        switch (e.type) {
        case STAPES_EVENT_STEP: add_step(t, &e, info); break;
        case STAPES_EVENT_WORD:
            t->n_words++;
            snprintf(t->text + length, sizeof(t->text) - length, "%s%s", length ? " " : "", e.text);
            break;
        case STAPES_EVENT_WORD_END: t->n_word_ends++; break;
        case STAPES_EVENT_TURN_END: t->n_turn_ends++; break;
        case STAPES_EVENT_END: t->ended = true; break;
        case STAPES_EVENT_NONE: break;
        }
    }
}

void transcribe(stapes_model *model, stapes_stream *stream, const float *pcm, size_t samples,
                size_t chunk, struct transcript *t)
{
    struct stapes_model_info info;
    stapes_model_get_info(model, &info);
    for (size_t at = 0; at < samples;) {
        size_t taken;
        const int status = stapes_stream_feed(stream, pcm + at,
                                              samples - at < chunk ? samples - at : chunk, &taken);
        at += taken;
        if (!CHECK(status == STAPES_OK || status == STAPES_ERROR_AGAIN, "feed: %s",
                   stapes_status_text(status)))
            return;
        stapes_model_run(model, STAPES_RUN_READY);
        transcript_poll(t, stream, &info);
    }
    stapes_stream_finish(stream);
    int status;
    do {
        status = stapes_model_run(model, STAPES_RUN_WAIT);
        transcript_poll(t, stream, &info);
    } while (status == STAPES_ERROR_AGAIN);
    CHECK(status == STAPES_OK, "run: %s", stapes_status_text(status));
    CHECK(t->ended, "the stream did not end");
}

void check_equal(const struct transcript *a, const struct transcript *b,
                 const struct stapes_model_info *info, const char *what)
{
    CHECK(a->n_steps == b->n_steps, "%s: %u steps and %u", what, a->n_steps, b->n_steps);
    for (uint32_t s = 0; s < a->n_steps && s < b->n_steps; s++) {
        const size_t code = (size_t)s * info->codebooks, audio = (size_t)s * info->audio_streams;
        const size_t vad = (size_t)s * info->vad_heads;
        if (memcmp(a->codes + code, b->codes + code, info->codebooks * sizeof(int32_t)) ||
            memcmp(a->audio + audio, b->audio + audio, info->audio_streams * sizeof(int32_t)) ||
            memcmp(a->vad + vad, b->vad + vad, info->vad_heads * sizeof(float)) ||
            a->tokens[s] != b->tokens[s] || memcmp(&a->margins[s], &b->margins[s], sizeof(float))) {
            CHECK(false, "%s: step %u differs: tokens %u and %u, margins %.9g and %.9g", what, s,
                  a->tokens[s], b->tokens[s], (double)a->margins[s], (double)b->margins[s]);
            return;
        }
    }
    CHECK(!strcmp(a->text, b->text), "%s: \"%s\" and \"%s\"", what, a->text, b->text);
}

#define MAX_WORDS 512

static uint32_t split(char *text, char **words)
{
    uint32_t n = 0;
    for (char *save, *word = strtok_r(text, " \n\t", &save); word && n < MAX_WORDS;
         word = strtok_r(NULL, " \n\t", &save))
        words[n++] = word;
    return n;
}

uint32_t word_errors(const char *reference, const char *candidate, uint32_t *words)
{
    char *a = strdup(reference), *b = strdup(candidate), *aw[MAX_WORDS], *bw[MAX_WORDS];
    static uint32_t row[MAX_WORDS + 1];
    const uint32_t an = split(a, aw), bn = split(b, bw);
    for (uint32_t j = 0; j <= bn; j++)
        row[j] = j;
    for (uint32_t i = 1; i <= an; i++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= bn; j++) {
            const uint32_t substituted = diagonal + (strcmp(aw[i - 1], bw[j - 1]) != 0);
            diagonal = row[j];
            const uint32_t other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = substituted < other ? substituted : other;
        }
    }
    free(a);
    free(b);
    *words = an;
    return row[bn];
}
