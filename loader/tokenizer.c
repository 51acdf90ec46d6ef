/* SPDX-License-Identifier: MIT */
#include "loader/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "loader/source.h"
#include "loader/tokenizer_parts.h"

#define MAX_MODEL_BYTES (64u << 20)
#define SPACE "\xe2\x96\x81" /* U+2581 */

enum status tokenizer_create(const struct log *log, const char *where, struct tokenizer **out)
{
    struct tokenizer *tokenizer = calloc(1, sizeof(*tokenizer));
    if (!tokenizer)
        return log_error(log, ERROR_MEMORY, "%s: out of memory", where);
    tokenizer->add_dummy_prefix = tokenizer->remove_extra_whitespaces = true;
    memcpy(tokenizer->unknown, " \u2047 ", sizeof(" \u2047 "));
    *out = tokenizer;
    return OK;
}

static bool is_continuation(char c)
{
    return ((uint8_t)c & 0xc0) == 0x80;
}

/* Bytes of the character at `text`, 0 if it is none. */
static size_t utf8_length(const char *text, size_t size)
{
    uint8_t c = (uint8_t)text[0];
    uint32_t code;
    if (c < 0x80)
        return 1;
    if ((c & 0xe0) == 0xc0 && size >= 2 && is_continuation(text[1]))
        return c >= 0xc2 ? 2 : 0;
    if ((c & 0xf0) == 0xe0 && size >= 3 && is_continuation(text[1]) && is_continuation(text[2])) {
        code = (c & 15u) << 12 | (text[1] & 63u) << 6 | (text[2] & 63u);
        return code >= 0x800 && (code < 0xd800 || code >= 0xe000) ? 3 : 0;
    }
    if ((c & 0xf8) == 0xf0 && size >= 4 && is_continuation(text[1]) && is_continuation(text[2]) &&
        is_continuation(text[3])) {
        code = (c & 7u) << 18 | (text[1] & 63u) << 12;
        return code >= 0x10000 && code < 0x110000 ? 4 : 0;
    }
    return 0;
}

