/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "tools/interrupt.h"

#include <signal.h>
#include <string.h>

static volatile sig_atomic_t pending;

static void handle(int number)
{
    (void)number;
    pending = 1;
}

void interrupt_install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = handle;
    action.sa_flags = SA_RESETHAND; /* and no SA_RESTART: a read from a pipe has to return */
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

bool interrupt_pending(void)
{
    return pending != 0;
}
