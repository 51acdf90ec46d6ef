/* SPDX-License-Identifier: MIT
 *
 * SentencePiece models.
 */
#include "loader/tokenizer.h"

#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tokenizer *tokenizer;
    char text[64];
    if (tokenizer_parse(NULL, data, size, &tokenizer))
        return 0;
    for (uint32_t id = 0; id <= tokenizer_size(tokenizer); id++) {
        const uint32_t ids[3] = {id, tokenizer_size(tokenizer) - id, id};
        const bool there = id < tokenizer_size(tokenizer);
        if ((tokenizer_piece(tokenizer, id) != NULL) != there)
            abort();
        if (there) {
            tokenizer_score(tokenizer, id);
            tokenizer_type(tokenizer, id);
        }
        tokenizer_decode(tokenizer, ids, 3, text, sizeof(text));
        tokenizer_decode(tokenizer, ids, 3, NULL, 0);
    }
    tokenizer_close(&tokenizer);
    return 0;
}
