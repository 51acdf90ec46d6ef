/* SPDX-License-Identifier: MIT
 *
 * What the commands that run a model share: their options, the demo model, the cache directory.
 */
#ifndef STAPES_TOOLS_MODEL_H
#define STAPES_TOOLS_MODEL_H

#include "stream/capture.h"
#include "tools/options.h"
#include "tools/report.h"

struct model_options {
    const char *path, *mimi, *tokenizer, *device, *kernels, *cache_dir;
    uint64_t max_memory;
    int tune; /* enum stapes_tune */
    int kv;   /* index in model_kv_types; -1: the default */
    bool validation, quiet, verbose;
};

extern const char *const model_tune_choices[];
extern const char *const model_kv_types[];
/* What a model is opened with: a type, and the value of --kernels or "default". */
const char *model_kv_name(const struct model_options *options);
const char *model_kernels_name(const struct model_options *options);

/* Rows for a command whose options have a `struct model_options model`. */
#define MODEL_OPTION_ROWS(options)                                                                 \
    {.name = "model",                                                                              \
     .letter = 'm',                                                                                \
     .kind = OPTION_STRING,                                                                        \
     .offset = offsetof(options, model.path),                                                      \
     .value = "PATH",                                                                              \
     .help = "A GGUF file, any file of a split GGUF, or a checkpoint directory as downloaded "     \
             "(config.json, safetensors, Mimi, SentencePiece model). Default: the bundled demo "   \
             "model, which knows about 220 everyday English words."},                              \
        {.name = "mimi",                                                                           \
         .kind = OPTION_STRING,                                                                    \
         .offset = offsetof(options, model.mimi),                                                  \
         .value = "PATH",                                                                          \
         .help = "Mimi's safetensors file, for a GGUF of the browser port, which holds none. A "   \
                 "mimi_config.json beside it is read."},                                           \
        {.name = "tokenizer",                                                                      \
         .kind = OPTION_STRING,                                                                    \
         .offset = offsetof(options, model.tokenizer),                                             \
         .value = "PATH",                                                                          \
         .help = "The SentencePiece model for such a GGUF."},                                      \
        DEVICE_OPTION_ROWS(options)

/* The same without --model, for commands that take models as operands. */
#define DEVICE_OPTION_ROWS(options)                                                                \
    {.name = "device",                                                                             \
     .letter = 'd',                                                                                \
     .kind = OPTION_STRING,                                                                        \
     .offset = offsetof(options, model.device),                                                    \
     .value = "NAME|INDEX",                                                                        \
     .help = "The device to run on: its index or a part of its name, as stapes devices lists "     \
             "them. Default: the best there is."},                                                 \
        {.name = "kernels",                                                                        \
         .kind = OPTION_STRING,                                                                    \
         .offset = offsetof(options, model.kernels),                                               \
         .value = "LIST",                                                                          \
         .help =                                                                                   \
             "Force kernels: \"plain\" for the plain form of each, \"workgroup\" for those that "  \
             "use workgroups, \"subgroup\" for those that use subgroups too, \"integer\" for "     \
             "those and products of integers, or names of variants with commas between them. For " \
             "tests and measurements; \"integer\" may be faster with weights in q4_0 and q8_0, "   \
             "and rounds what they are multiplied with to 8 bits."},                               \
        {.name = "tune",                                                                           \
         .kind = OPTION_CHOICE,                                                                    \
         .offset = offsetof(options, model.tune),                                                  \
         .value = "WHEN",                                                                          \
         .choices = model_tune_choices,                                                            \
         .help = "Whether the first run on a device measures which form of each matrix product "   \
                 "is the fastest there, and checks them: \"auto\" on GPUs, \"on\" or "             \
                 "\"off\". What was found is kept in the cache directory. Default: auto."},        \
        {.name = "kv",                                                                             \
         .kind = OPTION_CHOICE,                                                                    \
         .offset = offsetof(options, model.kv),                                                    \
         .value = "TYPE",                                                                          \
         .help = "How the transformer's keys and values are kept: f32 as upstream computes, f16 "  \
                 "in half the memory (the default), q8 in a quarter of it and less exact.",        \
         .choices = model_kv_types},                                                               \
        {.name = "cache-dir",                                                                      \
         .kind = OPTION_STRING,                                                                    \
         .offset = offsetof(options, model.cache_dir),                                             \
         .value = "DIR",                                                                           \
         .help = "Where compiled pipelines are kept from run to run; \"none\" keeps nothing. "     \
                 "Default: "                                                                       \
                 "$XDG_CACHE_HOME/stapes, else ~/.cache/stapes."},                                 \
        {.name = "max-memory",                                                                     \
         .kind = OPTION_SIZE,                                                                      \
         .offset = offsetof(options, model.max_memory),                                            \
         .value = "SIZE",                                                                          \
         .help =                                                                                   \
             "Fail instead of taking more device memory than this; K, M, G and T are powers of "   \
             "1024. Default: no limit."},                                                          \
        {.name = "validation",                                                                     \
         .kind = OPTION_FLAG,                                                                      \
         .offset = offsetof(options, model.validation),                                            \
         .help = "Run with Vulkan's validation layers. A message of theirs is an error."},         \
        {.name = "quiet",                                                                          \
         .letter = 'q',                                                                            \
         .kind = OPTION_FLAG,                                                                      \
         .offset = offsetof(options, model.quiet),                                                 \
         .help = "Say nothing on standard error but errors."},                                     \
    {                                                                                              \
        .name = "verbose", .letter = 'v', .kind = OPTION_FLAG,                                     \
        .offset = offsetof(options, model.verbose),                                                \
        .help = "Tell on standard error what the library does."                                    \
    }

enum { MODEL_MAX_SLOTS = 2048 };

/* A row for a command that runs several streams side by side: how many, an int64_t. */
#define SLOTS_OPTION_ROW(options, member, text)                                                    \
    {                                                                                              \
        .name = "slots", .kind = OPTION_INTEGER, .offset = offsetof(options, member),              \
        .value = "N", .min = 1, .max = MODEL_MAX_SLOTS, .help = (text)                             \
    }

struct model_use {
    uint32_t slots;
    bool trace, timed;   /* as in stapes_model_params */
    bool scoring;        /* stream/score.h */
    capture_fn *capture; /* with user, where not NULL: stream/capture.h */
    void *user;
    /* Not the first model of a comparison: what Mesa's CPU driver was told for the first one holds
     * for this one, too. */
    bool same_driver;
};

/* The path that the options name, else that of the demo model, in `buffer`. NULL: there is none,
 * which has been told. */
const char *model_path(struct report *report, const struct model_options *options, char *buffer,
                       size_t size);

/* Opens the model that the options name, with a progress bar; says what is wrong where it cannot.
 * Returns an exit status. */
int model_open(struct report *report, const struct model_options *options, uint32_t slots,
               bool trace, stapes_model **model);
int model_open_for(struct report *report, const struct model_options *options,
                   const struct model_use *use, stapes_model **model);

/* Closes the model; messages of the validation layers become a failure. Returns an exit status. */
int model_close(struct report *report, const struct model_options *options, stapes_model **model);

#endif
