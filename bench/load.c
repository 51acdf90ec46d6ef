/* SPDX-License-Identifier: MIT
 *
 * Loading a model: bytes a second against a plain read of the same files, and the host memory that
 * it takes at most. On a CPU device the device's memory is host memory too and is taken off.
 *
 * bench_load [--device NAME] [--limit-mb N] MODEL...: exit status 1 if host memory exceeds the
 * limit.
 */
#define _POSIX_C_SOURCE 200809L

#include "bench/host.h"
#include "loader/tensor.h"
#include "tests/support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (4u << 20)

/* Reads every file of a model once, and returns bytes a second. */
static double plain_read(const char *path, double *bytes)
{
    struct source *source;
    char *buffer = malloc(READ_BYTES);
    const struct log silent = {0};
    *bytes = 0;
    if (!buffer || source_open(&silent, path, &source))
        exit(1);
    uint32_t files = 0;
    for (uint32_t i = 0; i < source_count(source); i++)
        if (source_tensor(source, i)->file >= files)
            files = source_tensor(source, i)->file + 1;
    const double start = host_now();
    for (uint32_t f = 0; f < files; f++) {
        const int fd = open(source_file(source, f), O_RDONLY);
        ssize_t n;
        while (fd >= 0 && (n = read(fd, buffer, READ_BYTES)) > 0)
            *bytes += (double)n;
        if (fd >= 0)
            close(fd);
    }
    const double seconds = host_now() - start;
    source_close(&source);
    free(buffer);
    return *bytes / seconds;
}

int main(int argc, char **argv)
{
    double limit_mb = 200;
    bool over = false;
    wanted_tune = STAPES_TUNE_AUTO; /* a part of opening */
    support_init(&argc, argv);
    if (argc > 2 && !strcmp(argv[1], "--limit-mb")) {
        limit_mb = atof(argv[2]);
        argv += 2;
        argc -= 2;
    }
    for (int i = 1; i < argc; i++) {
        double bytes;
        struct stapes_model_info info;
        plain_read(argv[i], &bytes); /* the page cache is warm for both */
        const double plain = plain_read(argv[i], &bytes);
        stapes_model *model = open_model(argv[i], 1, false);
        stapes_model_get_info(model, &info);
        struct stapes_device devices[16];
        uint32_t count = 16;
        bool cpu = false;
        stapes_devices(NULL, NULL, devices, &count);
        for (uint32_t d = 0; d < count && d < 16; d++)
            cpu |= !strcmp(devices[d].name, info.device) && !strcmp(devices[d].type, "cpu");
        const double host = host_peak_bytes() - (cpu ? (double)info.device_peak_bytes : 0);
        const double rate = (double)info.file_bytes / info.load_seconds;
        printf("%s: %s\n  %.1f MB of tensors in %.2f s (pipelines included): %.2f GB/s, a plain "
               "read of the file %.2f GB/s (%.1f times)\n"
               "  device memory %.1f MB at most; host memory %.1f MB at most%s\n",
               argv[i], info.device, (double)info.file_bytes / 1e6, info.load_seconds, rate / 1e9,
               plain / 1e9, plain / rate, (double)info.device_peak_bytes / 1e6, host / 1e6,
               cpu ? " beside the device's, which is host memory here" : "");
        over |= host > limit_mb * 1e6;
        close_model(&model);
    }
    if (over)
        fprintf(stderr, "bench_load: more than %.0f MB of host memory\n", limit_mb);
    return over ? 1 : support_finish("bench_load");
}
