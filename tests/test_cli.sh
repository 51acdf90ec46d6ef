#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_cli.sh [--no-device] STAPES: the command line, from outside. --no-device: only what needs no
# Vulkan device. Exit status 77 where there is none.
# shellcheck disable=SC2002,SC2015,SC2016,SC2059 # pipes that look useless are what is tested
set -u
device=1
if [ "${1-}" = --no-device ]; then
    device=0
    shift
fi
[ $# -eq 1 ] || { echo "usage: test_cli.sh [--no-device] STAPES" >&2; exit 2; }
stapes=$(realpath "$1")
source=$(realpath "$(dirname "$0")/..")
demo=$source/tools/demo
recording=$demo/recordings/000.flac
said=$(cat "$demo/recordings/000.txt")
goldens=$source/tests/goldens

# shellcheck source=tests/cli/checks.sh
. "$source/tests/cli/checks.sh"
mounted=
# shellcheck disable=SC2317
cleanup() {
    [ -z "$mounted" ] || umount "$mounted"
    chmod -R u+w "$tmp"
    rm -rf "$tmp"
}
trap cleanup EXIT

# prints NAME TEXT ARGUMENTS...: success, and exactly this text.
prints() {
    local name=$1 text=$2
    shift 2
    run "$@"
    if [ $status -eq 0 ] && [ "$(cat "$tmp/out")" = "$text" ]; then pass; else fail "$name: status $status"; fi
}

build_helper() {
    # shellcheck disable=SC2046
    cc -std=c11 -O1 -o "$tmp/$1" "$source/tests/cli/$1.c" $(pkg-config --cflags --libs "${@:2}") -lm ||
        { echo "cannot build tests/cli/$1.c" >&2; exit 1; }
}
build_helper make_sound sndfile samplerate
build_helper json_lines libcjson
sound() { "$tmp/make_sound" "$@" || exit 1; }
json() { "$tmp/json_lines" "$@"; }

# --- Options, help, pages ---------------------------------------------------------------------------

commands="transcribe trace devices inspect quantize calibrate eval validate compare autoquant bench parity web"
prints version "stapes $(cat "$source/VERSION")" --version
refuses "no command" 2 'usage'
refuses "unknown command" 2 'no command "hear".*transcribe' hear
run --help
for command in $commands; do
    check "help lists $command" grep -q "^  $command " "$tmp/out"
done
for command in $commands; do
    run "$command" --help
    check "$command --help" test $status -eq 0 -a -s "$tmp/out" -a ! -s "$tmp/err"
    check "$command --help fits" test "$(grep -v '^  ' "$tmp/out" | awk '{ print length }' | sort -n | tail -1)" -le 80
    refuses "$command: unknown option" 2 'no option --nonsense' "$command" --nonsense
    "$stapes" --man "$command" >"$tmp/page.1" 2>&1
    check "man page of $command" test -z "$(groff -man -ww -z -Tutf8 "$tmp/page.1" 2>&1)"
    check "man page of $command has all options" test \
        "$(grep -c '^\.TP' "$tmp/page.1")" -eq "$("$stapes" "$command" --help | grep -cE '^  --[a-z]')"
done
"$stapes" --man >"$tmp/page.1"
check "man page of stapes" test -z "$(groff -man -ww -z -Tutf8 "$tmp/page.1" 2>&1)"
check "completion" bash -c 'source <("$1" --completion); COMP_WORDS=(stapes tr); COMP_CWORD=1; _stapes; [ "${COMPREPLY[*]}" = "transcribe trace" ]' - "$stapes"

refuses "no file" 2 'FILE' transcribe
refuses "value missing" 2 '--model needs a value' transcribe x.wav --model
refuses "empty value" 2 '--model takes' transcribe --model= x.wav
refuses "value for a flag" 2 '--vad takes no value' transcribe --vad=1 x.wav
refuses "wrong choice lists the choices" 2 'text or json.*"xml"' transcribe --format xml x.wav
refuses "no number" 2 '--slots takes a number from 1 to 2048, not "two"' transcribe --slots two x.wav
refuses "number with a tail" 2 '"2x"' transcribe --slots=2x x.wav
refuses "number too small" 2 '"0"' transcribe --slots 0 x.wav
refuses "number too large" 2 '99999999999999999999' transcribe --slots 99999999999999999999 x.wav
refuses "negative number" 2 '"-1"' trace --pad-frames -1 x.wav
refuses "wrong size" 2 'K, M, G or T.*"12Q"' transcribe --max-memory 12Q x.wav
refuses "size too large" 2 '"99999999T"' transcribe --max-memory 99999999T x.wav
refuses "standard input twice" 2 'only once' transcribe - -
refuses "trace: too many files" 2 'too many' trace a.wav b.wav
refuses "trace: neither" 2 'FILE is missing' trace
refuses "trace: both" 2 '--codes takes the place' trace --codes a.npy b.wav
refuses "quantize: no output" 2 '--output is missing' quantize "$demo/checkpoint" --type f16
refuses "quantize: no type" 2 '--type is missing: q4_0' quantize "$demo/checkpoint" -o "$tmp/x.gguf"
refuses "quantize: wrong type" 2 'q4_0, q4_1, .* f16, bf16 or f32' quantize "$demo/checkpoint" -o "$tmp/x.gguf" --type q5
refuses "quantize: no rule" 2 'PATTERN=TYPE.*"emb"' quantize "$demo/checkpoint" -o "$tmp/x.gguf" --type f16 --tensor emb
refuses "quantize: no pattern" 2 'PATTERN=TYPE' quantize "$demo/checkpoint" -o "$tmp/x.gguf" --type f16 --tensor =f16
refuses "quantize: type of a rule" 2 'q6_k.*"emb=q9"' quantize "$demo/checkpoint" -o "$tmp/x.gguf" --type f16 --tensor emb=q9
refuses "quantize: empty pattern" 2 '--scope takes' quantize "$demo/checkpoint" -o "$tmp/x.gguf" --type f16 --scope=
refuses "quantize: method" 2 'naive, mse, imatrix, awq or gptq' quantize "$demo/checkpoint" -o "$tmp/x.gguf" --type f16 --method best
refuses "quantize: too many rules" 2 'more than 64 times' quantize "$demo/checkpoint" -o "$tmp/x.gguf" --type f16 \
    $(for i in $(seq 65); do echo --tensor "emb.$i=f32"; done)
refuses "validate: one model" 2 'REFERENCE CANDIDATE is missing' validate
refuses "validate: no data" 2 '--data is missing' validate a.gguf b.gguf
refuses "validate: no number" 2 'takes a number from 0 to 1000, not "two"' validate a b --data c --max-wer-increase two
for number in -1 nan 0x2 1e9 2,5 "" 1.5x; do
    refuses "validate: number \"$number\"" 2 '--min-speed takes' validate a b --data c --min-speed="$number"
done
refuses "-- ends the options" 1 '^stapes: --help: No such file' transcribe -- --help

# --- Files that cannot be read: told before any model is loaded ---------------------------------------

mkdir "$tmp/directory"
: >"$tmp/empty"
echo "This is a text, not sound." >"$tmp/text.wav"
head -c 100000 /dev/urandom >"$tmp/noise.flac"
head -c 20 "$demo/recordings/000.flac" >"$tmp/stub.flac"
refuses "missing file" 1 'missing.wav: No such file' transcribe "$tmp/missing.wav"
refuses "directory" 1 'is a directory' transcribe "$tmp/directory"
refuses "empty file" 1 'empty' transcribe "$tmp/empty"
refuses "not audio" 1 'not sound' transcribe "$tmp/text.wav"
refuses "random bytes" 1 'noise.flac' transcribe "$tmp/noise.flac"
refuses "only a header" 1 'stub.flac' transcribe "$tmp/stub.flac"
if [ "$(id -u)" -ne 0 ]; then
    cp "$recording" "$tmp/secret.flac"
    chmod 000 "$tmp/secret.flac"
    refuses "unreadable file" 1 'permission denied' transcribe "$tmp/secret.flac"
fi
run transcribe --format json "$tmp/missing.wav"
check "failed file in JSON" test "$status $(json type message <"$tmp/out")" = "1 error No such file or directory"

# --- Models that cannot be read; inspect and quantize -------------------------------------------------

run quantize --quiet "$demo/checkpoint" -o "$tmp/model.gguf" --type q8_0
check "quantize" test "$status" -eq 0 -a ! -s "$tmp/out" -a ! -s "$tmp/err"
for type in q4_0 f16 bf16 f32; do
    run quantize --quiet "$demo/checkpoint" --output="$tmp/$type.gguf" --type $type
    check "quantize to $type" test $status -eq 0 -a -s "$tmp/$type.gguf"
done
for type in q4_1 q5_0 q5_1 q4_k q6_k; do
    run quantize "$demo/checkpoint" -o "$tmp/other.gguf" --type $type
    check "quantize to $type" test $status -eq 0 -a "$(grep -c "^attention  *$type  *6 " "$tmp/out")" -eq 1
    run inspect "$tmp/other.gguf"
    check "inspect $type" grep -q "^  $type .*transformer.layers.0.self_attn.in_proj_weight" "$tmp/out"
done
run quantize -q "$demo/checkpoint" -o "$tmp/other.gguf" --type q6_k
check "quiet: no table" test $status -eq 0 -a ! -s "$tmp/out" -a ! -s "$tmp/err"
run quantize "$demo/checkpoint" -o "$tmp/other.gguf" --type q6_k
check "q6_k falls back to q8_0" grep -q '^feed-forward  *q8_0  *3 ' "$tmp/out"
check "the fallback is told" grep -q '^feed-forward: 3 q8_0 since their rows do not fit' "$tmp/out"
run quantize -v "$demo/checkpoint" -o "$tmp/other.gguf" --type q4_0 --method mse --embeddings q8_0 --output-head bf16 \
    --mimi f16 --tensor 'transformer.layers.0.*=f16' --tensor 'transformer.layers.0.self_attn.*=q8_0' --tensor 'nothing=f32'
check "quantize with options" test $status -eq 0 -a "$(awk '{ print $1, $2, $3, $4 }' "$tmp/out" | head -8)" = \
"group type tensors weights
embeddings q8_0 9 624896
attention q4_0 4 524288
attention q8_0 2 262144
feed-forward f16 2 540672
feed-forward q4_0 4 1081344
output heads bf16 5
mimi f16 25 697016"
check "a pattern without a tensor is told" grep -q 'warning: nothing matches no tensor' "$tmp/err"
check "throughput is told" grep -qE 'other.gguf: 1 file in .* MB/s' "$tmp/err"
run quantize -q "$demo/checkpoint" -o "$tmp/split.gguf" --type q8_0 --split-max-size 3M
check "split" test $status -eq 0 -a ! -e "$tmp/split.gguf" -a "$(find "$tmp" -name 'split-0000?-of-0000?.gguf' -size -3073k | wc -l)" -eq 3
cmp -s <("$stapes" inspect "$tmp/split-00002-of-00003.gguf" | grep weight | sort) <("$stapes" inspect "$tmp/model.gguf" | grep weight | sort) ||
    fail "a split model has other tensors"
mkdir "$tmp/shards"
split -b 1M "$tmp/model.gguf" "$tmp/shards/shard-"
for path in "$tmp/shards" "$tmp/shards/shard-aa" "$tmp/shards/shard-ad"; do
    cmp -s <("$stapes" inspect "$path" | grep weight) <("$stapes" inspect "$tmp/model.gguf" | grep weight) ||
        fail "shards have other tensors: $path"
done
run quantize -q "$tmp/shards" -o "$tmp/again.gguf" --type q8_0
check "shards together are the file" test $status -eq 0
run quantize -q "$tmp/split-00001-of-00003.gguf" -o "$tmp/again2.gguf" --type q8_0
check "split files together are the file" cmp "$tmp/again.gguf" "$tmp/again2.gguf"
refuses "quantize: onto itself" 1 'is the input' quantize "$tmp/model.gguf" -o "$tmp/model.gguf" --type q4_0
refuses "quantize: onto a shard" 1 'is the input' quantize "$tmp/shards" -o "$tmp/shards/shard-ab" --type q4_0
refuses "quantize: statistics that are none" 1 'model.gguf: holds no statistics; stapes calibrate' \
    quantize "$demo/checkpoint" -o "$tmp/x.gguf" --type q4_0 --method imatrix --statistics "$tmp/model.gguf"
refuses "quantize: no statistics there" 1 'missing.gguf: No such file' \
    quantize "$demo/checkpoint" -o "$tmp/x.gguf" --type q4_0 --method awq --statistics "$tmp/missing.gguf"
refuses "quantize: nothing in scope" 1 'no tensor' quantize "$demo/checkpoint" -o "$tmp/x.gguf" --type f16 --scope nothing
refuses "quantize: a device" 1 'not a regular file' quantize "$demo/checkpoint" -o /dev/full --type f16
if [ "$(id -u)" -ne 0 ]; then
    mkdir -m 555 "$tmp/locked"
    refuses "quantize: unwritable" 1 'permission denied' quantize "$demo/checkpoint" -o "$tmp/locked/x.gguf" --type f16
else
    echo "test_cli: no directory that root may not write to: one check is left out"
fi
refuses "quantize: below a file" 1 'other.gguf/x.gguf.*: Not a directory' quantize "$demo/checkpoint" -o "$tmp/other.gguf/x.gguf" --type f16
"$stapes" quantize "$demo/checkpoint" -o "$tmp/other.gguf" --type q8_0 >/dev/full 2>"$tmp/err"
status=$?
check "full disk: quantize's table" test $status -eq 1 -a "$(grep -c 'No space left' "$tmp/err")" -eq 1
timeout --foreground --preserve-status -s INT 0.3 "$stapes" quantize -q "$demo/checkpoint" -o "$tmp/late.gguf" --type q4_1 --method mse
status=$?
check "Ctrl-C while quantizing" test \( $status -eq 130 -a ! -e "$tmp/late.gguf" \) -o \( $status -eq 0 -a -e "$tmp/late.gguf" \)
rm -f "$tmp/late.gguf"
check "quantize leaves no temporary file" test -z "$(find "$tmp" -name '*.part-*')"
(ulimit -f 100; "$stapes" quantize -q "$demo/checkpoint" -o "$tmp/large.gguf" --type f16 2>"$tmp/err")
status=$?
check "a limit on files' size" test $status -eq 1 -a "$(grep -c 'large.gguf: File too large' "$tmp/err")" -eq 1
check "a limit on files' size: nothing left" test -z "$(find "$tmp" -name 'large.gguf*')"
mkdir "$tmp/own"
cp "$demo"/checkpoint/* "$tmp/own"
refuses "quantize: onto the configuration" 1 'config.json: is the input' quantize "$tmp/own" -o "$tmp/own/config.json" --type f16
refuses "quantize: onto the tokenizer" 1 'is the input' quantize "$tmp/own" -o "$tmp/own/tokenizer_demo_384.model" --type f16
check "quantize: the inputs are as they were" cmp "$demo/checkpoint/config.json" "$tmp/own/config.json"
refuses "quantize: no place" 1 'no/place' quantize "$demo/checkpoint" -o "$tmp/no/place.gguf" --type f16
refuses "quantize: nothing there" 1 'No such file' quantize "$tmp/missing" -o "$tmp/x.gguf" --type f16
check "quantize leaves nothing behind" test ! -e "$tmp/x.gguf" -a ! -e "$tmp/no"

for path in "$tmp/model.gguf" "$tmp/q4_0.gguf" "$demo/checkpoint" "$demo/checkpoint/model.safetensors"; do
    run inspect "$path"
    check "inspect $path" test $status -eq 0
    check "inspect lists a tensor of $path" grep -q 'text_linear.weight \[384,256\]' "$tmp/out"
    run inspect --format json "$path"
    check "inspect in JSON $path" test "$(tr -d '\n' <"$tmp/out" | { cat; echo; } | json totals | grep -c '"all"')" -eq 1
done
refuses "inspect: missing" 1 'No such file' inspect "$tmp/missing.gguf"
refuses "inspect: no model" 1 'text.wav' inspect "$tmp/text.wav"
refuses "inspect: empty directory" 1 'directory' inspect "$tmp/directory"

# damage FILE SED: a copy with the bytes changed, of the same length.
damage() {
    LC_ALL=C sed "$2" "$1" >"$tmp/damaged.gguf"
    ! cmp -s "$1" "$tmp/damaged.gguf" || { echo "the damage $2 does nothing" >&2; exit 1; }
}
damage "$tmp/model.gguf" '1s/^GGUF/GGUX/'
refuses "GGUF: magic" 1 'damaged.gguf' inspect "$tmp/damaged.gguf"
damage "$tmp/model.gguf" '1s/^GGUF\x03/GGUF\x77/'
refuses "GGUF: version" 1 'version' inspect "$tmp/damaged.gguf"
damage "$tmp/model.gguf" 's/general.architecture\x08/general.architecture\x58/'
refuses "GGUF: type of a key" 1 'damaged.gguf' inspect "$tmp/damaged.gguf"
damage "$tmp/model.gguf" 's/text_emb.weight/emb.0.weightxxx/;s/emb.0.weightxxx/text_linear.weig/'
refuses "GGUF: length of a name" 1 'damaged.gguf' inspect "$tmp/damaged.gguf"
damage "$tmp/model.gguf" 's/emb\.1\.weight/emb.0.weight/'
refuses "GGUF: name twice" 1 'emb\.0\.weight' inspect "$tmp/damaged.gguf"
for bytes in 3 4 11 24 100 3000 9000 100000; do
    head -c $bytes "$tmp/model.gguf" >"$tmp/damaged.gguf"
    refuses "GGUF: $bytes bytes of it" 1 'damaged.gguf' inspect "$tmp/damaged.gguf"
done
head -c -1 "$tmp/model.gguf" >"$tmp/damaged.gguf"
refuses "GGUF: last byte missing" 1 'damaged.gguf' inspect "$tmp/damaged.gguf"
refuses "GGUF: damaged, to transcribe" 1 'damaged.gguf' transcribe --model "$tmp/damaged.gguf" "$recording"
refuses "model missing" 1 'No such file' transcribe --model "$tmp/missing.gguf" "$recording"

# checkpoint SED_CONFIG SED_WEIGHTS: a damaged copy of the demo checkpoint.
checkpoint() {
    rm -rf "$tmp/checkpoint"
    cp -r "$demo/checkpoint" "$tmp/checkpoint"
    sed -i "$1" "$tmp/checkpoint/config.json"
    LC_ALL=C sed -i "$2" "$tmp/checkpoint/model.safetensors"
}
checkpoint 's/"dim": 256/"dim": 128/' ''
cmp -s "$demo/checkpoint/config.json" "$tmp/checkpoint/config.json" && fail "the config was not changed"
refuses "config against tensors" 1 '\.weight' quantize "$tmp/checkpoint" -o "$tmp/x.gguf" --type f16
checkpoint 's/"model_type": "stt"/"model_type": "poet"/' ''
refuses "unknown model type" 1 'poet' quantize "$tmp/checkpoint" -o "$tmp/x.gguf" --type f16
checkpoint 's/^{/{,/' ''
refuses "config is no JSON" 1 'config.json' quantize "$tmp/checkpoint" -o "$tmp/x.gguf" --type f16
checkpoint '' ''
head -c -1000 "$demo/checkpoint/model.safetensors" >"$tmp/checkpoint/model.safetensors"
refuses "safetensors cut off" 1 'model.safetensors' inspect "$tmp/checkpoint"
checkpoint '' '1s/"BF16"/"BF61"/'
refuses "safetensors: type" 1 'safetensors|BF61' quantize "$tmp/checkpoint" -o "$tmp/x.gguf" --type f16
rm -r "$tmp/checkpoint"/*
cp "$demo/checkpoint"/*.json "$demo/checkpoint"/*.model "$tmp/checkpoint"
refuses "no weights" 1 'safetensors' inspect "$tmp/checkpoint"
check "no file of a failed quantize" test ! -e "$tmp/x.gguf"

# --- Arrays of codes ----------------------------------------------------------------------------------

echo "no array" >"$tmp/codes.npy"
refuses "codes: no .npy" 1 'not a .npy' trace --codes "$tmp/codes.npy"
refuses "codes: missing" 1 'No such file' trace --codes "$tmp/missing.npy"
refuses "codes: directory" 1 'directory' trace --codes "$tmp/directory"
refuses "codes: float" 1 'integers' trace --codes "$goldens/stt-tiny/goldens/mimi/latent.npy"
head -c -4 "$goldens/stt-tiny/goldens/mimi/codes.npy" >"$tmp/codes.npy"
refuses "codes: cut off" 1 'header asks for' trace --codes "$tmp/codes.npy"

# --- Validations that cannot begin: told before any model is loaded -------------------------------------

"$stapes" quantize -q "$demo/checkpoint" -o "$tmp/reference.gguf" --type bf16
"$stapes" quantize -q "$demo/checkpoint" -o "$tmp/candidate.gguf" --type q4_0
mkdir "$tmp/said" "$tmp/wordless" "$tmp/soundless"
cp "$demo/recordings/004."* "$tmp/said"
cp "$recording" "$tmp/wordless"
echo "... ?" >"$tmp/wordless/000.txt"
# validates NAME PATTERN ARGUMENTS...: refused for this reason.
validates() { refuses "validate: $1" 1 "$2" validate "${@:3}"; }
validates "missing reference" 'missing.gguf: No such' "$tmp/missing.gguf" "$tmp/candidate.gguf" --data "$tmp/said"
validates "missing candidate" 'missing.gguf: No such' "$tmp/reference.gguf" "$tmp/missing.gguf" --data "$tmp/said"
validates "another model" 'different models.*text vocabulary is 384.*256' "$tmp/reference.gguf" "$goldens/stt-tiny" --data "$tmp/said"
validates "another kind" 'different models.*audio streams is 0.*4' "$goldens/stt-tiny" "$goldens/moshi-tiny" --data "$tmp/said"
cp -r "$demo/checkpoint" "$tmp/spelled"
chmod -R u+w "$tmp/spelled"
LC_ALL=C sed -i 's/\xe2\x96\x81the/\xe2\x96\x81thx/' "$tmp/spelled/"tokenizer*.model
validates "another tokenizer" 'different tokenizers.*the".*thx"' "$tmp/reference.gguf" "$tmp/spelled" --data "$tmp/said"
validates "missing data" 'missing: No such' "$tmp/reference.gguf" "$tmp/candidate.gguf" --data "$tmp/missing"
validates "empty data" 'directory' "$tmp/reference.gguf" "$tmp/candidate.gguf" --data "$tmp/directory"
validates "no words" 'no words in the transcripts' "$tmp/reference.gguf" "$tmp/candidate.gguf" --data "$tmp/wordless"
cp "$tmp/text.wav" "$tmp/soundless/a.wav"
echo "a text" >"$tmp/soundless/a.txt"
validates "no sound" 'a.wav.*not sound' "$tmp/reference.gguf" "$tmp/candidate.gguf" --data "$tmp/soundless"
validates "unwritable report" 'r.json.*No such file' "$tmp/reference.gguf" "$tmp/candidate.gguf" --data "$tmp/said" -o "$tmp/missing/r.json"
validates "a directory as report" 'is a directory' "$tmp/reference.gguf" "$tmp/candidate.gguf" --data "$tmp/said" -o "$tmp/directory"
validates "report onto the candidate" 'candidate.gguf: is the input' "$tmp/reference.gguf" "$tmp/candidate.gguf" --data "$tmp/said" \
    -o "$tmp/candidate.gguf"
validates "report onto a checkpoint's file" 'config.json: is the input' "$tmp/spelled" "$tmp/candidate.gguf" --data "$tmp/said" \
    -o "$tmp/spelled/config.json"
validates "report onto a recording" '004.flac: is the input' "$tmp/reference.gguf" "$tmp/candidate.gguf" --data "$tmp/said" \
    -o "$tmp/said/004.flac"
validates "no scratch" 'nowhere: No such file.*--scratch' "$tmp/reference.gguf" "$tmp/candidate.gguf" --data "$tmp/said" --scratch "$tmp/nowhere"

# --- Without a device -----------------------------------------------------------------------------------

VK_ICD_FILENAMES=/nonexistent VK_DRIVER_FILES=/nonexistent \
    refuses "no driver: transcribe" 1 'vulkan' transcribe "$recording"
VK_ICD_FILENAMES=/nonexistent VK_DRIVER_FILES=/nonexistent \
    refuses "no driver: devices" 1 'vulkan' devices

finish() {
    echo "test_cli: $passed passed, $failed failed${1-}"
    [ $failed -eq 0 ] || exit 1
}
if [ $device -eq 0 ]; then
    finish " (without a device)"
    exit 0
fi
needs_device test_cli

# --- Bench ----------------------------------------------------------------------------------------------

refuses "parity: an operand" 2 'one operand too many' parity matmul
refuses "parity: cases" 2 '--cases takes a number from 1' parity --cases 0
refuses "parity: a seed" 2 '--seed takes a number from 1' parity --seed 0
refuses "parity: no such kernel lists the kernels" 2 "no kernel matches 'nothing'.*matmul_f32" parity --kernel nothing
refuses "bench: an operand" 2 'one operand too many' bench matmul
refuses "bench: no such kernel lists the kernels" 2 "no kernel matches 'nothing'.*matmul_f32" bench --kernel nothing
run bench --quick --kernel head_probs --json "$tmp/bench.json" --plot "$tmp/bench.svg"
check "bench" test $status -eq 0 -a "$(grep -c '^head_probs  *plain\*.* [0-9.]* us ' "$tmp/out")" -eq 2
check "bench: what the device can do" grep -qE ': copies [0-9.]+ GB/s .* [0-9.]+ GFLOP/s$' "$tmp/out"
check "bench: one line where there is no terminal" test "$(cat "$tmp/err")" = "stapes: timing kernels"
{ tr -d '\n' <"$tmp/bench.json"; echo; } | json device >"$tmp/values"
check "bench: JSON" grep -qF "$("$stapes" devices --format json | json name | head -1)" "$tmp/values"
check "bench: a plot" test "$(grep -c '<circle' "$tmp/bench.svg")" -eq 4 -a "$(tail -1 "$tmp/bench.svg")" = "</svg>"
if command -v xmllint >/dev/null; then
    check "bench: the plot is XML" xmllint --noout "$tmp/bench.svg"
fi
run bench --quick --kernel head_probs --json -
check "bench: JSON alone on standard output" test $status -eq 0 -a "$(head -c 1 "$tmp/out")" = "{" \
    -a "$(grep -c 'of copy' "$tmp/out")" -eq 0 -a ! -e ./-
refuses "bench: two documents on standard output" 2 'one standard output' bench --json - --plot -
refuses "bench: unknown device" 1 'no such device' bench --device "no such device"
run bench --quick --kernel head_probs --plot "$tmp/no/place.svg"
check "bench: no place for the plot" test $status -eq 1 -a "$(grep -c 'no/place.svg: No such file' "$tmp/err")" -eq 1
mkdir "$tmp/alone"
cp "$stapes" "$tmp/alone/stapes"
"$tmp/alone/stapes" bench >"$tmp/out" 2>"$tmp/err"
status=$?
check "bench: without checkgpu" test $status -eq 1 -a "$(grep -c 'STAPES_TESTS=ON' "$tmp/err")" -eq 1
"$tmp/alone/stapes" parity >"$tmp/out" 2>"$tmp/err"
status=$?
check "parity: without checkgpu" test $status -eq 1 -a "$(grep -c 'STAPES_TESTS=ON' "$tmp/err")" -eq 1

# --- Devices --------------------------------------------------------------------------------------------

run devices
check "devices" grep -qF "$("$stapes" devices --format json | json name | head -1)" "$tmp/out"
name=$("$stapes" devices --format json | json name | head -1 | cut -d ' ' -f 1)
refuses "unknown device lists the devices" 1 "$name" transcribe --device "no such device" "$recording"
refuses "unknown index" 1 "$name" transcribe --device 99 "$recording"
refuses "not enough memory" 1 'needs [0-9.]+ MB.* 1\.0 MB' transcribe --max-memory 1M "$recording"
refuses "unknown kernel" 1 'no_such_kernel' transcribe --kernels no_such_kernel "$recording"

# --- Sound of all kinds ---------------------------------------------------------------------------------

prints "a recording" "$said" transcribe "$recording"
check "the summary" grep -qE '^stapes: 2\.63 s audio, [0-9]+\.[0-9]{2} s wall, real-time factor [0-9]+\.[0-9]{3}, .+, [0-9]+\.[0-9] MB device memory \(peak\)$' "$tmp/err"
check "a pipeline cache" test -n "$(ls "$XDG_CACHE_HOME/stapes")"
prints "device by index" "$said" transcribe --quiet --device 0 "$recording"
check "quiet" test ! -s "$tmp/err"
for spec in "44100 2 wav16" "48000 1 flac" "16000 3 aiff" "96000 2 wavf" "22050 1 wav24" "8000 1 wav16"; do
    read -r rate channels format <<<"$spec"
    sound "$recording" "$tmp/sound.$format" "$rate" "$channels" "$format"
    run transcribe -q -f json "$tmp/sound.$format"
    check "$spec: length" test "$(json seconds <"$tmp/out" | cut -c1-5)" = 2.631
    [ "$rate" -lt 16000 ] || # telephone sound is another voice to the model
        check "$spec: words" test "$(json type text <"$tmp/out" | sed -n 's/^end //p')" = "$said"
done
for n in 1 59 1919 1920 1921 24001 44101; do
    for rate in 24000 44100 11025 96000; do
        sound tone:$n "$tmp/tone.wav" $rate 1 wav16
        run transcribe -q -f json "$tmp/tone.wav"
        check "$n samples at $rate Hz make the right length" \
            awk -v s="$(json seconds <"$tmp/out")" -v n=$n -v r=$rate \
            'BEGIN { d = s * 24000 - n * 24000 / r; exit !(s != "" && d <= 1 && d >= -1) }'
    done
done

sound silence:0 "$tmp/none.wav" 44100 2 wav16
prints "no samples" "" transcribe "$tmp/none.wav"
prints "silence" "" transcribe -q "$tmp/none.wav"
sound nan:50000:43210 "$tmp/nan.wav" 44100 1 wavf
run transcribe "$tmp/nan.wav"
check "NaN" test $status -eq 1
check "NaN: where" grep -q 'sample 43210 (at 0\.980 s) is not a number' "$tmp/err"
sound "$recording" "$tmp/long.flac" 24000 1 flac
head -c 30000 "$tmp/long.flac" >"$tmp/cut.flac"
run transcribe "$tmp/cut.flac"
check "cut off FLAC" test $status -eq 1
check "cut off FLAC: told" grep -qE 'cut.flac: (cut off|damaged) after' "$tmp/err"
sound "$recording" "$tmp/long.wav" 24000 1 wav16
head -c 100000 "$tmp/long.wav" >"$tmp/cut.wav"
run transcribe "$tmp/cut.wav"
check "cut off WAV" test $status -eq 1
check "cut off WAV: told" grep -qE 'cut.wav: cut off after 2\.08. s' "$tmp/err"
check "cut off WAV: the words before" grep -q "^${said% *}" "$tmp/out"
run transcribe -q -f json "$tmp/cut.wav"
check "cut off WAV in JSON" test "$(json type <"$tmp/out" | tail -1)" = error
sound "$recording" "$tmp/long.ogg" 48000 1 ogg
prints "Ogg" "$said" transcribe -q "$tmp/long.ogg"
head -c 9000 "$tmp/long.ogg" >"$tmp/cut.ogg"
run transcribe "$tmp/cut.ogg"
check "cut off Ogg" test $status -eq 1 -a "$(grep -c 'cut.ogg: cut off after' "$tmp/err")" -eq 1
{ # as a recorder that was stopped leaves it
    printf 'RIFF\0\0\0\0'
    head -c 40 "$tmp/long.wav" | tail -c +9
    printf '\0\0\0\0'
    tail -c +45 "$tmp/long.wav"
} >"$tmp/open.wav"
prints "a WAV file with open sizes" "$said" transcribe -q "$tmp/open.wav"
for _ in $(seq 20000); do printf '\xff\xff\x7f\x7f'; done >"$tmp/huge.raw"
cat "$tmp/huge.raw" | "$stapes" transcribe -q --raw-format f32 --raw-channels 2 --raw-rate 44100 - >"$tmp/out" 2>"$tmp/err"
status=$?
check "too large to resample" test $status -eq 1 -a "$(grep -c 'too large' "$tmp/err")" -eq 1

# --- Standard input ---------------------------------------------------------------------------------------

# piped NAME TEXT FILE ARGUMENTS...
piped() {
    local name=$1 text=$2 file=$3
    shift 3
    cat "$file" | "$stapes" transcribe "$@" - >"$tmp/out" 2>"$tmp/err"
    status=$?
    if [ $status -eq 0 ] && [ "$(cat "$tmp/out")" = "$text" ]; then pass; else fail "$name: status $status"; fi
}
for spec in "24000 1 wav16" "44100 2 wav24" "48000 1 wavf" "24000 1 rf64"; do
    read -r rate channels format <<<"$spec"
    sound "$recording" "$tmp/in.wav" "$rate" "$channels" "$format"
    piped "WAV through a pipe: $spec" "$said" "$tmp/in.wav"
done
sound "$recording" "$tmp/in.wav" 24000 1 wav16
for size in '\x00\x00\x00\x00' '\xff\xff\xff\xff'; do
    {
        printf "RIFF$size"
        head -c 40 "$tmp/in.wav" | tail -c +9
        printf "$size"
        tail -c +45 "$tmp/in.wav"
    } >"$tmp/open.wav"
    piped "WAV with open sizes $size" "$said" "$tmp/open.wav"
done
{
    cat "$tmp/in.wav"
    printf 'LIST\x04\x00\x00\x00INFO'
} >"$tmp/tail.wav"
cat "$tmp/tail.wav" | "$stapes" transcribe -q -f json - >"$tmp/out"
check "chunks after the samples are no sound" test "$(json seconds <"$tmp/out" | cut -c1-5)" = 2.631
sound "$recording" "$tmp/in.raw" 24000 1 raw16
piped "raw" "$said" "$tmp/in.raw"
sound "$recording" "$tmp/in.raw" 48000 2 rawf
piped "raw, float, stereo, 48 kHz" "$said" "$tmp/in.raw" --raw-format f32 --raw-channels 2 --raw-rate 48000
piped "nothing" "" /dev/null
cat "$recording" | "$stapes" transcribe - >"$tmp/out" 2>"$tmp/err"
status=$?
check "FLAC through a pipe is told" test $status -eq 1 -a ! -s "$tmp/out" -a "$(grep -c FLAC "$tmp/err")" -eq 1
printf '\xff\xfb\x50\xc4\0\0\0\0\0\0\0\0\0\0' | "$stapes" transcribe - >"$tmp/out" 2>"$tmp/err"
status=$?
check "MP3 through a pipe is told" test $status -eq 1 -a ! -s "$tmp/out" -a "$(grep -c MP3 "$tmp/err")" -eq 1
head -c 100000 "$tmp/in.wav" | "$stapes" transcribe -q - >"$tmp/out" 2>"$tmp/err"
status=$?
check "WAV cut off in a pipe" test $status -eq 1 -a "$(grep -c 'cut off after 2\.08' "$tmp/err")" -eq 1
head -c 24 "$tmp/in.wav" >"$tmp/rate.wav"
printf '\0\0\0\0' >>"$tmp/rate.wav"
tail -c +29 "$tmp/in.wav" >>"$tmp/rate.wav"
"$stapes" transcribe -q - <"$tmp/rate.wav" >"$tmp/out" 2>"$tmp/err"
status=$?
check "WAV at 0 Hz" test $status -eq 1 -a "$(grep -c 'at 0 Hz' "$tmp/err")" -eq 1
head -c 30 "$tmp/in.wav" | "$stapes" transcribe - >"$tmp/out" 2>"$tmp/err"
status=$?
check "a header cut off" test $status -eq 1 -a ! -s "$tmp/out" -a "$(grep -c 'cut off' "$tmp/err")" -eq 1
sound nan:50000:43210 "$tmp/in.raw" 24000 1 rawf
"$stapes" transcribe --raw-format f32 - <"$tmp/in.raw" >"$tmp/out" 2>"$tmp/err"
status=$?
check "NaN through a pipe" test $status -eq 1 -a "$(grep -c 'sample 43210' "$tmp/err")" -eq 1
mkfifo "$tmp/fifo"
cat "$tmp/in.wav" >"$tmp/fifo" &
prints "a named pipe" "$said" transcribe -q "$tmp/fifo"
wait

# Words come while the sound does: the pipe stays open until the first word has been read.
sound "$recording" "$tmp/in.raw" 24000 1 raw16
mkfifo "$tmp/sound" "$tmp/words"
"$stapes" transcribe -q - <"$tmp/sound" >"$tmp/words" 2>"$tmp/err" &
exec 3>"$tmp/sound" 4<"$tmp/words"
head -c 120000 "$tmp/in.raw" >&3
word=
IFS= read -r -d ' ' -t 60 word <&4
check "words come as they are recognised" test "$word" = "${said%% *}"
exec 3>&-
check "and the rest at the end" test "$word $(cat <&4)" = "$said"
exec 4<&-
wait

# --- Several files ------------------------------------------------------------------------------------------

second=$demo/recordings/001.flac
both="$recording: $said
$second: $(cat "$demo/recordings/001.txt")"
prints "two files" "$both" transcribe "$recording" "$second"
prints "two files, one slot" "$both" transcribe --slots 1 "$recording" "$second"
run transcribe "$recording" "$tmp/missing.wav" "$second" "$tmp/text.wav"
check "others go on" test "$status" -eq 1 -a "$(cat "$tmp/out")" = "$both"
check "the failures are told" test "$(grep -cE 'missing.wav: No such|text.wav: not sound' "$tmp/err")" -eq 2
run transcribe -q "$tmp/nan.wav" "$recording"
check "after a failure" test "$status $(tail -1 "$tmp/out")" = "1 $recording: $said"

# --- Words, times, turns, JSON --------------------------------------------------------------------------------

run transcribe --timestamps "$recording"
check "a line a word" test "$(cut -d ' ' -f 3 "$tmp/out" | paste -sd ' ')" = "$said"
check "times" awk '!/^[0-9]+\.[0-9][0-9] [0-9]+\.[0-9][0-9] [^ ]+$/ || $1 > $2 || $1 < last { exit 1 } { last = $1 }' "$tmp/out"
run transcribe --vad "$demo/recordings/003.flac"
check "turns" grep -qE '\[turn [0-9]+\.[0-9][0-9]\]' "$tmp/out"
run transcribe --vad --format json "$recording" "$second"
check "JSON" json type text <"$tmp/out" >"$tmp/values"
check "JSON: words" test "$(sed -n 's/^word //p' "$tmp/values" | head -5 | paste -sd ' ')" = "$said"
check "JSON: a turn" grep -q '^turn_end' "$tmp/values"
check "JSON: ends" test "$(sed -n 's/^end //p' "$tmp/values" | head -1)" = "$said"
json file start end <"$tmp/out" | awk -v file="$recording" '$1 == file && NF == 3 && $2 > $3 { exit 1 }'
check "JSON: times" test $? -eq 0

# --- Other models, validation ---------------------------------------------------------------------------------

prints "Q8_0" "$said" transcribe -q --model "$tmp/model.gguf" "$recording"
prints "split files" "$said" transcribe -q --model "$tmp/split-00002-of-00003.gguf" "$recording"
prints "byte shards" "$said" transcribe -q --model "$tmp/shards" "$recording"
run quantize -q "$demo/checkpoint" -o "$tmp/other.gguf" --type q8_0 --method mse --mimi q8_0 --tensor 'emb.0.*=f16'
prints "mixed types" "$said" transcribe -q --model "$tmp/other.gguf" "$recording"
prints "f32" "$said" transcribe -q --model "$tmp/f32.gguf" "$recording"
prints "a checkpoint directory" "$said" transcribe -q --model "$demo/checkpoint" "$recording"
checkpoint '' '1s/"shape":\[384,256\]/"shape":[256,384]/'
if cmp -s "$demo/checkpoint/model.safetensors" "$tmp/checkpoint/model.safetensors"; then
    fail "the shape was not changed"
fi
refuses "misshapen tensor" 1 'text_linear\.weight' transcribe --model "$tmp/checkpoint" "$recording"
checkpoint '' 's/"out_norm\.alpha"/"out_norm.alphb"/'
refuses "missing tensor" 1 'out_norm\.alpha' transcribe --model "$tmp/checkpoint" "$recording"
refuses "missing tensor, quantize" 1 'out_norm\.alpha' quantize "$tmp/checkpoint" -o "$tmp/incomplete.gguf" --type f16
check "no file of an incomplete checkpoint" test ! -e "$tmp/incomplete.gguf"
prints "validation layers" "$said" transcribe -q --validation "$recording"

# --- The cache, and full disks ----------------------------------------------------------------------------------

: >"$tmp/file"
prints "the cache directory is a file" "$said" transcribe --cache-dir "$tmp/file" "$recording"
check "told as a warning" grep -q 'warning: .*cache' "$tmp/err"
prints "no cache" "$said" transcribe -q --cache-dir none "$recording"
mkdir "$tmp/disk"
if mount -t tmpfs -o size=4k tmpfs "$tmp/disk" 2>/dev/null; then
    mounted=$tmp/disk
    mkdir "$tmp/disk/cache"
    head -c 4096 /dev/zero >"$tmp/disk/full"
    prints "no room for the cache" "$said" transcribe --cache-dir "$tmp/disk/cache" "$recording"
    check "no room: told" grep -q 'warning: .*No space left' "$tmp/err"
    check "no room: nothing left behind" test -z "$(ls "$tmp/disk/cache")"
    refuses "no room for a split model" 1 'No space left' quantize "$demo/checkpoint" -o "$tmp/disk/x.gguf" --type f16 --split-max-size 1M
    refuses "no room for a model" 1 'No space left' quantize "$demo/checkpoint" -o "$tmp/disk/x.gguf" --type f16
    check "no room: no model" test "$(ls "$tmp/disk")" = "cache
full"
fi
for file in "$XDG_CACHE_HOME"/stapes/*; do
    head -c 1000 "$file" >"$tmp/half"
    cp "$tmp/half" "$file"
done
prints "a damaged cache" "$said" transcribe "$recording"

"$stapes" transcribe "$recording" >/dev/full 2>"$tmp/err"
status=$?
check "full disk" test $status -eq 1 -a "$(grep -c 'No space left' "$tmp/err")" -eq 1
"$stapes" inspect "$tmp/model.gguf" >/dev/full 2>"$tmp/err"
status=$?
check "full disk: inspect" test $status -eq 1 -a "$(grep -c 'No space left' "$tmp/err")" -eq 1
"$stapes" transcribe "$recording" >&- 2>"$tmp/err"
status=$?
check "closed output" test $status -eq 1
{
    "$stapes" transcribe -q "$recording"
    echo $? >"$tmp/status"
} 2>"$tmp/err" | true
check "nobody reads" test "$(cat "$tmp/status")" -eq 1 -a ! -s "$tmp/err"

# --- Ctrl-C -----------------------------------------------------------------------------------------------------

# Background jobs of a script ignore SIGINT; timeout's child does not.
(head -c 120000 "$tmp/in.raw"; sleep 20) | timeout --foreground --preserve-status -s INT 8 "$stapes" transcribe -q - >"$tmp/out" 2>"$tmp/err"
status=$?
check "Ctrl-C" test $status -eq 130 -a "$(wc -w <"$tmp/out")" -gt 2

# --- Validations ------------------------------------------------------------------------------------------------

# Limits that q4_0 misses: measured, told, and another exit status.
LP_NUM_THREADS=0 run validate "$tmp/reference.gguf" "$tmp/candidate.gguf" --data "$tmp/said" -o "$tmp/report.json" \
    --max-perplexity-increase 0 --min-speed 0
check "validate: a missed limit" test $status -eq 3 -a ! -s "$tmp/err"
check "validate: table" grep -qE '^word error rate, % +[0-9.]+ +[0-9.]+  [+-][0-9.]+ points$' "$tmp/out"
check "validate: verdict" test "$(grep -c 'FAILED' "$tmp/out")" -eq 2 -a "$(tail -1 "$tmp/out" | tr -s ' ')" = "verdict FAILED"
{ tr -d '\n' <"$tmp/report.json"; echo; } | json utterances slots normalize passed kv kernels >"$tmp/values"
check "validate: report" test "$(cat "$tmp/values")" = "1 1 english false f16 default"
(ulimit -f 40; LP_NUM_THREADS=0 exec "$stapes" validate "$tmp/reference.gguf" "$tmp/candidate.gguf" --data "$tmp/said" \
    --cache-dir none) >"$tmp/out" 2>"$tmp/err"
check "validate: no room for logits" test $? -eq 1 -a ! -s "$tmp/out"
check "validate: ... is told once" test "$(grep -c "cannot write the reference's logits" "$tmp/err")" -eq 1
timeout --foreground --preserve-status -s INT 2 "$stapes" validate -q "$tmp/reference.gguf" "$tmp/candidate.gguf" \
    --data "$demo/recordings" -o "$tmp/interrupted.json" >"$tmp/out" 2>"$tmp/err"
status=$?
check "validate: Ctrl-C" test $status -eq 130 -a -z "$(find "$tmp" -name 'interrupted.json*')"

# --- Traces -----------------------------------------------------------------------------------------------------

# trace MODEL PAD LAST_STEP ARRAYS: arrays equal to upstream's, byte for byte.
trace() {
    local model=$goldens/$1 out=$tmp/dump-$1
    run trace --model "$model" --pad-frames "$2" --dump "$out" "$model/goldens/input.wav"
    cp "$tmp/out" "$tmp/trace-$1"
    check "trace $1" test $status -eq 0
    check "trace $1: steps" test "$(json step <"$tmp/out" | paste -sd ' ')" = "$(seq -s ' ' 0 "$3")"
    check "trace $1: null codes" test "$(json codes <"$tmp/out" | head -1)" = null
    local array
    for array in mimi/codes lm_shift/input_ids lm_shift/text_tokens lm_shift/returned $4; do
        check "trace $1: $array" cmp "$out/$array.npy" "$model/goldens/$array.npy"
    done
    check "trace $1: arrays" test "$(cd "$model/goldens" && find mimi lm_shift -name '*.npy' ! -name 'oneshot*' | sort)" = \
        "$(cd "$out" && find . -name '*.npy' | cut -c3- | sort -s)"
    for array in mimi/seanet lm_shift/embedded lm_shift/hidden_last lm_shift/text_logits; do
        check "trace $1: shape of $array" cmp -n 128 "$out/$array.npy" "$model/goldens/$array.npy"
    done
    run trace --model "$model" --codes "$model/goldens/mimi/codes.npy"
    check "trace $1: from codes" cmp "$tmp/out" "$tmp/trace-$1"
}
trace stt-tiny 13 43 ""
trace moshi-tiny 0 29 "lm_shift/dep_tokens"
finish
