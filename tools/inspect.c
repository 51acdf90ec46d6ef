/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "loader/config.h"
#include "loader/gguf.h"
#include "tools/commands.h"
#include "tools/output.h"

enum { MAX_SHOWN = 8, MAX_TYPES = 64, FLUSH_BYTES = 1 << 16 };

struct options {
    int format;
    struct source_beside beside;
};

/* Tensors of one type, together. */
struct total {
    uint32_t type;
    uint64_t tensors, elements, bytes;
};

struct totals {
    struct total rows[MAX_TYPES];
    uint32_t n;
    struct total all;
};

static void format_type(char *name, size_t size, uint32_t type)
{
    const struct tensor_type_info *info = tensor_type_info(type);
    if (info)
        snprintf(name, size, "%s", info->name);
    else
        snprintf(name, size, "type %" PRIu32, type);
}

static void count_tensors(const struct source *source, struct totals *totals)
{
    for (uint32_t i = 0; i < source_count(source); i++) {
        const struct tensor *tensor = source_tensor(source, i);
        uint32_t row = 0;
        while (row < totals->n && totals->rows[row].type != tensor->type)
            row++;
        if (row == totals->n && totals->n < MAX_TYPES)
            totals->rows[totals->n++].type = tensor->type;
        struct total *both[] = {row < MAX_TYPES ? &totals->rows[row] : NULL, &totals->all};
        for (size_t k = 0; k < COUNT_OF(both); k++)
            if (both[k]) {
                both[k]->tensors++;
                both[k]->elements += tensor_elements(tensor);
                both[k]->bytes += tensor->bytes;
            }
    }
}

static void add_element(struct text *out, const struct gguf_value *value, uint64_t i)
{
    int64_t integer;
    uint64_t natural;
    double number;
    switch (value->type) {
    case GGUF_STRING: text_add_json(out, gguf_element_string(value, i)); break;
    case GGUF_BOOL:
        text_add(out, gguf_element_u64(value, i, &natural) && natural ? "true" : "false");
        break;
    case GGUF_F32:
    case GGUF_F64:
        number = 0;
        gguf_element_f64(value, i, &number);
        text_add_number(out, number);
        break;
    default:
        if (gguf_element_i64(value, i, &integer))
            text_addf(out, "%" PRId64, integer);
        else if (gguf_element_u64(value, i, &natural))
            text_addf(out, "%" PRIu64, natural);
        break;
    }
}

static void add_value(struct text *out, const struct gguf_value *value, uint64_t most)
{
    if (!value->array) {
        add_element(out, value, 0);
        return;
    }
    text_add(out, "[");
    for (uint64_t i = 0; i < MIN(value->count, most); i++) {
        text_add(out, i ? "," : "");
        add_element(out, value, i);
    }
    text_add(out, value->count > most ? ",...]" : "]");
}

static void add_metadata(struct text *out, const struct gguf *gguf)
{
    text_addf(out, "GGUF version %" PRIu32 ", alignment %" PRIu32 ", %" PRIu32 " keys\n",
              gguf->version, gguf->alignment, gguf->n_values);
    for (uint32_t i = 0; i < gguf->n_values; i++) {
        const struct gguf_value *value = &gguf->values[i];
        text_add(out, "  ");
        text_add_plain(out, value->key);
        text_addf(out, " (%s", gguf_type_name(value->type));
        if (value->array)
            text_addf(out, ", %" PRIu64 " of them", value->count);
        text_add(out, ") = ");
        add_value(out, value, MAX_SHOWN);
        text_add(out, "\n");
    }
    text_add(out, "\n");
}

static void add_config(struct text *out, const struct model_config *config)
{
    const struct lm_config *lm = &config->lm;
    const struct mimi_config *mimi = &config->mimi;
    text_add(out, "model ");
    text_add_plain(out, config->name);
    text_addf(out, " (%s)\n", config->kind == MODEL_STT ? "stt" : "moshi");
    text_addf(out,
              "  transformer: %" PRIu32 " layers, width %" PRIu32 ", %" PRIu32
              " heads, window of %" PRIu32 " steps\n",
              lm->n_layers, lm->dim, lm->n_heads, lm->context);
    text_addf(out, "  text: %" PRIu32 " tokens; audio: %" PRIu32 " codebooks of %" PRIu32 "\n",
              lm->text_card, lm->n_q, lm->card);
    if (lm->extra_heads)
        text_addf(out, "  extra heads: %" PRIu32 " of %" PRIu32 "\n", lm->extra_heads,
                  lm->extra_heads_dim);
    if (lm->dep_q)
        text_addf(out,
                  "  depformer: %" PRIu32 " codebooks, %" PRIu32 " layers, width %" PRIu32
                  ", %" PRIu32 " heads\n",
                  lm->dep_q, lm->depformer.n_layers, lm->depformer.dim, lm->depformer.n_heads);
    text_addf(out,
              "  mimi: %" PRIu32 " filters, width %" PRIu32 ", %" PRIu32 " layers, %" PRIu32
              " heads, window of %" PRIu32 " steps, %" PRIu32 " codebooks of %" PRIu32 "\n",
              mimi->n_filters, mimi->dimension, mimi->n_layers, mimi->n_heads, mimi->context,
              mimi->n_q, mimi->bins);
    if (config->has_stt)
        text_addf(out, "  audio delay %g s, silence before the sound %g s\n",
                  config->audio_delay_seconds, config->audio_silence_prefix_seconds);
    text_add(out, "\n");
}

