/* SPDX-License-Identifier: MIT
 *
 * A model: opened from files onto a device, with its buffers and programs.
 */

#include "stream/internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STAGES 64
#define PAD_EXTRA_SECONDS 0.5 /* beyond the model's delay: a word still being spelled comes out */

static_assert((int)STAPES_ERROR_ARGUMENT == (int)ERROR_ARGUMENT &&
                  (int)STAPES_ERROR_AGAIN == (int)ERROR_AGAIN &&
                  (int)STAPES_ERROR_DEVICE == (int)ERROR_DEVICE &&
                  (int)STAPES_LOG_DEBUG == (int)LOG_DEBUG,
              "the public status codes and log levels are the internal ones");

const char *stapes_version(void)
{
    return STAPES_VERSION;
}

const char *stapes_status_text(int status)
{
    return status_text((enum status)status);
}

static void forward_log(void *user, enum log_level level, const char *message)
{
    const stapes_model *m = user;
    m->user_log(m->user_log_data, (enum stapes_log_level)level, message);
}

double model_pad_seconds(const stapes_model *m)
{
    return m->config.has_stt ? m->config.audio_delay_seconds + PAD_EXTRA_SECONDS : 0;
}

static enum status choose_kv_type(stapes_model *m, enum stapes_kv_type type)
{
    switch (type) {
    case STAPES_KV_F32: m->kv_type = KV_F32; return OK;
    case STAPES_KV_DEFAULT:
    case STAPES_KV_F16: m->kv_type = KV_F16; return OK;
    case STAPES_KV_Q8: m->kv_type = KV_Q8; return OK;
    }
    return log_error(&m->log, ERROR_ARGUMENT, "%d is no type of the caches of keys and values",
                     (int)type);
}

/* What the configuration may say, but this program cannot hold. */
static enum status check_config(const stapes_model *m, const char *path)
{
    const struct model_config *c = &m->config;
    static_assert(CONFIG_MAX_STREAMS - 1 <= MIMI_MAX_CODEBOOKS, "mimi.codebooks");
    if (c->mimi.n_layers > MIMI_MAX_LAYERS)
        return log_error(&m->log, ERROR_UNSUPPORTED,
                         "%s: %u layers in Mimi: at most %u are supported", path, c->mimi.n_layers,
                         MIMI_MAX_LAYERS);
    if (c->lm.extra_heads > LM_MAX_HEADS || c->lm.n_layers > LM_MAX_LAYERS)
        return log_error(&m->log, ERROR_UNSUPPORTED,
                         "%s: %u layers and %u extra heads: at most %u and %u are supported", path,
                         c->lm.n_layers, c->lm.extra_heads, LM_MAX_LAYERS, LM_MAX_HEADS);
    if (c->lm.dep_q && c->lm.depformer.n_layers > DEPFORMER_MAX_LAYERS)
        return log_error(&m->log, ERROR_UNSUPPORTED,
                         "%s: %u depformer layers: at most %u are supported", path,
                         c->lm.depformer.n_layers, DEPFORMER_MAX_LAYERS);
    return OK;
}

static enum status check_tokenizer(stapes_model *m, const char *path)
{
    size_t longest = sizeof(" \u2047 ") - 1;
    const uint32_t n = tokenizer_size(m->tokenizer);
    if (n < m->config.lm.text_card)
        return log_error(&m->log, ERROR_FORMAT,
                         "%s: the tokenizer has %u pieces, the model's text vocabulary %u", path, n,
                         m->config.lm.text_card);
    for (uint32_t i = 0; i < n; i++)
        longest = MAX(longest, strlen(tokenizer_piece(m->tokenizer, i)));
    m->text_bytes = longest * WORDS_MAX_TOKENS + 1;
    return OK;
}

static enum status check_tune(const stapes_model *m, enum stapes_tune tune)
{
    switch (tune) {
    case STAPES_TUNE_AUTO:
    case STAPES_TUNE_ON:
    case STAPES_TUNE_OFF: return OK;
    }
    return log_error(&m->log, ERROR_ARGUMENT, "%d is no way to tune", (int)tune);
}

/* Phase one: every tensor and every buffer gets its size, and the sum is checked against the
 * device. */
