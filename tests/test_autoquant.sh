#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_autoquant.sh STAPES: stapes autoquant, from outside, on the demo model. Exit status 77 where
# there is no device.
set -u
[ $# -eq 1 ] || { echo "usage: test_autoquant.sh STAPES" >&2; exit 2; }
stapes=$(realpath "$1")
source=$(realpath "$(dirname "$0")/..")
demo=$source/tools/demo

# shellcheck source=tests/cli/checks.sh
. "$source/tests/cli/checks.sh"
export LP_NUM_THREADS=0

# says NAME FILE PATTERN: the file has a line like that.
says() { check "$1" grep -qE -- "$3" "$2"; }

# value FILE KEY: the first value of the key in a JSON file as cJSON prints it.
value() { sed -nE "s/.*\"$2\":[[:space:]]*\"?([^\",]*)\"?,?$/\1/p" "$1" | head -1; }

# rows: what the table says of each attempt: number, type, method, wider tensors.
rows() { awk 'NR > 1 { print $1, $2, $3, $5 }' "$tmp/out"; }

mkdir "$tmp/data" "$tmp/calibrate" "$tmp/empty" "$tmp/used"
cp "$demo/recordings/003."* "$tmp/data"
cp "$demo/recordings/012.flac" "$tmp/calibrate"
touch "$tmp/used/notes"
checkpoint=$demo/checkpoint
data=(--data "$tmp/data")

# --- Told before a model is opened ------------------------------------------------------------------------

refuses "no checkpoint" 2 'CHECKPOINT' autoquant "${data[@]}" -o "$tmp/out.d"
refuses "no data" 2 '--data is missing' autoquant "$checkpoint" -o "$tmp/out.d"
refuses "no output" 2 '--output is missing' autoquant "$checkpoint" "${data[@]}"
refuses "a wrong type" 2 'takes types.*"q4_0,q9"' autoquant "$checkpoint" "${data[@]}" -o "$tmp/out.d" --types q4_0,q9
refuses "a type twice" 2 'each once' autoquant "$checkpoint" "${data[@]}" -o "$tmp/out.d" --types q4_0,q4_0
refuses "an empty type" 2 'takes types' autoquant "$checkpoint" "${data[@]}" -o "$tmp/out.d" --types q4_0,
refuses "a wrong method" 2 'takes names of naive' autoquant "$checkpoint" "${data[@]}" -o "$tmp/out.d" --methods best
refuses "a method without data" 2 '--calibrate is missing: gptq' autoquant "$checkpoint" "${data[@]}" -o "$tmp/out.d" \
    --methods naive,gptq
refuses "a wrong rule" 2 'PATTERN=TYPE' autoquant "$checkpoint" "${data[@]}" -o "$tmp/out.d" --tensor emb
refuses "a wrong limit" 2 '--max-wer-increase takes' autoquant "$checkpoint" "${data[@]}" -o "$tmp/out.d" \
    --max-wer-increase -1
refuses "no such checkpoint" 1 'missing: No such file' autoquant "$tmp/missing" "${data[@]}" -o "$tmp/out.d"
refuses "no checkpoint in it" 1 "$tmp/empty" autoquant "$tmp/empty" "${data[@]}" -o "$tmp/out.d"
refuses "no such data" 1 "$tmp/missing" autoquant "$checkpoint" --data "$tmp/missing" -o "$tmp/out.d"
refuses "empty data" 1 "$tmp/empty" autoquant "$checkpoint" --data "$tmp/empty" -o "$tmp/out.d"
refuses "empty calibration data" 1 "$tmp/empty" autoquant "$checkpoint" "${data[@]}" --calibrate "$tmp/empty" -o "$tmp/out.d"
refuses "no place" 1 'no/place: No such file' autoquant "$checkpoint" "${data[@]}" -o "$tmp/no/place"
refuses "output is a file" 1 'is not a directory' autoquant "$checkpoint" "${data[@]}" -o "$tmp/used/notes"
refuses "output in use" 1 'is not empty' autoquant "$checkpoint" "${data[@]}" -o "$tmp/used"
check "leaves nothing behind" test ! -e "$tmp/out.d"
cp -r "$checkpoint" "$tmp/copy"
refuses "output in the checkpoint" 1 'lie in one another' autoquant "$tmp/copy" "${data[@]}" -o "$tmp/copy/out"
check "leaves the checkpoint alone" test ! -e "$tmp/copy/out"
refuses "checkpoint in the output" 1 'lie in one another' autoquant "$tmp/copy" "${data[@]}" -o "$tmp"
if [ "$(id -u)" -ne 0 ]; then
    mkdir -m 555 "$tmp/locked"
    refuses "unwritable" 1 'locked.*ermission denied' autoquant "$checkpoint" "${data[@]}" -o "$tmp/locked"
else
    echo "test_autoquant: no directory that root may not write to: one check is left out"
fi
refuses "output below a file" 1 'notes/out: Not a directory' autoquant "$checkpoint" "${data[@]}" -o "$tmp/used/notes/out"

# A disk that is full looks the same.
(ulimit -f 2000 && exec "$stapes" autoquant "$checkpoint" "${data[@]}" -o "$tmp/full") >"$tmp/out" 2>"$tmp/err" </dev/null
check "no space" test $? -eq 1 -a "$(grep -ci 'attempt-01/model.gguf.*too large' "$tmp/err")" -eq 1
check "no space: no model" test -e "$tmp/full/quantization_summary.json" -a ! -e "$tmp/full/attempt-01/model.gguf"

# --- From failed attempts to one that passes, interrupted on the way --------------------------------------

needs_device test_autoquant
out=$tmp/search
summary=$out/quantization_summary.json
options=("$checkpoint" "${data[@]}" --types 'q8_0,q4_0' --methods naive --tensor 'extra_heads.*=q8_0'
    --max-perplexity-increase 100 --max-kl 0.014 --min-speed 0 -o "$out")
search() {
    "$stapes" autoquant "${options[@]}" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
}

env --default-signal=INT "$stapes" autoquant "${options[@]}" >"$tmp/out" 2>"$tmp/err" </dev/null &
pid=$!
for _ in $(seq 600); do
    kill -0 $pid 2>/dev/null || break
    [ -e "$out/attempt-02" ] && break
    sleep 0.2
done
kill -INT $pid 2>/dev/null
wait $pid
status=$?
check "interrupted: status $status" test $status -eq 130
says "interrupted: the summary is not finished" "$summary" '"state":.*"not finished"'
check "interrupted: one attempt" test "$(grep -c '"directory"' "$summary")" -eq 1 -a "$(rows)" = "1 q4_0 naive 0"
check "no temporary file" test -z "$(find "$out" -name '*.part-*')"

search
status=$?
n=$(grep -c '"directory"' "$summary")
check "passes: status $status" test $status -eq 0
check "passes at last" test "$n" -ge 2 -a "$(tail -n 1 "$tmp/out" | awk '{ print $1, $NF }')" = "$n passes"
check "the first attempt failed" grep -qE '^ +1 .* KL [0-9.]+ of 0.014 nats$' "$tmp/out"
check "the first attempt was not made again" test "$(grep -c '^stapes: attempt 1:' "$tmp/err")" -eq 0
check "goes on with the second" grep -q '^stapes: attempt 2: q4_0 naive mixed 1/4' "$tmp/err"
says "the summary says so" "$summary" '"state":[[:space:]]*"passed"'
check "chosen" test "$(value "$summary" chosen)" -eq "$n"
for i in $(seq "$n"); do
    attempt=$out/attempt-$(printf '%02d' "$i")
    check "files of attempt $i" test -s "$attempt/quantization_config.json" -a -s "$attempt/validation_report.json" \
        -a ! -e "$attempt/model.gguf"
done
says "the configuration has the wider tensors" "$out/attempt-02/quantization_config.json" '"damage":'
says "and the rule" "$out/attempt-02/quantization_config.json" '"pattern":[[:space:]]*"extra_heads\.\*"'
size=$(stat -c %s "$out/model.gguf")
check "smaller than q8_0" test "$size" -lt "$("$stapes" quantize -q "$checkpoint" -o "$tmp/q8_0.gguf" --type q8_0 &&
    stat -c %s "$tmp/q8_0.gguf")"
