#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_calibrate.sh STAPES COMPARE_STATISTICS: stapes calibrate, from outside. Exit status 77 where
# there is no device.
# shellcheck disable=SC2015
set -u
[ $# -eq 2 ] || { echo "usage: test_calibrate.sh STAPES COMPARE_STATISTICS" >&2; exit 2; }
stapes=$(realpath "$1")
compare=$(realpath "$2")
source=$(realpath "$(dirname "$0")/..")
goldens=$source/tests/goldens
sound=$goldens/stt-tiny/goldens/input.wav

# shellcheck source=tests/cli/checks.sh
. "$source/tests/cli/checks.sh"
export LP_NUM_THREADS=0

# calibrate ARGUMENTS...: status, $tmp/out, $tmp/err.
calibrate() { run calibrate "$@"; }

# gathers NAME PATTERN ARGUMENTS...: success, and PATTERN on standard error.
gathers() {
    local name=$1 pattern=$2
    shift 2
    calibrate "$@"
    if [ $status -eq 0 ] && [ ! -s "$tmp/out" ] && grep -qE -- "$pattern" "$tmp/err"; then
        pass
    else
        fail "$name: status $status, expected \"$pattern\""
    fi
}

# refuses NAME STATUS PATTERN ARGUMENTS...: this status, PATTERN on standard error, and no new file.
refuses() {
    local name=$1 want=$2 pattern=$3
    shift 3
    calibrate "$@" -o "$tmp/no.gguf"
    if [ $status -eq "$want" ] && grep -qiE -- "$pattern" "$tmp/err" && ! ls "$tmp"/no.gguf* 2>/dev/null; then
        pass
    else
        fail "$name: status $status, expected $want and \"$pattern\""
    fi
}

# agree NAME A B PATTERN: the same statistics, told as PATTERN.
agree() {
    "$compare" "$2" "$3" >"$tmp/out" 2>"$tmp/err" && grep -q "$4" "$tmp/out" && pass || fail "$1"
}

needs_device test_calibrate
stt=$goldens/stt-tiny
moshi=$goldens/moshi-tiny
mkdir -p "$tmp/data/a/b" "$tmp/data/c" "$tmp/half" "$tmp/empty/below" "$tmp/noise"
cp "$sound" "$tmp/data/a/b/one.wav"
cp "$moshi/goldens/input.wav" "$tmp/data/c/two.WAV"
echo "no sound" | tee "$tmp/data/one.txt" >"$tmp/empty/below/notes.txt"

# --- Statistics -------------------------------------------------------------------------------------

gathers "one slot" '^stapes: 2 recordings, .* s of sound, [1-9][0-9]* words, .* steps, 13 tensors' \
    "$stt" --data "$tmp/data" --slots 1 --gram -o "$tmp/one.gguf"
gathers "two slots" '2 recordings' --model "$stt" --data "$tmp/data" --gram -o "$tmp/two.gguf"
check "too few vectors for gptq" grep -q "warning: 87 vectors of" "$tmp/err"
agree "one slot and two" "$tmp/one.gguf" "$tmp/two.gguf" '^13 of 13 .*, 13 with'
gathers "several passes" '^stapes: [2-9] passes' "$stt" --data "$tmp/data" --gram --memory 900K \
    -o "$tmp/passes.gguf"
agree "one pass and several" "$tmp/one.gguf" "$tmp/passes.gguf" '^13 of 13 .*, 13 with'
check "no pass is left" test -z "$(find "$tmp" -name '*pass-*')"
check "inspect" "$stapes" inspect "$tmp/one.gguf" >"$tmp/out" 2>"$tmp/err"
check "aliases" grep -q 'extra_heads.0.weight=text_linear.weight' "$tmp/out"

gathers "a file" '^stapes: 1 recording,' "$stt" --data "$tmp/data/a/b/one.wav" --gram -o "$tmp/first.gguf"
gathers "the rest, once each, and what was" '^stapes: 1 recording,' "$stt" --data "$tmp/data/c" \
    --data "$tmp/data/c/two.WAV" --gram --merge "$tmp/first.gguf" -o "$tmp/sum.gguf"
agree "parts and whole" "$tmp/one.gguf" "$tmp/sum.gguf" '^13 of 13 .*, 13 with'
cp "$tmp/first.gguf" "$tmp/twice.gguf"
calibrate --merge "$tmp/twice.gguf" --merge "$tmp/first.gguf" -o "$tmp/twice.gguf"
check "merge alone, in place" test $status -eq 0 -a ! -s "$tmp/err"
cp "$source/tools/demo/recordings/000.flac" "$tmp/data/three.flac"
gathers "a limit" '^stapes: 2 recordings, 3\.0 s of sound' "$stt" --data "$tmp/data" --limit-seconds 3 -o "$tmp/limit.gguf"
"$compare" "$tmp/one.gguf" "$tmp/limit.gguf" >"$tmp/out" 2>"$tmp/err"
check "other recordings differ" grep -q 'with [0-9]* vectors' "$tmp/err"

# Weights of each codebook have statistics of their own.
gathers "a depformer" ' 45 tensors' "$moshi" --data "$tmp/data/a" -o "$tmp/moshi.gguf"
"$stapes" inspect "$tmp/moshi.gguf" >"$tmp/out" 2>"$tmp/err"
check "slices" test "$(grep -c 'depformer.layers.1.self_attn.in_proj_weight#[0-3].in_sum2' "$tmp/out")" -eq 4
check "aliases of the depformer" grep -q 'depformer_in.3.weight=text_linear.weight' "$tmp/out"

# quantize says what the errors do to results, and gptq has its Gram matrices, from either.
quantize() {
    "$stapes" quantize "$stt" --type q4_0 --method gptq "$@" >"$tmp/out" 2>"$tmp/err"
    status=$?
}
quantize -o "$tmp/kept.gguf" --statistics "$tmp/two.gguf"
cp "$tmp/out" "$tmp/table"
quantize -o "$tmp/once.gguf" --calibrate "$tmp/data/a" --calibrate "$tmp/data/c" --device 0
check "quantize --calibrate" test $status -eq 0 -a "$(grep -c '^stapes: 2 recordings' "$tmp/err")" -eq 1
check "... is as with statistics that were kept" diff "$tmp/table" "$tmp/out"
quantize -o "$tmp/no.gguf" --calibrate "$tmp/data" --statistics "$tmp/one.gguf"
check "... not with both" test $status -eq 2
quantize -o "$tmp/no.gguf" --calibrate "$tmp/empty"
check "... needs recordings" test $status -eq 1 -a -n "$(grep 'no recording is in there' "$tmp/err")"
quantize -o "$tmp/no.gguf"
check "... or statistics" test $status -eq 2 -a -n "$(grep -e '--calibrate DIR' "$tmp/err")"

# --- What is wrong ----------------------------------------------------------------------------------

refuses "no data" 2 '--data is missing' "$stt"
calibrate "$stt" --data "$tmp/data"
check "no output" test $status -eq 2 -a -n "$(grep -e '--output is missing' "$tmp/err")"
refuses "two models" 2 'named twice' "$stt" --model "$moshi" --data "$tmp/data"
refuses "absent data" 1 'nowhere: no such file' "$stt" --data "$tmp/nowhere"
refuses "no recordings" 1 'empty: no recording' "$stt" --data "$tmp/data" --data "$tmp/empty"
refuses "no recording at all" 1 'left out.*|none of the recordings' "$stt" --data "$tmp/data/one.txt"
refuses "an absent model" 1 'absent' "$tmp/absent.gguf" --data "$tmp/data"
refuses "no statistics to merge" 1 'input.wav' "$stt" --data "$tmp/data/a" --merge "$sound"
refuses "statistics of another model" 1 'different models' --merge "$tmp/one.gguf" --merge "$tmp/moshi.gguf"

head -c 30000 "$sound" >"$tmp/data/c/cut.wav"
echo "none" >"$tmp/data/c/broken.ogg"
gathers "a recording that cannot be read" 'broken.ogg: not sound.*: left out' \
    "$stt" --data "$tmp/data/c" -o "$tmp/broken.gguf"
check "... is counted" grep -q '^stapes: 1 recording could not be read, 1 only in part' "$tmp/err"
check "... and so is one that is cut off" grep -q 'cut.wav: .*: what is before it is used' "$tmp/err"

gathers "a file over statistics" '1 recording,' "$stt" --data "$tmp/data/a" -o "$tmp/broken.gguf"
ln "$tmp/data/a/b/one.wav" "$tmp/linked.wav"
calibrate "$stt" --data "$tmp/data/a" -o "$tmp/linked.wav"
check "onto a recording" test $status -eq 1 -a -n "$(grep 'is the input' "$tmp/err")"
calibrate "$stt" --data "$tmp/data/a" -o "$tmp/data"
check "onto a directory" test $status -eq 1 -a -n "$(grep 'is a directory' "$tmp/err")"
calibrate "$stt" --data "$tmp/data/a" -o "$tmp/nowhere/x.gguf"
check "into nothing" test $status -eq 1 -a -n "$(grep -i 'no such file' "$tmp/err")"
calibrate "$stt" --data "$tmp/data/a" -o "$stt/model.safetensors"
check "onto the model" test $status -eq 1 -a -n "$(grep 'is the input' "$tmp/err")"

# --- No speech, no end ------------------------------------------------------------------------------

demo=$source/tools/demo/checkpoint
head -c 96044 "$sound" >"$tmp/noise/silence.wav" # a header for more, which is told
dd if=/dev/zero of="$tmp/noise/silence.wav" bs=1 seek=44 count=96000 conv=notrunc 2>/dev/null
refuses "silence" 1 'no word came out of .*--allow-silence' "$demo" --data "$tmp/noise"
gathers "silence that is wanted" ' 0 words' "$demo" --data "$tmp/noise" --allow-silence -o "$tmp/silence.gguf"

mkdir "$tmp/many"
for i in $(seq 200); do ln -s "$sound" "$tmp/many/$i.wav"; done
(cd "$tmp" && exec "$stapes" calibrate "$stt" --data many --gram --memory 300K -o no.gguf) >"$tmp/out" 2>"$tmp/err" &
sleep 2
kill -INT $!
wait $!
check "interrupted" test $? -eq 130
check "nothing is left" test -z "$(ls "$tmp"/no.gguf* 2>/dev/null)"

echo "test_calibrate: $passed passed, $failed failed"
[ $failed -eq 0 ]
