/* SPDX-License-Identifier: MIT
 *
 * A whole frame of any model: opening, memory, frames one by one and queued ahead, by stage, and
 * how many streams a device serves in time. Models of the real sizes are made from a seed; what
 * they say is noise, what they cost is real. README.md explains the figures.
 */
#define _XOPEN_SOURCE 700

#include "bench/frame.h"
#include "bench/host.h"
#include "bench/synthetic.h"
#include "stream/internal.h"

#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_COUNTS 16
#define PATH_BYTES 4096

static struct options {
    const char *model, *type, *mimi, *work, *json;
    struct frame_options frame;
    uint32_t counts[MAX_COUNTS], n_counts; /* of streams */
    bool empty, full, cold, sweep;
    uint32_t layers;
} options = {.empty = true, .full = true, .frame = {.frames = 1000, .seed = 1}};

static char work[PATH_BYTES], model_path[PATH_BYTES + 256], cache_path[PATH_BYTES + 256];
static struct frame_report report;
static char title[512];

static _Noreturn void usage(void)
{
    size_t count;
    const struct synthetic *models = synthetic_models(&count);
    fprintf(stderr,
            "usage: bench_frame --model demo|NAME|FILE_OR_DIR [options]\n"
            "  --type q4_0|q8_0|bf16|f16|f32  of a NAME's language model (default q4_0)\n"
            "  --mimi f32|f16                 of its Mimi (default f32)\n"
            "  --layers N                     of its transformer, where a device is slow\n"
            "  --seed N                       of weights and sound\n"
            "  --work DIR                     where the model and caches are kept (default: a\n"
            "                                 temporary directory, removed at the end)\n"
            "  --streams N,N...               (default 1)\n"
            "  --frames N                     of each measurement (default 1000)\n"
            "  --window empty|full|both       (default both)\n"
            "  --cold                         open with empty caches, and again\n"
            "  --sweep                        instead of --streams: how many are served in time\n"
            "  --limit-mb N                   of device memory\n"
            "  --device NAME  --kernels LIST  --json FILE\n"
            "NAME:");
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, " %s", models[i].name);
    fputc('\n', stderr);
    exit(2);
}

static void parse_counts(const char *name, const char *value)
{
    char text[256], *save;
    if (strlen(value) >= sizeof(text))
        usage();
    strcpy(text, value);
    options.n_counts = 0;
    for (char *part = strtok_r(text, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
        if (options.n_counts == MAX_COUNTS)
            usage();
        options.counts[options.n_counts++] = (uint32_t)host_number(name, part, 1, MAX_SLOTS);
    }
    if (!options.n_counts)
        usage();
}

static void parse_window(const char *value)
{
    options.empty = strcmp(value, "full") != 0;
    options.full = strcmp(value, "empty") != 0;
    if (options.empty && options.full && strcmp(value, "both"))
        usage();
}

static void parse_value(const char *name, const char *value)
{
    if (!strcmp(name, "--model"))
        options.model = value;
    else if (!strcmp(name, "--type"))
        options.type = value;
    else if (!strcmp(name, "--mimi"))
        options.mimi = value;
    else if (!strcmp(name, "--work"))
        options.work = value;
    else if (!strcmp(name, "--json"))
        options.json = value;
    else if (!strcmp(name, "--device"))
        options.frame.device = value;
    else if (!strcmp(name, "--kernels"))
        options.frame.kernels = value;
    else if (!strcmp(name, "--streams"))
        parse_counts(name, value);
    else if (!strcmp(name, "--window"))
        parse_window(value);
    else if (!strcmp(name, "--frames"))
        options.frame.frames = (uint32_t)host_number(name, value, 1, 10000000);
    else if (!strcmp(name, "--layers"))
        options.layers = (uint32_t)host_number(name, value, 1, 128);
    else if (!strcmp(name, "--seed"))
        options.frame.seed = host_number(name, value, 0, UINT64_MAX);
    else if (!strcmp(name, "--limit-mb"))
        options.frame.memory_limit_bytes = host_number(name, value, 1, 10000000) * 1000000;
    else
        usage();
}

static void parse(int argc, char **argv)
{
    options.n_counts = 1;
    options.counts[0] = 1;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (!strcmp(name, "--cold"))
            options.cold = true;
        else if (!strcmp(name, "--sweep"))
            options.sweep = true;
        else if (i + 1 < argc)
            parse_value(name, argv[++i]);
        else
            usage();
    }
    if (!options.model)
        usage();
}

static int remove_one(const char *path, const struct stat *status, int what, struct FTW *where)
{
    (void)status;
    (void)what;
    (void)where;
    return remove(path);
}

static void remove_work(void)
{
    if (!options.work && *work && nftw(work, remove_one, 16, FTW_DEPTH | FTW_PHYS))
        perror(work);
}

/* A thread of its own may remove files, which a signal handler must not. */
static void *remove_work_at_signal(void *signals)
{
    int number;
    if (sigwait(signals, &number) == 0) {
        remove_work();
        signal(number, SIG_DFL);
        pthread_sigmask(SIG_UNBLOCK, signals, NULL);
        raise(number);
    }
    return NULL;
}

/* Before there are other threads, which would get the signals. */
static void wait_for_signals(void)
{
    static sigset_t signals;
    pthread_t thread;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    if (pthread_sigmask(SIG_BLOCK, &signals, NULL) ||
        pthread_create(&thread, NULL, remove_work_at_signal, &signals) || pthread_detach(thread)) {
        fprintf(stderr, "bench_frame: no thread for signals\n");
        exit(1);
    }
}

