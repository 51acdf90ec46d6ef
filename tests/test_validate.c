/* SPDX-License-Identifier: MIT
 *
 * Validations as a function: a model against itself, against what quantizing left of it, and
 * against what is no candidate for it.
 *
 * test_validate [--device NAME] DEMO RECORDINGS MOSHI: the demo model, a directory that has 004 and
 * 019, a model with a depformer
 */
#define _XOPEN_SOURCE 700 /* realpath, mkdtemp */

#include "loader/quantize.h"
#include "tests/support.h"
#include "tools/validation/validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PATH 1024

static char directory[] = "/tmp/stapes-validate-XXXXXX";

static void in_directory(char *path, const char *name)
{
    join_path(path, MAX_PATH, directory, name);
}

static void link_recording(const char *recordings, const char *name)
{
    char from[MAX_PATH], to[MAX_PATH], in[MAX_PATH];
    join_path(from, sizeof(from), recordings, name);
    snprintf(in, sizeof(in), "data/%s", name);
    in_directory(to, in);
    char *real = realpath(from, NULL);
    if (!CHECK(real && symlink(real, to) == 0, "%s: cannot be linked to", from))
        exit(1);
    free(real);
}

static void quantize(const char *from, const char *to, const char *type)
{
    const struct log silent = {0};
    const struct quantize_options options = {.type = tensor_type_by_name(type)};
    CHECK(quantize_file(&silent, from, to, &options, NULL) == OK, "%s is not quantized", from);
}

/* --- Verdicts -----------------------------------------------------------------------------------
 */

static struct validation judged(double speed, double bytes, const char *device,
                                struct frame_times reference, double transformer)
{
    struct validation v = {.text = {.steps = 1}};
    snprintf(v.device_type, sizeof(v.device_type), "%s", device);
    v.reference.matrix_bytes = 1000;
    v.candidate.matrix_bytes = (uint64_t)(1000 * bytes);
    v.reference.frames_per_second = 100;
    v.candidate.frames_per_second = 100 * speed;
    v.reference.times = reference;
    v.candidate.times = reference;
    v.candidate.times.transformer = transformer;
    validation_judge(&v, &(struct validate_limits)VALIDATE_DEFAULT_LIMITS);
    return v;
}

static void check_speed(const struct validation *v, enum verdict verdict, const char *reason)
{
    CHECK(v->fast.verdict == verdict && v->passed == (verdict != VERDICT_FAILED),
          "verdict %d instead of %d: %s", (int)v->fast.verdict, (int)verdict, v->fast.reason);
    CHECK(strstr(v->fast.reason, reason), "\"%s\" instead of \"%s\"", v->fast.reason, reason);
}

static void test_speed(void)
{
    const struct frame_times mimi = {10e-3, 2e-3, 1e-6, 100}, lm = {10e-3, 9e-3, 1e-6, 100},
                             waits = {10e-3, 9e-3, 80e-6, 100}, none = {0};
    struct validation v = judged(1.5, 1, "discrete", none, 0);
    check_speed(&v, VERDICT_PASSED, "");
    CHECK(!*v.fast.reason, "a reason for nothing: %s", v.fast.reason);
    v = judged(1.49, 0.25, "discrete", mimi, 1e-3); /* 10 / (8 + 0.5) */
    check_speed(&v, VERDICT_EXCUSED, "at most 1.18 times");
    v = judged(1.49, 0.25, "discrete", waits, 8e-3); /* 10 / (1 + 100 * 0.08) */
    check_speed(&v, VERDICT_EXCUSED, "at most 1.11 times");
    v = judged(1.49, 0.25, "discrete", lm, 8e-3); /* 10 / (1 + 9 / 4) */
    check_speed(&v, VERDICT_FAILED, "3.08 times");
    v = judged(1.49, 0.25, "cpu", lm, 8e-3);
    check_speed(&v, VERDICT_EXCUSED, "25 % of the bytes the language model takes 89 %");
    v = judged(0.5, 0.25, "discrete", mimi, 2.6e-3);
    check_speed(&v, VERDICT_FAILED, "longer than the reference's");
    v = judged(0.5, 0.25, "cpu", mimi, 2.6e-3);
    check_speed(&v, VERDICT_EXCUSED, "at most 1.18 times");
    v = judged(1.49, 0.25, "cpu", lm, 2.7e-3);
    check_speed(&v, VERDICT_FAILED, "3.08 times");
    v = judged(1.49, 0.7, "cpu", mimi, 2e-3);
    check_speed(&v, VERDICT_FAILED, "70 % of the reference's bytes");
    v = judged(1.49, 0.25, "cpu", none, 0);
    check_speed(&v, VERDICT_FAILED, "no timestamps");
}

