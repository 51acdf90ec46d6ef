/* SPDX-License-Identifier: MIT */
#include "tools/pipe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base.h"
#include "tools/interrupt.h"

/* Sizes from here on are what encoders write who do not know them yet. */
#define SIZE_UNKNOWN 0x7fff0000u

void pipe_init(struct pipe_reader *pipe, int fd)
{
    pipe->fd = fd;
    pipe->end = false;
    pipe->error = 0;
    pipe->remaining = UINT64_MAX;
    pipe->at = pipe->filled = 0;
}

static void wait_readable(const struct pipe_reader *pipe)
{
    struct pollfd wait = {.fd = pipe->fd, .events = POLLIN};
    poll(&wait, 1, -1);
}

/* One read into the free part of the buffer. */
static void fill(struct pipe_reader *pipe)
{
    if (pipe->at > 0) {
        memmove(pipe->bytes, pipe->bytes + pipe->at, pipe->filled - pipe->at);
        pipe->filled -= pipe->at;
        pipe->at = 0;
    }
    if (pipe->filled == sizeof(pipe->bytes))
        return;
    ssize_t n = read(pipe->fd, pipe->bytes + pipe->filled, sizeof(pipe->bytes) - pipe->filled);
    if (n > 0) {
        pipe->filled += (size_t)n;
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        wait_readable(pipe);
        pipe->end = interrupt_pending();
    } else if (n < 0 && errno == EINTR) {
        pipe->end = interrupt_pending();
    } else {
        pipe->error = n < 0 ? errno : 0;
        pipe->end = true;
    }
}

static size_t available(const struct pipe_reader *pipe)
{
    return pipe->filled - pipe->at;
}

/* Waits until `bytes` are in the buffer; false at the end. */
static bool need(struct pipe_reader *pipe, size_t bytes)
{
    while (available(pipe) < bytes && !pipe->end)
        fill(pipe);
    return available(pipe) >= bytes;
}

static bool skip(struct pipe_reader *pipe, uint64_t bytes)
{
    while (bytes > 0) {
        if (!need(pipe, 1))
            return false;
        size_t n = MIN(bytes, available(pipe));
        pipe->at += n;
        bytes -= n;
    }
    return true;
}

bool pipe_ready(struct pipe_reader *pipe, size_t bytes)
{
    bytes = MIN(bytes, pipe->remaining);
    while (available(pipe) < bytes && !pipe->end) {
        struct pollfd now = {.fd = pipe->fd, .events = POLLIN};
        if (poll(&now, 1, 0) == 0)
            return false;
        fill(pipe);
    }
    return true;
}

struct wav_header {
    bool big_endian, has_format;
    uint32_t tag, channels, rate, block_bytes;
    uint64_t long_data_bytes; /* of RF64 */
};

static uint32_t get32(const struct wav_header *wav, const uint8_t *b)
{
    return wav->big_endian
               ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]
               : (uint32_t)b[3] << 24 | (uint32_t)b[2] << 16 | (uint32_t)b[1] << 8 | b[0];
}

static uint32_t get16(const struct wav_header *wav, const uint8_t *b)
{
    return wav->big_endian ? (uint32_t)b[0] << 8 | b[1] : (uint32_t)b[1] << 8 | b[0];
}

static void parse_format(struct wav_header *wav, const uint8_t *b, uint32_t size)
{
    wav->tag = get16(wav, b);
    wav->channels = get16(wav, b + 2);
    wav->rate = get32(wav, b + 4);
    wav->block_bytes = get16(wav, b + 12);
    if (wav->tag == 0xfffe && size >= 40) /* WAVE_FORMAT_EXTENSIBLE: the tag begins a GUID */
        wav->tag = get16(wav, b + 24);
    wav->has_format = true;
}

/* libsndfile's name for the samples, 0 for what it cannot read without the rest of the file. */
static int sample_format(const struct wav_header *wav)
{
    uint32_t bytes = wav->channels ? wav->block_bytes / wav->channels : 0;
    if (bytes == 0 || bytes * wav->channels != wav->block_bytes)
        return 0;
    if (wav->tag == 1)
        return bytes == 1   ? SF_FORMAT_PCM_U8
               : bytes == 2 ? SF_FORMAT_PCM_16
               : bytes == 3 ? SF_FORMAT_PCM_24
               : bytes == 4 ? SF_FORMAT_PCM_32
                            : 0;
    if (wav->tag == 3)
        return bytes == 4 ? SF_FORMAT_FLOAT : bytes == 8 ? SF_FORMAT_DOUBLE : 0;
    if (bytes == 1 && wav->tag == 6)
        return SF_FORMAT_ALAW;
    return bytes == 1 && wav->tag == 7 ? SF_FORMAT_ULAW : 0;
}

