/* SPDX-License-Identifier: MIT
 *
 * Sound from a pipe, as it arrives: WAV (its header is read here, because streaming encoders leave
 * sizes open that libsndfile would believe) or raw samples. libsndfile decodes the samples.
 */
#ifndef STAPES_TOOLS_PIPE_H
#define STAPES_TOOLS_PIPE_H

#include <sndfile.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PIPE_BUFFER_BYTES = 65536 };

struct pipe_reader {
    int fd; /* not closed here */
    bool end;
    int error;          /* errno of a failed read */
    uint64_t remaining; /* bytes of sound still to come, UINT64_MAX: unknown */
    size_t at, filled;
    uint8_t bytes[PIPE_BUFFER_BYTES];
};

void pipe_init(struct pipe_reader *pipe, int fd);
/* Reads a WAV header if there is one, into `info`: rate, channels and the format of the raw samples
 * that follow. Otherwise leaves `info` alone and consumes nothing. Returns 0, or -1 with the reason
 * in message. */
int pipe_read_header(struct pipe_reader *pipe, SF_INFO *info, char *message, size_t message_size);
/* Whether `bytes` more, or the end, can be had without waiting. bytes <= PIPE_BUFFER_BYTES. */
bool pipe_ready(struct pipe_reader *pipe, size_t bytes);
/* Opens libsndfile on the samples; the pipe stays the caller's. */
SNDFILE *pipe_open_samples(struct pipe_reader *pipe, SF_INFO *info);

#endif
