/* SPDX-License-Identifier: MIT
 *
 * Checkpoint directories, configurations. Each case is a golden with one thing
 * changed.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loader/config.h"
#include "loader/json.h"
#include "loader/tokenizer.h"
#include "tests/test_loader.h"

static const char *const presets[] = {"stt-tiny", "moshi-tiny"};

void link_golden(struct test *test, const char *preset)
{
    static const char *const names[] = {"config.json",
                                        "mimi_config.json",
                                        "mimi-synthetic.safetensors",
                                        "model.safetensors",
                                        "tokenizer_stt_tiny_256.model",
                                        "tokenizer_moshi_tiny_256.model",
                                        "model.safetensors.index.json",
                                        "one.safetensors",
                                        "two.safetensors"};
    char from[1024], to[1024];
    mkdir(scratch(test, "model"), 0777);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(from, sizeof(from), "%s/%s/%s", test->goldens, preset, names[i]);
        snprintf(to, sizeof(to), "%s/model/%s", test->directory, names[i]);
        unlink(to);
        if (!access(from, R_OK) && symlink(from, to))
            perror(to);
    }
}

/* A JSON file of the scratch model with `key` (dots lead into objects) set to `value`, removed if
 * that is NULL. */
static void edit(struct test *test, const char *file, const char *key, const char *value)
{
    char path[512], part[64];
    size_t size;
    snprintf(path, sizeof(path), "%s/model/%s", test->directory, file);
    char *text = read_file(path, &size);
    cJSON *json = cJSON_Parse(text), *object = json;
    for (const char *dot; (dot = strchr(key, '.')); key = dot + 1) {
        snprintf(part, sizeof(part), "%.*s", (int)(dot - key), key);
        object = cJSON_GetObjectItemCaseSensitive(object, part);
    }
    cJSON_DeleteItemFromObjectCaseSensitive(object, key);
    if (value)
        cJSON_AddItemToObject(object, key, cJSON_Parse(value));
    free(text);
    text = cJSON_Print(json);
    write_file(path, text, strlen(text));
    cJSON_free(text);
    cJSON_Delete(json);
}

static enum status read_config(struct test *test, const char *path, struct model_config *config)
{
    struct source *source;
    enum status status = source_open(&test->log, path, &source);
    if (status)
        return status;
    status = config_read(&test->log, source, config);
    source_close(&source);
    return status;
}

/* --- Directories
 * ------------------------------------------------------------------------------------- */

/* Splits model.safetensors in two, with the index that goes with it. `sloppy`: one name of it is
 * wrong. */
