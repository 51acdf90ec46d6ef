// SPDX-License-Identifier: MIT
//
// The device that gpu.js runs on: how it is asked for, and what kernels may expect of it.

const TYPE_OTHER = 0; // enum gpu_device_type of runtime/gpu.h
const TYPE_CPU = 4;

const FEATURE_FAST_BARRIERS = 1 << 0; // enum gpu_feature
const FEATURE_SUBGROUP_ARITHMETIC = 1 << 1;
const FEATURE_TIMESTAMPS = 1 << 2;
const FEATURE_INTEGER_DOT = 1 << 6;

function coded(code, message) {
    return Object.assign(new Error(message), { code });
}

/**
 * Asks for an adapter and a device with what kernels can use of it.
 *
 * @param {GPU|undefined} gpu navigator.gpu, or Dawn's
 * @param {{powerPreference?: string, forceFallbackAdapter?: boolean, maxBindingBytes?: number}}
 *     [options] maxBindingBytes: bind no more at once, whatever the device allows
 * @returns {Promise<{device: GPUDevice, info: object, fallback: boolean, integerDot: boolean,
 *     maxBindingBytes: number}>}
 * Errors carry a code: 'no-webgpu', 'no-adapter'.
 */
export async function openDevice(gpu, options = {}) {
    if (!gpu) {
        throw coded('no-webgpu', 'This browser has no WebGPU; a recent Chrome, Edge, Firefox or ' +
            'Safari has. A page needs https or localhost for it.');
    }
    const { powerPreference, forceFallbackAdapter = false, maxBindingBytes = Infinity } = options;
    const adapter = await gpu.requestAdapter({ powerPreference, forceFallbackAdapter });
    if (!adapter) {
        throw coded('no-adapter', 'WebGPU found no graphics device that it can use; the settings ' +
            'of the browser, or its GPU page (chrome://gpu), say why.');
    }
    const { maxBufferSize } = adapter.limits;
    const maxStorageBufferBindingSize =
        Math.min(adapter.limits.maxStorageBufferBindingSize, maxBindingBytes);
    const device = await adapter.requestDevice({
        label: 'stapes',
        requiredFeatures: ['subgroups', 'timestamp-query'].filter((f) => adapter.features.has(f)),
        requiredLimits: { maxStorageBufferBindingSize, maxBufferSize },
    });
    const info = adapter.info ?? {};
    return {
        device,
        info,
        fallback: Boolean(info.isFallbackAdapter ?? adapter.isFallbackAdapter),
        integerDot: Boolean(gpu.wgslLanguageFeatures?.has('packed_4x8_integer_dot_product')),
        // A device is never given less than WebGPU's default.
        maxBindingBytes: Math.min(device.limits.maxStorageBufferBindingSize, maxBindingBytes),
    };
}

function nameOf(info) {
    const { vendor, architecture, device, description } = info;
    return description || [vendor, architecture, device].filter(Boolean).join(' ') ||
        'WebGPU device';
}

function isCpu({ info, fallback }) {
    const { vendor, architecture, device, description } = info;
    return fallback || /swiftshader|llvmpipe|lavapipe|basic render/i.test(
        [vendor, architecture, device, description].join(' '));
}

// The one size that subgroups have in all pipelines, so that their sums have one order; 0 where there
// is none. Metal does not tell it, but Apple's own devices have no other.
function subgroupSize({ vendor, subgroupMinSize = 0, subgroupMaxSize = 0 }) {
    if (vendor === 'apple') {
        return 32;
    }
    return subgroupMinSize === subgroupMaxSize ? subgroupMinSize : 0;
}

/** What struct webgpu_info of webgpu.h holds. */
export function describeDevice(opened) {
    const { info, integerDot, maxBindingBytes, device: { features, limits } } = opened;
    const cpu = isCpu(opened);
    const subgroups = features.has('subgroups') ? subgroupSize(info) : 0;
    return {
        type: cpu ? TYPE_CPU : TYPE_OTHER,
        features: (cpu ? 0 : FEATURE_FAST_BARRIERS) |
            (subgroups > 0 ? FEATURE_SUBGROUP_ARITHMETIC : 0) |
            (features.has('timestamp-query') ? FEATURE_TIMESTAMPS : 0) |
            (integerDot ? FEATURE_INTEGER_DOT : 0),
        subgroupSize: subgroups,
        invocations: limits.maxComputeInvocationsPerWorkgroup,
        sharedBytes: limits.maxComputeWorkgroupStorageSize,
        bindingBytes: maxBindingBytes,
        bufferBytes: limits.maxBufferSize,
        name: nameOf(info),
        driver: `WebGPU, ${[info.vendor, info.architecture].filter(Boolean).join(' ') ||
            'unnamed adapter'}`,
    };
}