static void make_work(void)
{
    const char *temporary = getenv("TMPDIR");
    if (options.work)
        snprintf(work, sizeof(work), "%s", options.work);
    else
        snprintf(work, sizeof(work), "%s/bench-frame-XXXXXX", temporary ? temporary : "/tmp");
    if (options.work ? mkdir(work, 0777) && errno != EEXIST : !mkdtemp(work)) {
        perror(work);
        exit(1);
    }
    atexit(remove_work);
    wait_for_signals();
    snprintf(cache_path, sizeof(cache_path), "%s/cache", work);
    options.frame.cache_dir = cache_path;
}

static void print_log(void *user, enum log_level level, const char *message)
{
    (void)user;
    if (level <= LOG_WARNING)
        fprintf(stderr, "%s\n", message);
}

static enum tensor_type parse_type(const char *option, const char *name, bool blocks)
{
    const struct tensor_type_info *type = tensor_type_by_name(name);
    if (!type || !type->runs || (type->block > 1 && !blocks)) {
        fprintf(stderr, "%s %s: %s is wanted\n", option, name,
                blocks ? "q4_0, q8_0, bf16, f16 or f32" : "f32 or f16");
        exit(2);
    }
    return type->type;
}

/* Writes it, unless an earlier run left it in the same --work. */
static void make_model(const struct synthetic *of_name)
{
    const char *type = options.type ? options.type : "q4_0";
    const char *mimi = options.mimi ? options.mimi : "f32";
    const enum tensor_type types[] = {parse_type("--type", type, true),
                                      parse_type("--mimi", mimi, false)};
    const struct log log = {print_log, NULL};
    struct synthetic model = *of_name;
    struct stat there;
    if (options.layers)
        model.n_layers = options.layers;
    make_work();
    snprintf(title, sizeof(title), "%s in %s, Mimi in %s, %u layers", model.name, type, mimi,
             model.n_layers);
    snprintf(model_path, sizeof(model_path), "%s/%s-%s-%s-%u-%llu.gguf", work, model.name, type,
             mimi, model.n_layers, (unsigned long long)options.frame.seed);
    options.frame.path = model_path;
    if (!stat(model_path, &there))
        return;
    const double start = host_now();
    if (synthetic_write_gguf(&log, model_path, &model, types[0], types[1], options.frame.seed))
        exit(1);
    fprintf(stderr, "made %s in %.1f s\n", model_path, host_now() - start);
}

static void choose_model(void)
{
    const struct synthetic *of_name = synthetic_find(options.model);
    if (of_name) {
        make_model(of_name);
        return;
    }
    if (options.type || options.mimi || options.layers) {
        fprintf(stderr,
                "--type, --mimi and --layers are for models that are made: %s is one "
                "already\n",
                options.model);
        exit(2);
    }
    make_work();
    options.frame.path = strcmp(options.model, "demo") ? options.model : DEMO_MODEL;
    snprintf(title, sizeof(title), "%s", options.model);
}

static _Noreturn void fail(int status)
{
    fprintf(stderr, "bench_frame: %s\n", stapes_status_text(status));
    exit(status == STAPES_ERROR_NO_DEVICE ? 77 : 1);
}

/* The device that was opened, of which only the name is known. */
static void find_device(const char *name)
{
    struct stapes_device devices[16];
    uint32_t count = 16;
    if (stapes_devices(NULL, NULL, devices, &count))
        return;
    for (uint32_t i = 0; i < count && i < 16; i++)
        if (!strcmp(devices[i].name, name))
            report.device = devices[i];
}

static void begin_report(void)
{
    struct frame_options o = options.frame;
    char dir[sizeof(cache_path) + 8];
    stapes_model *model = NULL;
    struct stapes_model_info info;
    const struct log log = {print_log, NULL};
    report.title = title;
    int status = frame_weigh(&log, o.path, &report.weights);
    if (status == STAPES_OK && options.cold) {
        snprintf(dir, sizeof(dir), "%s/cold-XXXXXX", work);
        if (!mkdtemp(dir))
            fail(STAPES_ERROR_IO);
        status = frame_open_cold(&o, dir, &report.cold_seconds, &report.warm_seconds);
    }
    const struct stapes_model_params params = {
        .path = o.path, .device = o.device, .kernels = o.kernels, .cache_dir = o.cache_dir};
    if (status == STAPES_OK)
        status = stapes_model_open(&params, &model);
    if (status)
        fail(status);
    stapes_model_get_info(model, &info);
    find_device(info.device);
    stapes_model_close(&model);
    frame_print_head(&report);
}

static void keep_run(void *user, const struct frame_run *run)
{
    (void)user;
    frame_print_run(&report, run);
    if (report.n_runs < FRAME_MAX_RUNS)
        report.runs[report.n_runs++] = *run;
}

static void measure(uint32_t streams)
{
    struct frame_model *model = NULL;
    struct frame_opening opening;
    struct frame_run run;
    int status = frame_open(&options.frame, streams, &model, &opening);
    for (int full = 0; full < 2 && status == STAPES_OK; full++) {
        if (full ? !options.full : !options.empty)
            continue;
        status = frame_measure(model, full, false, &run);
        if (status == STAPES_OK)
            keep_run(NULL, &run);
    }
    frame_close(&model);
    if (status)
        fail(status);
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    choose_model();
    begin_report();
    for (uint32_t i = 0; i < options.n_counts && !options.sweep; i++)
        measure(options.counts[i]);
    if (options.sweep) {
        const int status =
            frame_find_most(&options.frame, options.full, keep_run, NULL, &report.sweep);
        if (status)
            fail(status);
        report.swept = true;
        frame_print_sweep(&report.sweep);
    }
    if (options.json && frame_write_json(&report, options.json)) {
        perror(options.json);
        return 1;
    }
    return 0;
}