static void make_shards(struct test *test, bool sloppy)
{
    struct source *source;
    char path[512], name[32], *header;
    cJSON *index = cJSON_CreateObject(), *map = cJSON_AddObjectToObject(index, "weight_map");

    snprintf(path, sizeof(path), "%s/model/model.safetensors", test->directory);
    EXPECT(source_open(&test->log, path, &source), OK, "", path);
    for (uint32_t part = 0; part < 2; part++) {
        cJSON *tensors = cJSON_CreateObject();
        uint64_t offset = 0, first = part ? source_count(source) / 2 : 0,
                 end = part ? source_count(source) : source_count(source) / 2;
        snprintf(name, sizeof(name), "%s.safetensors", part ? "two" : "one");
        for (uint64_t i = first; i < end; i++) {
            const struct tensor *tensor = source_tensor(source, (uint32_t)i);
            cJSON *item = cJSON_AddObjectToObject(tensors, tensor->name);
            double dims[4] = {0}, offsets[2] = {(double)offset, (double)(offset + tensor->bytes)};
            for (uint32_t d = 0; d < tensor->n_dims; d++)
                dims[d] = (double)tensor->dims[d];
            cJSON_AddStringToObject(item, "dtype", "BF16");
            cJSON_AddItemToObject(item, "shape",
                                  cJSON_CreateDoubleArray(dims, (int)tensor->n_dims));
            cJSON_AddItemToObject(item, "data_offsets", cJSON_CreateDoubleArray(offsets, 2));
            cJSON_AddStringToObject(map, sloppy && i == 3 ? "nothing.weight" : tensor->name, name);
            offset += tensor->bytes;
        }
        header = cJSON_PrintUnformatted(tensors);
        uint64_t length = strlen(header);
        uint8_t *bytes = malloc(8 + length + offset);
        memcpy(bytes, &length, 8);
        memcpy(bytes + 8, header, length);
        uint64_t at = 8 + length;
        for (uint64_t i = first; i < end; i++) {
            const struct tensor *tensor = source_tensor(source, (uint32_t)i);
            CHECK(!source_read(source, tensor, 0, bytes + at, tensor->bytes), "reading %s",
                  tensor->name);
            at += tensor->bytes;
        }
        snprintf(path, sizeof(path), "%s/model/%s", test->directory, name);
        write_file(path, bytes, at);
        free(bytes);
        cJSON_free(header);
        cJSON_Delete(tensors);
    }
    source_close(&source);
    header = cJSON_PrintUnformatted(index);
    snprintf(path, sizeof(path), "%s/model/model.safetensors.index.json", test->directory);
    write_file(path, header, strlen(header));
    cJSON_free(header);
    cJSON_Delete(index);
    snprintf(path, sizeof(path), "%s/model/model.safetensors", test->directory);
    unlink(path);
}

static void test_shards(struct test *test)
{
    struct source *source;
    char path[512];

    snprintf(path, sizeof(path), "%s/model", test->directory);
    link_golden(test, "stt-tiny");
    make_shards(test, false);
    EXPECT(source_open(&test->log, path, &source), OK, "", "shards");
    if (!test->failed) {
        CHECK(source_find(source, "emb.0.weight") &&
                  source_find(source, "transformer.layers.2.norm1.alpha") &&
                  source_find(source, "mimi.encoder.model.0.conv.conv.weight"),
              "tensors of shards");
        source_close(&source);
    }
    unlink(scratch(test, "model/two.safetensors"));
    EXPECT(open_and_read(test, path), ERROR_IO, "two.safetensors: does not exist",
           "a missing shard");
    link_golden(test, "stt-tiny");
    make_shards(test, true);
    EXPECT(open_and_read(test, path), ERROR_FORMAT, "of them", "an index of another model");
    write_file(scratch(test, "model/model.safetensors.index.json"),
               "{\"weight_map\":{\"a\":\"../x\"}}", 27);
    EXPECT(open_and_read(test, path), ERROR_FORMAT, "no file of this directory",
           "a path in the index");
    write_file(scratch(test, "model/model.safetensors.index.json"), "{}", 2);
    EXPECT(open_and_read(test, path), ERROR_FORMAT, "no weight_map", "an empty index");
}

static void expect_directory(struct test *test, const char *file, const char *key,
                             const char *value, enum status status, const char *text)
{
    link_golden(test, "stt-tiny");
    if (key)
        edit(test, file, key, value);
    else
        unlink(scratch(test, file));
    EXPECT(open_and_read(test, scratch(test, "model")), status, text, key ? key : file);
}

