/* SPDX-License-Identifier: MIT
 *
 * Two models whose weights have the same values, one in block types and one in f32: given the same
 * tokens, their logits are the same but for the order of sums.
 *
 * test_types [--device NAME] [--kernels LIST] BLOCKS.gguf F32.gguf SOUND
 */
#include "runtime/base.h"
#include "stream/score.h"
#include "tests/larger.h"
#include "tests/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 5e-5 /* times max(1, max |want|), as in test_goldens.c */

struct heard {
    float *logits;     /* [n_steps][card] */
    uint32_t *sampled; /* [n_steps][made] */
    uint32_t card, made;
    uint64_t n_steps;
};

static void *grow(void *data, uint64_t bytes)
{
    data = realloc(data, bytes);
    if (!data)
        exit(1);
    return data;
}

static void hear(void *user, uint64_t step, const uint32_t *sampled, const float *logits)
{
    struct heard *h = user;
    h->n_steps = step + 1;
    h->logits = grow(h->logits, h->n_steps * h->card * sizeof(*logits));
    h->sampled = grow(h->sampled, h->n_steps * h->made * sizeof(*sampled));
    memcpy(h->logits + step * h->card, logits, h->card * sizeof(*logits));
    memcpy(h->sampled + step * h->made, sampled, h->made * sizeof(*sampled));
}

/* given: whose tokens are fed back; NULL: its own. */
static void say(const char *path, const float *pcm, size_t samples, const struct heard *given,
                struct heard *out)
{
    struct stapes_model_info info;
    struct transcript t = {0};
    stapes_stream *stream = NULL;
    stapes_model *model = open_scoring_model(path, 1);
    stapes_model_get_info(model, &info);
    out->card = info.text_card;
    out->made = 1 + info.audio_streams;
    const struct score_stream score = {given ? given->sampled : NULL, given ? given->n_steps : 0,
                                       hear, out};
    CHECK(stapes_stream_create(model, NULL, &stream) == STAPES_OK, "no stream");
    CHECK(score_attach(stream, &score) == STAPES_OK, "attach");
    transcribe(model, stream, pcm, samples, samples, &t);
    transcript_free(&t);
    close_model(&model);
}

static void heard_free(struct heard *h)
{
    free(h->logits);
    free(h->sampled);
}

int main(int argc, char **argv)
{
    support_init(&argc, argv);
    if (argc != 4) {
        fprintf(stderr, "usage: test_types [options] BLOCKS.gguf F32.gguf SOUND\n");
        return 2;
    }
    size_t samples;
    float *pcm = read_sound(argv[3], &samples);
    struct heard blocks = {0}, values = {0};
    say(argv[1], pcm, samples, NULL, &blocks);
    say(argv[2], pcm, samples, &blocks, &values);
    CHECK(blocks.n_steps > 20 && blocks.n_steps == values.n_steps && blocks.card == values.card,
          "%llu and %llu steps", (unsigned long long)blocks.n_steps,
          (unsigned long long)values.n_steps);
    double most = 1, worst = 0;
    for (uint64_t i = 0; i < MIN(blocks.n_steps, values.n_steps) * blocks.card; i++) {
        most = larger(most, fabs((double)values.logits[i]));
        worst = larger(worst, fabs((double)values.logits[i] - (double)blocks.logits[i]));
    }
    printf("%llu steps, max |diff| %.1e (max |value| %.3g)\n", (unsigned long long)blocks.n_steps,
           worst, most);
    CHECK(worst < TOLERANCE * most, "logits differ by %g, and are at most %g", worst, most);
    heard_free(&blocks);
    heard_free(&values);
    free(pcm);
    return support_finish("test_types");
}
