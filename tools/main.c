/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stream/stapes.h"
#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/pages.h"

static const struct command *const commands[] = {
    &transcribe_command,
    &trace_command,
    &devices_command,
    &inspect_command,
    &quantize_command,
    &calibrate_command,
    &eval_command,
    &validate_command,
    &compare_command,
    &autoquant_command,
    &bench_command,
    &parity_command,
    &web_command,
    NULL,
};

static void print_usage(FILE *file)
{
    fputs("stapes: streaming speech-to-text on any GPU that speaks Vulkan\n\n"
          "Usage: stapes COMMAND [options] [operands]\n\nCommands:\n",
          file);
    for (size_t i = 0; commands[i]; i++)
        fprintf(file, "  %-12s%s\n", commands[i]->name, commands[i]->summary);
    fputs("\nstapes COMMAND --help tells more of each; stapes --version prints the version.\n",
          file);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    fprintf(stderr, "stapes: there is no command \"%s\"; there are ", name);
    for (size_t i = 0; commands[i]; i++)
        fprintf(stderr, "%s%s", i == 0 ? "" : commands[i + 1] ? ", " : " and ", commands[i]->name);
    fputs("\nstapes --help tells more.\n", stderr);
    return EXIT_USAGE;
}

static int run_command(const struct command *command, int argc, char **argv)
{
    int n_operands = 0;
    void *options = calloc(1, command->options_bytes);
    if (!options) {
        fputs("stapes: out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    if (command->defaults)
        memcpy(options, command->defaults, command->options_bytes);
    int status = EXIT_USAGE;
    switch (options_parse(command, argc, argv, options, &n_operands)) {
    case OPTIONS_RUN: status = command->run(options, n_operands, argv + 1); break;
    case OPTIONS_HELP:
        options_help(command, stdout);
        status = EXIT_SUCCESS;
        break;
    case OPTIONS_ERROR: break;
    }
    free(options);
    return status;
}

/* For the build only: the man page of a subcommand, or of stapes itself. */
static int print_man(const char *name)
{
    const struct command *command = name ? find_command(name) : NULL;
    if (name && !command)
        return unknown_command(name);
    if (command)
        pages_man(command, commands, stdout);
    else
        pages_man_main(commands, stdout);
    return EXIT_SUCCESS;
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    const struct command *command = find_command(argv[1]);
    if (command)
        return run_command(command, argc - 1, argv + 1);
    if (strcmp(argv[1], "--version") == 0)
        printf("stapes %s\n", stapes_version());
    else if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        print_usage(stdout);
    else if (strcmp(argv[1], "--man") == 0)
        return print_man(argc > 2 ? argv[2] : NULL);
    else if (strcmp(argv[1], "--completion") == 0)
        pages_completion(commands, stdout);
    else
        return unknown_command(argv[1]);
    return EXIT_SUCCESS;
}

/* A closed standard stream would be the number of the next file opened, and be written into. */
static void guard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
    guard_streams();
    signal(SIGPIPE, SIG_IGN); /* seen as failed writes instead, so that half a file is removed */
    signal(SIGXFSZ, SIG_IGN);
    interrupt_install();
    int status = dispatch(argc, argv);
    if (ferror(stdout) || fclose(stdout) != 0) {
        if (status == EXIT_SUCCESS && errno != EPIPE && errno != EBADF)
            fprintf(stderr, "stapes: standard output: %s\n", strerror(errno));
        if (status == EXIT_SUCCESS)
            status = EXIT_FAILURE;
    }
    return status;
}
