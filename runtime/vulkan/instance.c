/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#define VOLK_IMPLEMENTATION
#include "runtime/vulkan/vk.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define VALIDATION_LAYER "VK_LAYER_KHRONOS_validation"
#define MAX_MESSAGE_BYTES 960

/* Taken for everything that creates, destroys or enumerates instances and devices, because two
 * kinds of globals are behind it: volk's entry points, and the loader's list of all instances'
 * devices, which vkGetDeviceProcAddr walks while others change it (KhronosGroup/Vulkan-Loader
 * issues 200, 2018). */
static pthread_mutex_t loader_lock = PTHREAD_MUTEX_INITIALIZER;

static enum status load_loader(const struct log *log)
{
    VkResult result = vkGetInstanceProcAddr ? VK_SUCCESS : volkInitialize();
    uint32_t version = result == VK_SUCCESS ? volkGetInstanceVersion() : 0;
    if (version == 0)
        return log_error(log, ERROR_NO_DEVICE,
                         "no Vulkan loader (libvulkan.so.1): install it (Debian: libvulkan1) and a "
                         "driver (Debian: mesa-vulkan-drivers, which has one for CPUs too)");
    if (version < VK_API_VERSION_1_2)
        return log_error(log, ERROR_NO_DEVICE,
                         "the Vulkan loader is version %u.%u; 1.2 or later is needed",
                         VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version));
    return OK;
}

VkResult vk_open_device(const struct vk_instance *instance, VkPhysicalDevice physical,
                        const VkDeviceCreateInfo *info, VkDevice *out,
                        struct VolkDeviceTable *table)
{
    pthread_mutex_lock(&loader_lock);
    VkResult result = instance->vkCreateDevice(physical, info, NULL, out);
    if (result == VK_SUCCESS) {
        volkLoadInstanceOnly(instance->handle); /* for its vkGetDeviceProcAddr */
        volkLoadDeviceTable(table, *out);
    }
    pthread_mutex_unlock(&loader_lock);
    return result;
}

void vk_close_device(VkDevice device, const struct VolkDeviceTable *table)
{
    pthread_mutex_lock(&loader_lock);
    table->vkDestroyDevice(device, NULL);
    pthread_mutex_unlock(&loader_lock);
}

void vk_set_name(const gpu_device *device, VkObjectType type, uint64_t handle, const char *name)
{
    if (!device->instance.vkSetDebugUtilsObjectNameEXT)
        return;
    const VkDebugUtilsObjectNameInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT,
        .objectType = type,
        .objectHandle = handle,
        .pObjectName = name,
    };
    pthread_mutex_lock(&loader_lock); /* the loader searches that list here, too */
    device->instance.vkSetDebugUtilsObjectNameEXT(device->handle, &info);
    pthread_mutex_unlock(&loader_lock);
}

static bool has_extension(const char *layer, const char *name)
{
    uint32_t count = 0;
    bool found = false;
    if (vkEnumerateInstanceExtensionProperties(layer, &count, NULL) != VK_SUCCESS || count == 0)
        return false;
    VkExtensionProperties *list = calloc(count, sizeof(*list));
    if (list && vkEnumerateInstanceExtensionProperties(layer, &count, list) >= VK_SUCCESS)
        for (uint32_t i = 0; i < count && !found; i++)
            found = strcmp(list[i].extensionName, name) == 0;
    free(list);
    return found;
}

static bool has_layer(const char *name)
{
    uint32_t count = 0;
    bool found = false;
    if (vkEnumerateInstanceLayerProperties(&count, NULL) != VK_SUCCESS || count == 0)
        return false;
    VkLayerProperties *list = calloc(count, sizeof(*list));
    if (list && vkEnumerateInstanceLayerProperties(&count, list) >= VK_SUCCESS)
        for (uint32_t i = 0; i < count && !found; i++)
            found = strcmp(list[i].layerName, name) == 0;
    free(list);
    return found;
}

static VkBool32 VKAPI_PTR on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                     VkDebugUtilsMessageTypeFlagsEXT types,
                                     const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    gpu_device *device = user;
    char text[MAX_MESSAGE_BYTES];
    size_t n = 0;
    (void)severity;
    (void)types;
    for (const char *c = data->pMessage; c && *c && n < sizeof(text) - 1; c++)
        text[n++] = *c == '\n' || *c == '\r' ? ' ' : *c;
    text[n] = 0;
    device->validation_messages++;
    log_write(&device->log, LOG_ERROR, "Vulkan validation: %s", text);
    return VK_FALSE;
}

static VkDebugUtilsMessengerCreateInfoEXT messenger_info(gpu_device *validated)
{
    return (VkDebugUtilsMessengerCreateInfoEXT){
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
        .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT |
                           VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT,
        .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
        .pfnUserCallback = on_message,
        .pUserData = validated,
    };
}

static VkResult create_instance(gpu_device *validated, VkInstance *out)
{
    static const VkValidationFeatureEnableEXT checks[] = {
        VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT,
    };
    static const char *const layers[] = {VALIDATION_LAYER};
    const char *extensions[3];
    uint32_t n_extensions = 0;
    VkInstanceCreateFlags flags = 0;

    if (has_extension(NULL, VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME)) {
        extensions[n_extensions++] = VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME;
        flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
    }
    VkDebugUtilsMessengerCreateInfoEXT messenger = messenger_info(validated);
    VkValidationFeaturesEXT features = {
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .pNext = &messenger,
        .enabledValidationFeatureCount = COUNT_OF(checks),
        .pEnabledValidationFeatures = checks,
    };
    if (validated) {
        extensions[n_extensions++] = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
        if (has_extension(VALIDATION_LAYER, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME))
            extensions[n_extensions++] = VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME;
    }
    const VkApplicationInfo application = {
        .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO,
        .pApplicationName = "stapes",
        .pEngineName = "stapes",
        .apiVersion = VK_API_VERSION_1_2,
    };
    const VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pNext = validated ? &features : NULL,
        .flags = flags,
        .pApplicationInfo = &application,
        .enabledLayerCount = validated ? COUNT_OF(layers) : 0,
        .ppEnabledLayerNames = layers,
        .enabledExtensionCount = n_extensions,
        .ppEnabledExtensionNames = extensions,
    };
    return vkCreateInstance(&info, NULL, out);
}

