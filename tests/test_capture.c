/* SPDX-License-Identifier: MIT
 *
 * What a model captures: every vector is what the step's arithmetic says, computed here in double
 * from the file's weights and from the traced arrays; tokens stay the same; each slot's vectors are
 * its own.
 *
 * test_capture [--device NAME] [--kernels LIST] DIR...: checkpoint directories with goldens/.
 */
#include "stream/capture.h"
#include "tests/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PATH 1024
#define MAX_ARRAYS 40
#define STEPS 8
#define PARTS 5
#define SLOTS 4
/* Sums in another order, and a few roundings to float on the way from one vector to the next. */
#define TOLERANCE 2e-4
#define EPS 1e-8

struct weights {
    struct source *source;
    float **data; /* [source_count], NULL until needed */
};

struct step {
    const struct weights *weights;
    const struct capture_inputs *inputs; /* of the tick before, while nothing runs */
    struct stapes_array arrays[MAX_ARRAYS];
    uint32_t n_arrays;
};

static void *allocate(size_t bytes)
{
    void *data = calloc(1, bytes + 1);
    if (!data)
        exit(1);
    return data;
}

/* NULL: there is none. */
static const float *weight(const struct weights *w, const char *name, uint32_t *rows)
{
    for (uint32_t i = 0; i < source_count(w->source); i++) {
        const struct tensor *t = source_tensor(w->source, i);
        if (strcmp(t->name, name))
            continue;
        if (!w->data[i]) {
            void *bytes = allocate(t->bytes);
            w->data[i] = allocate(tensor_elements(t) * sizeof(float));
            if (source_read(w->source, t, 0, bytes, t->bytes))
                exit(1);
            tensor_to_f32(t->type, bytes, w->data[i], tensor_elements(t));
            free(bytes);
        }
        *rows = (uint32_t)t->dims[0];
        return w->data[i];
    }
    return NULL;
}

static void weights_close(struct weights *w)
{
    for (uint32_t i = 0; i < source_count(w->source); i++)
        free(w->data[i]);
    free(w->data);
    source_close(&w->source);
}

/* Slot 0's vector that the matrix read, or its alias. */
static const float *captured(const struct step *s, const char *name, uint32_t *width)
{
    const struct capture_inputs *in = s->inputs;
    for (uint32_t i = 0; i < in->n_inputs; i++)
        if (!strcmp(in->inputs[i].name, name)) {
            *width = in->inputs[i].width;
            return in->inputs[i].slots;
        }
    for (uint32_t i = 0; i < in->n_aliases; i++)
        if (!strcmp(in->aliases[i].name, name)) {
            *width = in->inputs[in->aliases[i].of].width;
            return in->inputs[in->aliases[i].of].slots;
        }
    fprintf(stderr, "nothing was captured for %s\n", name);
    exit(1);
}

static const void *array(const struct step *s, const char *name)
{
    for (uint32_t i = 0; i < s->n_arrays; i++)
        if (!strcmp(s->arrays[i].name, name))
            return s->arrays[i].data;
    fprintf(stderr, "no array %s\n", name);
    exit(1);
}

static void check_near(const char *what, const float *got, const double *want, uint32_t n)
{
    double most = 1;
    for (uint32_t i = 0; i < n; i++)
        most = fmax(most, fabs(want[i]));
    for (uint32_t i = 0; i < n; i++)
        if (!(fabs(got[i] - want[i]) <= TOLERANCE * most)) {
            CHECK(false, "%s: element %u is %.9g, expected %.9g", what, i, (double)got[i], want[i]);
            return;
        }
    CHECK(true, " ");
}

/* What the matrix makes of the vector that it read. Tensors of several sets: the rows of `set`. */
static double *product(const struct step *s, const char *tensor, const char *input, uint32_t sets,
                       uint32_t set, uint32_t *rows)
{
    uint32_t k, all = 0;
    const float *x = captured(s, input, &k), *w = weight(s->weights, tensor, &all);
    *rows = all / sets;
    double *y = allocate(*rows * sizeof(*y));
    for (uint32_t r = 0; r < *rows; r++)
        for (uint32_t i = 0; i < k; i++)
            y[r] += (double)w[((size_t)set * *rows + r) * k + i] * x[i];
    return y;
}

static void add_product(const struct step *s, const char *tensor, const char *input, uint32_t sets,
                        uint32_t set, double *x)
{
    uint32_t rows;
    double *y = product(s, tensor, input, sets, set, &rows);
    for (uint32_t i = 0; i < rows; i++)
        x[i] += y[i];
    free(y);
}

