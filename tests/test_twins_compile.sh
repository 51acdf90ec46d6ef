#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_twins_compile.sh LIST_PLANS MODULES: WebGPU's compiler (Dawn's, without a GPU) takes each WGSL
# module with each plan's constants, and refuses wrong ones. 77 where third_party/install.sh did not
# install it, 1 with STAPES_NO_SKIP in the environment.
set -euo pipefail

list_plans=$1 modules=$2
web=$(realpath "$(dirname "$0")/web")
if ! command -v node >/dev/null || [ ! -d "$web/node_modules/webgpu" ]; then
    echo "node or webgpu is missing: third_party/install.sh test" >&2
    [ -z "${STAPES_NO_SKIP-}" ] || exit 1
    exit 77
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

"$list_plans" >"$tmp/plans"
node "$web/compile_twins.mjs" "$modules" <"$tmp/plans"

refuse() { # MESSAGE SED_COMMAND PLAN
    sed "$2" "$modules/rmsnorm_wg.wgsl" >"$tmp/rmsnorm_wg.wgsl"
    if node "$web/compile_twins.mjs" "$tmp" <<<"$3" >/dev/null 2>"$tmp/said" ||
        ! grep -q "$1" "$tmp/said"; then
        echo "'$2' with '$3' went unnoticed:" >&2
        cat "$tmp/said" >&2
        exit 1
    fi
}
refuse 'unresolved value' 's/p\.dim/q.dim/' 'rmsnorm_wg 256'
refuse 'uniform control flow' 's/let col = .*/let col = lane;/' 'rmsnorm_wg 256'
refuse 'exceeds the maximum' '' 'rmsnorm_wg 512'
