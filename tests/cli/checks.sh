# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154
#
# What the tests of commands share; sourced, with $stapes set. Makes $tmp, removed at the end, and
# counts in $passed and $failed.
tmp=$(mktemp -d)
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
export XDG_CACHE_HOME=$tmp/cache
passed=0
failed=0

pass() { passed=$((passed + 1)); }
fail() {
    failed=$((failed + 1))
    echo "FAILED: $1" >&2
    [ ! -s "$tmp/out" ] || head -c 2000 "$tmp/out" | sed 's/^/    out: /' >&2
    [ ! -s "$tmp/err" ] || head -c 2000 "$tmp/err" | sed 's/^/    err: /' >&2
}

# check NAME COMMAND...: the command succeeds.
check() {
    local name=$1
    shift
    if "$@"; then pass; else fail "$name"; fi
}

# run ARGUMENTS...: status, $tmp/out, $tmp/err. Nothing on standard input.
run() {
    "$stapes" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    status=$?
}

# refuses NAME STATUS PATTERN ARGUMENTS...: this exit status, PATTERN on standard error, and nothing on
# standard output.
refuses() {
    local name=$1 want=$2 pattern=$3
    shift 3
    run "$@"
    if [ $status -eq "$want" ] && [ ! -s "$tmp/out" ] && grep -qiE -- "$pattern" "$tmp/err"; then
        pass
    else
        fail "$name: status $status, expected $want and \"$pattern\""
    fi
}

# needs_device TEST: ends the test where there is no Vulkan device: exit status 77, or 1 if something
# failed before. Anything else that is wrong with `stapes devices` is a failure.
needs_device() {
    "$stapes" devices >"$tmp/out" 2>"$tmp/err" </dev/null && return
    grep -q 'no Vulkan' "$tmp/err" || fail "devices"
    echo "$1: $passed passed, $failed failed (there is no Vulkan device for the rest)"
    [ $failed -eq 0 ] || exit 1
    exit 77
}
