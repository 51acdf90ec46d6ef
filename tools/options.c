/* SPDX-License-Identifier: MIT */
#include "tools/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMNS = 80, OPTION_INDENT = 8 };

int options_error(const struct command *command, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "stapes %s: ", command->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nstapes %s --help tells more.\n", command->name);
    return EXIT_USAGE;
}

static bool parse_integer(const char *string, int64_t min, int64_t max, int64_t *value)
{
    char *end;
    if (!((*string >= '0' && *string <= '9') || *string == '-'))
        return false;
    errno = 0;
    long long number = strtoll(string, &end, 10);
    if (errno || *end || end == string || number < min || number > max)
        return false;
    *value = number;
    return true;
}

static bool parse_number(const char *string, int64_t min, int64_t max, double *value)
{
    char *end;
    if (*string < '0' || *string > '9' || string[strspn(string, "0123456789.eE+-")])
        return false;
    const double number = strtod(string, &end);
    if (*end || !(number >= (double)min && number <= (double)max))
        return false;
    *value = number;
    return true;
}

static bool parse_size(const char *string, uint64_t *value)
{
    static const char suffixes[] = "KMGT";
    char *end;
    if (*string < '0' || *string > '9')
        return false;
    errno = 0;
    unsigned long long number = strtoull(string, &end, 10);
    unsigned shift = 0;
    if (errno)
        return false;
    if (*end) {
        const char *suffix = strchr(suffixes, *end >= 'a' && *end <= 'z' ? *end - 'a' + 'A' : *end);
        if (!suffix || end[1])
            return false;
        shift = 10 * (unsigned)(suffix - suffixes + 1);
    }
    if (number == 0 || number > UINT64_MAX >> shift)
        return false;
    *value = (uint64_t)number << shift;
    return true;
}

static bool parse_choice(const char *string, const char *const *choices, int *value)
{
    for (int i = 0; choices[i]; i++)
        if (strcmp(choices[i], string) == 0) {
            *value = i;
            return true;
        }
    return false;
}

static void print_choices(FILE *file, const char *const *choices)
{
    for (int i = 0; choices[i]; i++)
        fprintf(file, "%s%s", i == 0 ? "" : choices[i + 1] ? ", " : " or ", choices[i]);
}

static bool wrong_value(const struct command *command, const struct option_row *row,
                        const char *string)
{
    fprintf(stderr, "stapes %s: --%s takes ", command->name, row->name);
    if (row->kind == OPTION_INTEGER || row->kind == OPTION_NUMBER)
        fprintf(stderr, "a number from %" PRId64 " to %" PRId64, row->min, row->max);
    else if (row->kind == OPTION_SIZE)
        fputs("a number of bytes above 0, with K, M, G or T for powers of 1024", stderr);
    else if (row->kind == OPTION_CHOICE)
        print_choices(stderr, row->choices);
    else
        fputs("a value", stderr);
    fprintf(stderr, ", not \"%s\"\nstapes %s --help tells more.\n", string, command->name);
    return false;
}

static bool add_item(const struct command *command, const struct option_row *row,
                     const char *string, struct option_list *list)
{
    if (list->n == OPTION_LIST_MAX) {
        options_error(command, "--%s is there more than %d times", row->name, OPTION_LIST_MAX);
        return false;
    }
    list->items[list->n++] = string;
    return true;
}

static bool set_value(const struct command *command, const struct option_row *row,
                      const char *string, void *options)
{
    void *at = (char *)options + row->offset;
    bool valid = false;
    switch (row->kind) {
    case OPTION_FLAG: *(bool *)at = true; return true;
    case OPTION_STRING:
        valid = *string != '\0';
        *(const char **)at = string;
        break;
    case OPTION_INTEGER: valid = parse_integer(string, row->min, row->max, at); break;
    case OPTION_NUMBER: valid = parse_number(string, row->min, row->max, at); break;
    case OPTION_SIZE: valid = parse_size(string, at); break;
    case OPTION_CHOICE: valid = parse_choice(string, row->choices, at); break;
    case OPTION_LIST:
        if (*string)
            return add_item(command, row, string, at);
        break;
    }
    return valid || wrong_value(command, row, string);
}

static const struct option_row *find_name(const struct command *command, const char *name, size_t n)
{
    for (size_t i = 0; i < command->n_options; i++)
        if (strlen(command->options[i].name) == n &&
            strncmp(command->options[i].name, name, n) == 0)
            return &command->options[i];
    return NULL;
}