static void add_dims(struct text *out, const struct tensor *tensor)
{
    text_add(out, "[");
    for (uint32_t i = 0; i < tensor->n_dims; i++)
        text_addf(out, "%s%" PRIu64, i ? "," : "", tensor->dims[i]);
    text_add(out, "]");
}

static void add_tensor(struct text *out, const struct tensor *tensor)
{
    char type[32];
    format_type(type, sizeof(type), tensor->type);
    text_addf(out, "  %-8s %12" PRIu64 "  ", type, tensor->bytes);
    text_add_plain(out, tensor->name);
    text_add(out, " ");
    add_dims(out, tensor);
    text_add(out, "\n");
}

static void add_total(struct text *out, const char *name, const struct total *total)
{
    text_addf(out, "  %-8s %6" PRIu64 " tensors %14" PRIu64 " elements %14" PRIu64 " bytes\n", name,
              total->tensors, total->elements, total->bytes);
}

static bool print_text(struct report *report, const struct source *source,
                       const struct model_config *config, const struct totals *totals)
{
    struct text out = {0};
    bool written = true;
    const struct gguf *gguf = source_gguf(source);
    if (gguf)
        add_metadata(&out, gguf);
    if (config)
        add_config(&out, config);
    text_addf(&out, "%" PRIu32 " tensors: type, bytes, name, shape\n", source_count(source));
    for (uint32_t i = 0; i < source_count(source) && written; i++) {
        add_tensor(&out, source_tensor(source, i));
        if (out.length > FLUSH_BYTES)
            written = output_text(report, &out);
    }
    text_add(&out, "\ntotal\n");
    for (uint32_t i = 0; i < totals->n; i++) {
        char type[32];
        format_type(type, sizeof(type), totals->rows[i].type);
        add_total(&out, type, &totals->rows[i]);
    }
    add_total(&out, "all", &totals->all);
    written = written && output_text(report, &out);
    text_deinit(&out);
    return written;
}

static void add_json_total(struct text *out, const struct total *total)
{
    text_addf(out, "{\"tensors\":%" PRIu64 ",\"elements\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
              total->tensors, total->elements, total->bytes);
}

static void add_json_config(struct text *out, const struct model_config *config)
{
    const struct lm_config *lm = &config->lm;
    const struct mimi_config *mimi = &config->mimi;
    text_add(out, ",\"model\":{\"name\":");
    text_add_json(out, config->name);
    text_addf(out,
              ",\"kind\":\"%s\",\"layers\":%" PRIu32 ",\"dim\":%" PRIu32 ",\"heads\":%" PRIu32
              ",\"context\":%" PRIu32 ",\"text_card\":%" PRIu32 ",\"card\":%" PRIu32
              ",\"n_q\":%" PRIu32 ",\"dep_q\":%" PRIu32 ",\"extra_heads\":%" PRIu32,
              config->kind == MODEL_STT ? "stt" : "moshi", lm->n_layers, lm->dim, lm->n_heads,
              lm->context, lm->text_card, lm->card, lm->n_q, lm->dep_q, lm->extra_heads);
    text_addf(out,
              ",\"mimi\":{\"filters\":%" PRIu32 ",\"dim\":%" PRIu32 ",\"layers\":%" PRIu32
              ",\"heads\":%" PRIu32 ",\"context\":%" PRIu32 ",\"codebooks\":%" PRIu32
              ",\"bins\":%" PRIu32 "}",
              mimi->n_filters, mimi->dimension, mimi->n_layers, mimi->n_heads, mimi->context,
              mimi->n_q, mimi->bins);
    if (config->has_stt) {
        text_add(out, ",\"audio_delay_seconds\":");
        text_add_number(out, config->audio_delay_seconds);
        text_add(out, ",\"audio_silence_prefix_seconds\":");
        text_add_number(out, config->audio_silence_prefix_seconds);
    }
    text_add(out, "}");
}

static void add_json_metadata(struct text *out, const struct gguf *gguf)
{
    text_addf(out, ",\"version\":%" PRIu32 ",\"alignment\":%" PRIu32 ",\"metadata\":{",
              gguf->version, gguf->alignment);
    for (uint32_t i = 0; i < gguf->n_values; i++) {
        text_add(out, i ? "," : "");
        text_add_json(out, gguf->values[i].key);
        text_add(out, ":");
        add_value(out, &gguf->values[i], UINT64_MAX);
    }
    text_add(out, "},\"metadata_types\":{");
    for (uint32_t i = 0; i < gguf->n_values; i++) {
        const struct gguf_value *value = &gguf->values[i];
        text_add(out, i ? "," : "");
        text_add_json(out, value->key);
        text_addf(out, value->array ? ":\"[%s]\"" : ":\"%s\"", gguf_type_name(value->type));
    }
    text_add(out, "}");
}

