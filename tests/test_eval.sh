#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_eval.sh STAPES: stapes eval and stapes compare, from outside. Exit status 77 where there is no
# device.
set -u
[ $# -eq 1 ] || { echo "usage: test_eval.sh STAPES" >&2; exit 2; }
stapes=$(realpath "$1")
source=$(realpath "$(dirname "$0")/..")
recordings=$source/tools/demo/recordings

# shellcheck source=tests/cli/checks.sh
. "$source/tests/cli/checks.sh"
export LP_NUM_THREADS=0

# says NAME PATTERN: standard output has a line like that.
says() { check "$1" grep -qE -- "$2" "$tmp/out"; }

# shellcheck disable=SC2046
cc -std=c11 -O1 -o "$tmp/json_lines" "$source/tests/cli/json_lines.c" $(pkg-config --cflags --libs libcjson) ||
    { echo "cannot build tests/cli/json_lines.c" >&2; exit 1; }
json() { "$tmp/json_lines" "$@"; }

# --- Told before a model is opened ------------------------------------------------------------------------

refuses "no data" 2 '--data is missing' eval
refuses "an operand" 2 'too many' eval --data "$recordings" file.wav
refuses "normalization" 2 'english, basic or none' eval --data "$recordings" --normalize french
refuses "limit" 2 '--limit takes' eval --data "$recordings" --limit 0
refuses "resume without a file" 2 '--resume needs --details' eval --data "$recordings" --resume
refuses "no such data" 1 'nowhere: No such file' eval --data "$tmp/nowhere"
mkdir "$tmp/empty" "$tmp/set" "$tmp/bad"
refuses "empty data" 1 'empty: no utterance' eval --data "$tmp/empty"
cp "$recordings"/006.* "$tmp/set"
echo "no sound" >"$tmp/bad/x.txt"
refuses "a text without sound" 1 'bad/x.txt: a transcript without sound' eval --data "$tmp/bad"
rm "$tmp/bad/x.txt"
cp "$recordings/006.flac" "$tmp/bad/x.flac"
refuses "sound without a text" 1 'bad/x.flac: sound without a transcript' eval --data "$tmp/bad"
echo '{"audio": "set/006.flac"}' >"$tmp/bad.jsonl"
refuses "a manifest's line" 1 'bad.jsonl:1: needs "text"' eval --data "$tmp/bad.jsonl"
refuses "no such model" 1 'nowhere' eval --data "$tmp/set" --model "$tmp/nowhere"
refuses "details: no directory" 1 'nowhere/d.jsonl: No such' eval --data "$tmp/set" --details "$tmp/nowhere/d.jsonl"
echo '{"type": "word"}' >"$tmp/other.jsonl"
refuses "details: in the way" 1 'other.jsonl: is there already' eval --data "$tmp/set" --details "$tmp/other.jsonl"
refuses "details: another file" 1 'other.jsonl: is no file that' eval --data "$tmp/set" --details "$tmp/other.jsonl" --resume
check "details: left alone" test "$(cat "$tmp/other.jsonl")" = '{"type": "word"}'
printf '{"type": "word"}' >"$tmp/other.jsonl"
refuses "details: another file without a newline" 1 'other.jsonl: is no file that' eval --data "$tmp/set" --details "$tmp/other.jsonl" --resume
check "details: left alone, too" test "$(cat "$tmp/other.jsonl")" = '{"type": "word"}'

checkpoint=$source/tools/demo/checkpoint
sound=$recordings/006.flac
refuses "compare: no file" 2 'A B FILE... is missing' compare "$checkpoint" "$checkpoint"
refuses "compare: too narrow" 2 '--width takes' compare --width 10 "$checkpoint" "$checkpoint" "$sound"
refuses "compare: color" 2 'auto, always or never' compare --color red "$checkpoint" "$checkpoint" "$sound"
refuses "compare: no such file" 1 'nowhere.wav: No such file' compare "$checkpoint" "$checkpoint" "$tmp/nowhere.wav"
refuses "compare: a pipe" 1 '/dev/null: a pipe can be read only once' compare "$checkpoint" "$checkpoint" /dev/null

needs_device test_eval

# --- The demo model over its recordings: stopped on the way, and continued ----------------------------------

details=$tmp/demo.jsonl
evaluate=("$stapes" eval --data "$recordings" --normalize basic --slots 4 --details "$details")
"${evaluate[@]}" >"$tmp/out" 2>"$tmp/err" &
pid=$!
until [ -s "$details" ] && [ "$(wc -l <"$details")" -ge 4 ]; do
    kill -0 $pid 2>/dev/null || break
    sleep 0.1
done
kill -INT $pid
wait $pid
check "interrupted" test $? -eq 130
check "interrupted: no table" test ! -s "$tmp/out"
check "interrupted: told" grep -q 'interrupted after [0-9]* of 24 utterances; --resume continues' "$tmp/err"
check "interrupted: some are there" test "$(wc -l <"$details")" -ge 4 -a "$(wc -l <"$details")" -lt 25
printf '{"type":"utterance","id":"02' >>"$details"
"${evaluate[@]}" --resume >"$tmp/out" 2>"$tmp/err"
check "resumed" test $? -eq 0
check "resumed: told" grep -qE '[0-9]+ of 24 utterances are in' "$tmp/err"
says "WER" '^WER +3\.29 %  \(8 of 243 words: 5 S, 1 D, 2 I\)$'
says "interval" '^95 % interval +[0-9.]+ % to [0-9.]+ %$'
says "CER" '^CER +[0-9.]+ %  \([0-9]+ of 1236 characters'
says "loops" '^loops +0\.00 %'
says "speed" '^real-time factor +[0-9]'
check "details: each once" test "$(json id <"$details" | sort -u | wc -l)" -eq 24
check "details: in all" test "$(wc -l <"$details")" -eq 25
check "details: errors" test "$(json substitutions deletions insertions <"$details" | awk '{ n += $1 + $2 + $3 } END { print n }')" -eq 8
check "details: words" test "$(json words <"$details" | awk '{ n += $1 } END { print n }')" -eq 243

# --- Quantized, within two points of the checkpoint -------------------------------------------------------

for type in q8_0 q4_0; do
    run quantize --quiet "$checkpoint" -o "$tmp/$type.gguf" --type $type
    check "$type: quantized" test $status -eq 0
    run eval --model "$tmp/$type.gguf" --data "$recordings" --normalize basic --slots 4 --quiet
    check "$type: word errors" awk '$1 == "WER" { good = $2 <= 3.29 + 2 } END { exit !good }' "$tmp/out"
done

cp "$details" "$tmp/before"
run eval --data "$recordings" --normalize basic --details "$details" --resume --json
check "nothing left" test $status -eq 0
check "nothing left: JSON" test "$(json type utterances unreadable loops empty <"$tmp/out")" = "summary 24 0 0 0"
check "nothing left: rate" test "$(json wer <"$tmp/out" | cut -c 1-8)" = 0.032921
check "nothing left: unknown speed" test "$(json real_time_factor <"$tmp/out")" = null
run eval --data "$recordings" --normalize basic --details "$details" --resume --limit 1
says "a part of it" '^utterances +1 '
refuses "other normalization" 1 'written with --normalize basic, this is english' eval --data "$recordings" --details "$details" --resume
refuses "another cache" 1 'written with --kv f16, this is f32' eval --data "$recordings" --normalize basic --kv f32 --details "$details" --resume
refuses "other kernels" 1 'written with --kernels default, this is plain' eval --data "$recordings" --normalize basic --kernels plain \
    --details "$details" --resume
refuses "another model" 1 'written with another model, .*demo' eval --data "$recordings" --normalize basic --details "$details" --resume \
    --model "$source/tests/goldens/stt-tiny"
refuses "other data" 1 'written with other data' eval --data "$tmp/set" --normalize basic --details "$details" --resume
check "left alone" cmp "$details" "$tmp/before"

# --- Recordings that cannot be read; a manifest --------------------------------------------------------------

echo "turn left" >"$tmp/set/bad.txt"
head -c 20000 "$recordings/006.flac" >"$tmp/set/bad.flac"
run eval --data "$tmp/set" --details "$tmp/set.jsonl"
check "unreadable" test $status -eq 1
check "unreadable: told" grep -qE 'set/bad.flac: (damaged|cut off)' "$tmp/err"
says "unreadable: the others count" '^utterances +1 '
says "unreadable: counted" '^not read +1$'
check "unreadable: in the details" test "$(json type id <"$tmp/set.jsonl" | sort | paste -sd ';')" = "error bad;eval;utterance 006"
printf '%s\n' '{"audio_filepath": "set/006.flac", "text": "Send a message to Oscar!", "duration": 2.4}' >"$tmp/m.jsonl"
run eval --data "$tmp/m.jsonl" --json
check "manifest" test $status -eq 0 -a "$(json wer normalize utterances <"$tmp/out")" = "0 english 1"

# --- Two models side by side ------------------------------------------------------------------------------------

said=$(cat "$recordings/006.txt")
run compare --width 75 "$checkpoint" "$checkpoint" "$sound"
check "compare: the same" test $status -eq 0
says "compare: beside each other" "^$said {16}$said\$"
says "compare: none" '^0 words differ, in 0 of 1 files: .* A has 5 words, B 5$'
refuses "compare: no such model" 1 'nowhere' compare "$checkpoint" "$tmp/nowhere" "$sound"

"$stapes" quantize -q "$checkpoint" -o "$tmp/bad.gguf" --type q4_0 --embeddings q4_0 --mimi q4_0 || fail "quantize"
run compare --json "$checkpoint" "$tmp/bad.gguf" "$sound" "$tmp/set/bad.flac" "$recordings/003.flac"
check "compare: a damaged file" test $status -eq 1
check "compare: told once" test "$(grep -c 'set/bad.flac: ' "$tmp/err")" -eq 1
check "compare: the others" test "$(json type <"$tmp/out" | paste -sd ' ')" = "comparison comparison summary"
check "compare: text of A" test "$(json a <"$tmp/out" | head -1)" = "$said"
check "compare: files" test "$(json files words_a <"$tmp/out")" = "2 21"
check "compare: sum" test "$(json type different <"$tmp/out" | awk '/comparison/ { n += $2 } /summary/ { print $2 - n }')" = 0
check "compare: listed" test "$(grep -o '"at_a"' "$tmp/out" | wc -l)" -eq "$(json type different <"$tmp/out" | awk '/summary/ { print $2 }')"
cp "$tmp/out" "$tmp/json"
run compare --color always "$checkpoint" "$tmp/bad.gguf" "$recordings/003.flac"
check "compare: colours where words differ" test "$(grep -c $'\033' "$tmp/out")" -ge 1 -a "$(grep -c '|$\|| ' "$tmp/out")" -ge 1

echo "test_eval: $passed passed, $failed failed"
[ $failed -eq 0 ]
