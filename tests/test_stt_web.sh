#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_stt_web.sh [--no-device] STAPES MAKE_STT_WEB MAKE_MIMI_HF GOLDEN: GGUF files of the browser
# port, and Mimi's file as transformers saves it, made of a golden's checkpoint. 77 where there is no
# Vulkan device.
set -u
device=1
if [ "${1-}" = --no-device ]; then
    device=0
    shift
fi
stapes=$1 make=$2 make_mimi=$3 golden=$4
sound=$golden/goldens/input.wav
mimi=$(echo "$golden"/mimi-*.safetensors)
tokenizer=$(echo "$golden"/tokenizer_*.model)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export LP_NUM_THREADS=0 XDG_CACHE_HOME=$tmp/cache
failed=0

fail() {
    echo "FAILED: $1" >&2
    sed 's/^/    /' "$tmp/err" >&2
    failed=1
}

# expect NAME STATUS PATTERN ARGUMENTS...: on standard error
expect() {
    local name=$1 wanted=$2 pattern=$3 status
    shift 3
    "$stapes" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    status=$?
    if [ $status -ne "$wanted" ] || { [ -n "$pattern" ] && ! grep -qE -- "$pattern" "$tmp/err"; }; then
        fail "$name: status $status"
    fi
}

"$make" --f32 "$golden" "$tmp/exact.gguf" && "$make" "$golden" "$tmp/q4.gguf" || exit 1
mkdir "$tmp/cut"
split -b 100000 "$tmp/q4.gguf" "$tmp/cut/shard-"
beside=(--mimi "$mimi" --tokenizer "$tokenizer")

expect "inspect" 0 '' inspect "${beside[@]}" "$tmp/q4.gguf"
for line in 'transformer: 3 layers, width 128, 4 heads, window of 20 steps' \
    'text: 256 tokens; audio: 8 codebooks of 64' 'audio delay 0.5 s, silence before the sound 0 s'; do
    grep -q "$line" "$tmp/out" || fail "inspect: $line"
done
expect "inspect alone" 1 'neither Mimi nor a tokenizer: .*\(--mimi, --tokenizer\)' inspect "$tmp/q4.gguf"
grep -q 'text_linear.weight' "$tmp/out" || fail "inspect alone: tensors"
expect "no tokenizer" 1 '\(--tokenizer\)' inspect --mimi "$mimi" "$tmp/q4.gguf"
expect "no Mimi" 1 '\(--mimi\)' inspect --tokenizer "$tokenizer" "$tmp/q4.gguf"
expect "no such Mimi" 1 'nothing.*No such file' inspect --mimi "$tmp/nothing" --tokenizer "$tokenizer" "$tmp/q4.gguf"
expect "no such tokenizer" 1 'nothing: does not exist' inspect --mimi "$mimi" --tokenizer "$tmp/nothing" "$tmp/q4.gguf"
expect "another model" 1 'no file of the browser port' inspect --mimi "$mimi" "$golden"
expect "another Mimi" 1 'model.safetensors: holds no Mimi' quantize --mimi-file "$golden/model.safetensors" \
    --tokenizer "$tokenizer" "$tmp/q4.gguf" -o "$tmp/x.gguf" --type q4_0
head -c 200000 "$tmp/q4.gguf" >"$tmp/half.gguf"
expect "half a file" 1 'half.gguf: tensor .* run past the end' inspect "${beside[@]}" "$tmp/half.gguf"
expect "quantize alone" 1 'neither Mimi' quantize "$tmp/q4.gguf" -o "$tmp/x.gguf" --type q4_0
[ ! -e "$tmp/x.gguf" ] || fail "a file of a failed command"
expect "quantize" 0 '' quantize -q --mimi-file "$mimi" --tokenizer "$tokenizer" "$tmp/q4.gguf" \
    -o "$tmp/ours.gguf" --type q4_0