static void test_limits(void)
{
    struct validation v = {.text = {.steps = 1}};
    struct validate_limits limits = {.max_wer_increase = 2, .max_perplexity_increase = 3};
    v.reference.wer = 0.05;
    v.candidate.wer = 0.069;
    v.reference.cer = 0.5;
    v.candidate.cer = 0.25;
    v.all.reference_perplexity = 4;
    v.all.candidate_perplexity = 8;
    v.text.reference_perplexity = 2;
    v.text.candidate_perplexity = 2.05;
    validation_judge(&v, &limits);
    CHECK(v.passed && fabs(v.wer_increase - 1.9) < 1e-9 && fabs(v.cer_increase + 25) < 1e-9 &&
              fabs(v.perplexity_increase - 100) < 1e-9 &&
              fabs(v.text_perplexity_increase - 2.5) < 1e-9,
          "differences");
    limits.max_wer_increase = 1.8;
    validation_judge(&v, &limits);
    CHECK(!v.passed && v.wer.verdict == VERDICT_FAILED && v.perplexity.verdict == VERDICT_PASSED,
          "1.9 points pass a limit of 1.8");
    limits = (struct validate_limits){.max_wer_increase = 2, .max_perplexity_increase = 2.4};
    validation_judge(&v, &limits);
    CHECK(!v.passed && v.wer.verdict == VERDICT_PASSED && v.perplexity.verdict == VERDICT_FAILED,
          "2.5 %% pass a limit of 2.4 %%");
    limits.max_perplexity_increase = 3;
    v.text.kl_mean = 0.02;
    validation_judge(&v, &limits);
    CHECK(v.passed && v.kl.verdict == VERDICT_PASSED && v.kl.limit == 0, "no limit is missed");
    limits.max_kl = 0.02;
    validation_judge(&v, &limits);
    CHECK(v.passed && v.kl.verdict == VERDICT_PASSED, "0.02 misses a limit of 0.02");
    limits.max_kl = 0.019;
    validation_judge(&v, &limits);
    CHECK(!v.passed && v.kl.verdict == VERDICT_FAILED && v.perplexity.verdict == VERDICT_PASSED,
          "0.02 passes a limit of 0.019");
    limits.max_kl = 0;
    v.text = (struct divergence_summary){0};
    validation_judge(&v, &limits);
    CHECK(!v.passed && strstr(v.perplexity.reason, "padding"), "silence passes");
}

/* Paths may be anything, JSON is UTF-8. */
static void test_names(void)
{
    const struct validation v = {.data = "a\xff\xc3\xa9"};
    cJSON *json = validation_json(&v);
    const char *data = cJSON_GetStringValue(cJSON_GetObjectItem(json, "data"));
    CHECK(data && !strcmp(data, "a\xef\xbf\xbd\xc3\xa9"), "\"%s\"", data ? data : "");
    cJSON_Delete(json);
}

/* --- Models -------------------------------------------------------------------------------------
 */