static enum status plan_model(stapes_model *m)
{
    const struct model_config *c = &m->config;
    struct taps *taps = m->has_taps ? &m->taps : NULL;
    m->lm.kv_type = m->kv_type;
    enum status status = plan_create(&m->log, m->device, m->kernels, m->source, &m->plan);
    if (status == OK)
        status = mimi_plan(&m->mimi, &c->mimi, m->n_codes, m->slots, m->plan, &m->buffers, taps,
                           &m->log);
    if (status == OK)
        status = lm_plan(&m->lm, &c->lm, m->n_codes, m->slots, m->source, m->plan, &m->buffers,
                         taps, m->device);
    if (status == OK && c->lm.dep_q)
        status =
            depformer_plan(&m->depformer, &c->lm, m->slots, m->plan, &m->buffers, taps, m->device);
    if (status)
        return status;

    m->input_slot = INPUT_SLOT_HEAD + MAX(c->mimi.frame_samples, m->n_codes);
    m->result_slot = RESULT_HEAD + c->lm.extra_heads + c->lm.dep_q + m->n_codes;
    buffers_want(&m->buffers, &m->state, "state", STATE_HEAD + (uint64_t)STATE_SLOT * m->slots);
    buffers_want_mapped(&m->buffers, &m->input, "input ring",
                        (uint64_t)RING * m->slots * m->input_slot, GPU_MEMORY_UPLOAD);
    buffers_want_mapped(&m->buffers, &m->results, "result ring",
                        (uint64_t)RING * m->slots * m->result_slot, GPU_MEMORY_READBACK);
    if (m->scoring)
        score_want_buffers(m);
    if (taps)
        taps_want_buffer(taps, &m->buffers);
    if (m->capture && (status = capture_plan(m->capture, &m->lm, c->lm.dep_q ? &m->depformer : NULL,
                                             m->slots, &m->buffers, &m->log)))
        return status;

    m->file_bytes = plan_file_bytes(m->plan);
    return buffers_check(&m->buffers, m->device, c->name, plan_device_bytes(m->plan), m->slots);
}

static bool report_progress(void *user, uint64_t done_bytes, uint64_t total_bytes)
{
    const struct stapes_model_params *params = user;
    return !params->progress ||
           params->progress(params->progress_user, done_bytes, total_bytes) != 0;
}

/* Behind phase two: what is computed or recorded. */
static enum status finish_loading(stapes_model *m)
{
    enum status status = mimi_init(&m->mimi, m->device);
    if (status == OK)
        status = lm_init(&m->lm, m->device);
    if (status == OK)
        status = programs_create(m);
    if (status)
        return status;
    source_close(&m->source);
    m->load_seconds = now_seconds() - m->begin_seconds;
    return OK;
}

static enum status open_device(stapes_model *m, const struct stapes_model_params *params)
{
    const struct gpu_device_params device = {
        .log = m->log,
        .device = params->device,
        .cache_dir = params->cache_dir,
        .memory_limit_bytes = params->memory_limit_bytes,
        .validation = params->validation != 0,
    };
    const enum status status = gpu_device_create(&device, &m->device);
    if (status)
        return status;
    m->tune =
        params->tune == STAPES_TUNE_ON ||
        (params->tune == STAPES_TUNE_AUTO && gpu_device_get_info(m->device)->type != GPU_TYPE_CPU);
    return kernel_set_create(m->device, params->kernels, &m->kernels);
}

static enum status make_slots(stapes_model *m)
{
    m->streams = calloc(m->slots, sizeof(*m->streams));
    if (!m->streams)
        return log_error(&m->log, ERROR_MEMORY, "out of memory");
    for (uint32_t i = 0; i < RING; i++) {
        m->ticks[i].slot = calloc(m->slots, sizeof(*m->ticks[i].slot));
        if (!m->ticks[i].slot)
            return log_error(&m->log, ERROR_MEMORY, "out of memory");
    }
    return OK;
}

