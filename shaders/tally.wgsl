// Sums over 64 evaluated images: tallies[g][m] = Σ_{b in group g} scores[b][m], of losses and of right answers.
//
// Reads: scores. Writes: tally (tallies).
//
// A workgroup owns a group of one model; halves are added until one is left. The groups are those of the data set's
// order, not of the batch that brought them, so that sums do not depend on how many models share the memory.

override M: u32 = 1u;  // models

const IMAGES = 64u;

@group(0) @binding(0) var<storage, read> scores: array<vec2<f32>>;         // [B][M], (loss, 1 if right else 0)
@group(0) @binding(1) var<storage, read_write> tallies: array<vec2<f32>>;  // [groups][M]

var<workgroup> sums: array<vec2<f32>, IMAGES>;

@compute @workgroup_size(IMAGES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let b = group.x * IMAGES + thread;
    var score = vec2<f32>();
    if (b < step.rows) {
        score = scores[b * M + group.y];
    }
    sums[thread] = score;
    workgroupBarrier();
    for (var half = IMAGES / 2u; half > 0u; half /= 2u) {
        if (thread < half) {
            sums[thread] += sums[thread + half];
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        tallies[(step.loss + group.x) * M + group.y] = sums[0];
    }
}
