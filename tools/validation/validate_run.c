/* SPDX-License-Identifier: MIT
 *
 * One model at a time: the reference runs free over the recordings, and its tokens and logits are
 * kept, the logits in a file. Each candidate then runs free for its own words, and once more with
 * the reference's tokens. So a pair of models needs no more device memory than the larger one.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/audio.h"
#include "tools/validation/frame_speed.h"
#include "tools/validation/memory.h"
#include "tools/validation/validate_parts.h"

static void describe(struct validation_model *to, const struct model_facts *facts,
                     const struct stapes_model_info *info)
{
    snprintf(to->path, sizeof(to->path), "%s", facts->path);
    snprintf(to->name, sizeof(to->name), "%s", info->name);
    snprintf(to->kind, sizeof(to->kind), "%s", info->kind);
    to->model_bytes = info->file_bytes;
    to->lm_weights = facts->lm_weights;
    to->lm_bytes = facts->lm_bytes;
    to->matrix_bytes = facts->matrix_bytes;
    to->bits_per_weight =
        facts->lm_weights ? 8.0 * (double)facts->lm_bytes / (double)facts->lm_weights : 0;
    to->load_seconds = info->load_seconds;
    to->device_bytes = info->device_peak_bytes;
}

/* Size, memory, time of loading and speed: of the model as everyone uses it. */
static int measure_model(struct validate_reference *r, const struct model_facts *facts,
                         struct validation_model *to)
{
    struct model_options options = r->options->model;
    const struct model_use use = {.slots = r->slots, .same_driver = facts != &r->facts};
    struct stapes_model_info info;
    stapes_model *model = NULL;
    options.path = facts->path;
    to->host_peak_of_process = !memory_reset_peak();
    to->host_before_bytes = memory_resident();
    int status = model_open_for(r->report, &options, &use, &model);
    if (status != EXIT_SUCCESS)
        return status;
    status = frame_speed_measure(r->report, model, r->pcm, &to->frames_per_second);
    stapes_model_get_info(model, &info);
    describe(to, facts, &info);
    snprintf(r->measured.device, sizeof(r->measured.device), "%s", info.device);
    to->host_peak_bytes = memory_peak();
    const int closed = model_close(r->report, &options, &model);
    return status ? status : closed;
}

/* Errors, steps and times of the stages: of a model for scoring. out: NULL for the reference. */
static int score_model(struct validate_reference *r, const struct model_facts *facts,
                       struct validation *out, struct validation_model *to)
{
    struct model_options options = r->options->model;
    const struct model_use use = {
        .slots = r->slots, .timed = true, .scoring = true, .same_driver = true};
    stapes_model *model = NULL;
    options.path = facts->path;
    int status = model_open_for(r->report, &options, &use, &model);
    if (status != EXIT_SUCCESS)
        return status;
    status = frame_speed_times(r->report, model, r->pcm, &to->times);
    if (status == EXIT_SUCCESS)
        status =
            out ? validate_run_free(r, model, facts->path, to) : validate_run_reference(r, model);
    if (status == EXIT_SUCCESS && out)
        status = validate_run_forced(r, model, facts->path, out);
    to->wer = wer_rate(&to->words);
    to->cer = wer_rate(&to->characters);
    const int closed = model_close(r->report, &options, &model);
    return status ? status : closed;
}

static void name_device_type(struct validation *v, struct report *report)
{
    struct stapes_device devices[16];
    uint32_t n = COUNT_OF(devices);
    snprintf(v->device_type, sizeof(v->device_type), "other");
    if (stapes_devices(report_library, report, devices, &n) != STAPES_OK)
        return;
    for (uint32_t i = 0; i < MIN(n, COUNT_OF(devices)); i++)
        if (!strcmp(devices[i].name, v->device))
            snprintf(v->device_type, sizeof(v->device_type), "%s", devices[i].type);
}

