/* SPDX-License-Identifier: MIT */
#include "tools/report.h"

#include <stdio.h>
#include <unistd.h>

enum { BAR_CELLS = 32 };

void report_init(struct report *report, bool quiet, bool verbose)
{
    *report = (struct report){
        .quiet = quiet,
        .verbose = verbose,
        .bar = !quiet && isatty(STDERR_FILENO),
        .percent = -1,
    };
}

static void print_line(struct report *report, const char *kind, const char *format, va_list args)
{
    report_clear(report);
    fprintf(stderr, "stapes: %s", kind);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

void report_error(struct report *report, const char *format, ...)
{
    va_list args;
    report->errors++;
    va_start(args, format);
    print_line(report, "", format, args);
    va_end(args);
}

void report_warning(struct report *report, const char *format, ...)
{
    if (report->quiet)
        return;
    va_list args;
    va_start(args, format);
    print_line(report, "warning: ", format, args);
    va_end(args);
}

void report_note(struct report *report, const char *format, ...)
{
    if (report->quiet)
        return;
    va_list args;
    va_start(args, format);
    print_line(report, "", format, args);
    va_end(args);
}

void report_progress(struct report *report, const char *label, uint64_t done, uint64_t total)
{
    if (!report->bar || total == 0)
        return;
    int percent = (int)(100.0 * (double)MIN(done, total) / (double)total);
    if (report->drawn && percent == report->percent)
        return;
    char bar[BAR_CELLS + 1];
    for (int i = 0; i < BAR_CELLS; i++)
        bar[i] = i * 100 < percent * BAR_CELLS ? '#' : ' ';
    bar[BAR_CELLS] = '\0';
    fprintf(stderr, "\r%s [%s] %3d %%\033[K", label, bar, percent);
    fflush(stderr);
    report->drawn = true;
    report->percent = percent;
}

void report_clear(struct report *report)
{
    if (!report->drawn)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    report->drawn = false;
    report->percent = -1;
}

static void log_line(void *user, enum log_level level, const char *message)
{
    struct report *report = user;
    if (level == LOG_ERROR)
        report_error(report, "%s", message);
    else if (level == LOG_WARNING)
        report_warning(report, "%s", message);
    else if (report->verbose)
        report_note(report, "%s", message);
}

void report_library(void *user, enum stapes_log_level level, const char *message)
{
    log_line(user, (enum log_level)level, message);
}

struct log report_log(struct report *report)
{
    return (struct log){.fn = log_line, .user = report};
}