mkdir "$tmp/hf"
cp "$golden/mimi_config.json" "$tmp/hf"
"$make_mimi" "$golden" "$tmp/hf/mimi.safetensors" || exit 1
expect "quantize with transformers' Mimi" 0 '' quantize -q --mimi-file "$tmp/hf/mimi.safetensors" \
    --tokenizer "$tokenizer" "$tmp/q4.gguf" -o "$tmp/hf.gguf" --type q4_0
for name in hf ours; do
    "$stapes" inspect -f json "$tmp/$name.gguf" | grep '^{"name"' | sed 's/,"offset.*//' | sort >"$tmp/$name.txt"
    "$stapes" quantize -q "$tmp/$name.gguf" -o "$tmp/$name.in.gguf" --type f32 --scope '*.in_proj_weight'
done
cmp "$tmp/hf.txt" "$tmp/ours.txt" >"$tmp/err" || fail "other tensors with transformers' Mimi"
cmp "$tmp/hf.in.gguf" "$tmp/ours.in.gguf" >"$tmp/err" || fail "other rows with transformers' Mimi"
rm "$tmp/hf/mimi_config.json"
expect "Mimi without its configuration" 1 'have 64 entries, Mimi.s 2048' inspect --mimi "$tmp/hf/mimi.safetensors" --tokenizer "$tokenizer" "$tmp/q4.gguf"
cp "$golden/mimi_config.json" "$tmp/hf"
expect "quantize shards" 0 '' quantize -q --mimi-file "$mimi" --tokenizer "$tokenizer" "$tmp/cut" \
    -o "$tmp/ours2.gguf" --type q4_0
cmp "$tmp/ours.gguf" "$tmp/ours2.gguf" >"$tmp/err" || fail "shards and the whole differ"

[ $device -eq 1 ] || exit $failed
if ! "$stapes" devices >"$tmp/out" 2>"$tmp/err"; then
    grep -q 'no Vulkan' "$tmp/err" || fail "devices"
    [ $failed -eq 0 ] || exit 1
    exit 77
fi

# trace NAME ARGUMENTS...: $tmp/NAME
trace() {
    local name=$1
    shift
    "$stapes" trace -q --kv f32 "$@" "$sound" >"$tmp/$name" 2>"$tmp/err" || fail "trace of $name"
}

mkdir "$tmp/sounds"
cp "$sound" "$tmp/sounds"
expect "quantize with statistics" 0 '13 tensors' quantize "$tmp/q4.gguf" --mimi-file "$mimi" --tokenizer "$tokenizer" \
    -o "$tmp/statistics.gguf" --type q4_1 --method imatrix --calibrate "$tmp/sounds"
trace exact --model "$tmp/exact.gguf" "${beside[@]}"
# As many tokens as upstream made; the trace goes on until the silence behind the sound ends.
tail -c +129 "$golden/goldens/lm_shift/text_tokens.npy" | od -An -v -t d4 -w4 | tr -d ' ' >"$tmp/wanted"
grep -o '"text":[0-9]*' "$tmp/exact" | cut -d: -f2 >"$tmp/tokens"
n=$(wc -l <"$tmp/wanted") m=$(wc -l <"$tmp/tokens")
if [ "$n" -le 20 ] || ! cmp <(head -n "$m" "$tmp/wanted") <(head -n "$n" "$tmp/tokens") >"$tmp/err"; then
    fail "tokens"
fi
trace packed --model "$tmp/q4.gguf" "${beside[@]}"
trace shards --model "$tmp/cut/shard-ab" "${beside[@]}"
trace hf.trace --model "$tmp/q4.gguf" --mimi "$tmp/hf/mimi.safetensors" --tokenizer "$tokenizer"
trace ours --model "$tmp/ours.gguf"
cmp "$tmp/packed" "$tmp/ours" >"$tmp/err" || fail "packed and aligned tensors give other results"
diff "$tmp/packed" "$tmp/hf.trace" >"$tmp/err" || fail "transformers' Mimi gives other results"
cmp "$tmp/packed" "$tmp/shards" >"$tmp/err" || fail "shards give other results"
exit $failed
