/* SPDX-License-Identifier: MIT
 *
 * Submits, and what became of them. Nothing here can wait: a ticket is done when gpu.js has been
 * told so, which happens between calls into the module.
 */
#include "runtime/webgpu/webgpu.h"

enum status gpu_program_submit(gpu_program *program, uint64_t *ticket)
{
    if (!program)
        return ERROR_ARGUMENT;
    gpu_device *device = program->device;
    if (program->failed || !program->ended)
        return log_error(&device->log, ERROR_ARGUMENT, "program %s was not recorded to its end",
                         program->name);
    enum status status = webgpu_check(device);
    if (status)
        return status;
    const double value = webgpu_program_submit(program->id);
    if ((status = webgpu_check(device)))
        return status;
    device->last_ticket = program->last_ticket = (uint64_t)value;
    if (ticket)
        *ticket = program->last_ticket;
    return OK;
}

enum status gpu_done(gpu_device *device, uint64_t ticket, bool *done)
{
    if (!device || !done)
        return ERROR_ARGUMENT;
    enum status status = webgpu_check(device);
    if (status)
        return status;
    if (ticket > device->last_ticket)
        return log_error(&device->log, ERROR_ARGUMENT,
                         "ticket %llu was not given out yet; the last one is %llu",
                         (unsigned long long)ticket, (unsigned long long)device->last_ticket);
    *done = webgpu_finished() >= (double)ticket;
    return OK;
}

enum status gpu_wait(gpu_device *device, uint64_t ticket, uint64_t timeout_ns)
{
    bool done;
    (void)timeout_ns;
    enum status status = gpu_done(device, ticket, &done);
    return status ? status : done ? OK : ERROR_AGAIN;
}

enum status gpu_program_times(gpu_program *program, const char **names, double *ns, uint32_t *count)
{
    double mark_ns[GPU_MAX_MARKS];
    bool done;
    if (!program || !count || ((!names || !ns) && *count > 0))
        return ERROR_ARGUMENT;
    gpu_device *device = program->device;
    const uint32_t n_marks = program->stages.n_marks;
    if (!program->timed || n_marks == 0) {
        *count = 0;
        return OK;
    }
    if (program->last_ticket == 0)
        return log_error(&device->log, ERROR_ARGUMENT, "program %s was never submitted",
                         program->name);
    enum status status = gpu_done(device, program->last_ticket, &done);
    if (status)
        return status;
    if (!done)
        return log_error(&device->log, ERROR_ARGUMENT, "program %s is still in flight",
                         program->name);
    if (!webgpu_program_times(program->id, mark_ns, n_marks))
        return log_error(&device->log, ERROR_DEVICE, "program %s finished without its timestamps",
                         program->name);
    gpu_stages_sum(&program->stages, mark_ns, names, ns, count);
    return OK;
}
