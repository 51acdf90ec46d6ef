#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_gguf_reader.sh STAPES DIRECTORY DEMO_CHECKPOINT MAKE_QWEN3_ASR: what stapes writes, read by
# npm's @huggingface/gguf as third_party/install.sh installed it in DIRECTORY. 77 where it is not there.
set -euo pipefail

stapes=$1 reader=$2 checkpoint=$3 make=$4
if ! command -v node >/dev/null || [ ! -d "$reader/node_modules/@huggingface/gguf" ]; then
    echo "node or @huggingface/gguf is missing: third_party/install.sh test" >&2
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

compare() { # GGUF SOURCE...
    node "$reader/compare.mjs" "$@" < <("$stapes" inspect --format json "$1" 2>/dev/null)
}

"$stapes" quantize -q "$checkpoint" -o "$tmp/f32.gguf" --type f32
"$stapes" quantize -q "$checkpoint" -o "$tmp/q4_0.gguf" --type q4_0
"$stapes" quantize -q "$checkpoint" -o "$tmp/mixed.gguf" --type q6_k --embeddings q4_k \
    --output-head bf16 --tensor '*.self_attn.*=q5_1' --tensor '*.0.*=q8_0' 2>/dev/null
"$stapes" quantize -q "$checkpoint" -o "$tmp/split.gguf" --type q4_1 --split-max-size 1M 2>/dev/null
"$make" "$tmp/qwen"
"$stapes" quantize -q "$tmp/qwen" -o "$tmp/qwen.gguf" --type q4_0
status=0
for file in f32 q4_0 mixed split-00001-of-*; do
    # shellcheck disable=SC2086 # the name of a split file
    compare "$tmp"/$file.gguf "$checkpoint"/*.safetensors || status=1
done
compare "$tmp/qwen.gguf" || status=1

# A comparison that finds a difference says so.
"$stapes" inspect -f json "$tmp/q4_0.gguf" >"$tmp/right.json"
for wrong in 's/"type":"q4_0"/"type":"q4_1"/' 's/"offset":1/"offset":2/' 's/"f32"/"f64"/' 's/"kyutai/"moshi/'; do
    sed "$wrong" "$tmp/right.json" >"$tmp/wrong.json"
    if node "$reader/compare.mjs" "$tmp/q4_0.gguf" <"$tmp/wrong.json" >/dev/null 2>"$tmp/said" ||
        ! grep -q '@huggingface/gguf' "$tmp/said"; then
        echo "$wrong went unnoticed" >&2
        status=1
    fi
done
exit $status