void test_directories(struct test *test)
{
    for (size_t i = 0; i < COUNT_OF(presets); i++) {
        struct source *source;
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", test->goldens, presets[i]);
        if (!EXPECT(source_open(&test->log, path, &source), OK, "", path))
            continue;
        const struct tensor *mimi = source_find(source, "mimi.downsample.conv.conv.conv.weight");
        CHECK(source_get_kind(source) == SOURCE_DIRECTORY && mimi && mimi->n_dims == 3 &&
                  mimi->dims[2] == 4 && strstr(source_file(source, mimi->file), "mimi-synthetic"),
              "%s: Mimi", path);
        source_close(&source);
        EXPECT(open_and_read(test, path), OK, "", path);
    }
    expect_directory(test, "model/config.json", NULL, NULL, ERROR_IO,
                     "config.json: does not exist");
    expect_directory(test, "model/model.safetensors", NULL, NULL, ERROR_IO, "moshi_name of");
    expect_directory(test, "model/mimi-synthetic.safetensors", NULL, NULL, ERROR_IO,
                     "mimi_name of");
    expect_directory(test, "model/mimi_config.json", NULL, NULL, ERROR_IO, "mimi_config_name of");
    expect_directory(test, "model/tokenizer_stt_tiny_256.model", NULL, NULL, ERROR_IO,
                     "tokenizer_name of");
    expect_directory(test, "config.json", "moshi_name", NULL, OK, "");
    expect_directory(test, "config.json", "mimi_name", NULL, ERROR_IO,
                     "tokenizer-e351c8d8-checkpoint125.safetensors");
    expect_directory(test, "config.json", "mimi_name", "7", ERROR_FORMAT, "mimi_name is no string");
    expect_directory(test, "config.json", "mimi_name", "\"../mimi-synthetic.safetensors\"",
                     ERROR_FORMAT, "no file of this directory");
    expect_directory(test, "config.json", "mimi_name", "\"/etc/passwd\"", ERROR_FORMAT,
                     "no file of this directory");
    expect_directory(test, "config.json", "mimi_name",
                     "\"hf://kyutai/mimi/mimi-synthetic.safetensors\"", OK, "");
    expect_directory(test, "config.json", "mimi_name", "\"config.json\"", ERROR_FORMAT,
                     "config.json");
    link_golden(test, "stt-tiny");
    write_file(scratch(test, "model/config.json"), "{\"dim\": 1, \"dim\": 2}", 20);
    EXPECT(open_and_read(test, scratch(test, "model")), ERROR_FORMAT, "\"dim\" is there twice",
           "a key twice");
    write_file(scratch(test, "model/config.json"), "[1]", 3);
    EXPECT(open_and_read(test, scratch(test, "model")), ERROR_FORMAT, "no JSON object", "an array");
    write_file(scratch(test, "model/config.json"), "{\"dim\": 1", 9);
    EXPECT(open_and_read(test, scratch(test, "model")), ERROR_FORMAT, "not JSON", "half a file");
    test_shards(test);
}

/* --- Configurations
 * ---------------------------------------------------------------------------------- */

static void expect_config(struct test *test, const char *preset, const char *file, const char *key,
                          const char *value, enum status status, const char *text)
{
    struct model_config config;
    char what[128];
    link_golden(test, preset);
    edit(test, file, key, value);
    snprintf(what, sizeof(what), "%s: %s = %s", preset, key, value ? value : "absent");
    EXPECT(read_config(test, scratch(test, "model"), &config), status, text, what);
}