enum status model_begin(const struct stapes_model_params *params, struct model_uses uses,
                        stapes_model **out)
{
    enum status status;
    stapes_model *m = calloc(1, sizeof(*m));
    if (!m) {
        free(uses.capture);
        return ERROR_MEMORY;
    }
    m->capture = uses.capture;
    if (params->log) {
        m->user_log = params->log;
        m->user_log_data = params->log_user;
        m->log = (struct log){forward_log, m};
    }
    m->begin_seconds = now_seconds();
    m->slots = params->slots ? params->slots : 1;
    m->has_taps = params->trace != 0;
    m->timed = params->timed != 0;
    m->scoring = uses.scoring;
    m->queue = uses.capture || uses.scoring ? 1 : RING;
    status = choose_kv_type(m, params->kv_type);
    if (status == OK)
        status = check_tune(m, params->tune);
    if (status == OK && (m->slots > MAX_SLOTS || (m->has_taps && m->slots > 1)))
        status = log_error(&m->log, ERROR_ARGUMENT, "%u slots: 1 to %u are possible, 1 with trace",
                           m->slots, MAX_SLOTS);
    if (status == OK)
        status = source_open_beside(&m->log, params->path,
                                    &(struct source_beside){params->mimi, params->tokenizer},
                                    &m->source);
    if (status == OK)
        status = config_read(&m->log, m->source, &m->config);
    if (status == OK) {
        const struct lm_config *c = &m->config.lm;
        m->n_codes = MAX(c->dep_q, c->n_q - c->dep_q);
        status = check_config(m, params->path);
    }
    if (status == OK)
        status = tokenizer_open(&m->log, m->source, &m->tokenizer);
    if (status == OK)
        status = check_tokenizer(m, params->path);
    if (status == OK)
        status = make_slots(m);
    if (status == OK)
        status = open_device(m, params);
    if (status == OK)
        status = plan_model(m);
    if (status) {
        stapes_model_close(&m);
        return status;
    }
    *out = m;
    return OK;
}

enum status model_load(stapes_model *m, bool *done)
{
    enum status status = OK;
    bool loaded = false;
    if (!m->loading) {
        status = buffers_create(&m->buffers, m->device);
        if (status == OK)
            status = plan_begin(m->plan);
        m->loading = status == OK;
    }
    if (status == OK)
        status = plan_step(m->plan, &loaded);
    if (status)
        return status;
    if (loaded) {
        plan_end(m->plan);
        status = finish_loading(m);
    }
    if (status == OK)
        *done = loaded;
    return status;
}

enum status model_open_with(const struct stapes_model_params *params, struct model_uses uses,
                            stapes_model **out)
{
    const struct plan_progress progress = {report_progress, (void *)params};
    stapes_model *m;
    enum status status = model_begin(params, uses, &m);
    if (status)
        return status;
    status = buffers_create(&m->buffers, m->device);
    if (status == OK)
        status = plan_run(m->plan, &progress);
    if (status == OK)
        status = finish_loading(m);
    if (status) {
        stapes_model_close(&m);
        return status;
    }
    *out = m;
    return OK;
}

int stapes_model_open(const struct stapes_model_params *params, stapes_model **out)
{
    if (!params || !params->path || !out)
        return ERROR_ARGUMENT;
    return model_open_with(params, (struct model_uses){0}, out);
}

void stapes_model_close(stapes_model **model)
{
    stapes_model *m = model ? *model : NULL;
    if (!m)
        return;
    for (uint32_t i = 0; m->streams && i < m->slots; i++)
        stapes_stream_destroy(&m->streams[i]);
    if (m->device) {
        programs_destroy(m);
        buffers_destroy(&m->buffers, m->device);
        plan_destroy(&m->plan);
        kernel_set_destroy(&m->kernels);
        gpu_device_destroy(&m->device);
    }
    source_close(&m->source);
    tokenizer_close(&m->tokenizer);
    for (uint32_t i = 0; i < RING; i++)
        free(m->ticks[i].slot);
    free(m->streams);
    free(m->dump_scratch);
    if (m->capture)
        capture_deinit(m->capture);
    free(m->capture);
    free(m);
    *model = NULL;
}

int stapes_model_run(stapes_model *m, enum stapes_run how)
{
    if (!m)
        return ERROR_ARGUMENT;
    const enum status status = scheduler_run(m, how == STAPES_RUN_WAIT);
    if (status || how != STAPES_RUN_WAIT)
        return status;
    for (uint32_t i = 0; i < m->slots; i++)
        if (m->streams[i] && stream_starved(m->streams[i]))
            return ERROR_AGAIN;
    return OK;
}

