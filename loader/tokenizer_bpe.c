/* SPDX-License-Identifier: MIT */
#include "loader/tokenizer_bpe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/file.h"
#include "loader/gguf.h"
#include "loader/json.h"
#include "loader/tokenizer.h"

#define MAX_FILE_BYTES (64u << 20)
#define UNUSED_SIZE 20 /* "[PAD4294967295]" */
#define NONE UINT32_MAX

struct named {
    const char *text;
    uint32_t id;
};

struct bpe {
    const struct log *log;
    uint32_t n_tokens;
    const char **tokens; /* by id; NULL: not there yet. In the JSON, or in `unused` */
    int32_t *types;
    struct named *by_name; /* those that are there */
    uint32_t n_names;
    char (*unused)[UNUSED_SIZE];
    char **merges; /* "left right" */
    uint64_t n_merges;
    cJSON *vocab, *settings; /* vocab.json or tokenizer.json; tokenizer_config.json */
    char *vocab_path, *merges_path, *settings_path;
    uint32_t bos, eos, padding;
};

static enum status out_of_memory(const struct bpe *bpe)
{
    return log_error(bpe->log, ERROR_MEMORY, "%s: out of memory", bpe->vocab_path);
}

static enum status load_json(const struct log *log, const char *path, cJSON **out)
{
    char *text = NULL;
    size_t size;
    enum status status = file_load(log, path, MAX_FILE_BYTES, &text, &size);
    if (!status)
        status = json_parse(log, path, text, size, out);
    free(text);
    return status;
}

/* The code point at `text`, which is UTF-8 of at most two bytes here; 0 for longer ones. */
static uint32_t take_code(const char **text)
{
    uint8_t c = (uint8_t) * *text, next = (uint8_t)(*text)[1];
    *text += c < 0x80 ? 1 : 2;
    if (c < 0x80)
        return c;
    return (c & 0xe0) == 0xc0 && (next & 0xc0) == 0x80 ? (c & 31u) << 6 | (next & 63u) : 0;
}

static bool is_printable(uint32_t byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xff && byte != 0xad);
}

/* GPT-2's alphabet: printable bytes of Latin-1 are themselves, the others U+0100, U+0101, ... */
static bool is_byte_level(const char *text)
{
    if (!*text)
        return false;
    while (*text) {
        uint32_t code = take_code(&text);
        if (!code || (code < 256 ? !is_printable(code) : code >= 256 + 68))
            return false;
    }
    return true;
}

static void byte_token(uint32_t byte, char text[3])
{
    uint32_t code = byte;
    if (!is_printable(byte)) {
        code = 256;
        for (uint32_t i = 0; i < byte; i++)
            code += !is_printable(i);
    }
    size_t n = 0;
    if (code >= 0x80)
        text[n++] = (char)(0xc0 | code >> 6);
    text[n] = (char)(n ? 0x80 | (code & 63) : code);
    text[n + 1] = 0;
}

static enum status set_token(struct bpe *bpe, const char *path, const char *text, uint64_t id,
                             enum piece_type type)
{
    if (id >= bpe->n_tokens)
        return log_error(bpe->log, ERROR_FORMAT,
                         "%s: token %.100s has the id %" PRIu64 " of a vocabulary of %" PRIu32,
                         path, text, id, bpe->n_tokens);
    if (bpe->tokens[id] && strcmp(bpe->tokens[id], text))
        return log_error(bpe->log, ERROR_FORMAT,
                         "%s: tokens %.100s and %.100s have the id %" PRIu64, path, bpe->tokens[id],
                         text, id);
    bpe->tokens[id] = text;
    bpe->types[id] = type;
    return OK;
}

static enum status read_vocab(struct bpe *bpe, const cJSON *vocab)
{
    const cJSON *item;
    uint64_t id;

    if (!cJSON_IsObject(vocab))
        return log_error(bpe->log, ERROR_FORMAT, "%s: no object of tokens", bpe->vocab_path);
    cJSON_ArrayForEach(item, vocab)
    {
        if (!json_u64(item, &id))
            return log_error(bpe->log, ERROR_FORMAT, "%s: token %.100s has no id", bpe->vocab_path,
                             item->string);
        if (!is_byte_level(item->string))
            return log_error(bpe->log, ERROR_FORMAT,
                             "%s: token %.100s is not in the alphabet of byte-level BPE",
                             bpe->vocab_path, item->string);
        enum status status = set_token(bpe, bpe->vocab_path, item->string, id, PIECE_NORMAL);
        if (status)
            return status;
    }
    return OK;
}