static void check_values(struct test *test)
{
    struct model_config config;
    char path[1024];

    snprintf(path, sizeof(path), "%s/stt-tiny", test->goldens);
    if (EXPECT(read_config(test, path, &config), OK, "", path))
        CHECK(config.kind == MODEL_STT && config.lm.dim == 128 && config.lm.n_heads == 4 &&
                  config.lm.n_layers == 3 && config.lm.context == 20 &&
                  config.lm.max_period == 100000 && config.lm.card == 64 &&
                  config.lm.text_card == 256 && config.lm.n_q == 8 && config.lm.dep_q == 0 &&
                  config.lm.extra_heads == 4 && config.lm.extra_heads_dim == 6 &&
                  config.lm.text_padding_id == 3 && config.has_stt &&
                  config.audio_delay_seconds == 0.5 && !strcmp(config.name, "stt-tiny") &&
                  config.mimi.ratios[0] == 4 && config.mimi.ratios[3] == 8 &&
                  config.mimi.n_filters == 8 && config.mimi.context == 10 &&
                  config.mimi.frame_samples == 1920 && config.mimi.codebook_dim == 32 &&
                  config.mimi.bins == 64,
              "values of stt-tiny");
    snprintf(path, sizeof(path), "%s/moshi-tiny/", test->goldens);
    if (EXPECT(read_config(test, path, &config), OK, "", path))
        CHECK(config.kind == MODEL_MOSHI && config.lm.dep_q == 4 && config.lm.delays[2] == 1 &&
                  config.lm.delays[5] == 0 && config.lm.depformer.feedforward == 176 &&
                  config.lm.depformer.weights_per_step && config.lm.depformer.multi_linear &&
                  !config.lm.depformer.norm && !config.lm.depformer.n_schedule && !config.has_stt &&
                  !config.lm.extra_heads && !strcmp(config.name, "moshi-tiny"),
              "values of moshi-tiny");
    link_golden(test, "stt-tiny");
    edit(test, "config.json", "mimi_config_name", NULL);
    edit(test, "config.json", "card", "2048");
    if (EXPECT(read_config(test, scratch(test, "model"), &config), OK, "", "the real Mimi"))
        CHECK(config.mimi.n_filters == 64 && config.mimi.bins == 2048 &&
                  config.mimi.context == 250 && config.mimi.n_q == 32,
              "values of the real Mimi");
    link_golden(test, "stt-tiny");
    edit(test, "config.json", "extra_heads_num_heads", NULL);
    edit(test, "config.json", "extra_heads_dim", NULL);
    edit(test, "config.json", "model_type", NULL);
    edit(test, "config.json", "stt_config.audio_delay_seconds", NULL);
    if (EXPECT(read_config(test, scratch(test, "model"), &config), OK, "", "defaults"))
        CHECK(config.lm.extra_heads == 4 && config.lm.extra_heads_dim == 6 &&
                  config.kind == MODEL_STT && config.audio_delay_seconds == 5,
              "defaults of stt-tiny");
    link_golden(test, "moshi-tiny");
    edit(test, "config.json", "depformer_dim_feedforward", NULL);
    edit(test, "config.json", "depformer_weights_per_step_schedule", "[0, 1, 1, 1]");
    edit(test, "config.json", "depformer_norm", "\"rms_norm_f32\"");
    edit(test, "config.json", "model_type", NULL);
    if (EXPECT(read_config(test, scratch(test, "model"), &config), OK, "", "a schedule"))
        CHECK(config.lm.depformer.feedforward == 176 && config.lm.depformer.n_schedule == 4 &&
                  config.kind == MODEL_MOSHI && config.lm.depformer.schedule[3] == 1 &&
                  config.lm.depformer.norm,
              "defaults of moshi-tiny");
}

