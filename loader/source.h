/* SPDX-License-Identifier: MIT
 *
 * The inside of a source: what its kinds share, and what config and tokenizer take from it.
 */
#ifndef STAPES_LOADER_SOURCE_H
#define STAPES_LOADER_SOURCE_H

#include "loader/file.h"
#include "loader/gguf.h"
#include "loader/tensor.h"

struct cJSON;

struct source {
    struct log log;
    enum source_kind kind;
    char *path;
    char *shards; /* the first one, where files[0] is a GGUF in byte shards; else NULL */
    struct file *files;
    uint32_t n_files;
    struct tensor *tensors;
    uint32_t n_tensors;
    uint32_t *by_name; /* indices, sorted */
    struct gguf *gguf; /* GGUF: the first file's header */
    /* Directory: */
    struct cJSON *config;      /* config.json, or upstream's constants where there is none */
    struct cJSON *mimi_config; /* NULL: the real Mimi */
    char *config_path, *mimi_config_path, *tokenizer_path; /* the last two also of stt_web.h */
};

/* Opens a file and counts it in. */
enum status source_add_file(struct source *source, const char *path, uint32_t *index);
/* Appends copies of tensors of one file, their names behind `prefix`. Only those that `keep` (NULL:
 * all) lets through. */
enum status source_add_tensors(struct source *source, const struct tensor *tensors, uint32_t count,
                               uint32_t file, const char *prefix,
                               bool (*keep)(const void *user, const struct tensor *),
                               const void *user);

/* Both, for a safetensors file. */
enum status source_add_safetensors(struct source *source, const char *path, const char *prefix,
                                   bool (*keep)(const void *user, const struct tensor *),
                                   const void *user);

/* Frees what was read as JSON. */
void source_free_json(struct source *source);

/* Fill an empty source whose log, kind and path are set. A build for browsers opens GGUF alone:
 * there, source_web.c has a body of what needs files beside one another, or a JSON parser. */
enum status source_open_gguf(struct source *source);
enum status source_open_directory(struct source *source);
enum status source_open_safetensors(struct source *source);

#endif
