#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# third_party/install.sh build|test: installs the Debian packages, and for the tests the npm packages,
# that are missing. The same lists, with versions, licences and reasons, are in third_party/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

build=(
    cmake ninja-build gcc libc6-dev pkg-config
    libvulkan-dev libvulkan-volk-dev glslang-tools
    libcjson-dev libsndfile1-dev libsamplerate0-dev libopenblas-serial-dev libutf8proc-dev
    libmicrohttpd-dev
    libvulkan1 mesa-vulkan-drivers
)
tests=(
    clang libclang-rt-14-dev vulkan-validationlayers chromium man-db groff
    lld wasi-libc libclang-rt-14-dev-wasm32 esbuild
)

case "${1-}" in
build) wanted=("${build[@]}") ;;
test) wanted=("${build[@]}" "${tests[@]}") ;;
*)
    echo "usage: third_party/install.sh build|test" >&2
    exit 2
    ;;
esac

install_debian_packages() {
    if ! command -v dpkg-query >/dev/null; then
        echo "This is no Debian: what these packages hold must be there: ${wanted[*]}" >&2
        return
    fi
    local missing=() root=() package status
    for package in "${wanted[@]}"; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || missing+=("$package")
    done
    # A nodejs that is not Debian's brings npm along, and cannot be there beside Debian's npm.
    if [ "$1" = test ] && ! command -v npm >/dev/null; then
        missing+=(nodejs npm)
    fi
    [ ${#missing[@]} -gt 0 ] || return 0
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
}

# npm keeps a list of what it installed in node_modules; it is as old as the installation.
install_npm_packages() {
    local directory=$1
    [ ! "$directory/node_modules/.package-lock.json" -nt "$directory/package-lock.json" ] || return 0
    if ! command -v npm >/dev/null; then
        echo "npm is missing: the tests that need $directory are skipped" >&2
        return
    fi
    echo "Installing the npm packages of $directory" >&2
    npm ci --prefix "$directory" --ignore-scripts --no-audit --no-fund >&2
}

install_debian_packages "$1"
if [ "$1" = test ]; then
    install_npm_packages tests/gguf_reader
    install_npm_packages tests/web
fi