static const struct option_row *find_letter(const struct command *command, char letter)
{
    for (size_t i = 0; i < command->n_options; i++)
        if (command->options[i].letter && command->options[i].letter == letter)
            return &command->options[i];
    return NULL;
}

/* Parses the option at argv[*i], with its value, which may be argv[*i + 1]. */
static bool parse_option(const struct command *command, int argc, char **argv, int *i,
                         void *options)
{
    const char *argument = argv[*i];
    const struct option_row *row;
    const char *value = NULL;
    if (argument[1] == '-') {
        size_t n = strcspn(argument + 2, "=");
        row = find_name(command, argument + 2, n);
        if (argument[2 + n] == '=')
            value = argument + 2 + n + 1;
    } else {
        row = find_letter(command, argument[1]);
        if (argument[2])
            value = argument + 2;
    }
    if (!row) {
        options_error(command, "there is no option %s", argument);
        return false;
    }
    if (row->kind == OPTION_FLAG && value) {
        options_error(command, "--%s takes no value", row->name);
        return false;
    }
    if (row->kind != OPTION_FLAG && !value) {
        if (*i + 1 >= argc) {
            options_error(command, "--%s needs a value: %s", row->name, row->value);
            return false;
        }
        value = argv[++*i];
    }
    return set_value(command, row, value, options);
}

enum options_result options_parse(const struct command *command, int argc, char **argv,
                                  void *options, int *n_operands)
{
    bool only_operands = false;
    int n = 0;
    for (int i = 1; i < argc; i++) {
        if (only_operands || argv[i][0] != '-' || argv[i][1] == '\0') {
            argv[1 + n++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return OPTIONS_HELP;
        } else if (!parse_option(command, argc, argv, &i, options)) {
            return OPTIONS_ERROR;
        }
    }
    if (n < command->min_operands) {
        options_error(command, "%s is missing", command->operands);
        return OPTIONS_ERROR;
    }
    if (n > command->max_operands) {
        options_error(command, "\"%s\" is one operand too many", argv[1 + command->max_operands]);
        return OPTIONS_ERROR;
    }
    *n_operands = n;
    return OPTIONS_RUN;
}

/* One paragraph, filled to the width of a terminal. */
static void print_filled(FILE *file, const char *text, size_t length, int indent)
{
    int column = 0;
    const char *end = text + length;
    while (text < end) {
        text += strspn(text, " \n");
        int n = (int)strcspn(text, " \n");
        if (text + n > end)
            n = (int)(end - text);
        if (n == 0)
            break;
        if (column > 0 && column + 1 + n > HELP_COLUMNS) {
            fputc('\n', file);
            column = 0;
        }
        if (column == 0)
            column = fprintf(file, "%*s%.*s", indent, "", n, text);
        else
            column += fprintf(file, " %.*s", n, text);
        text += n;
    }
    fputc('\n', file);
}

static void print_text(FILE *file, const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t length = end ? (size_t)(end - text) : strlen(text);
        if (strncmp(text, "  ", 2) == 0)
            fprintf(file, "%.*s\n", (int)length, text);
        else
            print_filled(file, text, length, 0);
        if (!end)
            break;
        text = end + 2;
        fputc('\n', file);
    }
}

void options_help(const struct command *command, FILE *file)
{
    fprintf(file, "stapes %s: %s\n\nUsage: stapes %s [options]%s%s\n\n", command->name,
            command->summary, command->name, *command->operands ? " " : "", command->operands);
    print_text(file, command->sections[0].text);
    fputs("\nOptions:\n", file);
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option_row *row = &command->options[i];
        fprintf(file, "  --%s%s%s", row->name, row->value ? " " : "", row->value ? row->value : "");
        if (row->letter)
            fprintf(file, ", -%c%s%s", row->letter, row->value ? " " : "",
                    row->value ? row->value : "");
        fputc('\n', file);
        print_filled(file, row->help, strlen(row->help), OPTION_INDENT);
    }
    fputs("  --help, -h\n        Show this text.\n", file);
    for (size_t i = 1; i < command->n_sections; i++) {
        fprintf(file, "\n%s:\n\n", command->sections[i].title);
        print_text(file, command->sections[i].text);
    }
}
