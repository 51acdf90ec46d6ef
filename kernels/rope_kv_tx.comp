#version 450
/* SPDX-License-Identifier: MIT */
#extension GL_GOOGLE_include_directive : require
#define TEXELS
#include "rope_kv.glsl"