/* That the matrix read x, normalized. */
static void check_norm(const struct step *s, const char *norm, const char *input, const double *x)
{
    uint32_t width, rows;
    const float *got = captured(s, input, &width), *alpha = weight(s->weights, norm, &rows);
    double sum = 0, *want = allocate(width * sizeof(*want));
    for (uint32_t i = 0; i < width; i++)
        sum += x[i] * x[i];
    for (uint32_t i = 0; i < width; i++)
        want[i] = x[i] * alpha[i] / sqrt(EPS + sum / width);
    check_near(input, got, want, width);
    free(want);
}

/* That linear_out read what the gate makes of what linear_in read. */
static void check_gate(const struct step *s, const char *in, const char *out)
{
    uint32_t rows, width;
    double *both = product(s, in, in, 1, 0, &rows);
    const float *got = captured(s, out, &width);
    for (uint32_t i = 0; i < rows / 2; i++)
        both[i] = both[i] / (1 + exp(-both[i])) * both[rows / 2 + i];
    if (CHECK(width == rows / 2, "%s: width %u", out, width))
        check_near(out, got, both, width);
    free(both);
}

/* One layer: x is what enters it, and becomes what leaves it. */
static void check_layer(const struct step *s, const char *stack, uint32_t n, uint32_t sets,
                        uint32_t set, double *x)
{
    char in[128], out[128], name[64], norm[128], gate[64] = "", tail[16] = "";
    snprintf(name, sizeof(name), "%s.layers.%u", stack, n);
    if (sets > 1) {
        snprintf(tail, sizeof(tail), "#%u", set);
        snprintf(gate, sizeof(gate), ".%u", set);
    }
    snprintf(in, sizeof(in), "%s.self_attn.in_proj_weight%s", name, tail);
    snprintf(norm, sizeof(norm), "%s.norm1.alpha", name);
    check_norm(s, norm, in, x);
    snprintf(in, sizeof(in), "%s.self_attn.out_proj.weight", name);
    snprintf(out, sizeof(out), "%s%s", in, tail);
    add_product(s, in, out, sets, set, x);
    snprintf(in, sizeof(in), "%s.gating%s.linear_in.weight", name, gate);
    snprintf(out, sizeof(out), "%s.gating%s.linear_out.weight", name, gate);
    snprintf(norm, sizeof(norm), "%s.norm2.alpha", name);
    check_norm(s, norm, in, x);
    check_gate(s, in, out);
    add_product(s, out, out, 1, 0, x);
}

static void check_logits(const struct step *s, const char *name, const float *logits)
{
    uint32_t rows;
    double *want = product(s, name, name, 1, 0, &rows);
    check_near(name, logits, want, rows);
    free(want);
}

static void check_transformer(const struct step *s)
{
    uint32_t width, layers = 0, rows;
    char name[128];
    const float *head = captured(s, "text_linear.weight", &width);
    const float *embedded = array(s, "lm_shift/embedded"), *last = array(s, "lm_shift/hidden_last");
    double *x = allocate(width * sizeof(*x));
    for (uint32_t i = 0; i < width; i++)
        x[i] = embedded[i];
    while (snprintf(name, sizeof(name), "transformer.layers.%u.norm1.alpha", layers),
           weight(s->weights, name, &rows))
        check_layer(s, "transformer", layers++, 1, 0, x);
    CHECK(layers > 1, "%u layers", layers);
    check_near("hidden_last", last, x, width);
    CHECK(!memcmp(head, array(s, "lm_shift/transformer_out"), width * sizeof(*head)),
          "text_linear did not read transformer_out");
    check_logits(s, "text_linear.weight", array(s, "lm_shift/text_logits"));
    free(x);
}

static void check_depformer(const struct step *s, uint32_t dep_q, uint32_t card)
{
    const int32_t *text = array(s, "lm_shift/text_tokens"),
                  *audio = array(s, "lm_shift/dep_tokens");
    const float *logits = array(s, "lm_shift/dep_logits");
    char name[128];
    for (uint32_t k = 0; k < dep_q; k++) {
        uint32_t dim, rows;
        snprintf(name, sizeof(name), "depformer_in.%u.weight", k);
        double *x = product(s, name, name, 1, 0, &dim);
        snprintf(name, sizeof(name), "depformer_emb.%u.weight", k - 1);
        const float *emb = weight(s->weights, k ? name : "depformer_text_emb.weight", &rows);
        for (uint32_t i = 0; i < dim; i++)
            x[i] += emb[(size_t)(k ? audio[k - 1] : *text) * dim + i];
        for (uint32_t n = 0; snprintf(name, sizeof(name), "depformer.layers.%u.norm1.alpha", n),
                      weight(s->weights, name, &rows);
             n++)
            check_layer(s, "depformer", n, dep_q, k, x);
        snprintf(name, sizeof(name), "linears.%u.weight", k);
        check_near(name, captured(s, name, &rows), x, dim);
        check_logits(s, name, logits + (size_t)k * card);
        free(x);
    }
}

