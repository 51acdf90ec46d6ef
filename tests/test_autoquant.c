/* SPDX-License-Identifier: MIT
 *
 * What autoquant decides, from made-up measurements, and which tensors it makes wider (no device
 * needed). usage: test_autoquant CHECKPOINT
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tools/autoquant/decide.h"
#include "tools/autoquant/mix.h"

#define MOST_ATTEMPTS 64

static int passed, failed;

#define CHECK(ok, ...) check(__LINE__, (ok), __VA_ARGS__)
static bool check(int line, bool ok, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool check(int line, bool ok, const char *format, ...)
{
    va_list args;
    if (ok) {
        passed++;
        return true;
    }
    failed++;
    fprintf(stderr, "test_autoquant.c:%d: ", line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return false;
}

static struct autoquant_search make_search(const char *const *types, uint32_t n_types,
                                           uint32_t n_methods, double first, double most)
{
    static const struct autoquant_method methods[] = {
        {"naive", false}, {"mse", false}, {"imatrix", true}, {"gptq", true}, {"awq", true}};
    struct autoquant_search search = {
        .n_types = n_types, .n_methods = n_methods, .first_seconds = first, .most_seconds = most};
    for (uint32_t i = 0; i < n_types; i++)
        search.types[i] = tensor_type_by_name(types[i]);
    memcpy(search.methods, methods, n_methods * sizeof(methods[0]));
    return search;
}

/* A world in which attempts are measured. */
struct world {
    void (*measure)(const struct autoquant_search *search, struct autoquant_attempt *attempt);
};

/* What is tried until the end, one letter a step: METHOD m, DATA d, TYPE t, MIX x, WIDER w, and the
 * end: P or F. */
static const char *walk(const struct autoquant_search *search, struct world world,
                        struct autoquant_attempt *attempts, size_t *n)
{
    static const char letters[] = "fmdtxwPF";
    static char path[MOST_ATTEMPTS + 2];
    struct autoquant_decision decision;
    *n = 0;
    while (true) {
        autoquant_decide(search, attempts, *n, &decision);
        path[*n] = letters[decision.step];
        path[*n + 1] = '\0';
        if (decision.step >= AUTOQUANT_PASSED || *n == MOST_ATTEMPTS)
            return path;
        CHECK(decision.reason[0] != '\0', "attempt %zu without a reason", *n);
        attempts[*n] = decision.next;
        world.measure(search, &attempts[(*n)++]);
    }
}

static bool is_attempt(const struct autoquant_search *search,
                       const struct autoquant_attempt *attempt, const char *expected)
{
    struct text text = {0};
    autoquant_describe(search, attempt, &text);
    bool same =
        CHECK(!strcmp(text.bytes, expected), "\"%s\" instead of \"%s\"", text.bytes, expected);
    text_deinit(&text);
    return same;
}

static void always(const struct autoquant_search *search, struct autoquant_attempt *attempt)
{
    (void)search;
    attempt->passed = true;
}

static void hopeless(const struct autoquant_search *search, struct autoquant_attempt *attempt)
{
    (void)search;
    attempt->miss = 1000;
}

/* Better methods and more data help, each a little, but never enough. */
static void steady(const struct autoquant_search *search, struct autoquant_attempt *attempt)
{
    (void)search;
    attempt->miss = 6 * pow(0.9, attempt->method) * pow(0.98, attempt->seconds) *
                    pow(4, -0.5 * attempt->type) * pow(0.95, attempt->mix);
    attempt->miss = fmax(attempt->miss, 1.5);
}

static void data_useless(const struct autoquant_search *search, struct autoquant_attempt *attempt)
{
    (void)search;
    attempt->miss = 3 - 0.2 * attempt->method;
}

static void slow_when_good(const struct autoquant_search *search, struct autoquant_attempt *attempt)
{
    (void)search;
    attempt->slow = attempt->type == 0 && attempt->method == 1;
    attempt->miss = 2;
}

static void second_mix_passes(const struct autoquant_search *search,
                              struct autoquant_attempt *attempt)
{
    (void)search;
    attempt->passed = attempt->mix == 2;
    attempt->miss = attempt->type == 1 && attempt->method == 1 ? 1.5 : 2;
}

