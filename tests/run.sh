#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Installs what the tests need, builds, and runs all tests. Arguments go to cmake
# (-DSTAPES_WERROR=ON). Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

third_party/install.sh test
generator=()
[ -f build/CMakeCache.txt ] || generator=(-G Ninja)
cmake -S . -B build "${generator[@]}" -DSTAPES_TESTS=ON "$@"
cmake --build build
ctest --test-dir build --output-on-failure --parallel "$(nproc)"