static enum status add_token(struct bpe *bpe, const char *path, const cJSON *entry, uint64_t id)
{
    const cJSON *content = json_find(entry, "content");
    if (!cJSON_IsString(content) || !content->valuestring[0])
        return log_error(bpe->log, ERROR_FORMAT, "%s: added token %" PRIu64 " has no content", path,
                         id);
    return set_token(bpe, path, content->valuestring, id,
                     cJSON_IsTrue(json_find(entry, "special")) ? PIECE_CONTROL : PIECE_USER);
}

/* {"151643": {"content": ...}, ...} of tokenizer_config.json, or
 * [{"id": 151643, "content": ...}, ...] of tokenizer.json */
static enum status read_added(struct bpe *bpe)
{
    const char *path = bpe->settings_path;
    const cJSON *list = json_find(bpe->settings, "added_tokens_decoder"), *item;
    enum status status = OK;

    if (!list) {
        path = bpe->vocab_path;
        list = json_find(bpe->vocab, "added_tokens");
    }
    cJSON_ArrayForEach(item, list)
    {
        char *end = NULL;
        uint64_t id = 0;
        bool named = item->string != NULL;
        if (named)
            id = strtoull(item->string, &end, 10);
        if (named ? *end || end == item->string : !json_u64(json_find(item, "id"), &id))
            status = log_error(bpe->log, ERROR_FORMAT, "%s: an added token without an id", path);
        if (!status)
            status = add_token(bpe, path, item, id);
        if (status)
            return status;
    }
    return OK;
}

static int compare_named(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->text, ((const struct named *)b)->text);
}

static enum status sort_tokens(struct bpe *bpe)
{
    bpe->by_name = malloc(((size_t)bpe->n_tokens + 1) * sizeof(*bpe->by_name));
    if (!bpe->by_name)
        return out_of_memory(bpe);
    for (uint32_t i = 0; i < bpe->n_tokens; i++)
        if (bpe->tokens[i])
            bpe->by_name[bpe->n_names++] = (struct named){bpe->tokens[i], i};
    qsort(bpe->by_name, bpe->n_names, sizeof(*bpe->by_name), compare_named);
    for (uint32_t i = 1; i < bpe->n_names; i++)
        if (!strcmp(bpe->by_name[i - 1].text, bpe->by_name[i].text))
            return log_error(
                bpe->log, ERROR_FORMAT, "%s: token %.100s has the ids %" PRIu32 " and %" PRIu32,
                bpe->vocab_path, bpe->by_name[i].text, bpe->by_name[i - 1].id, bpe->by_name[i].id);
    return OK;
}

static uint32_t find_token(const struct bpe *bpe, const char *text)
{
    const struct named key = {.text = text};
    const struct named *found =
        bsearch(&key, bpe->by_name, bpe->n_names, sizeof(key), compare_named);
    return found ? found->id : NONE;
}

static enum status check_tokens(const struct bpe *bpe, const char *const *needed, size_t n)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        char text[3];
        byte_token(byte, text);
        if (find_token(bpe, text) == NONE)
            return log_error(bpe->log, ERROR_FORMAT, "%s: byte %" PRIu32 " (%s) is no token",
                             bpe->vocab_path, byte, text);
    }
    for (size_t i = 0; i < n; i++)
        if (find_token(bpe, needed[i]) == NONE)
            return log_error(bpe->log, ERROR_FORMAT, "%s: token %s is missing",
                             bpe->settings ? bpe->settings_path : bpe->vocab_path, needed[i]);
    return OK;
}

/* Keeps "left right"; `where` says which one it is. */
static enum status add_merge(struct bpe *bpe, const char *text, const char *where, uint64_t number)
{
    size_t length = strlen(text);
    const char *space = strchr(text, ' '), *wrong = NULL;
    char *merge = malloc(2 * length + 2);

