/* SPDX-License-Identifier: MIT
 *
 * What does not need frames: bytes of weights, and how long opening takes with empty caches.
 */
#define _POSIX_C_SOURCE 200809L

#include "bench/frame.h"
#include "loader/config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_table(const char *name)
{
    return starts_with(name, "emb.") || starts_with(name, "text_emb.") ||
           starts_with(name, "depformer_emb.") || starts_with(name, "depformer_text_emb.");
}

/* A directory has Mimi's decoder, too, and more codebooks than the model reads. */
static bool is_read(const char *name, uint32_t n_codes)
{
    static const char rest[] = "mimi.quantizer.rvq_rest.vq.layers.";
    if (starts_with(name, "mimi.decoder") || starts_with(name, "mimi.upsample") ||
        strstr(name, ".output_proj.") || strstr(name, "._initialized") ||
        strstr(name, ".cluster_usage"))
        return false;
    return !starts_with(name, rest) || strtoul(name + sizeof(rest) - 1, NULL, 10) + 1 < n_codes;
}

int frame_weigh(const struct log *log, const char *path, struct frame_weights *out)
{
    struct source *source = NULL;
    struct model_config config;
    *out = (struct frame_weights){0};
    enum status status = source_open(log, path, &source);
    if (status == OK)
        status = config_read(log, source, &config);
    const uint32_t n = status == OK ? source_count(source) : 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct tensor *t = source_tensor(source, i);
        const struct lm_config *c = &config.lm;
        if (is_table(t->name) || !is_read(t->name, MAX(c->dep_q, c->n_q - c->dep_q)))
            continue;
        if (starts_with(t->name, "mimi."))
            out->mimi_bytes += (double)t->bytes;
        else if (starts_with(t->name, "depformer") || starts_with(t->name, "linears."))
            out->depformer_bytes += (double)t->bytes;
        else if (starts_with(t->name, "text_linear.") || starts_with(t->name, "extra_heads."))
            out->heads_bytes += (double)t->bytes;
        else
            out->transformer_bytes += (double)t->bytes;
    }
    source_close(&source);
    return status;
}

/* In a child, so that nothing is left in the driver's memory. */
static int open_in_child(const struct frame_options *options, const char *dir, double *seconds)
{
    int ends[2], how;
    if (pipe(ends))
        return STAPES_ERROR_IO;
    fflush(NULL);
    const pid_t child = fork();
    if (child < 0)
        return STAPES_ERROR_MEMORY;
    if (child == 0) {
        struct frame_options o = *options;
        struct frame_model *model = NULL;
        sigset_t none; /* of those that a thread of the parent waits for */
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        struct frame_opening opening;
        o.cache_dir = dir;
        setenv("XDG_CACHE_HOME", dir, 1); /* Mesa's and NVIDIA's own caches */
        setenv("MESA_SHADER_CACHE_DIR", dir, 1);
        setenv("__GL_SHADER_DISK_CACHE_PATH", dir, 1);
        int status = frame_open(&o, 1, &model, &opening);
        if (status == STAPES_OK &&
            write(ends[1], &opening.open_seconds, sizeof(double)) != sizeof(double))
            status = STAPES_ERROR_IO;
        frame_close(&model);
        _exit(-status);
    }
    close(ends[1]);
    const bool told = read(ends[0], seconds, sizeof(double)) == sizeof(double);
    close(ends[0]);
    if (waitpid(child, &how, 0) != child || !WIFEXITED(how))
        return STAPES_ERROR_DEVICE;
    return told || WEXITSTATUS(how) ? -WEXITSTATUS(how) : STAPES_ERROR_IO;
}

int frame_open_cold(const struct frame_options *options, const char *dir, double *cold,
                    double *warm)
{
    const int status = open_in_child(options, dir, cold);
    return status ? status : open_in_child(options, dir, warm);
}
