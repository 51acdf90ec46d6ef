/* SPDX-License-Identifier: MIT */
#include "tools/autoquant/decide.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct state {
    const struct autoquant_search *search;
    const struct autoquant_attempt *attempts;
    size_t n;
    const struct autoquant_attempt *last;
};

double autoquant_miss(double loss, double limit, double least)
{
    return 1 + (loss - limit) / fmax(limit, least);
}

bool autoquant_has_blocks(const struct tensor_type_info *type)
{
    return type->block > 1;
}

double autoquant_bits(const struct tensor_type_info *type)
{
    return 8.0 * (double)type->bytes / (double)type->block;
}

uint32_t autoquant_wider(const struct autoquant_search *search, uint32_t type)
{
    double bits = autoquant_bits(search->types[type]);
    while (type < search->n_types && autoquant_bits(search->types[type]) <= bits)
        type++;
    return type;
}

static const char *type_name(const struct state *state, uint32_t type)
{
    return state->search->types[type]->name;
}

static double seconds_for(const struct autoquant_search *search, uint32_t method)
{
    return search->methods[method].calibrated ? search->first_seconds : 0;
}

static void decide(struct autoquant_decision *out, enum autoquant_step step,
                   const struct autoquant_attempt *next)
{
    out->step = step;
    out->next = (struct autoquant_attempt){0};
    if (next)
        out->next = (struct autoquant_attempt){
            .type = next->type, .method = next->method, .seconds = next->seconds, .mix = next->mix};
}