static bool print_json(struct report *report, const struct source *source,
                       const struct model_config *config, const struct totals *totals)
{
    static const char *const kinds[] = {[SOURCE_GGUF] = "gguf",
                                        [SOURCE_DIRECTORY] = "directory",
                                        [SOURCE_SAFETENSORS] = "safetensors"};
    struct text out = {0};
    char type[32];
    bool written = true;
    text_add(&out, "{\"path\":");
    text_add_json(&out, source_path(source));
    text_addf(&out, ",\"kind\":\"%s\"", kinds[source_get_kind(source)]);
    if (source_gguf(source))
        add_json_metadata(&out, source_gguf(source));
    if (config)
        add_json_config(&out, config);
    text_add(&out, ",\"tensors\":[");
    for (uint32_t i = 0; i < source_count(source) && written; i++) {
        const struct tensor *tensor = source_tensor(source, i);
        text_add(&out, i ? "," : "");
        text_add(&out, "\n{\"name\":");
        text_add_json(&out, tensor->name);
        format_type(type, sizeof(type), tensor->type);
        text_addf(&out, ",\"type\":\"%s\",\"dims\":", type);
        add_dims(&out, tensor);
        text_addf(&out, ",\"bytes\":%" PRIu64 ",\"offset\":%" PRIu64 ",\"file\":", tensor->bytes,
                  tensor->offset);
        text_add_json(&out, source_file(source, tensor->file));
        text_add(&out, "}");
        if (out.length > FLUSH_BYTES)
            written = output_text(report, &out);
    }
    text_add(&out, "],\n\"totals\":{");
    for (uint32_t i = 0; i < totals->n; i++) {
        format_type(type, sizeof(type), totals->rows[i].type);
        text_addf(&out, "\"%s\":", type);
        add_json_total(&out, &totals->rows[i]);
        text_add(&out, ",");
    }
    text_add(&out, "\"all\":");
    add_json_total(&out, &totals->all);
    text_add(&out, "}}\n");
    written = written && output_text(report, &out);
    text_deinit(&out);
    return written;
}

/* A safetensors file alone has none, nor have statistics. */
static bool should_have_config(const struct source *source)
{
    const struct gguf *gguf = source_gguf(source);
    const char *type;
    bool statistics =
        gguf && gguf_get_string(gguf, "general.type", &type) && strcmp(type, "imatrix") == 0;
    return source_get_kind(source) != SOURCE_SAFETENSORS && !statistics;
}

static int run(const void *values, int n_operands, char **operands)
{
    (void)n_operands;
    const struct options *options = values;
    struct report report;
    struct source *source;
    struct model_config config;
    struct totals totals = {.n = 0};
    report_init(&report, false, false);
    struct log log = report_log(&report);
    if (source_open_beside(&log, operands[0], &options->beside, &source) != OK)
        return EXIT_FAILURE;
    /* That of a directory, or of a GGUF that says it holds a model, must be right. */
    bool has_config = should_have_config(source);
    int status = EXIT_SUCCESS;
    if (has_config && config_read(&log, source, &config) != OK) {
        has_config = false;
        status = EXIT_FAILURE;
    }
    count_tensors(source, &totals);
    bool written = (options->format == 1 ? print_json : print_text)(
        &report, source, has_config ? &config : NULL, &totals);
    source_close(&source);
    return written ? status : EXIT_FAILURE;
}

static const char *const formats[] = {"text", "json", NULL};

static const struct option_row rows[] = {
    {.name = "format",
     .letter = 'f',
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct options, format),
     .value = "text|json",
     .choices = formats,
     .help = "Text for people, or one JSON object. Default: text."},
    {.name = "mimi",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, beside.mimi),
     .value = "PATH",
     .help = "Mimi's safetensors file, for a GGUF of the browser port, which holds none."},
    {.name = "tokenizer",
     .kind = OPTION_STRING,
     .offset = offsetof(struct options, beside.tokenizer),
     .value = "PATH",
     .help = "The SentencePiece model for such a GGUF."},
};

static const struct help_section sections[] = {
    {"Description",
     "Prints what is in a model file: the keys of a GGUF file, the configuration, every tensor "
     "with its type, bytes, name and shape, and totals. PATH is a GGUF file (one or split), a "
     "safetensors file, or a checkpoint directory. Only headers are read; no GPU is needed.\n\n"
     "Shapes are in PyTorch's order. Mimi's tensors of a checkpoint directory are shown under "
     "\"mimi.\". Long arrays are shortened in text, complete in JSON.\n\n"
     "A configuration that stapes cannot run is told on standard error, and the exit status is 1; "
     "the rest is printed all the same."},
};

const struct command inspect_command = {
    .name = "inspect",
    .summary = "what is in a GGUF, safetensors or checkpoint",
    .operands = "PATH",
    .min_operands = 1,
    .max_operands = 1,
    .options = rows,
    .n_options = COUNT_OF(rows),
    .sections = sections,
    .n_sections = COUNT_OF(sections),
    .options_bytes = sizeof(struct options),
    .run = run,
};
