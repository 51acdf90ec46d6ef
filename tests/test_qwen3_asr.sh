#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_qwen3_asr.sh STAPES MAKE_QWEN3_ASR: what the command line says about Qwen3-ASR checkpoints.
# shellcheck disable=SC2016
set -u
stapes=$1 make=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

run() {
    "$stapes" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    status=$?
}

# expect NAME STATUS FILE PATTERN
expect() {
    if [ "$status" -ne "$2" ] || ! grep -qE -- "$4" "$tmp/$3"; then
        echo "FAILED: $1: status $status" >&2
        sed 's/^/    /' "$tmp/out" "$tmp/err" >&2
        failed=1
    fi
}

"$make" "$tmp/qwen" && "$make" --hf "$tmp/qwen-hf" || exit 1
for form in qwen qwen-hf; do
    run quantize "$tmp/$form" -o "$tmp/$form.gguf" --type q4_0
    expect "$form: the encoder is raised" 0 out '^audio encoder: 15 q8_0 since less breaks the model; --force-encoder'
    expect "$form: the convolutions" 0 out '^audio encoder: 3 f16 since their rows do not fit'
    expect "$form: embeddings" 0 out '^embeddings +q4_0 +1 '
    expect "$form: attention" 0 out '^attention +q4_0 +8 '
done
run quantize "$tmp/qwen" -o "$tmp/forced.gguf" --type q4_0 --force-encoder q4_0 --embeddings f16
expect "a forced encoder" 0 out '^audio encoder +q4_0 +15 '
expect "types of groups" 0 out '^embeddings +f16 +1 '
run quantize "$tmp/qwen" -o "$tmp/scope.gguf" --type q8_0 --scope 'thinker.model.*'
expect "scope" 0 out '^all +24 '
run inspect --format json "$tmp/scope.gguf"
expect "inspect says what does not run" 1 err 'is Qwen3-ASR, which stapes quantizes but does not run yet'
expect "inspect shows it all the same" 1 out '"thinker.model.layers.1.mlp.down_proj.weight"'
run transcribe --model "$tmp/qwen.gguf" -
expect "transcribe a GGUF" 1 err 'qwen.gguf: is Qwen3-ASR, which stapes quantizes but does not run yet'
run transcribe --model "$tmp/qwen" -
expect "transcribe a checkpoint" 1 err 'qwen: is Qwen3-ASR, which stapes quantizes but does not run yet'
run quantize "$tmp/qwen" -o "$tmp/x.gguf" --type q4_0 --force-encoder q5
expect "a wrong type" 2 err 'q4_0, q4_1'
[ ! -e "$tmp/x.gguf" ] || { echo "FAILED: a file of a wrong command" >&2; failed=1; }
exit $failed