    if (!merge)
        return out_of_memory(bpe);
    memcpy(merge, text, length + 1);
    bpe->merges[bpe->n_merges++] = merge;
    if (!space || space == text || !space[1] || strchr(space + 1, ' '))
        return log_error(bpe->log, ERROR_FORMAT, "%s: %s %" PRIu64 " is no pair: %.100s",
                         bpe->merges_path, where, number, text);
    size_t left = (size_t)(space - text);
    char *part = merge + length + 1; /* scratch: left, right, then both */
    memcpy(part, text, left);
    part[left] = 0;
    if (find_token(bpe, part) == NONE)
        wrong = "left half";
    else if (find_token(bpe, space + 1) == NONE)
        wrong = "right half";
    memcpy(part + left, space + 1, length - left);
    if (!wrong && find_token(bpe, part) == NONE)
        wrong = "result";
    if (wrong)
        return log_error(bpe->log, ERROR_FORMAT, "%s: %s %" PRIu64 " (%.100s): its %s is no token",
                         bpe->merges_path, where, number, text, wrong);
    return OK;
}

/* One merge a line, behind a first line that may say the version. */
static enum status read_merges_text(struct bpe *bpe)
{
    char *text = NULL;
    size_t size;
    uint64_t number = 0, lines = 1;

    enum status status = file_load(bpe->log, bpe->merges_path, MAX_FILE_BYTES, &text, &size);
    if (status)
        return status;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    bpe->merges = calloc(lines, sizeof(*bpe->merges));
    if (!bpe->merges)
        status = out_of_memory(bpe);
    else if (memchr(text, 0, size))
        status = log_error(bpe->log, ERROR_FORMAT, "%s: holds a NUL", bpe->merges_path);
    for (char *line = text, *next; line && *line && !status; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        line[strcspn(line, "\r")] = 0;
        if (++number > 1 ? *line : *line && strncmp(line, "#version", 8))
            status = add_merge(bpe, line, "line", number);
    }
    free(text);
    return status;
}

/* "left right" or ["left", "right"] */
static enum status read_merges_json(struct bpe *bpe, const cJSON *list)
{
    const cJSON *item;
    enum status status = OK;
    char pair[2048];

    if (!cJSON_IsArray(list))
        return log_error(bpe->log, ERROR_FORMAT, "%s: no model.merges", bpe->merges_path);
    bpe->merges = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof(*bpe->merges));
    if (!bpe->merges)
        return out_of_memory(bpe);
    cJSON_ArrayForEach(item, list)
    {
        const cJSON *left = cJSON_IsArray(item) ? item->child : NULL;
        const cJSON *right = left ? left->next : NULL;
        const char *text = cJSON_IsString(item) ? item->valuestring : "";
        if (cJSON_IsString(left) && cJSON_IsString(right) && !right->next) {
            snprintf(pair, sizeof(pair), "%s %s", left->valuestring, right->valuestring);
            text = pair;
        }
        status = add_merge(bpe, text, "merge", bpe->n_merges + 1);
        if (status)
            return status;
    }
    return OK;
}

/* "<|im_end|>" or {"content": "<|im_end|>"}; NONE where it is absent or null. */
static enum status read_special(const struct bpe *bpe, const char *key, uint32_t *id)
{
    const cJSON *item = json_find(bpe->settings, key);
    *id = NONE;
    if (cJSON_IsObject(item))
        item = json_find(item, "content");
    if (!item)
        return OK;
    *id = cJSON_IsString(item) ? find_token(bpe, item->valuestring) : NONE;
    return *id != NONE
               ? OK
               : log_error(bpe->log, ERROR_FORMAT, "%s: %s is no token", bpe->settings_path, key);
}

static enum status fill_unused(struct bpe *bpe)
{
    bpe->unused = calloc(bpe->n_tokens, sizeof(*bpe->unused));
    if (!bpe->unused)
        return out_of_memory(bpe);
    for (uint32_t i = 0; i < bpe->n_tokens; i++) {
        if (bpe->tokens[i])
            continue;
        snprintf(bpe->unused[i], sizeof(bpe->unused[i]), "[PAD%" PRIu32 "]", i);
        bpe->tokens[i] = bpe->unused[i];
        bpe->types[i] = PIECE_UNUSED;
    }
    return OK;
}

/* Which files there are. */
static enum status find_files(struct bpe *bpe, const char *directory, bool *single)
{
    bpe->vocab_path = path_join(directory, "vocab.json");
    bpe->merges_path = path_join(directory, "merges.txt");
    bpe->settings_path = path_join(directory, "tokenizer_config.json");
    char *all = path_join(directory, "tokenizer.json");
    if (!bpe->vocab_path || !bpe->merges_path || !bpe->settings_path || !all) {
        free(all);
        return log_error(bpe->log, ERROR_MEMORY, "%s: out of memory", directory);
    }
    *single = !path_exists(bpe->vocab_path) && path_exists(all);
    if (*single) {
        free(bpe->vocab_path);
        free(bpe->merges_path);
        bpe->vocab_path = all;
        bpe->merges_path = path_join(directory, "tokenizer.json");
        return bpe->merges_path ? OK : out_of_memory(bpe);
    }
    free(all);
    if (!path_exists(bpe->vocab_path))
        return log_error(bpe->log, ERROR_IO, "%s: does not exist, and no tokenizer.json either",
                         bpe->vocab_path);
    return OK;
}