static void test_decisions(void)
{
    static const char *const types[] = {"q4_0", "q4_k", "q5_0", "q8_0", "f16"};
    struct autoquant_search search = make_search(types, 5, 5, 60, 240);
    struct autoquant_attempt attempts[MOST_ATTEMPTS];
    const char *path;
    size_t n;

    path = walk(&search, (struct world){always}, attempts, &n);
    CHECK(!strcmp(path, "fP"), "%s", path);
    is_attempt(&search, &attempts[0], "q4_0 naive");

    /* One attempt a type where methods cannot help. */
    path = walk(&search, (struct world){hopeless}, attempts, &n);
    CHECK(!strcmp(path, "ftwwwF"), "%s", path);
    is_attempt(&search, &attempts[4], "f16 naive");

    /* Only gptq is given more data; f16 is tried by one method; 240 s are the most there is. */
    search = make_search(types, 1, 5, 60, 240);
    path = walk(&search, (struct world){data_useless}, attempts, &n);
    CHECK(!strcmp(path, "fmmmmdF"), "%s", path);
    is_attempt(&search, &attempts[4], "q4_0 awq 60 s");
    is_attempt(&search, &attempts[5], "q4_0 awq 120 s");

    search = make_search(types, 2, 2, 0, 0);
    path = walk(&search, (struct world){data_useless}, attempts, &n);
    CHECK(!strcmp(path, "fmtmF"), "%s", path);
    search = make_search(types + 2, 3, 2, 0, 0);
    path = walk(&search, (struct world){data_useless}, attempts, &n);
    CHECK(!strcmp(path, "fmxxxwmxxxwF"), "%s", path);
    is_attempt(&search, &attempts[2], "q5_0 mse mixed 1/4");
    is_attempt(&search, &attempts[4], "q5_0 mse mixed 3/4");
}

static void test_data(void)
{
    static const char *const types[] = {"q4_0"};
    struct autoquant_search search = make_search(types, 1, 4, 20, 70);
    struct autoquant_attempt attempts[MOST_ATTEMPTS];
    size_t n;
    const char *path = walk(&search, (struct world){steady}, attempts, &n);
    CHECK(!strcmp(path, "fmmmddF"), "%s", path);
    is_attempt(&search, &attempts[3], "q4_0 gptq 20 s");
    is_attempt(&search, &attempts[4], "q4_0 gptq 40 s");
    is_attempt(&search, &attempts[5], "q4_0 gptq 70 s");
}

static void test_mixing(void)
{
    static const char *const types[] = {"q4_0", "q4_k", "q5_0"};
    struct autoquant_search search = make_search(types, 3, 2, 0, 0);
    struct autoquant_attempt attempts[MOST_ATTEMPTS];
    size_t n;
    const char *path = walk(&search, (struct world){second_mix_passes}, attempts, &n);
    CHECK(!strcmp(path, "fmtmxxP"), "%s", path);
    is_attempt(&search, &attempts[5], "q4_k mse mixed 2/4");

    /* What is left over after the type with the same width does not mix either: too far off. */
    attempts[0] = (struct autoquant_attempt){.miss = 15};
    search = make_search(types, 3, 1, 0, 0);
    attempts[1] = (struct autoquant_attempt){.type = 1, .miss = 12};
    struct autoquant_decision decision;
    autoquant_decide(&search, attempts, 2, &decision);
    CHECK(decision.step == AUTOQUANT_WIDER && decision.next.type == 2, "step %d", decision.step);
    CHECK(strstr(decision.reason, "3 times") != NULL, "%s", decision.reason);
}

static void test_slow(void)
{
    static const char *const types[] = {"q4_0", "q4_k", "q5_0"};
    struct autoquant_search search = make_search(types, 3, 2, 0, 0);
    struct autoquant_attempt attempts[MOST_ATTEMPTS];
    struct text advice = {0};
    size_t n, closest;
    const char *path = walk(&search, (struct world){slow_when_good}, attempts, &n);
    CHECK(!strcmp(path, "fmtmF"), "%s", path);
    autoquant_advise(&search, attempts, n, &closest, &advice);
    CHECK(closest == 1 && strstr(advice.bytes, "--min-speed"), "%zu: %s", closest, advice.bytes);
    text_deinit(&advice);
}

