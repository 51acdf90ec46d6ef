/* SPDX-License-Identifier: MIT */
#include "tools/npy.h"

#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("fuzz.npy", data, size);
    char message[NPY_MESSAGE_SIZE];
    int32_t integers[64];
    float floats[64];
    struct npy npy;
    if (npy_open(&npy, path, message))
        return 0;
    for (uint64_t i = 0; i < npy.elements && !npy_read_f32(&npy, floats, 1, message);)
        i++;
    npy_close(&npy);
    if (npy_open(&npy, path, message))
        return 0;
    for (uint64_t left = npy.elements; left;) {
        const size_t n = left < 64 ? (size_t)left : 64;
        if (npy_read_i32(&npy, integers, n, message))
            break;
        left -= n;
    }
    npy_close(&npy);
    return 0;
}