int stapes_model_times(stapes_model *m, struct stapes_stage *stages, uint32_t *count)
{
    const char *names[MAX_STAGES];
    double ns[MAX_STAGES];
    uint32_t n = MAX_STAGES;
    if (!m || !count || (*count && !stages))
        return ERROR_ARGUMENT;
    if (!m->timed || !m->last_program || m->collected != m->submitted)
        return log_error(&m->log, ERROR_ARGUMENT,
                         "no times: open the model with timed, and run it with WAIT");
    const enum status status = gpu_program_times(m->last_program, names, ns, &n);
    if (status)
        return status;
    for (uint32_t i = 0; i < MIN(n, *count); i++) {
        const struct gpu_program_counts counts = gpu_program_stage_counts(m->last_program, i);
        stages[i] =
            (struct stapes_stage){names[i], ns[i] * 1e-9, counts.dispatches, counts.barriers};
    }
    *count = n;
    return OK;
}

void stapes_model_get_info(const stapes_model *m, struct stapes_model_info *info)
{
    const struct model_config *c = &m->config;
    const double frame_seconds = (double)c->mimi.frame_samples / c->mimi.sample_rate;
    *info = (struct stapes_model_info){
        .name = c->name,
        .kind = c->kind == MODEL_STT ? "stt" : "moshi",
        .device = gpu_device_get_info(m->device)->name,
        .frame_samples = c->mimi.frame_samples,
        .codebooks = m->n_codes,
        .text_card = c->lm.text_card,
        .audio_streams = c->lm.dep_q,
        .vad_heads = c->lm.extra_heads,
        .slots = m->slots,
        .pad_frames = (uint32_t)ceil(model_pad_seconds(m) / frame_seconds - 1e-9),
        .audio_delay_seconds = c->audio_delay_seconds,
        .file_bytes = m->file_bytes,
        .validation_messages = gpu_device_validation_messages(m->device),
        .driver_work = gpu_device_work_count(m->device),
        .load_seconds = m->load_seconds,
        .submits = m->submitted,
    };
    gpu_device_memory(m->device, &info->device_bytes, &info->device_peak_bytes);
}

struct list_log {
    stapes_log_fn *fn;
    void *user;
};

static void forward_list_log(void *user, enum log_level level, const char *message)
{
    const struct list_log *to = user;
    to->fn(to->user, (enum stapes_log_level)level, message);
}

static const char *best_kernels(uint32_t features)
{
    const uint32_t subgroups = GPU_FEATURE_FAST_BARRIERS | GPU_FEATURE_SUBGROUP_ARITHMETIC;
    if ((features & subgroups) == subgroups)
        return "subgroup";
    if (features & GPU_FEATURE_FAST_BARRIERS)
        return "workgroup";
    return features & GPU_FEATURE_FAST_TEXELS ? "texel" : "plain";
}

int stapes_devices(stapes_log_fn *log, void *log_user, struct stapes_device *devices,
                   uint32_t *count)
{
    static const char *const types[] = {[GPU_TYPE_OTHER] = "other",
                                        [GPU_TYPE_INTEGRATED] = "integrated",
                                        [GPU_TYPE_DISCRETE] = "discrete",
                                        [GPU_TYPE_VIRTUAL] = "virtual",
                                        [GPU_TYPE_CPU] = "cpu"};
    struct list_log to = {log, log_user};
    const struct log internal = {log ? forward_list_log : NULL, &to};
    if (!count || (*count && !devices))
        return ERROR_ARGUMENT;
    uint32_t n = *count;
    struct gpu_device_info *infos = calloc(MAX(n, 1), sizeof(*infos));
    if (!infos)
        return ERROR_MEMORY;
    const enum status status = gpu_enumerate(&internal, infos, &n);
    for (uint32_t i = 0; status == OK && i < MIN(n, *count); i++) {
        const struct gpu_device_info *from = &infos[i];
        struct stapes_device *d = &devices[i];
        *d = (struct stapes_device){
            .index = from->index,
            .type = types[from->type],
            .memory_bytes = from->memory_bytes,
            .free_memory_bytes = from->free_memory_bytes,
            .max_binding_bytes = from->max_binding_bytes,
            .subgroup_size = from->subgroup_size,
            .kernels = best_kernels(from->features),
        };
        memcpy(d->name, from->name, sizeof(d->name));
        memcpy(d->driver, from->driver, sizeof(d->driver));
        memcpy(d->unusable, from->unusable, sizeof(d->unusable));
    }
    if (status == OK)
        *count = n;
    free(infos);
    return status;
}