/* Adds to the reason, with a semicolon between clauses. */
static void because(struct autoquant_decision *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void because(struct autoquant_decision *out, const char *format, ...)
{
    size_t used = strlen(out->reason);
    va_list args;
    if (used > 0 && used + 2 < sizeof(out->reason)) {
        memcpy(out->reason + used, "; ", 3);
        used += 2;
    }
    va_start(args, format);
    vsnprintf(out->reason + used, sizeof(out->reason) - used, format, args);
    va_end(args);
}

static void start_type(const struct state *state, uint32_t type, enum autoquant_step step,
                       struct autoquant_decision *out)
{
    struct autoquant_attempt next = {.type = type, .seconds = seconds_for(state->search, 0)};
    decide(out, step, &next);
}

static bool same_width(const struct state *state, uint32_t a, uint32_t b)
{
    return autoquant_bits(state->search->types[a]) == autoquant_bits(state->search->types[b]);
}

/* Of those with the type, or with its width, and not mixed; NULL: none, or all are slow. */
static const struct autoquant_attempt *best_of(const struct state *state, uint32_t type, bool width)
{
    const struct autoquant_attempt *best = NULL;
    for (size_t i = 0; i < state->n; i++) {
        const struct autoquant_attempt *attempt = &state->attempts[i];
        if (attempt->mix || attempt->slow ||
            !(width ? same_width(state, attempt->type, type) : attempt->type == type))
            continue;
        if (!best || attempt->miss < best->miss)
            best = attempt;
    }
    return best;
}

static bool any_slow(const struct state *state, uint32_t type)
{
    for (size_t i = 0; i < state->n; i++)
        if (state->attempts[i].slow && same_width(state, state->attempts[i].type, type))
            return true;
    return false;
}

static void go_wider(const struct state *state, struct autoquant_decision *out)
{
    uint32_t wider = autoquant_wider(state->search, state->last->type);
    if (wider == state->search->n_types) {
        because(out, "no wider type is allowed");
        decide(out, AUTOQUANT_FAILED, NULL);
        return;
    }
    because(out, "on to %s", type_name(state, wider));
    start_type(state, wider, AUTOQUANT_WIDER, out);
}

/* A bit more a weight halves the rounding error, and quarters what it does to the logits. */
static double expected_miss(const struct state *state, const struct autoquant_attempt *best,
                            uint32_t wider)
{
    double bits = autoquant_bits(state->search->types[wider]) -
                  autoquant_bits(state->search->types[best->type]);
    return best->miss / pow(4, bits);
}

static void after_width(const struct state *state, struct autoquant_decision *out)
{
    uint32_t wider = autoquant_wider(state->search, state->last->type);
    const struct autoquant_attempt *best = best_of(state, state->last->type, true);

    if (any_slow(state, state->last->type)) {
        because(out, "a wider type would not be faster");
        decide(out, AUTOQUANT_FAILED, NULL);
        return;
    }
    if (wider == state->search->n_types || !best || best->miss > AUTOQUANT_HOPELESS) {
        go_wider(state, out);
        return;
    }
    double expected = expected_miss(state, best, wider);
    if (expected > AUTOQUANT_MIX_REACH) {
        because(out,
                "mixing in %s is left out, since even all of it would be expected at %.3g "
                "times the limit",
                type_name(state, wider), expected);
        go_wider(state, out);
        return;
    }
    struct autoquant_attempt next = *best;
    next.mix = 1;
    because(out, "%s came closest: its most damaged tensors become wider",
            state->search->methods[best->method].name);
    decide(out, AUTOQUANT_MIX, &next);
}

static void after_type(const struct state *state, struct autoquant_decision *out)
{
    uint32_t next = state->last->type + 1;
    if (next < state->search->n_types && same_width(state, state->last->type, next)) {
        because(out, "%s has as many bits", type_name(state, next));
        start_type(state, next, AUTOQUANT_TYPE, out);
        return;
    }
    after_width(state, out);
}

/* How many attempts had this type, unmixed. */
static size_t tried(const struct state *state, uint32_t type)
{
    size_t n = 0;
    for (size_t i = 0; i < state->n; i++)
        n += state->attempts[i].type == type && !state->attempts[i].mix;
    return n;
}

/* Data is doubled right after one another, all with one method. */
static bool data_pays(const struct state *state)
{
    const struct autoquant_attempt *before = NULL;
    for (size_t i = 0; i + 1 < state->n; i++)
        if (state->attempts[i].type == state->last->type && !state->attempts[i].mix &&
            state->attempts[i].method == state->last->method)
            before = &state->attempts[i];
    return before && state->last->miss <= AUTOQUANT_DATA_GAIN * before->miss;
}

static void more_data(const struct state *state, const struct autoquant_attempt *best,
                      struct autoquant_decision *out)
{
    struct autoquant_attempt next = *best;
    next.seconds = fmin(2 * best->seconds, state->search->most_seconds);
    because(out, "%s came closest: more calibration data",
            state->search->methods[best->method].name);
    decide(out, AUTOQUANT_DATA, &next);
}

static void after_methods(const struct state *state, struct autoquant_decision *out)
{
    const struct autoquant_attempt *best = best_of(state, state->last->type, false);
    bool doubled = state->last->seconds > state->search->first_seconds;

    if (doubled && !data_pays(state)) {
        because(out, "more data did not help");
    } else if (best && best->seconds > 0 && best->seconds < state->search->most_seconds) {
        more_data(state, best, out);
        return;
    }
    after_type(state, out);
}

static void after_missed(const struct state *state, struct autoquant_decision *out)
{
    const struct autoquant_attempt *last = state->last;
    bool first = tried(state, last->type) == 1;

    because(out, "missed by a factor of %.3g", last->miss);
    if (first && last->miss > AUTOQUANT_HOPELESS) {
        because(out, "no method makes good for that");
        after_type(state, out);
        return;
    }
    if (autoquant_has_blocks(state->search->types[last->type]) &&
        last->method + 1 < state->search->n_methods &&
        last->seconds <= state->search->first_seconds) {
        struct autoquant_attempt next = {.type = last->type, .method = last->method + 1};
        next.seconds = seconds_for(state->search, next.method);
        decide(out, AUTOQUANT_METHOD, &next);
        return;
    }
    after_methods(state, out);
}

static void after_mix(const struct state *state, struct autoquant_decision *out)
{
    because(out, "missed by a factor of %.3g", state->last->miss);
    if (state->last->mix < AUTOQUANT_MIXES) {
        struct autoquant_attempt next = *state->last;
        next.mix++;
        because(out, "more tensors become wider");
        decide(out, AUTOQUANT_MIX, &next);
        return;
    }
    go_wider(state, out);
}

void autoquant_decide(const struct autoquant_search *search,
                      const struct autoquant_attempt *attempts, size_t n,
                      struct autoquant_decision *out)
{
    struct state state = {search, attempts, n, n ? &attempts[n - 1] : NULL};
    *out = (struct autoquant_decision){0};
    if (n == 0) {
        because(out, "the smallest type with the cheapest method");
        start_type(&state, 0, AUTOQUANT_FIRST, out);
    } else if (state.last->passed) {
        because(out, "passed");
        decide(out, AUTOQUANT_PASSED, NULL);
    } else if (state.last->slow && state.last->mix) {
        because(out, "good enough, but too slow, which a wider type would not mend");
        decide(out, AUTOQUANT_FAILED, NULL);
    } else if (state.last->slow) {
        because(out, "good enough, but too slow");
        after_type(&state, out);
    } else if (state.last->mix) {
        after_mix(&state, out);
    } else {
        after_missed(&state, out);
    }
}

void autoquant_describe(const struct autoquant_search *search,
                        const struct autoquant_attempt *attempt, struct text *out)
{
    text_addf(out, "%s %s", search->types[attempt->type]->name,
              search->methods[attempt->method].name);
    if (attempt->seconds > 0)
        text_addf(out, " %.0f s", attempt->seconds);
    if (attempt->mix)
        text_addf(out, " mixed %u/%u", attempt->mix, AUTOQUANT_MIXES + 1);
}

static bool is_closer(const struct autoquant_attempt *a, const struct autoquant_attempt *b)
{
    if (a->slow != b->slow)
        return a->slow;
    return !a->slow && a->miss < b->miss;
}

void autoquant_advise(const struct autoquant_search *search,
                      const struct autoquant_attempt *attempts, size_t n, size_t *closest,
                      struct text *out)
{
    *closest = 0;
    for (size_t i = 1; i < n; i++)
        if (is_closer(&attempts[i], &attempts[*closest]))
            *closest = i;
    const struct autoquant_attempt *best = &attempts[*closest];
    double widest = autoquant_bits(search->types[search->n_types - 1]);

    if (best->slow) {
        text_add(out, "Only the speed's limit is missed: run on the device that matters, or lower "
                      "--min-speed.\n");
        return;
    }
    if (best->miss <= 2)
        text_addf(out, "Widen the limits: attempt %zu misses them by a factor of %.3g.\n",
                  *closest + 1, best->miss);
    if (widest < 16)
        text_addf(out, "Allow wider types with --types: the widest was %s.\n",
                  search->types[search->n_types - 1]->name);
    else if (best->miss > 2)
        text_add(out, "Even weights without blocks miss the limits: look at the checkpoint and at "
                      "the recordings first.\n");
    if (best->seconds > 0 && best->seconds >= search->most_seconds)
        text_addf(out, "Give more recordings to --calibrate: all %.0f s were used.\n",
                  best->seconds);
    if (search->n_methods == 1 || !search->methods[search->n_methods - 1].calibrated)
        text_add(out, "Allow methods that use calibration data (--methods, --calibrate).\n");
    text_add(out, "Train with the quantization in the loop (quantization-aware training), or start "
                  "from another checkpoint.\n");
}