static void test_advice(void)
{
    static const char *const types[] = {"q4_0", "f16"};
    struct autoquant_search search = make_search(types, 1, 4, 60, 60);
    struct autoquant_attempt attempts[] = {
        {.miss = 3}, {.miss = 2.5, .method = 2, .seconds = 60}, {.miss = 4}};
    struct text advice = {0};
    size_t closest;
    autoquant_advise(&search, attempts, 3, &closest, &advice);
    CHECK(closest == 1, "%zu", closest);
    CHECK(strstr(advice.bytes, "--types") && strstr(advice.bytes, "all 60 s") &&
              strstr(advice.bytes, "quantization-aware") && !strstr(advice.bytes, "Widen"),
          "%s", advice.bytes);
    text_clear(&advice);

    search = make_search(types, 2, 1, 0, 0);
    attempts[0].miss = 1.1;
    autoquant_advise(&search, attempts, 1, &closest, &advice);
    CHECK(closest == 0 && strstr(advice.bytes, "attempt 1 misses them by a factor of 1.1") &&
              strstr(advice.bytes, "--methods") && !strstr(advice.bytes, "--types"),
          "%s", advice.bytes);
    text_deinit(&advice);
}

/* Whatever is measured, the search ends, never tries the same twice, and types only get wider. */
static void test_random_walks(void)
{
    static const char *const types[] = {"q4_0", "q4_k", "q5_0", "q6_k", "q8_0", "f16"};
    struct autoquant_search search = make_search(types, 6, 5, 30, 130);
    struct autoquant_attempt attempts[2 * MOST_ATTEMPTS];
    uint64_t seed = 1;
    for (int round = 0; round < 500; round++) {
        struct autoquant_decision decision;
        size_t n = 0;
        for (autoquant_decide(&search, attempts, 0, &decision);
             decision.step < AUTOQUANT_PASSED && n < 2 * MOST_ATTEMPTS;
             autoquant_decide(&search, attempts, n, &decision)) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            attempts[n] = decision.next;
            attempts[n].miss = 1 + 20 * pow((double)(seed >> 40) * 0x1p-24, 4);
            attempts[n].slow = (seed >> 20) % 64 == 0;
            for (size_t i = 0; i < n; i++)
                CHECK(attempts[i].type != attempts[n].type || attempts[i].mix != attempts[n].mix ||
                          attempts[i].method != attempts[n].method ||
                          attempts[i].seconds != attempts[n].seconds,
                      "round %d: attempt %zu is attempt %zu again", round, n, i);
            if (n > 0)
                CHECK(autoquant_bits(search.types[attempts[n].type]) >=
                          autoquant_bits(search.types[attempts[n - 1].type]),
                      "round %d: attempt %zu is narrower", round, n);
            n++;
        }
        CHECK(decision.step == AUTOQUANT_FAILED, "round %d: no end after %zu", round, n);
    }
}

static void test_miss(void)
{
    CHECK(autoquant_miss(3, 2, 0.1) == 1.5 && autoquant_miss(2, 2, 0.1) == 1, "loss by limit");
    CHECK(fabs(autoquant_miss(0.05, 0, 0.1) - 1.5) < 1e-12, "a limit of 0");
}

static void test_choice(void)
{
    static const char *const types[] = {"q4_0", "q5_0", "q8_0"};
    struct autoquant_search search = make_search(types, 3, 1, 0, 0);
    struct mix_tensor tensors[] = {
        {.name = "a", .bytes = {450, 550, 850}, .damage = {0.010, 0.004, 0.001}},
        {.name = "b", .bytes = {450, 550, 850}, .damage = {0.009, 0.003, 0.001}},
        {.name = "c", .bytes = {45, 55, 85}, .damage = {0.008, 0.002, 0.001}},
        {.name = "odd", .bytes = {200, 200, 200}, .damage = {0.5, 0.5, 0.5}},
    };
    struct mix mix = {tensors, COUNT_OF(tensors), COUNT_OF(tensors)};

    CHECK(mix_choose(&search, &mix, 0, 0) == 0 && tensors[0].type == 0, "no room");
    /* 105 of 210 bytes: a takes 100; then nothing but c would be next, which needs 10. */
    CHECK(mix_choose(&search, &mix, 0, 0.5) == 1 && tensors[0].type == 1 && !tensors[1].type &&
              !tensors[2].type && !tensors[3].type,
          "half: the worst");
    CHECK(mix_choose(&search, &mix, 0, 0.53) == 2 && tensors[0].type == 1 && !tensors[1].type &&
              tensors[2].type == 1,
          "what fits, where the next worst does not");
    CHECK(mix_choose(&search, &mix, 0, 1) == 3 && tensors[0].type == 1 && tensors[1].type == 1 &&
              tensors[2].type == 1,
          "all");
    tensors[2].damage[1] = 0.02;
    CHECK(mix_choose(&search, &mix, 0, 0.25) == 1 && tensors[2].type == 2,
          "a type that does not help is passed over");
}

