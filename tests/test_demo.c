/* SPDX-License-Identifier: MIT
 *
 * The demo model on its recordings: the same words as upstream's PyTorch (float32), hence the same
 * word error rate, over as many streams side by side as there are slots.
 *
 * test_demo [--device NAME] [--kernels LIST] MODEL RECORDINGS
 */
#include "tests/support.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PATH 1024
#define SLOTS 4

int main(int argc, char **argv)
{
    char path[MAX_PATH];
    uint32_t words = 0, errors = 0, upstream = 0, different = 0;
    support_init(&argc, argv);
    if (argc != 3) {
        fprintf(stderr, "usage: test_demo [--device NAME] [--kernels LIST] MODEL RECORDINGS\n");
        return 2;
    }
    join_path(path, sizeof(path), argv[2], "expected.json");
    char *text = read_text(path);
    cJSON *expected = text ? cJSON_Parse(text) : NULL;
    if (!CHECK(expected != NULL, "%s is missing or no JSON", path))
        return 1;
    stapes_model *model = open_model(argv[1], SLOTS, false);
    struct stapes_model_info info;
    stapes_model_get_info(model, &info);
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(expected, "rows"))
    {
        struct transcript t = {0};
        char name[64];
        size_t samples;
        uint32_t n;
        stapes_stream *stream = NULL;
        const char *reference = cJSON_GetObjectItem(row, "ref")->valuestring;
        const char *pytorch = cJSON_GetObjectItem(row, "pytorch")->valuestring;
        snprintf(name, sizeof(name), "%s.flac", cJSON_GetObjectItem(row, "id")->valuestring);
        join_path(path, sizeof(path), argv[2], name);
        float *pcm = read_sound(path, &samples);
        CHECK(stapes_stream_create(model, &(struct stapes_stream_params){.trace = 1}, &stream) == 0,
              "no stream");
        transcribe(model, stream, pcm, samples, 1920, &t);
        if (!CHECK(!strcmp(t.text, pytorch), "%s: \"%s\" instead of \"%s\"", name, t.text, pytorch))
            different++;
        CHECK(t.n_word_ends > 0 && t.n_word_ends <= t.n_words, "%s: %u words, %u ends", name,
              t.n_words, t.n_word_ends);
        errors += word_errors(reference, t.text, &n);
        words += n;
        upstream += (uint32_t)cJSON_GetObjectItem(row, "errors")->valueint;
        stapes_stream_destroy(&stream);
        transcript_free(&t);
        free(pcm);
    }
    const double want = cJSON_GetObjectItem(expected, "wer")->valuedouble;
    printf("word error rate %.4f (%u of %u words), PyTorch %.4f (%u); %u transcripts differ\n",
           (double)errors / words, errors, words, want, upstream, different);
    CHECK(words == (uint32_t)cJSON_GetObjectItem(expected, "words")->valueint, "%u words", words);
    CHECK(errors == upstream, "%u word errors, PyTorch makes %u", errors, upstream);
    close_model(&model);
    cJSON_Delete(expected);
    free(text);
    return support_finish("test_demo");
}