/* Reads chunks until that of the samples; 0, or -1 if the header ends before. */
static int find_data(struct pipe_reader *pipe, struct wav_header *wav, uint64_t riff_bytes)
{
    uint64_t offset = 12;
    while (need(pipe, 8)) {
        uint8_t *chunk = pipe->bytes + pipe->at;
        uint32_t size = get32(wav, chunk + 4);
        offset += 8;
        if (memcmp(chunk, "data", 4) == 0) {
            pipe->at += 8;
            uint64_t bytes =
                size == UINT32_MAX && wav->long_data_bytes ? wav->long_data_bytes : size;
            /* A size of 0 is true only where the file says that it goes on after the samples. */
            bool known = size == 0 ? riff_bytes + 8 > offset && riff_bytes < SIZE_UNKNOWN
                                   : size < SIZE_UNKNOWN || (bytes != size && bytes < INT64_MAX);
            if (known)
                pipe->remaining = bytes;
            return 0;
        }
        uint64_t padded = (uint64_t)size + (size & 1);
        bool format = memcmp(chunk, "fmt ", 4) == 0, long_sizes = memcmp(chunk, "ds64", 4) == 0;
        pipe->at += 8;
        if ((format && (size < 16 || size > 4096)) || (long_sizes && (size < 16 || size > 4096)))
            return -1;
        if (format || long_sizes) {
            if (!need(pipe, size))
                return -1;
            const uint8_t *b = pipe->bytes + pipe->at;
            if (format)
                parse_format(wav, b, size);
            else
                wav->long_data_bytes = get32(wav, b + 8) | (uint64_t)get32(wav, b + 12) << 32;
        }
        if (!skip(pipe, padded))
            return -1;
        offset += padded;
    }
    return -1;
}

/* The header of an MPEG frame of layer III: MP3 without a tag before it. */
static bool is_mp3(const uint8_t *b)
{
    bool sync = b[0] == 0xff && (b[1] & 0xe6) == 0xe2 && (b[1] & 0x18) != 0x08;
    uint32_t bit_rate = b[2] >> 4, rate = b[2] >> 2 & 3;
    return sync && bit_rate > 0 && bit_rate < 15 && rate < 3 && (b[3] & 3) != 2;
}

static const char *container_name(const uint8_t *b)
{
    static const struct {
        size_t at;
        const char *magic, *name;
    } known[] = {{0, "fLaC", "FLAC"},
                 {0, "OggS", "Ogg"},
                 {0, "FORM", "AIFF"},
                 {0, ".snd", "AU"},
                 {0, "caff", "CAF"},
                 {0, "ID3", "MP3"},
                 {0, "riff\x2e\x91\xcf\x11", "W64"},
                 {4, "ftyp", "MP4"},
                 {0, "\x1a\x45\xdf\xa3", "Matroska or WebM"}};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (memcmp(b + known[i].at, known[i].magic, strlen(known[i].magic)) == 0)
            return known[i].name;
    return is_mp3(b) ? "MP3" : NULL;
}

static int damaged(char *message, size_t message_size)
{
    snprintf(message, message_size, "the WAV header is damaged or cut off");
    return -1;
}

int pipe_read_header(struct pipe_reader *pipe, SF_INFO *info, char *message, size_t message_size)
{
    struct wav_header wav = {0};
    bool whole = need(pipe, 12);
    const uint8_t *b = pipe->bytes + pipe->at;
    if (!whole)
        return available(pipe) < 4 || memcmp(b, "RIFF", 4) ? 0 : damaged(message, message_size);
    const char *container = container_name(b);
    if (container) {
        snprintf(message, message_size,
                 "this looks like %s; a pipe takes WAV or raw samples (any --raw option says that "
                 "they are raw)",
                 container);
        return -1;
    }
    bool riff = memcmp(b, "RIFF", 4) == 0 || memcmp(b, "RF64", 4) == 0 || memcmp(b, "BW64", 4) == 0;
    wav.big_endian = memcmp(b, "RIFX", 4) == 0;
    if ((!riff && !wav.big_endian) || memcmp(b + 8, "WAVE", 4) != 0)
        return 0;
    uint64_t riff_bytes = get32(&wav, b + 4);
    pipe->at += 12;
    if (find_data(pipe, &wav, riff_bytes) != 0 || !wav.has_format)
        return damaged(message, message_size);
    int format = sample_format(&wav);
    if (format == 0) {
        snprintf(message, message_size,
                 "WAV with samples of kind %u (%u channels, %u bytes together) cannot be read "
                 "from a pipe; give it as a file",
                 wav.tag, wav.channels, wav.block_bytes);
        return -1;
    }
    info->samplerate = (int)MIN(wav.rate, INT32_MAX);
    info->channels = (int)wav.channels;
    info->format = SF_FORMAT_RAW | format | (wav.big_endian ? SF_ENDIAN_BIG : SF_ENDIAN_LITTLE);
    return 0;
}

/* libsndfile's virtual file: it begins at the first sample and only goes forward. */
static sf_count_t virtual_length(void *user)
{
    (void)user;
    return INT64_MAX / 4;
}

static sf_count_t virtual_seek(sf_count_t offset, int whence, void *user)
{
    (void)whence;
    (void)user;
    return offset;
}

static sf_count_t virtual_read(void *to, sf_count_t bytes, void *user)
{
    struct pipe_reader *pipe = user;
    sf_count_t done = 0;
    while (done < bytes && pipe->remaining > 0 && need(pipe, 1)) {
        size_t n = MIN(MIN((uint64_t)(bytes - done), available(pipe)), pipe->remaining);
        memcpy((uint8_t *)to + done, pipe->bytes + pipe->at, n);
        pipe->at += n;
        done += (sf_count_t)n;
        if (pipe->remaining != UINT64_MAX)
            pipe->remaining -= n;
    }
    return done;
}

static sf_count_t virtual_tell(void *user)
{
    (void)user;
    return 0;
}

SNDFILE *pipe_open_samples(struct pipe_reader *pipe, SF_INFO *info)
{
    SF_VIRTUAL_IO io = {
        .get_filelen = virtual_length,
        .seek = virtual_seek,
        .read = virtual_read,
        .tell = virtual_tell,
    };
    return sf_open_virtual(&io, SFM_READ, info, pipe);
}
