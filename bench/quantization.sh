#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# bench/quantization.sh [BUILD]: the table of docs/quantization.md. The demo model in every type, by
# every method, calibrated on the first half of the bundled recordings and measured on the other one.
# Needs jq. What is measured is kept in BUILD/quantization, in a directory for each state of the program, the
# checkpoint and the recordings, so that a second call goes on.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
stapes=$build/tools/stapes
state=$(cat "$stapes" tools/demo/checkpoint/* tools/demo/recordings/* | sha256sum)
work=$build/quantization/${state:0:12}
mkdir -p "$work/first" "$work/other"
for text in tools/demo/recordings/*.txt; do
    number=$(basename "$text" .txt)
    half=$work/first
    [ "$((10#$number))" -lt 12 ] || half=$work/other
    ln -sf "$PWD/$text" "$PWD/${text%.txt}.flac" "$half/"
done

keep() { # keep FILE COMMAND...: runs it with the file's temporary name as the last argument, once
    local file=$1
    shift
    [ -e "$file" ] || { "$@" "$file.part" >/dev/null && mv "$file.part" "$file"; }
}

validate() { # exit status 3: a limit is missed, which is what the table is to show
    "$stapes" validate --quiet "$work/f32.gguf" "$1" --data "$work/other" -o "$2" >/dev/null ||
        [ $? = 3 ]
}

row() { # row TYPE METHOD
    local name=$1-$2 how=(--type "$1" --method "$2")
    case $2 in imatrix | awq | gptq) how+=(--statistics "$work/statistics.gguf") ;; esac
    if [ ! -e "$work/$name.json" ]; then
        "$stapes" quantize --quiet tools/demo/checkpoint -o "$work/$name.gguf" "${how[@]}" >/dev/null
        keep "$work/$name.json" validate "$work/$name.gguf"
        rm "$work/$name.gguf"
    fi
    jq -r --arg type "$1" --arg method "$2" '
        def percent: . * 10000 | round / 100;
        def thousandths: . * 1e6 | round / 1e3;
        .candidate as $c | .teacher_forced.text_steps as $text | .teacher_forced.all_steps as $all
        | [$type, $method, ($c.bits_per_weight * 100 | round / 100), ($c.model_bytes / 1e4 | round / 100),
           ($c.words.rate | percent), ($text.kl_divergence.mean | thousandths),
           ($all.kl_divergence.mean | thousandths), ($text.top_1_agreement | percent)]
        | "| " + (map(tostring) | join(" | ")) + " |"' \
        "$work/$name.json"
}

keep "$work/f32.gguf" "$stapes" quantize --quiet tools/demo/checkpoint --type f32 -o
keep "$work/statistics.gguf" "$stapes" calibrate --quiet --gram --model tools/demo/checkpoint \
    --data "$work/first" -o
echo "| type | method | bits | MB | WER, % | 1000 KL, text | 1000 KL, all | top-1, text, % |"
echo "| --- | --- | --- | --- | --- | --- | --- | --- |"
for type in bf16 f16; do
    row $type naive
done
for type in q8_0 q6_k q5_1 q5_0 q4_1 q4_k q4_0; do
    for method in naive mse imatrix awq gptq; do
        row $type $method
    done
done
