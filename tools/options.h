/* SPDX-License-Identifier: MIT
 *
 * One table a subcommand. The parser, --help, the man page and the shell completion all read it.
 */
#ifndef STAPES_TOOLS_OPTIONS_H
#define STAPES_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
    OPTION_FLAG,    /* bool */
    OPTION_STRING,  /* const char *, not empty */
    OPTION_INTEGER, /* int64_t, min to max */
    OPTION_NUMBER,  /* double, min to max */
    OPTION_SIZE,    /* uint64_t bytes, with K, M, G or T */
    OPTION_CHOICE,  /* int, the index in choices */
    OPTION_LIST, /* struct option_list: strings, none empty; the option may be there repeatedly */
};

enum { OPTION_LIST_MAX = 64 };

struct option_list {
    size_t n;
    const char *items[OPTION_LIST_MAX];
};

struct option_row {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    enum option_kind kind;
    size_t offset;     /* where the value goes in the command's options */
    const char *value; /* what the help calls the value */
    const char *help;
    int64_t min, max;
    const char *const *choices; /* NULL-terminated */
};

/* Text: paragraphs between blank lines; a paragraph whose lines begin with two spaces stays as it
 * is. */
struct help_section {
    const char *title;
    const char *text;
};

struct command {
    const char *name;
    const char *summary;  /* one line, lower case */
    const char *operands; /* as in the synopsis: "FILE..." */
    int min_operands, max_operands;
    const struct option_row *options;
    size_t n_options;
    const struct help_section *sections; /* the first one is the description */
    size_t n_sections;
    size_t options_bytes;
    const void *defaults; /* options_bytes, or NULL for zeros */
    /* Returns the exit status. */
    int (*run)(const void *options, int n_operands, char **operands);
};

#define EXIT_USAGE 2

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_ERROR };

/* argv[0] is the subcommand's name. Operands are moved to the front of argv + 1; *n_operands is
 * their number. Errors are told on standard error. */
enum options_result options_parse(const struct command *command, int argc, char **argv,
                                  void *options, int *n_operands);

/* Says what is wrong and where help is; returns EXIT_USAGE. For what the table cannot check. */
int options_error(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void options_help(const struct command *command, FILE *file);

#endif
