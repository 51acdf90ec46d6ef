// SPDX-License-Identifier: MIT
//
// Twin of vq.glsl. Picks of the quantizer: vec4(least distance, least of the others, bin of the
// first, of the second).

const NO_PICK = vec4<f32>(VQ_FARTHEST, VQ_FARTHEST, 0.0, 0.0);

// a, b: distance, bin
fn nearer(a: vec2<f32>, b: vec2<f32>) -> bool {
    return a.x < b.x || (a.x == b.x && a.y < b.y);
}

fn merge_picks(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    let swap = nearer(b.xz, a.xz);
    let winner = select(a, b, swap);
    let loser = select(b, a, swap);
    // the second of the side that won competes with the other's best
    let first = nearer(loser.xz, winner.yw);
    let second = select(winner.yw, loser.xz, first);
    return vec4<f32>(winner.x, second.x, winner.z, second.y);
}

// A distance that comes after all lower bins.
fn take_distance(pick: vec4<f32>, d: f32, bin: u32) -> vec4<f32> {
    if (d < pick.x) {
        return vec4<f32>(d, pick.x, f32(bin), pick.z);
    }
    return select(pick, vec4<f32>(pick.x, d, pick.z, f32(bin)), d < pick.y);
}
