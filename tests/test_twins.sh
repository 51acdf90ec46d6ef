#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test_twins.sh STAPES_TWINS KERNELS: the tool that puts WGSL modules together refuses what differs
# from the compiled shaders, and says where.
set -u
[ $# -eq 2 ] || { echo "usage: test_twins.sh STAPES_TWINS KERNELS" >&2; exit 2; }
twins=$1 kernels=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0
failed=0

# A copy of the kernels that may be spoiled.
copy() {
    rm -rf "$tmp/kernels" "$tmp/out"
    mkdir "$tmp/kernels" "$tmp/out"
    cp -r "$kernels"/*.wgsl "$kernels/wgsl" "$kernels/params.h" "$tmp/kernels"
}

# refuse MESSAGE COMMAND...: COMMAND spoils the copy; the tool says MESSAGE, fails and writes nothing.
refuse() {
    local message=$1
    shift
    copy
    (cd "$tmp/kernels" && "$@")
    if "$twins" "$tmp/kernels" "$tmp/out" 2>"$tmp/said" || [ -n "$(ls "$tmp/out")" ] ||
        ! grep -qE -- "$message" "$tmp/said"; then
        failed=$((failed + 1))
        echo "FAILED: '$*' should have said '$message', not:" >&2
        head -5 "$tmp/said" | sed 's/^/    /' >&2
    else
        passed=$((passed + 1))
    fi
}

line() { # FILE TEXT: the number of the first line with TEXT
    grep -nF -m1 -- "$2" "$kernels/$1" | cut -d: -f1
}

copy
if "$twins" "$tmp/kernels" "$tmp/out" && grep -q 'fn main' "$tmp/out/rmsnorm.wgsl" &&
    grep -qx 'static const char \*const rmsnorm_wgsl\[\] = {' "$tmp/out/kernels_wgsl.h" &&
    grep -qx '#define rmsnorm_tx_wgsl NULL' "$tmp/out/kernels_wgsl.h"; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "FAILED: the tree as it is" >&2
fi

alpha=$(line rmsnorm.wgsl 'alpha:')
y=$(line rmsnorm.wgsl ' y:')
parts=$(line rmsnorm.wgsl '@id(1)')
main=$(line rmsnorm.wgsl 'fn main')
include=$(line rmsnorm.wgsl '//!include')
cols=$(line params.h 'uint32_t cols, dim;')
eps=$((cols + 1))

refuse "rmsnorm.wgsl: binding 1 is missing; in rmsnorm.comp it is 'alpha_words', only read" \
    sed -i "${alpha}d" rmsnorm.wgsl
refuse "rmsnorm.wgsl:$alpha: binding 5 'alpha': rmsnorm.comp has no such binding" \
    sed -i "${alpha}s/binding(1)/binding(5)/" rmsnorm.wgsl
refuse "rmsnorm.wgsl:$alpha: binding 0 is 'alpha' here and 'x' in .*rmsnorm.wgsl:$((alpha - 1))" \
    sed -i "${alpha}s/binding(1)/binding(0)/" rmsnorm.wgsl
refuse "rmsnorm.wgsl:$alpha: 'alpha' must be a variable of storage.* in group 0" \
    sed -i "${alpha}s/group(0)/group(1)/" rmsnorm.wgsl
refuse "rmsnorm.wgsl:$y: binding 2 'y' is declared as read; .* only written, .* says 'o'" \
    sed -i "${y}s/read_write/read/" rmsnorm.wgsl
refuse "rmsnorm.wgsl:$alpha: binding 1 'alpha' is declared as read_write; .* only read, .* says 'i'" \
    sed -i "${alpha}s/read/read_write/" rmsnorm.wgsl
refuse "rmsnorm.wgsl:$alpha: binding 1 'alpha' has elements of 1 x u32; .* they are 1 x f32" \
    sed -i "${alpha}s/f32/u32/" rmsnorm.wgsl
refuse "rmsnorm.wgsl:$alpha: binding 1 'alpha' has elements of 4 x f32; .* they are 1 x f32" \
    sed -i "${alpha}s/f32/vec4<f32>/" rmsnorm.wgsl

refuse "rmsnorm.wgsl:$parts: @id\\(2\\) 'PARTS': rmsnorm.comp has no specialization constant 2" \
    sed -i "${parts}s/@id(1)/@id(2)/" rmsnorm.wgsl
refuse "rmsnorm.wgsl: @id\\(1\\) is missing; in rmsnorm.comp it is 'PARTS', of type u32" \
    sed -i "${parts}s/@id(1)//" rmsnorm.wgsl
refuse "rmsnorm.wgsl:$parts: @id\\(0\\) is 'PARTS' here and 'local_size' in .*common.wgsl:" \
    sed -i "${parts}s/@id(1)/@id(0)/" rmsnorm.wgsl
refuse "rmsnorm.wgsl:$parts: @id\\(1\\) 'PARTS' is f32; in rmsnorm.comp 'PARTS' is u32" \
    sed -i "${parts}s/u32 = 1u/f32 = 1.0/" rmsnorm.wgsl

refuse "matmul_weights.wgsl:[0-9]+: @id\\(1\\) is called 'COLS'; in matmul_f32.comp it is 'ROWS'" \
    sed -i 's/@id(1) override ROWS/@id(9) override ROWS/; s/@id(2) override COLS/@id(1) override COLS/
        s/@id(9)/@id(2)/' wgsl/matmul_weights.wgsl

refuse "rmsnorm.wgsl:$main: the entry point is 'start'; in rmsnorm.comp it is 'main'" \
    sed -i "${main}s/main/start/" rmsnorm.wgsl
refuse "rmsnorm.wgsl:$main: @workgroup_size\\(64\\); it must be @id\\(0\\), local_size" \
    sed -i "s/@workgroup_size(local_size)/@workgroup_size(64)/" rmsnorm.wgsl
refuse "rmsnorm.wgsl: no entry point" sed -i "s/@compute//" rmsnorm.wgsl
refuse "rmsnorm.wgsl:$include: there is no .*/wgsl/commons.wgsl" \
    sed -i "${include}s/common/commons/" rmsnorm.wgsl
refuse "ring.wgsl:[0-9]+: .*/wgsl/state.wgsl includes itself|state.wgsl:1: .* includes itself" \
    sh -c 'sed -i "1i//!include state" wgsl/state.wgsl'
refuse "rmsnorm.wgsl:1: expected a declaration, not 'let'" sed -i '1ilet a = 1;' rmsnorm.wgsl

refuse "rmsnorm_wg.wgsl: the module says 'enable subgroups;', and kernels.def does not ask for" \
    sed -i '2ienable subgroups;' wgsl/sums.wgsl
refuse "matmul_q4_0_dp.wgsl: the module does not say 'requires packed.*, and kernels.def asks for" \
    sed -i '/^requires/d' matmul_q4_0_dp.wgsl
refuse "rmsnorm.wgsl: 'enable f16;': no feature of kernels.def stands for it" \
    sed -i '2ienable f16;' rmsnorm.wgsl

refuse "params.h:$cols: member 0 of norm_params is 'dim', .* in .*norm.*comp it is 'cols'" \
    sed -i "${cols}s/cols, dim/dim, cols/" params.h
refuse "params.h:$eps: member 2 of norm_params is 'eps', u32, .* in .* it is 'eps', f32" \
    sed -i "${eps}s/float/uint32_t/" params.h
refuse "params.h:$cols: struct norm_params has 12 bytes in C, 4 x 4 in WGSL" \
    sed -i "${cols}s/cols, dim/cols, dim, more/" params.h
refuse "params.h:$cols: expected members of uint32_t or float" \
    sed -i "${cols}s/uint32_t/double/" params.h
refuse "params.wgsl: 'fn align_4\\(' is missing: params.h has a macro for it" \
    sed -i 's/fn align_4(/fn align_8(/' wgsl/params.wgsl

refuse "rmsnorm.wgsl: is missing: the row rmsnorm of kernels.def needs its twin" rm rmsnorm.wgsl
refuse "nobody.wgsl: has no row in kernels.def" cp rmsnorm.wgsl nobody.wgsl
refuse "rmsnorm_tx.wgsl: rmsnorm_tx reads texel buffers" cp rmsnorm.wgsl rmsnorm_tx.wgsl
refuse "qkv_f32_wg.wgsl: .* more than eight bindings" cp rmsnorm.wgsl qkv_f32_wg.wgsl
refuse "wgsl/nobody.wgsl: is included by nobody: remove it" cp wgsl/sums.wgsl wgsl/nobody.wgsl

echo "test_twins: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
