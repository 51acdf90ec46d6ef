/* SPDX-License-Identifier: MIT
 *
 * Sources in a browser: GGUF, and what else there is, is refused.
 */
#include "loader/config_fields.h"
#include "loader/qwen3_asr.h"
#include "loader/source.h"
#include "loader/stt_web.h"

#include <string.h>

static enum status refuse(const struct log *log, const char *path, const char *what)
{
    return log_error(log, ERROR_UNSUPPORTED,
                     "%s: %s; browsers run GGUF files that hold all of a model: `stapes quantize` "
                     "makes one",
                     path, what);
}

enum status source_open_directory(struct source *source)
{
    return refuse(&source->log, source->path, "is a directory");
}

enum status source_open_safetensors(struct source *source)
{
    return refuse(&source->log, source->path, "is a safetensors file");
}

void source_free_json(struct source *source)
{
    (void)source; /* never has any */
}

enum status config_read_json(const struct log *log, const struct source *source,
                             struct model_config *config)
{
    (void)config;
    return refuse(log, source->path, "is no GGUF file");
}

enum status stt_web_attach(struct source *source, const struct source_beside *beside)
{
    return refuse(&source->log, source->path,
                  beside->mimi ? "takes no Mimi from elsewhere"
                               : "takes no tokenizer from elsewhere");
}

enum status stt_web_read_config(const struct log *log, const struct source *source,
                                struct model_config *config)
{
    (void)config;
    return refuse(log, source->path, "holds neither Mimi nor a tokenizer");
}

bool qwen3_asr_is(const struct source *source)
{
    const char *architecture;
    return gguf_get_string(source->gguf, "general.architecture", &architecture) &&
           !strcmp(architecture, QWEN3_ASR_ARCHITECTURE);
}
