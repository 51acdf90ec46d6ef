/* SPDX-License-Identifier: MIT */
#include "tools/pages.h"

#include <string.h>

#include "stream/stapes.h"

static const char exit_status[] =
    "0: everything was done. 1: something failed; standard error says what. 2: the command line is "
    "wrong. 130: stopped by Ctrl-C.";

/* Plain text to troff: what looks like a dash is one, and no line is taken for a request. */
static void print_escaped(FILE *file, const char *text, size_t length, bool literal)
{
    bool line_start = true;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (line_start && (c == '.' || c == '\''))
            fputs("\\&", file);
        line_start = c == '\n';
        switch (c) {
        case '-': fputs("\\-", file); break;
        case '\\': fputs("\\e", file); break;
        case '\'': fputs("\\(aq", file); break;
        case '`': fputs("\\(ga", file); break;
        case '^': fputs("\\(ha", file); break;
        case '~': fputs("\\(ti", file); break;
        case ' ': fputs(literal ? "\\ " : " ", file); break;
        default: fputc(c, file); break;
        }
    }
}

static void print_string(FILE *file, const char *text)
{
    print_escaped(file, text, strlen(text), false);
}

static void print_text(FILE *file, const char *text)
{
    for (bool first = true; *text; first = false) {
        const char *end = strstr(text, "\n\n");
        size_t length = end ? (size_t)(end - text) : strlen(text);
        bool literal = strncmp(text, "  ", 2) == 0;
        if (!first)
            fputs(".PP\n", file);
        if (literal)
            fputs(".nf\n", file);
        print_escaped(file, text, length, literal);
        fputs(literal ? "\n.fi\n" : "\n", file);
        if (!end)
            break;
        text = end + 2;
    }
}

static void print_title(FILE *file, const char *name)
{
    fputs(".TH \"", file);
    for (const char *c = name; *c; c++)
        if (*c == '-')
            fputs("\\-", file);
        else
            fputc(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c, file);
    fprintf(file, "\" 1 \"\" \"stapes %s\" \"User Commands\"\n", stapes_version());
}

static void print_option(FILE *file, const char *name, char letter, const char *value)
{
    fputs(".TP\n\\fB\\-\\-", file);
    print_string(file, name);
    fputs("\\fR", file);
    if (value) {
        fputs(" \\fI", file);
        print_string(file, value);
        fputs("\\fR", file);
    }
    if (letter)
        fprintf(file, ", \\fB\\-%c\\fR", letter);
    if (letter && value) {
        fputs(" \\fI", file);
        print_string(file, value);
        fputs("\\fR", file);
    }
    fputc('\n', file);
}

void pages_man(const struct command *command, const struct command *const *commands, FILE *file)
{
    char name[64];
    snprintf(name, sizeof(name), "stapes-%s", command->name);
    print_title(file, name);
    fputs(".SH NAME\nstapes\\-", file);
    print_string(file, command->name);
    fputs(" \\- ", file);
    print_string(file, command->summary);
    fputs("\n.SH SYNOPSIS\n\\fBstapes ", file);
    print_string(file, command->name);
    fputs("\\fR [\\fIoptions\\fR]", file);
    if (*command->operands) {
        fputs(" \\fI", file);
        print_string(file, command->operands);
        fputs("\\fR", file);
    }
    fputs("\n.SH DESCRIPTION\n", file);
    print_text(file, command->sections[0].text);
    fputs(".SH OPTIONS\n", file);
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option_row *row = &command->options[i];
        print_option(file, row->name, row->letter, row->value);
        print_string(file, row->help);
        fputc('\n', file);
    }
    print_option(file, "help", 'h', NULL);
    fputs("Show a short help.\n", file);
    for (size_t i = 1; i < command->n_sections; i++) {
        fputs(".SH \"", file);
        for (const char *c = command->sections[i].title; *c; c++)
            fputc(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c, file);
        fputs("\"\n", file);
        print_text(file, command->sections[i].text);
    }
    fputs(".SH \"EXIT STATUS\"\n", file);
    print_string(file, exit_status);
    fputs("\n.SH \"SEE ALSO\"\n\\fBstapes\\fR(1)", file);
    for (size_t i = 0; commands[i]; i++)
        if (commands[i] != command) {
            fputs(",\n\\fBstapes\\-", file);
            print_string(file, commands[i]->name);
            fputs("\\fR(1)", file);
        }
    fputc('\n', file);
}

void pages_man_main(const struct command *const *commands, FILE *file)
{
    print_title(file, "stapes");
    fputs(".SH NAME\nstapes \\- streaming speech\\-to\\-text on any GPU that speaks Vulkan\n"
          ".SH SYNOPSIS\n\\fBstapes\\fR \\fICOMMAND\\fR [\\fIoptions\\fR] [\\fIoperands\\fR]\n"
          ".br\n\\fBstapes \\-\\-help\\fR\n.br\n\\fBstapes \\-\\-version\\fR\n"
          ".SH DESCRIPTION\n"
          "stapes turns speech into text while it is being spoken, with the models of Kyutai.\n"
          "Text goes to standard output; errors, progress and the summary go to standard error.\n"
          "Options and operands may come in any order; \\fB\\-\\-\\fR ends the options.\n"
          "A value follows its option as the next word or after \\(lq=\\(rq.\n"
          ".SH COMMANDS\n",
          file);
    for (size_t i = 0; commands[i]; i++) {
        fputs(".TP\n\\fBstapes\\-", file);
        print_string(file, commands[i]->name);
        fputs("\\fR(1)\n", file);
        print_string(file, commands[i]->summary);
        fputc('\n', file);
    }
    fputs(".SH \"EXIT STATUS\"\n", file);
    print_string(file, exit_status);
    fputs("\n.SH ENVIRONMENT\n"
          ".TP\n\\fBXDG_CACHE_HOME\\fR, \\fBHOME\\fR\n"
          "Where compiled pipelines are kept: \\fI$XDG_CACHE_HOME/stapes\\fR, else\n"
          "\\fI$HOME/.cache/stapes\\fR.\n",
          file);
}

static void print_words(FILE *file, const struct command *command)
{
    for (size_t i = 0; i < command->n_options; i++)
        fprintf(file, "--%s ", command->options[i].name);
    fputs("--help", file);
}

static void print_case(FILE *file, const struct command *command)
{
    fprintf(file, "    %s)\n        case $prev in\n", command->name);
    for (size_t i = 0; i < command->n_options; i++) {
        const struct option_row *row = &command->options[i];
        if (row->kind == OPTION_CHOICE) {
            fprintf(file, "        --%s) COMPREPLY=($(compgen -W '", row->name);
            for (size_t k = 0; row->choices[k]; k++)
                fprintf(file, "%s%s", k ? " " : "", row->choices[k]);
            fputs("' -- \"$cur\")); return ;;\n", file);
        }
    }
    fputs("        esac\n        words='", file);
    print_words(file, command);
    fputs("' ;;\n", file);
}

void pages_completion(const struct command *const *commands, FILE *file)
{
    fputs("# bash completion for stapes, made from its option tables\n"
          "_stapes()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W '",
          file);
    for (size_t i = 0; commands[i]; i++)
        fprintf(file, "%s ", commands[i]->name);
    fputs("--help --version' -- \"$cur\"))\n        return\n    fi\n"
          "    case ${COMP_WORDS[1]} in\n",
          file);
    for (size_t i = 0; commands[i]; i++)
        print_case(file, commands[i]);
    fputs("    esac\n"
          "    case $cur in\n"
          "    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
          "    *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
          "    esac\n}\n"
          "complete -o filenames -F _stapes stapes\n",
          file);
}
