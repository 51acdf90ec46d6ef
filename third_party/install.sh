#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# third_party/install.sh build|test: installs the Debian packages that are missing. The same lists,
# with versions, licences and reasons, are in third_party/README.md.
set -euo pipefail

build=(
    cmake ninja-build gcc libc6-dev pkg-config
    libvulkan-dev libvulkan-volk-dev glslang-tools
    libcjson-dev libsndfile1-dev libsamplerate0-dev libopenblas-serial-dev
    libvulkan1 mesa-vulkan-drivers
)
tests=(
    clang libclang-rt-14-dev vulkan-validationlayers chromium-common man-db groff
)

case "${1-}" in
build) wanted=("${build[@]}") ;;
test) wanted=("${build[@]}" "${tests[@]}") ;;
*)
    echo "usage: third_party/install.sh build|test" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "This is no Debian: what these packages hold must be there: ${wanted[*]}" >&2
    exit 0
fi

missing=()
for package in "${wanted[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "As root: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    root=(sudo)
fi
echo "Installing ${missing[*]}" >&2
"${root[@]}" apt-get update >&2
"${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}" >&2