static void load_functions(struct vk_instance *instance, bool validation)
{
    VkInstance h = instance->handle;
#define LOAD(name) instance->name = (PFN_##name)vkGetInstanceProcAddr(h, #name)
    LOAD(vkDestroyInstance);
    LOAD(vkEnumeratePhysicalDevices);
    LOAD(vkEnumerateDeviceExtensionProperties);
    LOAD(vkGetPhysicalDeviceProperties);
    LOAD(vkGetPhysicalDeviceProperties2);
    LOAD(vkGetPhysicalDeviceFeatures2);
    LOAD(vkGetPhysicalDeviceMemoryProperties2);
    LOAD(vkGetPhysicalDeviceQueueFamilyProperties);
    LOAD(vkCreateDevice);
    if (validation) {
        LOAD(vkCreateDebugUtilsMessengerEXT);
        LOAD(vkDestroyDebugUtilsMessengerEXT);
        LOAD(vkSetDebugUtilsObjectNameEXT);
    }
#undef LOAD
}

static void destroy(struct vk_instance *instance)
{
    if (instance->messenger)
        instance->vkDestroyDebugUtilsMessengerEXT(instance->handle, instance->messenger, NULL);
    if (instance->handle)
        instance->vkDestroyInstance(instance->handle, NULL);
    *instance = (struct vk_instance){0};
}

static enum status create(struct vk_instance *instance, const struct log *log,
                          gpu_device *validated)
{
    enum status status = load_loader(log);
    if (status)
        return status;
    if (validated && (!has_layer(VALIDATION_LAYER) ||
                      (!has_extension(NULL, VK_EXT_DEBUG_UTILS_EXTENSION_NAME) &&
                       !has_extension(VALIDATION_LAYER, VK_EXT_DEBUG_UTILS_EXTENSION_NAME))))
        return log_error(
            log, ERROR_UNSUPPORTED,
            "the Vulkan validation layer is not installed (Debian: vulkan-validationlayers)");

    VkResult result = create_instance(validated, &instance->handle);
    if (result == VK_ERROR_INCOMPATIBLE_DRIVER)
        return log_error(
            log, ERROR_NO_DEVICE,
            "no Vulkan driver: install one (Debian: mesa-vulkan-drivers, which has one for CPUs "
            "too), and see that VK_ICD_FILENAMES and VK_DRIVER_FILES, if set, name files that "
            "exist");
    if (result != VK_SUCCESS)
        return log_error(log,
                         result == VK_ERROR_OUT_OF_HOST_MEMORY ? ERROR_MEMORY : ERROR_NO_DEVICE,
                         "vkCreateInstance failed: %s", vk_result_text(result));
    load_functions(instance, validated != NULL);

    if (validated) {
        const VkDebugUtilsMessengerCreateInfoEXT info = messenger_info(validated);
        result = instance->vkCreateDebugUtilsMessengerEXT(instance->handle, &info, NULL,
                                                          &instance->messenger);
        if (result != VK_SUCCESS) {
            destroy(instance);
            return log_error(log, ERROR_UNSUPPORTED, "vkCreateDebugUtilsMessengerEXT failed: %s",
                             vk_result_text(result));
        }
    }
    return OK;
}

enum status vk_instance_init(struct vk_instance *instance, const struct log *log,
                             gpu_device *validated)
{
    *instance = (struct vk_instance){0};
    pthread_mutex_lock(&loader_lock);
    enum status status = create(instance, log, validated);
    pthread_mutex_unlock(&loader_lock);
    return status;
}

void vk_instance_deinit(struct vk_instance *instance)
{
    pthread_mutex_lock(&loader_lock);
    destroy(instance);
    pthread_mutex_unlock(&loader_lock);
}

static VkResult enumerate(const struct vk_instance *instance, VkPhysicalDevice **out,
                          uint32_t *count)
{
    VkResult result = instance->vkEnumeratePhysicalDevices(instance->handle, count, NULL);
    if (result != VK_SUCCESS || *count == 0)
        return result;
    *out = calloc(*count, sizeof(VkPhysicalDevice));
    if (!*out)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    return instance->vkEnumeratePhysicalDevices(instance->handle, count, *out);
}

enum status vk_instance_list(const struct vk_instance *instance, const struct log *log,
                             VkPhysicalDevice **out, uint32_t *count)
{
    uint32_t n = 0;
    VkPhysicalDevice *list = NULL;
    pthread_mutex_lock(&loader_lock);
    VkResult result = enumerate(instance, &list, &n);
    pthread_mutex_unlock(&loader_lock);
    /* The loader says INITIALIZATION_FAILED where every driver found no hardware of its own. */
    if (result == VK_ERROR_INITIALIZATION_FAILED) {
        n = 0;
    } else if (result < VK_SUCCESS) {
        free(list);
        return log_error(log, ERROR_NO_DEVICE, "vkEnumeratePhysicalDevices failed: %s",
                         vk_result_text(result));
    }
    *out = list;
    *count = n;
    return OK;
}
