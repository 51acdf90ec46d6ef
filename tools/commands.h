/* SPDX-License-Identifier: MIT
 *
 * The subcommands, one file each.
 */
#ifndef STAPES_TOOLS_COMMANDS_H
#define STAPES_TOOLS_COMMANDS_H

#include "tools/options.h"

extern const struct command transcribe_command;
extern const struct command trace_command;
extern const struct command devices_command;
extern const struct command inspect_command;
extern const struct command quantize_command;
extern const struct command calibrate_command;
extern const struct command eval_command;
extern const struct command validate_command;
extern const struct command compare_command;
extern const struct command autoquant_command;
extern const struct command bench_command;
extern const struct command parity_command;
extern const struct command web_command;

#endif