static void check_wrong_values(struct test *test)
{
    static const struct {
        const char *key, *value, *text;
        enum status status;
    } lm[] = {
        {"dim", "0", "dim is 0", ERROR_FORMAT},
        {"dim", "-5", "dim", ERROR_FORMAT},
        {"dim", "128.5", "whole number", ERROR_FORMAT},
        {"dim", "\"128\"", "expected a number", ERROR_FORMAT},
        {"dim", "1e300", "dim", ERROR_FORMAT},
        {"dim", "256", "hidden_scale", ERROR_FORMAT},
        {"hidden_scale", "4", "hidden_scale", ERROR_FORMAT},
        {"hidden_scale", "\"x\"", "hidden_scale", ERROR_FORMAT},
        {"num_heads", "3", "3 heads", ERROR_FORMAT},
        {"num_heads", "128", "even", ERROR_FORMAT},
        {"num_layers", NULL, "num_layers is absent", ERROR_FORMAT},
        {"num_layers", "2", "tensor transformer.layers.2.norm1.alpha", ERROR_FORMAT},
        {"extra_heads_num_heads", "3", "tensor extra_heads.3.weight", ERROR_FORMAT},
        {"context", "null", "context is absent", ERROR_FORMAT},
        {"max_period", "0", "max_period", ERROR_FORMAT},
        {"card", "65", "Mimi's 64", ERROR_FORMAT},
        {"n_q", "9", "delays", ERROR_FORMAT},
        {"n_q", "65", "n_q", ERROR_FORMAT},
        {"dep_q", "9", "generated", ERROR_FORMAT},
        {"delays", "[0]", "expected 1 + n_q", ERROR_FORMAT},
        {"delays", "[0,0,0,0,0,0,0,0,-1]", "delays[8]", ERROR_FORMAT},
        {"delays", "3", "expected an array", ERROR_FORMAT},
        {"existing_text_padding_id", "256", "padding", ERROR_FORMAT},
        {"gating", NULL, "gating is absent", ERROR_UNSUPPORTED},
        {"gating", "\"gelu\"", "\"silu\"", ERROR_UNSUPPORTED},
        {"norm", "\"layer_norm\"", "norm is", ERROR_UNSUPPORTED},
        {"positional_embedding", "\"sin\"", "rope", ERROR_UNSUPPORTED},
        {"causal", "false", "causal", ERROR_UNSUPPORTED},
        {"layer_scale", "0.01", "layer_scale", ERROR_UNSUPPORTED},
        {"cross_attention", "true", "cross_attention", ERROR_UNSUPPORTED},
        {"norm_emb", "true", "norm_emb", ERROR_UNSUPPORTED},
        {"conditioners", "{\"description\":{\"type\":\"lut\"}}", "conditioners", ERROR_UNSUPPORTED},
        {"conditioners", "null", "", OK},
        {"fuser", "{\"sum\":[],\"cross\":[],\"prepend\":[]}", "", OK},
        {"fuser", "{\"sum\":[\"x\"]}", "fuser.sum", ERROR_UNSUPPORTED},
        {"lora", "true", "lora", ERROR_UNSUPPORTED},
        {"demux_second_stream", "true", "demux", ERROR_UNSUPPORTED},
        {"text_card_out", "100", "text_card_out", ERROR_UNSUPPORTED},
        {"model_type", "\"hibiki\"", "model_type is \"hibiki\"", ERROR_UNSUPPORTED},
        {"stt_config.audio_delay_seconds", "-1", "audio_delay_seconds", ERROR_FORMAT},
        {"stt_config.audio_delay_seconds", "\"1\"", "audio_delay_seconds", ERROR_FORMAT},
        {"extra_heads_num_heads", "65", "extra_heads_num_heads", ERROR_FORMAT},
        {"some_new_key", "1", "", OK},
    };
    static const struct {
        const char *key, *value, *text;
        enum status status;
    } mimi[] = {
        {"sample_rate", "16000", "16000", ERROR_UNSUPPORTED},
        {"frame_rate", "25", "frame_rate", ERROR_UNSUPPORTED},
        {"seanet.ratios", "[8,6,5,5]", "2400", ERROR_UNSUPPORTED},
        {"seanet.ratios", "[8,6,5,4.5]", "ratios[3]", ERROR_FORMAT},
        {"seanet.ratios", "[]", "frames", ERROR_UNSUPPORTED},
        {"seanet.ratios", "[1,1,1,1,1,1,1,1,1]", "more than 8", ERROR_FORMAT},
        {"seanet.n_filters", NULL, "seanet.n_filters is absent", ERROR_FORMAT},
        {"seanet.compress", "3", "compress", ERROR_FORMAT},
        {"seanet.causal", "false", "causal", ERROR_UNSUPPORTED},
        {"seanet.activation", "\"ReLU\"", "ELU", ERROR_UNSUPPORTED},
        {"seanet.n_residual_layers", "3", "n_residual_layers", ERROR_UNSUPPORTED},
        {"seanet.pad_mode", "\"reflect\"", "pad_mode", ERROR_UNSUPPORTED},
        {"seanet", "7", "seanet", ERROR_UNSUPPORTED},
        {"transformer.num_heads", "5", "heads", ERROR_FORMAT},
        {"transformer.gating", "\"silu\"", "gating", ERROR_UNSUPPORTED},
        {"transformer.norm", "\"rms_norm_f32\"", "norm", ERROR_UNSUPPORTED},
        {"transformer.context", "0", "context", ERROR_FORMAT},
        {"transformer.d_model", "32", "d_model", ERROR_UNSUPPORTED},
        {"transformer.output_dimensions", "[32]", "output_d", ERROR_UNSUPPORTED},
        {"transformer.layer_scale", "null", "layer_scale", ERROR_UNSUPPORTED},
        {"quantizer.n_q", "4", "8 codebooks", ERROR_FORMAT},
        {"transformer.num_layers", "1", "layers.1.norm1.weight", ERROR_FORMAT},
        {"quantizer.dimension", "0", "quantizer.dimension", ERROR_FORMAT},
        {"quantizer.bins", "65", "64 entries", ERROR_FORMAT},
    };
    static const struct {
        const char *key, *value, *text;
        enum status status;
    } depformer[] = {
        {"depformer_pos_emb", "\"sin\"", "depformer_pos_emb", ERROR_UNSUPPORTED},
        {"depformer_num_layers", "1", "tensor depformer.layers.1.norm1.alpha", ERROR_FORMAT},
        {"dep_q", "3", "tensor linears.3.weight", ERROR_FORMAT},
        {"depformer_norm", "\"layer_norm\"", "depformer_norm", ERROR_UNSUPPORTED},
        {"depformer_low_rank_embeddings", "16", "low_rank", ERROR_UNSUPPORTED},
        {"depformer_num_heads", "5", "heads", ERROR_FORMAT},
        {"depformer_num_layers", NULL, "absent", ERROR_FORMAT},
        {"depformer_multi_linear", "1", "true or false", ERROR_FORMAT},
        {"depformer_multi_linear", "false", "tensor depformer_in.1.weight", ERROR_FORMAT},
        {"depformer_dim_feedforward", "[264,264,264,264]", "", OK},
        {"depformer_dim_feedforward", "[264,264,264,128]", "from step to step", ERROR_UNSUPPORTED},
        {"depformer_dim_feedforward", "\"x\"", "depformer_dim_feedforward", ERROR_FORMAT},
        {"depformer_weights_per_step_schedule", "[0,1]", "schedule", ERROR_FORMAT},
        {"depformer_weights_per_step_schedule", "[0,1,2,4]", "schedule", ERROR_FORMAT},
    };
    for (size_t i = 0; i < COUNT_OF(lm); i++)
        expect_config(test, "stt-tiny", "config.json", lm[i].key, lm[i].value, lm[i].status,
                      lm[i].text);
    for (size_t i = 0; i < COUNT_OF(mimi); i++)
        expect_config(test, "stt-tiny", "mimi_config.json", mimi[i].key, mimi[i].value,
                      mimi[i].status, mimi[i].text);
    for (size_t i = 0; i < COUNT_OF(depformer); i++)
        expect_config(test, "moshi-tiny", "config.json", depformer[i].key, depformer[i].value,
                      depformer[i].status, depformer[i].text);
}

void test_config(struct test *test)
{
    struct model_config config;
    char path[1024];
    check_values(test);
    check_wrong_values(test);
    snprintf(path, sizeof(path), "%s/stt-tiny/model.safetensors", test->goldens);
    EXPECT(read_config(test, path, &config), ERROR_UNSUPPORTED, "config.json", "safetensors alone");
    EXPECT(read_config(test, scratch(test, "sample.gguf"), &config), ERROR_UNSUPPORTED, "\"test\"",
           "another architecture");
}
