#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#define WEIGHT_Q8_0
#define MATMUL_QKV
#include "matmul_wg.glsl"
