/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "tools/checkgpu.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/interrupt.h"
#include "tools/options.h"
#include "tools/program.h"

/* Exit statuses; others say that it could not run them. */
enum { CHECKGPU_WRONG = 1, CHECKGPU_USAGE = 2 };

enum { MAX_ARGUMENTS = 16 };

/* Beside the program, where it is installed, and in a build tree. */
static const char *const vulkan_places[] = {"checkgpu", "../libexec/stapes/checkgpu",
                                            "../tests/checkgpu"};
static const char *const webgpu_places[] = {"../web/checkgpu"};

static bool find(struct report *report, enum checkgpu_api api, char *path)
{
    const bool vulkan = api == CHECKGPU_VULKAN;
    const char *const *places = vulkan ? vulkan_places : webgpu_places;
    const size_t n = vulkan ? COUNT_OF(vulkan_places) : COUNT_OF(webgpu_places);
    if (program_find(places, n, X_OK, path, PATH_MAX))
        return true;
    report_error(report,
                 vulkan ? "checkgpu, which runs the kernels, is not there: it belongs to the "
                          "tests; build and install stapes with -DSTAPES_TESTS=ON"
                        : "web/checkgpu, which runs the kernels through WebGPU, is not there: it "
                          "is in a build tree with -DSTAPES_TESTS=ON and -DSTAPES_WEB=ON");
    return false;
}

static _Noreturn void become(const char *path, const char *const *arguments, int out)
{
    const char *all[MAX_ARGUMENTS] = {path};
    for (size_t i = 0; arguments[i] && i + 2 < COUNT_OF(all); i++)
        all[i + 1] = arguments[i];
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    if (dup2(out, STDOUT_FILENO) >= 0)
        execv(path, (char *const *)all);
    fprintf(stderr, "stapes: %s: %s\n", path, strerror(errno));
    _exit(EXIT_FAILURE);
}

bool checkgpu_start(struct report *report, enum checkgpu_api api, const char *const *arguments,
                    int out, struct checkgpu *child)
{
    *child = (struct checkgpu){.pid = 0};
    if (!find(report, api, child->path))
        return false;
    const pid_t pid = fork();
    if (pid == 0)
        become(child->path, arguments, out);
    if (pid < 0) {
        report_error(report, "cannot start %s: %s", child->path, strerror(errno));
        return false;
    }
    child->pid = pid;
    return true;
}

void checkgpu_interrupt(struct checkgpu *children, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (children[i].pid <= 0)
            continue;
        children[i].interrupted = true;
        kill(children[i].pid, SIGINT);
    }
}

/* What a child's end means; it has told of what it found wrong. */
static int exit_status(struct report *report, const struct checkgpu *child, int status)
{
    if (child->interrupted)
        return EXIT_FAILURE;
    if (WIFSIGNALED(status)) {
        report_error(report, "%s was killed by signal %d", child->path, WTERMSIG(status));
        return EXIT_FAILURE;
    }
    switch (WEXITSTATUS(status)) {
    case 0: return EXIT_SUCCESS;
    case CHECKGPU_USAGE: return EXIT_USAGE;
    default: return EXIT_FAILURE;
    }
}

int checkgpu_wait(struct report *report, struct checkgpu *children, size_t n)
{
    int result = EXIT_SUCCESS;
    for (;;) {
        int status;
        const pid_t pid = waitpid(-1, &status, 0);
        if (pid < 0 && errno != EINTR)
            return interrupt_pending() ? EXIT_INTERRUPTED : result;
        if (pid < 0 && interrupt_pending())
            checkgpu_interrupt(children, n);
        for (size_t i = 0; i < n && pid > 0; i++) {
            if (children[i].pid != pid)
                continue;
            const int ended = exit_status(report, &children[i], status);
            children[i].pid = 0;
            result = result ? result : ended;
            if (!WIFEXITED(status) || WEXITSTATUS(status) > CHECKGPU_WRONG)
                checkgpu_interrupt(children, n);
        }
    }
}