static void check_same(const struct validation *v)
{
    const struct divergence_summary *const sums[] = {&v->all, &v->text};
    for (size_t i = 0; i < COUNT_OF(sums); i++) {
        const struct divergence_summary *s = sums[i];
        CHECK(s->steps > 0 && s->kl_mean == 0 && s->kl_max == 0 && s->agreement == 1 && s->rms == 0,
              "%s is not like itself: KL %g, at most %g", v->candidate.path, s->kl_mean, s->kl_max);
        CHECK(s->candidate_perplexity == s->reference_perplexity && s->reference_perplexity >= 1,
              "perplexities %g and %g", s->reference_perplexity, s->candidate_perplexity);
    }
    CHECK(v->wer_increase == 0 && v->cer_increase == 0 && v->wer.verdict == VERDICT_PASSED &&
              v->perplexity.verdict == VERDICT_PASSED,
          "other words: %g points", v->wer_increase);
    CHECK(v->fast.verdict == (v->speed >= v->fast.limit ? VERDICT_PASSED : VERDICT_FAILED),
          "a model of the same size is excused from being faster");
}

static void check_measured(const struct validation_model *m)
{
    CHECK(m->load_seconds > 0 && m->frames_per_second > 0, "%g s to load, %g frames a second",
          m->load_seconds, m->frames_per_second);
    CHECK(m->device_bytes > m->model_bytes && m->model_bytes > m->lm_bytes &&
              m->lm_bytes > m->matrix_bytes,
          "%llu bytes on the device, %llu in the model", (unsigned long long)m->device_bytes,
          (unsigned long long)m->model_bytes);
    CHECK(m->host_peak_bytes > m->host_before_bytes, "loading takes no memory");
    CHECK(m->times.frame > m->times.transformer && m->times.transformer > 0 &&
              m->times.dispatch > 0 && m->times.transformer_dispatches > 0,
          "a frame of %g s, the language model %g s", m->times.frame, m->times.transformer);
}

static double number_at(const cJSON *json, const char *a, const char *b, const char *c)
{
    const cJSON *value = cJSON_GetObjectItem(cJSON_GetObjectItem(json, a), b);
    value = c ? cJSON_GetObjectItem(value, c) : value;
    return cJSON_IsNumber(value) ? value->valuedouble : NAN;
}

static void check_json(const struct validation *v)
{
    cJSON *made = validation_json(v);
    char *text = cJSON_Print(made);
    cJSON *json = cJSON_Parse(text);
    CHECK(number_at(json, "reference", "words", "rate") == v->reference.wer, "WER in JSON");
    CHECK(number_at(json, "candidate", "bits_per_weight", NULL) == v->candidate.bits_per_weight,
          "bits in JSON");
    CHECK(number_at(cJSON_GetObjectItem(json, "teacher_forced"), "text_steps", "kl_divergence",
                    "percentile_99_9") == v->text.kl_999,
          "KL in JSON");
    CHECK(number_at(json, "checks", "speed", "limit") == v->fast.limit, "limit in JSON");
    CHECK(cJSON_IsTrue(cJSON_GetObjectItem(json, "passed")) == v->passed, "verdict in JSON");
    cJSON_Delete(json);
    cJSON_free(text);
    cJSON_Delete(made);
}

/* The same steps for one recording after the other; limits of 0 are missed by what was lost. */
static void check_quantized(struct validate_options *options, struct validate_reference *reference,
                            const char *candidate, const struct validation *same)
{
    struct validation v;
    options->limits = (struct validate_limits){.max_perplexity_increase = 0};
    if (!CHECK(validate_candidate(reference, candidate, &v) == EXIT_SUCCESS, "not measured"))
        return;
    CHECK(v.all.steps == same->all.steps && v.text.steps == same->text.steps,
          "%llu steps instead of %llu", (unsigned long long)v.all.steps,
          (unsigned long long)same->all.steps);
    CHECK(v.all.reference_perplexity == same->all.reference_perplexity, "another reference");
    CHECK(v.all.kl_mean > 0 && v.all.kl_median <= v.all.kl_90 && v.all.kl_90 <= v.all.kl_99 &&
              v.all.kl_99 <= v.all.kl_999 && v.all.kl_999 <= v.all.kl_max && v.all.kl_max < 20 &&
              v.all.kl_mean < v.all.kl_max,
          "KL %g, median %g, at most %g", v.all.kl_mean, v.all.kl_median, v.all.kl_max);
    CHECK(v.all.rms > 0 && v.all.rms < 1 && v.all.agreement > 0.5, "RMS %g, agreement %g",
          v.all.rms, v.all.agreement);
    CHECK(fabs(v.candidate.bits_per_weight - 4.5) < 0.1 &&
              fabs(v.reference.bits_per_weight - 16) < 0.1,
          "%g and %g bits", v.reference.bits_per_weight, v.candidate.bits_per_weight);
    CHECK(v.text_perplexity_increase > 0 && v.perplexity.verdict == VERDICT_FAILED && !v.passed,
          "q4_0 costs nothing: %g %%", v.text_perplexity_increase);
    CHECK(v.fast.verdict == VERDICT_PASSED, "any speed is enough");
    check_measured(&v.candidate);
    check_json(&v);
}

