/* SPDX-License-Identifier: MIT
 *
 * SentencePiece's ModelProto (sentencepiece_model.proto), as far as decoding needs it.
 */
#include <string.h>

#include "loader/tokenizer_parts.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire {
    const uint8_t *at, *end;
};

struct field {
    uint64_t number;
    uint32_t type;
    uint64_t value;    /* of a varint or a fixed one */
    struct wire bytes; /* of WIRE_BYTES */
};

static bool take_varint(struct wire *wire, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && wire->at < wire->end; shift += 7) {
        uint8_t byte = *wire->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool take_fixed(struct wire *wire, size_t n, uint64_t *out)
{
    uint64_t value = 0;
    if ((size_t)(wire->end - wire->at) < n)
        return false;
    for (size_t i = 0; i < n; i++)
        value |= (uint64_t)*wire->at++ << 8 * i;
    *out = value;
    return true;
}

static bool take_field(struct wire *wire, struct field *out)
{
    uint64_t key, length;
    if (!take_varint(wire, &key))
        return false;
    *out = (struct field){.number = key >> 3, .type = (uint32_t)(key & 7)};
    switch (out->type) {
    case WIRE_VARINT: return take_varint(wire, &out->value);
    case WIRE_FIXED64: return take_fixed(wire, 8, &out->value);
    case WIRE_FIXED32: return take_fixed(wire, 4, &out->value);
    case WIRE_BYTES:
        if (!take_varint(wire, &length) || length > (uint64_t)(wire->end - wire->at))
            return false;
        out->bytes = (struct wire){wire->at, wire->at + length};
        wire->at += length;
        return true;
    default: return false; /* groups were never used here */
    }
}

static enum status damaged(const struct log *log, const char *where)
{
    return log_error(log, ERROR_FORMAT, "%s: truncated, or not a SentencePiece model", where);
}

/* SentencePiece: piece = 1, score = 2, type = 3 */
static enum status read_piece(const struct log *log, const char *where, struct wire wire,
                              struct tokenizer *tokenizer)
{
    struct wire text = {0};
    uint64_t type = PIECE_NORMAL;
    float score = 0;
    struct field field;

    while (wire.at < wire.end) {
        if (!take_field(&wire, &field))
            return damaged(log, where);
        if (field.number == 1 && field.type == WIRE_BYTES) {
            text = field.bytes;
        } else if (field.number == 2 && field.type == WIRE_FIXED32) {
            uint32_t bits = (uint32_t)field.value;
            memcpy(&score, &bits, sizeof(score));
        } else if (field.number == 3 && field.type == WIRE_VARINT) {
            type = field.value;
        }
    }
    if (!text.at)
        return damaged(log, where);
    return tokenizer_add(log, where, tokenizer, (const char *)text.at, (size_t)(text.end - text.at),
                         score, type);
}

/* TrainerSpec: unk_surface = 44; NormalizerSpec: add_dummy_prefix = 3, remove_extra_whitespaces = 4
 */
static enum status read_spec(const struct log *log, const char *where, struct wire wire,
                             bool trainer, struct tokenizer *tokenizer)
{
    struct field field;
    while (wire.at < wire.end) {
        if (!take_field(&wire, &field))
            return damaged(log, where);
        if (!trainer && field.type == WIRE_VARINT && field.number == 3)
            tokenizer->add_dummy_prefix = field.value != 0;
        if (!trainer && field.type == WIRE_VARINT && field.number == 4)
            tokenizer->remove_extra_whitespaces = field.value != 0;
        if (!trainer || field.type != WIRE_BYTES || field.number != 44)
            continue;
        size_t size = (size_t)(field.bytes.end - field.bytes.at);
        if (size >= sizeof(tokenizer->unknown) ||
            !tokenizer_is_text((const char *)field.bytes.at, size))
            return log_error(log, ERROR_FORMAT, "%s: no usable unk_surface", where);
        memcpy(tokenizer->unknown, field.bytes.at, size);
        tokenizer->unknown[size] = 0;
    }
    return OK;
}

/* ModelProto: pieces = 1, trainer_spec = 2, normalizer_spec = 3 */
enum status sentencepiece_read(const struct log *log, const char *where, const void *bytes,
                               size_t size, struct tokenizer **out)
{
    struct wire wire = {bytes, (const uint8_t *)bytes + size};
    struct tokenizer *tokenizer = NULL;
    struct field field;

    enum status status = tokenizer_create(log, where, &tokenizer);
    if (status)
        return status;
    while (!status && wire.at < wire.end) {
        if (!take_field(&wire, &field))
            status = damaged(log, where);
        else if (field.type == WIRE_BYTES && field.number == 1)
            status = read_piece(log, where, field.bytes, tokenizer);
        else if (field.type == WIRE_BYTES && (field.number == 2 || field.number == 3))
            status = read_spec(log, where, field.bytes, field.number == 2, tokenizer);
    }
    if (!status)
        status = tokenizer_check(log, where, tokenizer);
    if (status) {
        tokenizer_close(&tokenizer);
        return status;
    }
    *out = tokenizer;
    return OK;
}