/* --- Sums of what was captured ------------------------------------------------------------------
 */

struct sums {
    double *squares; /* of each element, input by input */
    uint64_t vectors, ticks;
    uint32_t most;       /* slots in a tick */
    uint64_t stop_after; /* ticks; 0: never */
};

static enum status add_squares(void *user, const struct capture_inputs *in, const uint32_t *slots,
                               uint32_t n_slots)
{
    struct sums *sums = user;
    size_t words = 0, at = 0;
    for (uint32_t i = 0; i < in->n_inputs; i++)
        words += in->inputs[i].width;
    if (!sums->squares)
        sums->squares = allocate(words * sizeof(*sums->squares));
    for (uint32_t i = 0; i < in->n_inputs; at += in->inputs[i++].width)
        for (uint32_t s = 0; s < n_slots; s++)
            for (uint32_t j = 0; j < in->inputs[i].width; j++) {
                const double v = in->inputs[i].slots[(size_t)slots[s] * in->inputs[i].width + j];
                sums->squares[at + j] += v * v;
            }
    sums->vectors += n_slots;
    sums->ticks++;
    sums->most = n_slots > sums->most ? n_slots : sums->most;
    return sums->stop_after && sums->ticks >= sums->stop_after ? ERROR_UNSUPPORTED : OK;
}

static stapes_model *open_capturing(const char *path, uint32_t slots, bool trace, struct sums *sums)
{
    const struct stapes_model_params params = model_params(path, slots, trace);
    stapes_model *model = NULL;
    const enum status status = capture_open(&params, add_squares, sums, &model);
    if (status) {
        fprintf(stderr, "%s: %s\n", path, status_text(status));
        exit(status == ERROR_NO_DEVICE ? 77 : 1);
    }
    return model;
}

static void test_steps(const char *dir, const float *pcm)
{
    struct weights weights = {0};
    struct sums sums = {0};
    struct stapes_model_info info;
    stapes_stream *stream;
    const struct log log = {0};
    stapes_model *model = open_capturing(dir, 1, true, &sums);
    stapes_model_get_info(model, &info);
    if (source_open(&log, dir, &weights.source) || stapes_stream_create(model, NULL, &stream))
        exit(1);
    weights.data = allocate(source_count(weights.source) * sizeof(*weights.data));
    for (uint32_t n = 0; n < STEPS; n++) {
        struct step step = {&weights, capture_get_inputs(model), .n_arrays = MAX_ARRAYS};
        if (n)
            stapes_stream_feed(stream, pcm + (size_t)n * STAPES_FRAME_SAMPLES, STAPES_FRAME_SAMPLES,
                               NULL);
        CHECK(stapes_model_run(model, STAPES_RUN_WAIT) == STAPES_OK, "step %u", n);
        CHECK(stapes_stream_dump(stream, step.arrays, &step.n_arrays) == STAPES_OK, "dump");
        CHECK(sums.vectors == n + 1, "%llu vectors after step %u", (unsigned long long)sums.vectors,
              n);
        check_transformer(&step);
        for (uint32_t h = 0; h < info.vad_heads; h++) {
            char name[64];
            uint32_t width;
            snprintf(name, sizeof(name), "extra_heads.%u.weight", h);
            CHECK(captured(&step, name, &width) == captured(&step, "text_linear.weight", &width),
                  "%s is no alias", name);
        }
        if (info.audio_streams) {
            uint32_t card = 0;
            weight(&weights, "linears.0.weight", &card);
            check_depformer(&step, info.audio_streams, card);
        }
    }
    free(sums.squares);
    weights_close(&weights);
    close_model(&model);
}