static void test_models(struct validate_options *options, const char *candidate)
{
    struct validate_reference *reference = NULL;
    struct validation v;
    if (!CHECK(validate_reference_create(options, &reference) == EXIT_SUCCESS, "no reference"))
        return;
    if (CHECK(validate_candidate(reference, options->reference, &v) == EXIT_SUCCESS,
              "not measured")) {
        check_same(&v);
        check_measured(&v.reference);
        check_json(&v);
        CHECK(v.utterances == 2 && v.slots == 2 && v.reference.words.reference > 4,
              "%llu recordings with %llu words", (unsigned long long)v.utterances,
              (unsigned long long)v.reference.words.reference);
        check_quantized(options, reference, candidate, &v);
    }
    validate_reference_destroy(&reference);
    CHECK(reference == NULL, "still there");
}

/* A checkpoint and a GGUF of it with the same types; text and audio tokens are given. */
static void test_moshi(struct validate_options *options)
{
    struct validation v;
    if (CHECK(validate_run(options, &v) == EXIT_SUCCESS, "not measured")) {
        check_same(&v);
        CHECK(!strcmp(v.reference.kind, "moshi"), "%s", v.reference.kind);
    }
}

static void prepare(const char *recordings)
{
    char data[MAX_PATH];
    if (!mkdtemp(directory))
        exit(1);
    in_directory(data, "data");
    mkdir(data, 0700);
    link_recording(recordings, "004.flac");
    link_recording(recordings, "004.txt");
    link_recording(recordings, "019.flac");
    link_recording(recordings, "019.txt");
}

static void clean_up(void)
{
    static const char *const names[] = {"data/004.flac", "data/004.txt", "data/019.flac",
                                        "data/019.txt",  "data",         "demo.gguf",
                                        "moshi.gguf"};
    char path[MAX_PATH];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        in_directory(path, names[i]);
        CHECK(remove(path) == 0, "%s is not there any more", path);
    }
    CHECK(remove(directory) == 0, "%s is not empty", directory);
}

int main(int argc, char **argv)
{
    char data[MAX_PATH], demo[MAX_PATH], moshi[MAX_PATH];
    struct report report;
    support_init(&argc, argv);
    if (argc != 4) {
        fprintf(stderr, "usage: test_validate [--device NAME] DEMO RECORDINGS MOSHI\n");
        return 2;
    }
    test_speed();
    test_limits();
    test_names();
    stapes_model *model = open_model(argv[1], 1, false); /* ends here where there is no device */
    close_model(&model);

    prepare(argv[2]);
    in_directory(data, "data");
    in_directory(demo, "demo.gguf");
    in_directory(moshi, "moshi.gguf");
    quantize(argv[1], demo, "q4_0");
    quantize(argv[3], moshi, "bf16");
    report_init(&report, true, false);
    struct validate_options options = {
        .report = &report,
        .reference = argv[1],
        .data = data,
        .model = {.device = wanted_device, .cache_dir = "none", .kv = -1, .tune = STAPES_TUNE_OFF},
        .scratch = directory,
        .limits = VALIDATE_DEFAULT_LIMITS,
    };
    test_models(&options, demo);
    options.reference = argv[3];
    options.candidate = moshi;
    test_moshi(&options);
    clean_up();
    return support_finish("test_validate");
}
