/* SPDX-License-Identifier: MIT
 *
 * Files of the cache directory: the pipeline cache, and what callers keep beside it. Drivers trust
 * what they are given, so a blob is wrapped in a header with a checksum, and the file's name says
 * which driver it is for.
 */
#define _POSIX_C_SOURCE 200809L
#include "runtime/vulkan/vk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_VERSION 1
#define MAX_CACHE_BYTES (256ull << 20)

static const char cache_magic[8] = {'S', 'T', 'A', 'P', 'E', 'S', 'P', 'C'};

struct cache_header {
    char magic[8];
    uint32_t version; /* in the machine's byte order, like the driver's blob */
    uint32_t header_bytes;
    uint64_t payload_bytes;
    uint64_t checksum; /* FNV-1a of the payload */
};

static uint64_t fnv1a(const unsigned char *data, size_t bytes)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ data[i]) * 0x100000001b3u;
    return hash;
}

/* malloc'd; NULL without memory */
static char *cache_path(const gpu_device *device, const char *dir, const char *kind)
{
    const VkPhysicalDeviceProperties *p = &device->physical.properties;
    char uuid[2 * VK_UUID_SIZE + 1];
    size_t bytes = strlen(dir) + strlen(kind) + 128;
    char *path = malloc(bytes);
    if (!path)
        return NULL;
    for (size_t i = 0; i < VK_UUID_SIZE; i++)
        snprintf(uuid + 2 * i, 3, "%02x", p->pipelineCacheUUID[i]);
    snprintf(path, bytes, "%s/%s-%04x-%04x-%08x-%s.bin", dir, kind, p->vendorID, p->deviceID,
             p->driverVersion, uuid);
    return path;
}

/* NULL with *why set: the file is not used. NULL without: there is none. */
static void *read_blob(const char *path, size_t *bytes, const char **why)
{
    struct cache_header header;
    unsigned char *blob = NULL;
    *why = NULL;
    FILE *file = fopen(path, "rb");
    if (!file) {
        if (errno != ENOENT)
            *why = strerror(errno);
        return NULL;
    }
    if (fread(&header, sizeof(header), 1, file) != 1 ||
        memcmp(header.magic, cache_magic, sizeof(cache_magic)) ||
        header.header_bytes != sizeof(header)) {
        *why = "it is not a file of this cache";
        goto done;
    }
    if (header.version != CACHE_VERSION) {
        *why = "it is of another version";
        goto done;
    }
    if (header.payload_bytes == 0 || header.payload_bytes > MAX_CACHE_BYTES) {
        *why = "its size is wrong";
        goto done;
    }
    blob = malloc((size_t)header.payload_bytes);
    if (!blob) {
        *why = "out of memory";
        goto done;
    }
    if (fread(blob, 1, (size_t)header.payload_bytes, file) != header.payload_bytes ||
        fgetc(file) != EOF)
        *why = "its size is wrong";
    else if (fnv1a(blob, (size_t)header.payload_bytes) != header.checksum)
        *why = "its checksum is wrong";
    if (*why) {
        free(blob);
        blob = NULL;
    }
    *bytes = (size_t)header.payload_bytes;
done:
    fclose(file);
    return blob;
}

enum status vk_cache_load(gpu_device *device, const char *dir)
{
    struct vk_cache *cache = &device->cache;
    VkPipelineCacheCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
    VkResult result = VK_SUCCESS;
    void *blob = NULL;
    const char *why = NULL;
    if (dir && *dir) {
        cache->path = cache_path(device, dir, "pipelines");
        cache->dir = strdup(dir);
        if (!cache->path || !cache->dir)
            return log_error(&device->log, ERROR_MEMORY,
                             "out of memory for the pipeline cache's name");
        blob = read_blob(cache->path, &cache->loaded_bytes, &why);
        if (why)
            log_write(&device->log, LOG_WARNING, "pipeline cache %s is ignored: %s", cache->path,
                      why);
    }
    if (blob) {
        info.pInitialData = blob;
        info.initialDataSize = cache->loaded_bytes;
        result = device->vk.vkCreatePipelineCache(device->handle, &info, NULL, &cache->handle);
        free(blob);
        if (result != VK_SUCCESS)
            log_write(&device->log, LOG_WARNING, "pipeline cache %s is ignored: %s", cache->path,
                      vk_result_text(result));
    }
    if (!cache->handle) {
        cache->loaded_bytes = 0;
        info.pInitialData = NULL;
        info.initialDataSize = 0;
        result = device->vk.vkCreatePipelineCache(device->handle, &info, NULL, &cache->handle);
    }
    return vk_check(device, result, "vkCreatePipelineCache", NULL);
}

