// A step of SGD on everything but W1, and the step's loss. Each value is a sum over the batch:
//
//   W2[h][c] −= rate · (Σ_b hidden[b][h] · dlogit[b][c] + decay · W2[h][c])
//   b2[c]    −= rate · Σ_b dlogit[b][c]
//   b1[h]    −= rate · Σ_b dhidden[b][h]
//   losses   =  Σ_b loss[b] / B
//
// A workgroup owns 32 values of one model. Eight lanes share each sum, every eighth image a lane; then the lanes' sums
// in their order. (One invocation a sum would wait for B loads one after another: 14 µs at B = 100 on an H100.)

override H: u32 = 50u;   // hidden units
override HP: u32 = 52u;  // H rounded up to a multiple of 4
override C: u32 = 10u;   // classes
override M: u32 = 1u;    // models

const LANES = 8u;
const WORKGROUP = 256u;

struct Step {
    row: u32,
    rows: u32,
    rate: u32,
    loss: u32,
}

var<immediate> step: Step;
@group(0) @binding(0) var<storage, read> hidden: array<f32>;        // [B][M·HP]
@group(0) @binding(1) var<storage, read> dhidden: array<f32>;       // [B][M·HP]
@group(0) @binding(2) var<storage, read> dlogits: array<f32>;       // [B][M·C]
@group(0) @binding(3) var<storage, read> scores: array<vec2<f32>>;  // [B][M], (loss, 1 if right else 0)
@group(0) @binding(4) var<storage, read> rates: array<f32>;         // [steps of the chunk][M]
@group(0) @binding(5) var<storage, read> decay: array<f32>;         // [M]
@group(0) @binding(6) var<storage, read_write> small: array<f32>;   // [M][H·C + C + H]: W2, b2, b1
@group(0) @binding(7) var<storage, read_write> losses: array<f32>;  // [steps][M]

var<workgroup> sums: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let m = group.y;
    let value = group.x * (WORKGROUP / LANES) + thread / LANES;
    let lane = thread % LANES;
    let b2 = H * C;
    let b1 = b2 + C;
    let loss = b1 + H;

    var sum = 0.0;
    for (var b = lane; b < step.rows; b += LANES) {
        if (value < b2) {
            sum += hidden[(b * M + m) * HP + value / C] * dlogits[(b * M + m) * C + value % C];
        } else if (value < b1) {
            sum += dlogits[(b * M + m) * C + value - b2];
        } else if (value < loss) {
            sum += dhidden[(b * M + m) * HP + value - b1];
        } else if (value == loss) {
            sum += scores[b * M + m].x;
        }
    }
    sums[thread] = sum;
    workgroupBarrier();

    if (lane == 0u && value <= loss) {
        var total = 0.0;
        for (var i = 0u; i < LANES; i++) {
            total += sums[thread + i];
        }
        if (value == loss) {
            losses[step.loss * M + m] = total / f32(step.rows);
        } else {
            let i = m * loss + value;
            if (value < b2) {
                total += decay[m] * small[i];
            }
            small[i] -= rates[step.rate * M + m] * total;
        }
    }
}