static enum status read_files(struct bpe *bpe, const char *directory, const char *const *needed,
                              size_t n)
{
    bool single = false;

    enum status status = find_files(bpe, directory, &single);
    if (!status)
        status = load_json(bpe->log, bpe->vocab_path, &bpe->vocab);
    if (!status && path_exists(bpe->settings_path))
        status = load_json(bpe->log, bpe->settings_path, &bpe->settings);
    if (!status)
        status = read_vocab(bpe, single ? json_find(bpe->vocab, "model.vocab") : bpe->vocab);
    if (!status)
        status = read_added(bpe);
    if (!status)
        status = sort_tokens(bpe);
    if (!status)
        status = check_tokens(bpe, needed, n);
    if (!status)
        status = single ? read_merges_json(bpe, json_find(bpe->vocab, "model.merges"))
                        : read_merges_text(bpe);
    if (!status)
        status = read_special(bpe, "bos_token", &bpe->bos);
    if (!status)
        status = read_special(bpe, "eos_token", &bpe->eos);
    if (!status)
        status = read_special(bpe, "pad_token", &bpe->padding);
    return status ? status : fill_unused(bpe);
}

enum status bpe_open(const struct log *log, const char *directory, uint32_t vocab_size,
                     const char *const *needed, size_t n, struct bpe **out)
{
    enum status status;
    struct bpe *bpe = calloc(1, sizeof(*bpe));
    if (!bpe)
        return log_error(log, ERROR_MEMORY, "%s: out of memory", directory);
    bpe->log = log;
    bpe->n_tokens = vocab_size;
    bpe->tokens = calloc(vocab_size, sizeof(*bpe->tokens));
    bpe->types = calloc(vocab_size, sizeof(*bpe->types));
    if (!bpe->tokens || !bpe->types)
        status = log_error(log, ERROR_MEMORY, "%s: out of memory", directory);
    else
        status = read_files(bpe, directory, needed, n);
    if (status)
        bpe_close(&bpe);
    else
        *out = bpe;
    return status;
}

void bpe_close(struct bpe **bpe)
{
    if (!bpe || !*bpe)
        return;
    struct bpe *b = *bpe;
    for (uint64_t i = 0; i < b->n_merges; i++)
        free(b->merges[i]);
    free(b->merges);
    free(b->unused);
    free(b->by_name);
    free(b->tokens);
    free(b->types);
    cJSON_Delete(b->vocab);
    cJSON_Delete(b->settings);
    free(b->vocab_path);
    free(b->merges_path);
    free(b->settings_path);
    free(b);
    *bpe = NULL;
}

bool bpe_is(const struct bpe *bpe, const char *path)
{
    return path_is_same(bpe->vocab_path, path) || path_is_same(bpe->merges_path, path) ||
           path_is_same(bpe->settings_path, path);
}

static void write_id(struct gguf_writer *writer, const char *key, uint32_t id)
{
    if (id != NONE)
        gguf_write_u32(writer, key, id);
}

enum status bpe_write_gguf(const struct bpe *bpe, struct gguf_writer *writer)
{
    gguf_write_string(writer, "tokenizer.ggml.model", "gpt2");
    gguf_write_string(writer, "tokenizer.ggml.pre", "qwen2");
    gguf_write_array(writer, "tokenizer.ggml.tokens", GGUF_STRING, bpe->tokens, bpe->n_tokens);
    gguf_write_array(writer, "tokenizer.ggml.token_type", GGUF_I32, bpe->types, bpe->n_tokens);
    gguf_write_array(writer, "tokenizer.ggml.merges", GGUF_STRING, bpe->merges, bpe->n_merges);
    write_id(writer, "tokenizer.ggml.bos_token_id", bpe->bos);
    write_id(writer, "tokenizer.ggml.eos_token_id", bpe->eos);
    write_id(writer, "tokenizer.ggml.padding_token_id", bpe->padding);
    return gguf_write_bool(writer, "tokenizer.ggml.add_bos_token", false);
}
