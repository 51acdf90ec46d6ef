#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#define WEIGHT_Q5_1
#include "embed.glsl"