run inspect "$out/model.gguf"
says "the model has both types" "$tmp/out" 'q4_0'
says "the rule holds" "$tmp/out" 'q8_0 .* extra_heads.0.weight'
run validate "$checkpoint" "$out/model.gguf" "${data[@]}" --max-perplexity-increase 100 --max-kl 0.014 --min-speed 0
check "the model passes again: status $status" test $status -eq 0

# --- Called again ------------------------------------------------------------------------------------------

cp "$summary" "$tmp/summary"
search
status=$?
check "done already: status $status" test $status -eq 0 -a "$(rows | wc -l)" -eq "$n"
check "done already: no attempt" test "$(grep -c '^stapes: attempt [0-9]*:' "$tmp/err")" -eq 0
check "done already: the same summary" cmp -s "$summary" "$tmp/summary"
rm -r "$out/attempt-$(printf '%02d' "$n")"
before=$(rows)
search
status=$?
check "the last attempt again: status $status" test $status -eq 0 -a "$(rows)" = "$before"
check "the last attempt only" test "$(grep -c '^stapes: attempt [0-9]*:' "$tmp/err")" -eq 1
check "the same model" test "$(stat -c %s "$out/model.gguf")" -eq "$size"
search --max-wer-increase 1
check "other limits" test $? -eq 1 -a "$(grep -c 'another "limits"' "$tmp/err")" -eq 1
search --types q4_0
check "other types" test $? -eq 1 -a "$(grep -c 'another "types"' "$tmp/err")" -eq 1
search --calibrate "$tmp/calibrate"
check "calibration data" test $? -eq 1 -a "$(grep -c 'another "calibration"' "$tmp/err")" -eq 1
cp "$demo/recordings/004."* "$tmp/data"
search
check "other data" test $? -eq 1 -a "$(grep -c 'another "data"' "$tmp/err")" -eq 1
rm "$tmp/data/004."*
echo '{"search": {' >"$summary"
search
check "a broken summary" test $? -eq 1 -a "$(grep -c 'quantization_summary.json' "$tmp/err")" -eq 1

# --- Nothing passes ----------------------------------------------------------------------------------------

out=$tmp/nothing
run autoquant "$checkpoint" "${data[@]}" --calibrate "$tmp/calibrate" --types q4_0 --methods imatrix --keep -o "$out" \
    --max-perplexity-increase 0 --min-speed 0
check "nothing passes: status $status" test $status -eq 3
says "nothing passes: what to try" "$tmp/err" 'quantization-aware training'
says "nothing passes: wider types" "$tmp/err" 'Allow wider types'
says "nothing passes: state" "$out/quantization_summary.json" '"state":[[:space:]]*"nothing passes"'
says "nothing passes: closest" "$out/quantization_summary.json" '"closest":[[:space:]]*1'
check "nothing passes: the models are kept" test -s "$out/attempt-01/model.gguf" -a ! -e "$out/model.gguf"
check "statistics are kept" test -n "$(find "$out" -name 'statistics-*s.gguf')"
refuses "the same directory twice" 1 'another "methods"' autoquant "$checkpoint" "${data[@]}" --calibrate "$tmp/calibrate" \
    --types q4_0 --methods imatrix,mse -o "$out" --max-perplexity-increase 0 --min-speed 0

echo "test_autoquant: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
