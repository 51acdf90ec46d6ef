#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Installs what is missing, builds, and transcribes a bundled recording with the bundled demo model, on
# whatever Vulkan device there is. The transcript goes to standard output, everything else to standard
# error. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

third_party/install.sh build
if [ ! -f build/CMakeCache.txt ]; then
    cmake -S . -B build -G Ninja >&2
fi
cmake --build build --target stapes stapes_data >&2

recording=tools/demo/recordings/021
echo "Recording:  $recording.flac" >&2
echo "What is said: $(cat $recording.txt)" >&2
build/tools/stapes transcribe $recording.flac