static enum status count(void *user, const struct quantize_tensor *tensor)
{
    uint64_t *bytes = user;
    *bytes += tensor->bytes;
    return OK;
}

static void print_error(void *user, enum log_level level, const char *message)
{
    (void)user;
    if (level == LOG_ERROR)
        fprintf(stderr, "%s\n", message);
}

static const struct mix_tensor *find(const struct mix *mix, const char *name)
{
    for (size_t i = 0; i < mix->n; i++)
        if (!strcmp(mix->tensors[i].name, name))
            return &mix->tensors[i];
    return NULL;
}

/* An element that is all of the input: only its column counts. */
static void test_weighting(const struct log *log, const char *checkpoint,
                           const struct autoquant_search *search,
                           const struct quantize_options *fixed, const struct mix *plain)
{
    static const char name[] = "transformer.layers.0.self_attn.out_proj.weight";
    struct statistics *statistics;
    struct mix mix;
    float x[256] = {[17] = 2};
    if (!CHECK(!statistics_create(log, &statistics) &&
                   !statistics_add(log, statistics, name, 256, x, 1, 256, false) &&
                   !mix_measure(log, checkpoint, search, fixed, statistics, &mix),
               "statistics"))
        return;
    CHECK(find(&mix, name)->damage[0] != find(plain, name)->damage[0], "the same with statistics");
    for (size_t i = 0; i < mix.n; i++)
        CHECK(!strcmp(mix.tensors[i].name, name) ||
                  mix.tensors[i].damage[0] == plain->tensors[i].damage[0],
              "%s", mix.tensors[i].name);
    mix_deinit(&mix);
    statistics_destroy(&statistics);
}

static void test_measuring(const char *checkpoint)
{
    static const char *const types[] = {"q4_0", "q4_k", "q8_0"};
    const struct log log = {.fn = print_error};
    struct autoquant_search search = make_search(types, 3, 1, 0, 0);
    const struct quantize_rule rule = {"emb.*", search.types[2]};
    struct quantize_options fixed = {.type = search.types[0], .rules = &rule, .n_rules = 1};
    struct mix mix;
    uint64_t narrow = 0, wide = 0, growth = 0;

    if (!CHECK(!mix_measure(&log, checkpoint, &search, &fixed, NULL, &mix), "%s", checkpoint))
        return;
    CHECK(!find(&mix, "emb.0.weight") && !find(&mix, "out_norm.alpha") &&
              find(&mix, "text_emb.weight") && find(&mix, "text_linear.weight"),
          "which tensors");
    for (size_t i = 0; i < mix.n; i++) {
        const struct mix_tensor *tensor = &mix.tensors[i];
        CHECK(strncmp(tensor->name, "mimi.", 5) != 0, "%s", tensor->name);
        CHECK(tensor->damage[0] > 50 * tensor->damage[2] && tensor->damage[2] > 0 &&
                  tensor->damage[0] < 0.1,
              "%s: %g in q4_0, %g in q8_0", tensor->name, tensor->damage[0], tensor->damage[2]);
        growth += tensor->bytes[2] - tensor->bytes[0];
    }
    CHECK(!quantize_list(&log, checkpoint, &fixed, count, &narrow), "list");
    fixed.type = search.types[2];
    CHECK(!quantize_list(&log, checkpoint, &fixed, count, &wide), "list");
    CHECK(wide - narrow == growth, "%llu bytes instead of %llu", (unsigned long long)growth,
          (unsigned long long)(wide - narrow));
    test_weighting(&log, checkpoint, &search, &fixed, &mix);
    mix_deinit(&mix);
    CHECK(mix_measure(&(struct log){0}, "/nothing/there", &search, &fixed, NULL, &mix) == ERROR_IO,
          "no checkpoint");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: test_autoquant CHECKPOINT\n");
        return 2;
    }
    test_decisions();
    test_data();
    test_mixing();
    test_slow();
    test_advice();
    test_random_walks();
    test_miss();
    test_choice();
    test_measuring(argv[1]);
    printf("test_autoquant: %d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}
