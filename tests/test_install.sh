#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_install.sh BUILD: what `cmake --install` gives: the program, a library of which only stapes_
# symbols can be seen, and packages that other programs build with.
# shellcheck disable=SC2016
set -u
[ $# -eq 1 ] || { echo "usage: test_install.sh BUILD" >&2; exit 2; }
build=$(realpath "$1")
source=$(realpath "$(dirname "$0")/..")
said=$(cat "$source/tools/demo/recordings/000.txt")
recording=$source/tools/demo/recordings/000.flac

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export XDG_CACHE_HOME=$tmp/cache
prefix=$tmp/prefix
passed=0
failed=0
check() {
    local name=$1
    shift
    if "$@" >"$tmp/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name" >&2
        tail -20 "$tmp/log" | sed 's/^/    /' >&2
    fi
}

check "install" cmake --install "$build" --prefix "$prefix"
[ $failed -eq 0 ] || exit 1
lib=$(dirname "$(find "$prefix" -name libstapes.so)")
for file in bin/stapes include/stapes.h share/stapes/demo.gguf share/man/man1/stapes.1 \
    share/man/man1/stapes-transcribe.1 libexec/stapes/checkgpu share/bash-completion/completions/stapes; do
    check "$file" test -s "$prefix/$file"
done

# --- The library -------------------------------------------------------------------------------------

nm -D --defined-only "$lib/libstapes.so" | awk '{ print $NF }' | sort >"$tmp/exported"
sed -n 's/^STAPES_API.*[ *]\(stapes_[a-z_]*\)(.*/\1/p' "$prefix/include/stapes.h" | sort >"$tmp/declared"
check "something is exported" test -s "$tmp/exported"
check "only stapes_ symbols" test "$(grep -cv '^stapes_' "$tmp/exported")" -eq 0
check "exactly what stapes.h declares" diff "$tmp/exported" "$tmp/declared"
check "soname" bash -c 'readelf -d "$1" | grep -q "SONAME.*libstapes\.so\.[0-9]"' - "$lib/libstapes.so"
check "libvulkan is not linked" bash -c '! readelf -d "$1" | grep -qE "NEEDED.*(vulkan|sndfile|samplerate|utf8proc)"' - "$lib/libstapes.so"
for compiler in gcc clang; do
    command -v $compiler >/dev/null || continue
    echo '#include <stapes.h>' >"$tmp/header.c"
    check "stapes.h is C99 without warnings ($compiler)" $compiler -std=c99 -Wall -Wextra -Wpedantic -Werror \
        -I"$prefix/include" -fsyntax-only "$tmp/header.c"
done

# --- Programs that use it -------------------------------------------------------------------------------

export PKG_CONFIG_PATH=$lib/pkgconfig
# shellcheck disable=SC2046
check "build with pkg-config" cc -std=c11 -Wall -Wextra -Werror -o "$tmp/example" \
    "$source/tools/example.c" $(pkg-config --cflags --libs stapes sndfile)
check "version in pkg-config" test "$(pkg-config --modversion stapes)" = "$(cat "$source/VERSION")"

mkdir "$tmp/project"
cp "$source/tools/example.c" "$tmp/project"
cat >"$tmp/project/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(example LANGUAGES C)
find_package(stapes $(cat "$source/VERSION") REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(SNDFILE REQUIRED IMPORTED_TARGET sndfile)
add_executable(example example.c)
target_link_libraries(example PRIVATE stapes::stapes PkgConfig::SNDFILE)
END
check "configure with CMake" cmake -G Ninja -S "$tmp/project" -B "$tmp/project/build" -DCMAKE_PREFIX_PATH="$prefix"
check "build with CMake" cmake --build "$tmp/project/build"

# --- Run them -------------------------------------------------------------------------------------------

check "the program" "$prefix/bin/stapes" --version
if [ -f "$build/web/site/index.html" ]; then
    check "the page" test -s "$prefix/share/stapes/web/index.html" -a -s "$prefix/share/stapes/web/package/stapes.wasm"
    "$prefix/bin/stapes" web --port 0 >"$tmp/url" 2>"$tmp/err" &
    server=$!
    for _ in $(seq 50); do [ -s "$tmp/url" ] || sleep 0.1; done
    kill -INT $server
    wait $server
    check "stapes web finds the page" grep -q "serving $prefix/share/stapes/web;" "$tmp/err"
fi
check "its man page" test -n "$(MANPATH=$prefix/share/man man stapes-transcribe 2>/dev/null)"
finish() {
    echo "test_install: $passed passed, $failed failed${1-}"
    [ $failed -eq 0 ] || exit 1
}
if ! "$prefix/bin/stapes" devices >"$tmp/out" 2>"$tmp/err"; then
    check "devices: $(cat "$tmp/err")" grep -q 'no Vulkan' "$tmp/err"
    finish " (there is no Vulkan device for the rest)"
    exit 77
fi
check "the demo model is found" test "$("$prefix/bin/stapes" transcribe -q "$recording")" = "$said"
for example in "$tmp/example" "$tmp/project/build/example"; do
    check "$example" test \
        "$(LD_LIBRARY_PATH=$lib "$example" "$prefix/share/stapes/demo.gguf" "$recording" | sed 's/ *$//')" = "$said"
done
mv "$prefix" "$tmp/moved"
check "moved elsewhere" test "$("$tmp/moved/bin/stapes" transcribe -q "$recording")" = "$said"
finish
