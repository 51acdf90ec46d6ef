/* SPDX-License-Identifier: MIT
 *
 * What every room shares: status codes and the logger. The values equal the public STAPES_ERROR_*
 * of stream/stapes.h (asserted there).
 *
 * A fallible function returns an enum status, 0 for success; outputs come last, by pointer, and are
 * set only on success. The place that knows the cause logs it once; callers pass the status on.
 */
#ifndef STAPES_RUNTIME_BASE_H
#define STAPES_RUNTIME_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum status {
    OK = 0,
    ERROR_ARGUMENT = -1,      /* a caller's mistake: NULL, out of range, wrong thread order */
    ERROR_IO = -2,            /* a file cannot be opened, read or written */
    ERROR_FORMAT = -3,        /* a file is not what it says it is, or contradicts itself */
    ERROR_UNSUPPORTED = -4,   /* well formed, but nothing this program runs */
    ERROR_MEMORY = -5,        /* host memory */
    ERROR_DEVICE_MEMORY = -6, /* device memory, or a device limit */
    ERROR_NO_DEVICE = -7,     /* no Vulkan, no device, or none of that name */
    ERROR_DEVICE = -8,        /* the device was lost, timed out or returned nonsense */
    ERROR_AGAIN = -9, /* nothing was done: make room first (poll, advance), then call again */
};

enum log_level { LOG_ERROR = 0, LOG_WARNING = 1, LOG_INFO = 2, LOG_DEBUG = 3 };

/* Where messages go. `message` is one line without a newline. fn may be NULL: silence. */
struct log {
    void (*fn)(void *user, enum log_level level, const char *message);
    void *user;
};

/* printf to a logger; `log` may be NULL. log_error returns `code`, so that the place that knows the
 * cause can write `return log_error(log, ERROR_FORMAT, "...")`. */
void log_write(const struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum status log_error(const struct log *log, enum status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

const char *status_text(enum status code);

/* A clock that only goes forward; what it begins with means nothing. */
double now_seconds(void);
bool starts_with(const char *text, const char *start);

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

static inline uint64_t align_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

static inline uint32_t div_up(uint32_t value, uint32_t divisor)
{
    return value / divisor + (value % divisor != 0);
}

#endif
