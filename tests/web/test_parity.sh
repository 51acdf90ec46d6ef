#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_parity.sh STAPES: stapes parity, from outside, on a kernel that makes floats and on one that makes
# packed words. Exit status 77 where there is no Vulkan device, or no WebGPU; with STAPES_NO_SKIP in
# the environment no WebGPU is a failure.
set -u
[ $# -eq 1 ] || { echo "usage: test_parity.sh STAPES" >&2; exit 2; }
stapes=$(realpath "$1")
source=$(realpath "$(dirname "$0")/../..")

# shellcheck source=tests/cli/checks.sh
. "$source/tests/cli/checks.sh"
needs_device test_parity
mkdir "$tmp/scratch"
export TMPDIR=$tmp/scratch

run parity --kernel head_probs --json "$tmp/floats.json"
if [ -z "${STAPES_NO_SKIP-}" ] && grep -q 'third_party/install.sh test' "$tmp/err"; then
    echo "test_parity: skipped: there is no WebGPU"
    [ $failed -eq 0 ] || exit 1
    exit 77
fi
check "compared" test $status -eq 0
check "the row" grep -qE '^head_probs +[0-9]+ +[01]\.[0-9]{2} +[-+0-9.e]+ +[01]\.[0-9]{2} +[-+0-9.e]+ +[-+0-9.e]+  -$' "$tmp/out"
check "how many" grep -qE '^1 of 1 kernels compared; 0 more can have no form in WGSL$' "$tmp/out"
check "JSON" grep -q '"largest_difference"' "$tmp/floats.json"
check "nothing is left" test -z "$(ls -A "$tmp/scratch")"

run parity --kernel repack_q8_0 --seed 7 --json -
check "packed words" test $status -eq 0
check "JSON alone on standard output" test "$(head -c 1 "$tmp/out")" = "{" -a "$(grep -c '"seed":[[:space:]]*"7"' "$tmp/out")" -eq 1
check "no word differs" test "$(grep -cE '"integers_differ":[[:space:]]*0$' "$tmp/out")" -eq 1
check "words were compared" grep -qE '"integers":[[:space:]]*[1-9]' "$tmp/out"

refuses "no twin" 1 'no kernel was run on both' parity --kernel 'qkv_q8_0_wg'
check "nothing is left of a failure" test -z "$(ls -A "$tmp/scratch")"

echo "test_parity: $passed passed, $failed failed"
[ $failed -eq 0 ]