static bool prepare(struct validate_reference *r)
{
    if (!model_facts_read(&r->facts, r->report, r->options->reference) ||
        !validate_open_recordings(r) ||
        !logits_file_create(&r->logits, r->report, r->options->scratch,
                            r->facts.config.lm.text_card, r->expected_steps))
        return false;
    r->made = 1 + r->facts.config.lm.dep_q;
    r->measured.utterances = r->n;
    r->measured.slots = r->slots;
    r->measured.normalize = r->options->normalize;
    snprintf(r->measured.kv, sizeof(r->measured.kv), "%s", model_kv_name(&r->options->model));
    snprintf(r->measured.kernels, sizeof(r->measured.kernels), "%s",
             model_kernels_name(&r->options->model));
    snprintf(r->measured.data, sizeof(r->measured.data), "%s", r->options->data);
    return true;
}

int validate_reference_create(const struct validate_options *options,
                              struct validate_reference **out)
{
    struct validate_reference *r = calloc(1, sizeof(*r));
    if (!r) {
        report_error(options->report, "out of memory");
        return EXIT_FAILURE;
    }
    r->options = options;
    r->report = options->report;
    r->logits.fd = -1;
    int status = prepare(r) ? EXIT_SUCCESS : EXIT_FAILURE;
    if (status == EXIT_SUCCESS)
        status = measure_model(r, &r->facts, &r->measured.reference);
    if (status == EXIT_SUCCESS) {
        name_device_type(&r->measured, r->report);
        status = score_model(r, &r->facts, NULL, &r->measured.reference);
    }
    if (status == EXIT_SUCCESS)
        *out = r;
    else
        validate_reference_destroy(&r);
    return status;
}

void validate_reference_destroy(struct validate_reference **reference)
{
    struct validate_reference *r = reference ? *reference : NULL;
    if (!r)
        return;
    for (size_t i = 0; r->kept && i < r->n; i++) {
        free(r->kept[i].tokens);
        free(r->kept[i].rows);
    }
    free(r->kept);
    free(r->paths);
    free(r->pcm);
    logits_file_close(&r->logits);
    dataset_deinit(&r->dataset);
    model_facts_deinit(&r->facts);
    free(r);
    *reference = NULL;
}

int validate_candidate(struct validate_reference *r, const char *candidate, struct validation *out)
{
    struct validation *v = malloc(sizeof(*v));
    struct model_facts facts = {0};
    int status = EXIT_FAILURE;
    if (!v) {
        validate_no_memory(r);
        return EXIT_FAILURE;
    }
    *v = r->measured;
    if (model_facts_read(&facts, r->report, candidate) &&
        model_facts_match(&r->facts, &facts, r->report)) {
        status = measure_model(r, &facts, &v->candidate);
        if (status == EXIT_SUCCESS)
            status = score_model(r, &facts, v, &v->candidate);
    }
    if (status == EXIT_SUCCESS) {
        validation_judge(v, &r->options->limits);
        *out = *v;
    }
    model_facts_deinit(&facts);
    free(v);
    return status;
}

static bool check_output(const struct validate_options *o)
{
    if (!o->output || !(model_facts_has_file(o->reference, o->output) ||
                        model_facts_has_file(o->candidate, o->output)))
        return true;
    report_error(o->report, VALIDATE_OUTPUT_IS_INPUT, o->output);
    return false;
}

/* Before anything long begins. */
static bool check_pair(const struct validate_options *o)
{
    struct model_facts reference = {0}, candidate = {0};
    const bool comparable = model_facts_read(&reference, o->report, o->reference) &&
                            model_facts_read(&candidate, o->report, o->candidate) &&
                            model_facts_match(&reference, &candidate, o->report);
    model_facts_deinit(&reference);
    model_facts_deinit(&candidate);
    return comparable;
}

int validate_run(const struct validate_options *options, struct validation *out)
{
    struct validate_reference *reference = NULL;
    int status = EXIT_FAILURE;
    if (check_output(options) && check_pair(options))
        status = validate_reference_create(options, &reference);
    if (status == EXIT_SUCCESS)
        status = validate_candidate(reference, options->candidate, out);
    validate_reference_destroy(&reference);
    return status;
}
