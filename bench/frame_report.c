/* SPDX-License-Identifier: MIT */
#include "bench/frame.h"

#include <string.h>

static const char *const limits[] = {
    [FRAME_LIMIT_TIME] = "time", [FRAME_LIMIT_MEMORY] = "memory", [FRAME_LIMIT_SLOTS] = "slots"};

static double all_bytes(const struct frame_weights *w)
{
    return w->mimi_bytes + w->transformer_bytes + w->heads_bytes + w->depformer_bytes;
}

/* Bytes of the weights that a stage reads; 0 for the parts of Mimi. */
static double stage_bytes(const struct frame_weights *w, const char *stage)
{
    return !strcmp(stage, "transformer") ? w->transformer_bytes
           : !strcmp(stage, "heads")     ? w->heads_bytes
           : !strcmp(stage, "depformer") ? w->depformer_bytes
                                         : 0;
}

void frame_print_head(const struct frame_report *r)
{
    const struct frame_weights *w = &r->weights;
    printf("%s\n  on %s (%s)\n", r->title, r->device.name, r->device.driver);
    printf("  weights that a frame reads: %.1f MB (Mimi %.1f, transformer %.1f, heads %.1f, "
           "depformer %.1f)\n",
           all_bytes(w) / 1e6, w->mimi_bytes / 1e6, w->transformer_bytes / 1e6,
           w->heads_bytes / 1e6, w->depformer_bytes / 1e6);
    if (r->cold_seconds > 0)
        printf("  open: %.2f s with empty caches, %.2f s with full ones\n", r->cold_seconds,
               r->warm_seconds);
}

static void print_opening(const struct frame_run *run)
{
    const struct frame_opening *o = &run->opening;
    printf("  open %.2f s (%.1f MB at %.2f GB/s, pipelines included), first frame's result after "
           "%.2f s\n"
           "  memory at most: device %.1f MB, host %.1f MB\n",
           o->open_seconds, o->file_bytes / 1e6, o->file_bytes / o->load_seconds / 1e9,
           o->first_seconds, o->device_bytes / 1e6, run->host_bytes / 1e6);
}

static void print_percentiles(const char *what, const struct host_percentiles *p)
{
    printf("  %s p50 %.2f ms, p95 %.2f ms, p99 %.2f ms\n", what, p->p50 * 1e3, p->p95 * 1e3,
           p->p99 * 1e3);
}

void frame_print_run(const struct frame_report *r, const struct frame_run *run)
{
    printf("\n%u stream%s, %s window, %u frames%s\n", run->streams, run->streams == 1 ? "" : "s",
           run->full ? "full" : "empty", run->frames,
           run->too_slow ? ", given up: more than 1 % of all take longer than 80 ms" : "");
    print_opening(run);
    print_percentiles("one by one:  ", &run->wall);
    if (run->n_stages)
        print_percentiles("on the device:", &run->device);
    if (run->queued_seconds > 0)
        printf("  queued ahead: %.2f ms a frame, %.1f times real time\n", run->queued_seconds * 1e3,
               run->streams * FRAME_SECONDS / run->queued_seconds);
    printf("  one by one %.1f times real time, weights at %.2f GB/s\n",
           run->streams * FRAME_SECONDS / run->wall.p50,
           all_bytes(&r->weights) / run->wall.p50 / 1e9);
    for (uint32_t i = 0; i < run->n_stages; i++) {
        const struct stapes_stage *stage = &run->stages[i];
        const double bytes = stage_bytes(&r->weights, stage->name);
        printf("    %-20s %9.3f ms", stage->name, stage->seconds * 1e3);
        if (bytes > 0 && stage->seconds > 0)
            printf("  %.2f GB/s", bytes / stage->seconds / 1e9);
        putchar('\n');
    }
    fflush(stdout);
}

void frame_print_sweep(const struct frame_sweep *s)
{
    printf("\nmost streams with p99 below 80 ms: %u; the limit is %s\n", s->streams,
           limits[s->limit]);
}

/* --- JSON ---------------------------------------------------------------------------------------
 */

static void put_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            fprintf(file, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            fprintf(file, "\\u%04x", (unsigned)*text);
        else
            fputc(*text, file);
    fputc('"', file);
}

static void put_percentiles(FILE *file, const char *name, const struct host_percentiles *p)
{
    fprintf(file, "\"%s\":{\"p50\":%.9g,\"p95\":%.9g,\"p99\":%.9g},", name, p->p50, p->p95, p->p99);
}

static void put_run(FILE *file, const struct frame_run *run)
{
    const struct frame_opening *o = &run->opening;
    fprintf(file,
            "{\"streams\":%u,\"window\":\"%s\",\"frames\":%u,\"too_slow\":%s,"
            "\"open_seconds\":%.9g,\"load_seconds\":%.9g,\"first_seconds\":%.9g,"
            "\"file_bytes\":%.0f,\"device_bytes\":%.0f,\"host_bytes\":%.0f,",
            run->streams, run->full ? "full" : "empty", run->frames,
            run->too_slow ? "true" : "false", o->open_seconds, o->load_seconds, o->first_seconds,
            o->file_bytes, o->device_bytes, run->host_bytes);
    put_percentiles(file, "wall_seconds", &run->wall);
    if (run->n_stages)
        put_percentiles(file, "device_seconds", &run->device);
    if (run->queued_seconds > 0)
        fprintf(file, "\"queued_seconds\":%.9g,", run->queued_seconds);
    fprintf(file, "\"stages\":{");
    for (uint32_t i = 0; i < run->n_stages; i++) {
        fputs(i ? "," : "", file);
        put_string(file, run->stages[i].name);
        fprintf(file, ":%.9g", run->stages[i].seconds);
    }
    fprintf(file, "}}");
}

static void put_report(FILE *file, const struct frame_report *r)
{
    fprintf(file, "{\"model\":");
    put_string(file, r->title);
    fprintf(file, ",\"device\":");
    put_string(file, r->device.name);
    fprintf(file, ",\"driver\":");
    put_string(file, r->device.driver);
    fprintf(file,
            ",\"weights\":{\"mimi_bytes\":%.0f,\"transformer_bytes\":%.0f,"
            "\"heads_bytes\":%.0f,\"depformer_bytes\":%.0f}",
            r->weights.mimi_bytes, r->weights.transformer_bytes, r->weights.heads_bytes,
            r->weights.depformer_bytes);
    if (r->cold_seconds > 0)
        fprintf(file, ",\"cold_open_seconds\":%.9g,\"warm_open_seconds\":%.9g", r->cold_seconds,
                r->warm_seconds);
    fprintf(file, ",\"runs\":[");
    for (uint32_t i = 0; i < r->n_runs; i++) {
        fputs(i ? ",\n" : "\n", file);
        put_run(file, &r->runs[i]);
    }
    fprintf(file, "]");
    if (r->swept)
        fprintf(file, ",\"sweep\":{\"streams\":%u,\"limit\":\"%s\"}", r->sweep.streams,
                limits[r->sweep.limit]);
    fprintf(file, "}\n");
}

int frame_write_json(const struct frame_report *report, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return STAPES_ERROR_IO;
    put_report(file, report);
    const bool bad = ferror(file);
    return fclose(file) || bad ? STAPES_ERROR_IO : STAPES_OK;
}
