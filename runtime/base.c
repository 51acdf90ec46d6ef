/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* clock_gettime */
#include "runtime/base.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void write_v(const struct log *log, enum log_level level, const char *format, va_list args)
{
    char message[1024];
    if (!log || !log->fn)
        return;
    vsnprintf(message, sizeof(message), format, args);
    log->fn(log->user, level, message);
}

void log_write(const struct log *log, enum log_level level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_v(log, level, format, args);
    va_end(args);
}

enum status log_error(const struct log *log, enum status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_v(log, LOG_ERROR, format, args);
    va_end(args);
    return code;
}

const char *status_text(enum status code)
{
    switch (code) {
    case OK: return "success";
    case ERROR_ARGUMENT: return "invalid argument";
    case ERROR_IO: return "input or output failed";
    case ERROR_FORMAT: return "malformed file";
    case ERROR_UNSUPPORTED: return "not supported";
    case ERROR_MEMORY: return "out of host memory";
    case ERROR_DEVICE_MEMORY: return "out of device memory";
    case ERROR_NO_DEVICE: return "no usable device";
    case ERROR_DEVICE: return "device failure";
    case ERROR_AGAIN: return "try again";
    }
    return "unknown status";
}

double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}
