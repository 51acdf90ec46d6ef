#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_large.sh BUILD: checkpoints with the real models' shapes, written from a seed. A Mimi of real
# size must give the same codes and tokens with every form of the kernels; a whole stt-1b must be
# inspected, loaded in bounded host memory, and run. Needs 4 GB in $TMPDIR and 6 GB of memory; exits 77
# where there is less, or no device.
set -uo pipefail

build=$1
stapes=$build/tools/stapes
passed=0 failed=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_CACHE_HOME=$dir/cache

check() { # check WHAT COMMAND...
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "test_large: $what" >&2
    fi
}

skip() {
    echo "test_large: skipped: $1"
    exit 77
}
[ "$(df --output=avail -k "$dir" | tail -1)" -gt 4000000 ] || skip "less than 4 GB in $dir"
[ "$(awk '/MemAvailable/ {print $2}' /proc/meminfo)" -gt 6000000 ] || skip "less than 6 GB of memory"
if ! devices=$("$stapes" devices 2>&1); then
    case $devices in
    *'no Vulkan'*) skip "no Vulkan device" ;;
    *) echo "test_large: $devices" >&2 && exit 1 ;;
    esac
fi

# Half a second of a recording, as raw samples.
tail -c +45 "$(dirname "$0")/goldens/stt-tiny/goldens/input.wav" | head -c 24000 >"$dir/sound.raw"

"$build/tests/make_checkpoint" --preset real-mimi-small-lm --seed 7 --dtype bf16 "$dir/small" || failed=$((failed + 1))
for kernels in "" plain workgroup; do
    "$stapes" trace --quiet --model "$dir/small" ${kernels:+--kernels $kernels} --pad-frames 1 - \
        <"$dir/sound.raw" | sed 's/,"margin":[^,]*//; s/,"vad":\[[^]]*\]//' >"$dir/trace-$kernels.json"
done
check "a trace has 9 steps" [ "$(wc -l <"$dir/trace-.json")" = 9 ]
check "plain kernels give other codes or tokens" cmp "$dir/trace-.json" "$dir/trace-plain.json"
check "workgroup kernels give other codes or tokens" cmp "$dir/trace-.json" "$dir/trace-workgroup.json"
rm -rf "$dir/small"

"$build/tests/make_checkpoint" --preset stt-1b-vad --seed 7 --dtype bf16 "$dir/1b" || failed=$((failed + 1))
check "model.safetensors has another size than the published file" \
    [ "$(stat -c %s "$dir/1b/model.safetensors")" = 1978522200 ]
check "inspect does not list the text head" grep -q 'text_linear.weight' <("$stapes" inspect "$dir/1b")
check "stt-1b does not run" [ "$("$stapes" trace --quiet --model "$dir/1b" --pad-frames 0 - \
    < <(head -c 3840 "$dir/sound.raw") | wc -l)" = 2 ]
check "loading takes too much host memory" "$build/bench/bench_load" --no-validation --limit-mb 200 "$dir/1b"
"$stapes" quantize --quiet "$dir/1b" -o "$dir/1b.gguf" --type q4_0 || failed=$((failed + 1))
rm -rf "$dir/1b"
check "loading the GGUF takes too much host memory" \
    "$build/bench/bench_load" --no-validation --limit-mb 200 "$dir/1b.gguf"
check "stt-1b in Q4_0 does not run" [ "$("$stapes" trace --quiet --model "$dir/1b.gguf" --pad-frames 0 - \
    < <(head -c 3840 "$dir/sound.raw") | wc -l)" = 2 ]

echo "test_large: $passed passed, $failed failed"
[ "$failed" = 0 ]
