/* SPDX-License-Identifier: MIT */
#include "bench/synthetic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES 128 /* of a piece with its head */

static void put_varint(uint8_t *out, size_t *at, uint64_t value)
{
    for (; value > 127; value >>= 7)
        out[(*at)++] = (uint8_t)(value | 128);
    out[(*at)++] = (uint8_t)value;
}

/* A ModelProto's field 1: a piece with its text, score and type. */
static size_t put_piece(uint8_t *out, uint32_t id)
{
    static const char *const special[] = {"<unk>", "<s>", "</s>", "<pad>"};
    static const char consonants[] = "bdfgklmnprstvz", vowels[] = "aeiou";
    uint8_t piece[MOST_BYTES];
    size_t n = 0, m = 0;
    char text[64] = "";
    int type = id == 0 ? 2 : id < 4 ? 3 : id < 260 ? 6 : 1;
    float score = -(float)id;
    if (id < 4)
        snprintf(text, sizeof(text), "%s", special[id]);
    else if (id < 260)
        snprintf(text, sizeof(text), "<0x%02X>", id - 4);
    else
        for (uint32_t left = id - 260, i = 0; i == 0 || left; left /= 70, i++) {
            size_t used = strlen(text);
            snprintf(text + used, sizeof(text) - used, "%s%c%c",
                     i == 0 && id % 3 == 0 ? "\u2581" : "", consonants[left % 14],
                     vowels[left / 14 % 5]);
        }
    piece[n++] = 1 << 3 | 2;
    put_varint(piece, &n, strlen(text));
    memcpy(piece + n, text, strlen(text));
    n += strlen(text);
    piece[n++] = 2 << 3 | 5;
    memcpy(piece + n, &score, 4);
    n += 4;
    piece[n++] = 3 << 3;
    piece[n++] = (uint8_t)type;
    out[m++] = 1 << 3 | 2;
    put_varint(out, &m, n);
    memcpy(out + m, piece, n);
    return m + n;
}

uint8_t *synthetic_tokenizer(uint32_t pieces, size_t *bytes)
{
    uint8_t *out = malloc((size_t)pieces * MOST_BYTES);
    size_t size = 0;
    if (!out)
        return NULL;
    for (uint32_t id = 0; id < pieces; id++)
        size += put_piece(out + size, id);
    *bytes = size;
    return out;
}
