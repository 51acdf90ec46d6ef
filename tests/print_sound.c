/* SPDX-License-Identifier: MIT
 *
 * print_sound RECORDING: its samples, 24 kHz mono, as raw floats, for tests in other languages.
 */
#include "tests/support.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    size_t samples;
    if (argc != 2) {
        fprintf(stderr, "usage: print_sound RECORDING\n");
        return 2;
    }
    float *sound = read_sound(argv[1], &samples);
    const size_t written = fwrite(sound, sizeof(*sound), samples, stdout);
    free(sound);
    return fflush(stdout) || written != samples ? 1 : 0;
}