bool tokenizer_is_text(const char *text, size_t size)
{
    for (size_t i = 0, n; i < size; i += n) {
        n = utf8_length(text + i, size - i);
        if (!n || !text[i])
            return false;
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* "<0x1F>" -> 31; -1 for anything else */
static int byte_value(const char *text, size_t size)
{
    if (size != 6 || memcmp(text, "<0x", 3) || text[5] != '>')
        return -1;
    int high = hex_digit(text[3]), low = hex_digit(text[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

enum status tokenizer_add(const struct log *log, const char *where, struct tokenizer *tokenizer,
                          const char *text, size_t size, float score, uint64_t type)
{
    uint32_t id = tokenizer->n_pieces;
    if (type < PIECE_NORMAL || type > PIECE_BYTE)
        return log_error(log, ERROR_FORMAT, "%s: piece %u has the type %llu", where, id,
                         (unsigned long long)type);
    if (!tokenizer_is_text(text, size))
        return log_error(log, ERROR_FORMAT, "%s: piece %u is not UTF-8", where, id);
    if (type == PIECE_BYTE && byte_value(text, size) < 0)
        return log_error(log, ERROR_FORMAT, "%s: piece %u is no byte: %.20s", where, id, text);
    if (id == tokenizer->pieces_capacity) {
        uint32_t capacity = tokenizer->pieces_capacity * 2 + 256;
        struct piece *pieces = realloc(tokenizer->pieces, capacity * sizeof(*pieces));
        if (!pieces)
            return log_error(log, ERROR_MEMORY, "%s: out of memory", where);
        tokenizer->pieces = pieces;
        tokenizer->pieces_capacity = capacity;
    }
    if (size + 1 > tokenizer->text_capacity - tokenizer->text_size) {
        size_t capacity = tokenizer->text_capacity * 2 + size + 4096;
        char *grown = realloc(tokenizer->text, capacity);
        if (!grown)
            return log_error(log, ERROR_MEMORY, "%s: out of memory", where);
        tokenizer->text = grown;
        tokenizer->text_capacity = capacity;
    }
    char *to = tokenizer->text + tokenizer->text_size;
    memcpy(to, text, size);
    to[size] = 0;
    tokenizer->pieces[id] = (struct piece){tokenizer->text_size, score, (enum piece_type)type};
    tokenizer->text_size += size + 1;
    tokenizer->n_pieces++;
    return OK;
}

enum status tokenizer_check(const struct log *log, const char *where,
                            const struct tokenizer *tokenizer)
{
    if (!tokenizer->n_pieces)
        return log_error(log, ERROR_FORMAT, "%s: a tokenizer without pieces", where);
    return OK;
}

enum status tokenizer_open(const struct log *log, const struct source *source,
                           struct tokenizer **out)
{
    char *bytes;
    size_t size;

    if (source->gguf && !source->tokenizer_path)
        return tokenizer_read_gguf(log, source->gguf, out);
    if (!source->tokenizer_path)
        return log_error(log, ERROR_UNSUPPORTED, "%s: has no tokenizer", source_path(source));
    enum status status = file_load(log, source->tokenizer_path, MAX_MODEL_BYTES, &bytes, &size);
    if (status)
        return status;
    status = sentencepiece_read(log, source->tokenizer_path, bytes, size, out);
    free(bytes);
    return status;
}

enum status tokenizer_parse(const struct log *log, const void *bytes, size_t size,
                            struct tokenizer **out)
{
    return sentencepiece_read(log, "the tokenizer", bytes, size, out);
}

void tokenizer_close(struct tokenizer **tokenizer)
{
    if (!tokenizer || !*tokenizer)
        return;
    free((*tokenizer)->pieces);
    free((*tokenizer)->text);
    free(*tokenizer);
    *tokenizer = NULL;
}

uint32_t tokenizer_size(const struct tokenizer *tokenizer)
{
    return tokenizer->n_pieces;
}

const char *tokenizer_piece(const struct tokenizer *tokenizer, uint32_t id)
{
    return id < tokenizer->n_pieces ? tokenizer->text + tokenizer->pieces[id].text : NULL;
}

float tokenizer_score(const struct tokenizer *tokenizer, uint32_t id)
{
    return id < tokenizer->n_pieces ? tokenizer->pieces[id].score : 0;
}

enum piece_type tokenizer_type(const struct tokenizer *tokenizer, uint32_t id)
{
    return id < tokenizer->n_pieces ? tokenizer->pieces[id].type : PIECE_UNKNOWN;
}

/* Text being put together, as snprintf does: `length` counts what did not fit, too. */
struct output {
    char *text;
    size_t size, length;
    size_t stored; /* whole characters only; nothing is stored behind a cut */
};

/* One character. A NUL, which only a byte piece can be, would end the text: it is as good as
 * invalid. */
static void put(struct output *out, const char *character, size_t n)
{
    if (n == 1 && !character[0]) {
        character = "\xef\xbf\xbd";
        n = 3;
    }
    if (out->stored == out->length && n < out->size - out->length && out->size > out->length) {
        memcpy(out->text + out->stored, character, n);
        out->stored += n;
    }
    out->length += n;
}

static void put_text(struct output *out, const char *text)
{
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
        n = utf8_length(text, left);
        if (left >= 3 && !memcmp(text, SPACE, 3))
            put(out, " ", 1);
        else
            put(out, text, n);
    }
}

/* A run of byte pieces is UTF-8; each byte of what is not becomes U+FFFD. At most four bytes matter
 * at a time, so none are collected. */
static size_t put_bytes(const struct tokenizer *tokenizer, const uint32_t *ids, size_t n,
                        struct output *out)
{
    size_t done = 0;
    while (done < n) {
        char window[4];
        size_t filled = 0;
        while (filled < sizeof(window) && done + filled < n &&
               tokenizer_type(tokenizer, ids[done + filled]) == PIECE_BYTE) {
            window[filled] = (char)byte_value(tokenizer_piece(tokenizer, ids[done + filled]), 6);
            filled++;
        }
        if (!filled)
            break;
        size_t length = utf8_length(window, filled);
        if (length)
            put(out, window, length);
        else
            put(out, "\xef\xbf\xbd", 3);
        done += length ? length : 1;
    }
    return done;
}

size_t tokenizer_decode(const struct tokenizer *tokenizer, const uint32_t *ids, size_t n,
                        char *text, size_t size)
{
    struct output out = {.text = text, .size = size};
    bool at_start = true; /* where a leading space is dropped */
    bool dropped = false;

    for (size_t i = 0; i < n;) {
        size_t bytes = put_bytes(tokenizer, ids + i, n - i, &out);
        if (bytes) {
            i += bytes;
            continue;
        }
        if (dropped || out.length)
            at_start = false;
        dropped = false;
        enum piece_type type = tokenizer_type(tokenizer, ids[i]);
        const char *piece = tokenizer_piece(tokenizer, ids[i++]);
        if (type == PIECE_CONTROL)
            continue;
        if (type == PIECE_UNKNOWN) {
            put_text(&out, tokenizer->unknown);
            continue;
        }
        if (at_start && (tokenizer->add_dummy_prefix || tokenizer->remove_extra_whitespaces) &&
            !strncmp(piece, SPACE, 3)) {
            piece += 3;
            dropped = !tokenizer->remove_extra_whitespaces;
        }
        put_text(&out, piece);
    }
    if (size)
        text[out.stored] = 0;
    return out.length;
}
