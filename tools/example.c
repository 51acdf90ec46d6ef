/* SPDX-License-Identifier: MIT
 *
 * The words of a 24 kHz mono file: cc example.c $(pkg-config --cflags --libs stapes sndfile) */
#include <sndfile.h>
#include <stapes.h>
#include <stdio.h>

static void print_error(void *user, enum stapes_log_level level, const char *message)
{
    (void)user;
    if (level == STAPES_LOG_ERROR)
        fprintf(stderr, "%s\n", message);
}

static void print_words(stapes_stream *stream)
{
    struct stapes_event event;
    while (stapes_stream_poll(stream, &event) == STAPES_OK && event.type != STAPES_EVENT_NONE)
        if (event.type == STAPES_EVENT_WORD)
            printf("%s ", event.text);
}

int main(int argc, char **argv)
{
    SF_INFO info = {0};
    SNDFILE *file = argc == 3 ? sf_open(argv[2], SFM_READ, &info) : NULL;
    if (!file || info.samplerate != STAPES_SAMPLE_RATE || info.channels != 1)
        return fprintf(stderr, "usage: example MODEL FILE (24 kHz, mono)\n"), 2;
    struct stapes_model_params params = {.path = argv[1], .log = print_error};
    stapes_model *model;
    stapes_stream *stream;
    if (stapes_model_open(&params, &model) || stapes_stream_create(model, NULL, &stream))
        return 1;
    float pcm[STAPES_FRAME_SAMPLES];
    sf_count_t n;
    int status = 0;
    while (!status && (n = sf_readf_float(file, pcm, STAPES_FRAME_SAMPLES)) > 0) {
        status = stapes_stream_feed(stream, pcm, (size_t)n, NULL);
        if (!status && !(status = stapes_model_run(model, STAPES_RUN_READY)))
            print_words(stream);
    }
    if (!status)
        status = stapes_stream_finish(stream);
    while (!status && (status = stapes_model_run(model, STAPES_RUN_WAIT)) == STAPES_ERROR_AGAIN)
        status = (print_words(stream), STAPES_OK);
    print_words(stream);
    printf("\n");
    stapes_model_close(&model); /* and its streams */
    sf_close(file);
    return status ? 1 : 0;
}
