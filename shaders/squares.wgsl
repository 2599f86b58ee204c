// Sums of squares of each model's weights in a matrix, for the penalty:
//
//   squares[m][g] = Σ_{i in part g} matrix[i / WIDTH · STRIDE + m · STEP + i % WIDTH]²
//
// Reads: layers (matrix). Writes: squares.
//
// A workgroup owns part g of model m: PART elements. The host adds the parts in f64.

override WIDTH: u32 = 52u;      // columns of a model's matrix
override HEIGHT: u32 = 3072u;   // rows of a model's matrix
override STRIDE: u32 = 52u;     // elements from a row to the next
override STEP: u32 = 52u;       // elements from a model to the next

const PART = 4096u;
const WORKGROUP = 256u;

@group(0) @binding(0) var<storage, read> matrix: array<f32>;
@group(0) @binding(1) var<storage, read_write> squares: array<f32>;  // [M][⌈WIDTH·HEIGHT / PART⌉]

var<workgroup> sums: array<f32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let end = min(WIDTH * HEIGHT, (group.x + 1u) * PART);
    var sum = 0.0;
    for (var i = group.x * PART + thread; i < end; i += WORKGROUP) {
        let value = matrix[i / WIDTH * STRIDE + group.y * STEP + i % WIDTH];
        sum += value * value;
    }
    sums[thread] = sum;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if (thread < half) {
            sums[thread] += sums[thread + half];
        }
        workgroupBarrier();
    }
    if (thread == 0u) {
        squares[group.y * groups.x + group.x] = sums[0];
    }
}