/* mkdir -p of the directory that path lies in. */
static bool make_parents(char *path)
{
    char *last = strrchr(path, '/');
    for (char *c = path + 1; c <= last; c++) {
        if (*c != '/')
            continue;
        *c = 0;
        int result = mkdir(path, 0777);
        *c = '/';
        if (result && errno != EEXIST &&
            (c == last || (errno != EROFS && errno != EACCES && errno != EPERM)))
            return false;
    }
    return true;
}

static bool write_all(int fd, const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        ssize_t n = write(fd, at, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        bytes -= (size_t)n;
    }
    return true;
}

/* Beside the file, then renamed: a reader sees the old one or the new one, whole. */
static bool write_file(const char *path, const void *blob, size_t bytes)
{
    struct cache_header header = {
        .version = CACHE_VERSION,
        .header_bytes = sizeof(header),
        .payload_bytes = bytes,
        .checksum = fnv1a(blob, bytes),
    };
    memcpy(header.magic, cache_magic, sizeof(cache_magic));
    size_t temporary_bytes = strlen(path) + sizeof(".XXXXXX");
    char *temporary = malloc(temporary_bytes);
    if (!temporary)
        return false;
    snprintf(temporary, temporary_bytes, "%s.XXXXXX", path);
    int fd = mkstemp(temporary);
    if (fd < 0) {
        free(temporary);
        return false;
    }
    bool ok =
        write_all(fd, &header, sizeof(header)) && write_all(fd, blob, bytes) && fsync(fd) == 0;
    int error = errno;
    if (close(fd) && ok) {
        ok = false;
        error = errno;
    }
    if (ok && rename(temporary, path)) {
        ok = false;
        error = errno;
    }
    if (!ok)
        unlink(temporary);
    free(temporary);
    errno = error;
    return ok;
}

void vk_cache_save(gpu_device *device)
{
    struct vk_cache *cache = &device->cache;
    size_t bytes = 0;
    if (!cache->path || !cache->handle || device->lost)
        return;
    VkResult result =
        device->vk.vkGetPipelineCacheData(device->handle, cache->handle, &bytes, NULL);
    if (result != VK_SUCCESS || bytes <= cache->loaded_bytes || bytes > MAX_CACHE_BYTES)
        return;
    void *blob = malloc(bytes);
    if (!blob)
        return;
    result = device->vk.vkGetPipelineCacheData(device->handle, cache->handle, &bytes, blob);
    if (result == VK_SUCCESS &&
        (!make_parents(cache->path) || !write_file(cache->path, blob, bytes)))
        log_write(&device->log, LOG_WARNING, "cannot write the pipeline cache %s: %s", cache->path,
                  strerror(errno));
    free(blob);
}

bool gpu_cache_read(gpu_device *device, const char *kind, void **data, size_t *bytes)
{
    const char *why = NULL;
    char *path = device->cache.dir ? cache_path(device, device->cache.dir, kind) : NULL;
    if (!path)
        return false;
    void *blob = read_blob(path, bytes, &why);
    if (why)
        log_write(&device->log, LOG_WARNING, "%s is ignored: %s", path, why);
    free(path);
    *data = blob;
    return blob != NULL;
}

void gpu_cache_write(gpu_device *device, const char *kind, const void *data, size_t bytes)
{
    char *path = device->cache.dir ? cache_path(device, device->cache.dir, kind) : NULL;
    if (path && (!make_parents(path) || !write_file(path, data, bytes)))
        log_write(&device->log, LOG_WARNING, "cannot write %s: %s", path, strerror(errno));
    free(path);
}