static void test_tokens(const char *dir, const float *pcm, size_t samples)
{
    struct transcript plain = {0}, capturing = {0};
    struct sums sums = {0};
    struct stapes_model_info info;
    const struct stapes_stream_params params = {.trace = 1};
    stapes_model *models[2] = {open_model(dir, 1, false), open_capturing(dir, 1, false, &sums)};
    for (int i = 0; i < 2; i++) {
        stapes_stream *stream;
        stapes_model_get_info(models[i], &info);
        if (stapes_stream_create(models[i], &params, &stream))
            exit(1);
        transcribe(models[i], stream, pcm, samples, 4000, i ? &capturing : &plain);
        close_model(&models[i]);
    }
    CHECK(plain.n_steps == capturing.n_steps && plain.n_steps == sums.vectors,
          "%u and %u steps, %llu vectors", plain.n_steps, capturing.n_steps,
          (unsigned long long)sums.vectors);
    CHECK(!memcmp(plain.tokens, capturing.tokens, plain.n_steps * sizeof(*plain.tokens)) &&
              !memcmp(plain.audio, capturing.audio,
                      (size_t)plain.n_steps * info.audio_streams * sizeof(*plain.audio)) &&
              !strcmp(plain.text, capturing.text),
          "%s: capturing changes tokens", dir);
    transcript_free(&plain);
    transcript_free(&capturing);
    free(sums.squares);
}

/* Recordings of different lengths, as many at a time as there are slots. */
static void run_parts(const char *dir, const float *pcm, size_t samples, uint32_t slots,
                      struct sums *sums)
{
    stapes_stream *streams[SLOTS] = {NULL};
    struct stapes_event event;
    uint32_t next = 0, done = 0;
    stapes_model *model = open_capturing(dir, slots, false, sums);
    while (done < PARTS) {
        for (uint32_t i = 0; i < slots; i++) {
            if (streams[i] || next == PARTS)
                continue;
            const size_t length = samples / (PARTS + 3) * (next + 1);
            if (stapes_stream_create(model, NULL, &streams[i]) ||
                stapes_stream_feed(streams[i], pcm, length, NULL) ||
                stapes_stream_finish(streams[i]))
                exit(1);
            next++;
        }
        const int status = stapes_model_run(model, STAPES_RUN_WAIT);
        if (!CHECK(status == STAPES_OK || status == STAPES_ERROR_AGAIN, "run failed"))
            break;
        for (uint32_t i = 0; i < slots; i++)
            while (streams[i] && stapes_stream_poll(streams[i], &event) == STAPES_OK &&
                   event.type != STAPES_EVENT_NONE)
                if (event.type == STAPES_EVENT_END) {
                    stapes_stream_destroy(&streams[i]);
                    done++;
                }
    }
    close_model(&model);
}

static void test_slots(const char *dir, const float *pcm, size_t samples)
{
    struct sums one = {0}, four = {0};
    struct stapes_model_info info;
    run_parts(dir, pcm, samples, 1, &one);
    run_parts(dir, pcm, samples, SLOTS, &four);
    stapes_model *model = open_capturing(dir, 1, false, &(struct sums){0});
    const struct capture_inputs *in = capture_get_inputs(model);
    stapes_model_get_info(model, &info);
    CHECK(one.most == 1 && four.most == SLOTS, "%u and %u slots in a tick", one.most, four.most);
    CHECK(one.vectors == four.vectors && one.ticks > four.ticks, "%llu and %llu vectors",
          (unsigned long long)one.vectors, (unsigned long long)four.vectors);
    for (size_t i = 0, at = 0; i < in->n_inputs; at += in->inputs[i++].width)
        for (uint32_t j = 0; j < in->inputs[i].width; j++) {
            const double a = one.squares[at + j], b = four.squares[at + j];
            if (!(fabs(a - b) <= 1e-9 * fabs(a))) {
                CHECK(false, "%s: %.17g in one slot, %.17g in %u", in->inputs[i].name, a, b, SLOTS);
                break;
            }
        }
    close_model(&model);
    free(one.squares);
    free(four.squares);
}

static void test_stop(const char *dir, const float *pcm)
{
    struct sums sums = {.stop_after = 3};
    stapes_stream *stream;
    stapes_model *model = open_capturing(dir, 1, false, &sums);
    if (stapes_stream_create(model, NULL, &stream) ||
        stapes_stream_feed(stream, pcm, 6 * STAPES_FRAME_SAMPLES, NULL))
        exit(1);
    CHECK(stapes_model_run(model, STAPES_RUN_WAIT) == (int)ERROR_UNSUPPORTED && sums.ticks == 3,
          "the sink's status did not come back");
    free(sums.squares);
    close_model(&model);
}

int main(int argc, char **argv)
{
    support_init(&argc, argv);
    for (int i = 1; i < argc; i++) {
        char path[MAX_PATH];
        size_t samples;
        join_path(path, sizeof(path), argv[i], "goldens/input.wav");
        float *pcm = read_sound(path, &samples);
        test_steps(argv[i], pcm);
        test_tokens(argv[i], pcm, samples);
        test_slots(argv[i], pcm, samples);
        test_stop(argv[i], pcm);
        free(pcm);
    }
    return support_finish("test_capture");
}
