// A ceiling: multiplications and additions a second, all operands in registers.
//
//   s ← factor · s + 1, ROUNDS times, in each of 32 numbers of an invocation: 64 · ROUNDS operations
//
// Eight vec4s stand for the sums of a good product kernel: each waits for itself alone, so that the arithmetic units have
// eight independent operations to choose from. Written as the kernels write it, `a * s + b`.

override ROUNDS: u32 = 256u;

@group(0) @binding(0) var<storage, read> factor: array<vec4<f32>>;   // [1]: not known when the shader is compiled
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;     // [invocations]: the sum of an invocation's 32

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let a = factor[0];
    let one = vec4<f32>(1.0);
    var s0 = vec4<f32>();
    var s1 = one;
    var s2 = s1 + one;
    var s3 = s2 + one;
    var s4 = s3 + one;
    var s5 = s4 + one;
    var s6 = s5 + one;
    var s7 = s6 + one;
    for (var round = 0u; round < ROUNDS; round++) {
        s0 = a * s0 + one;
        s1 = a * s1 + one;
        s2 = a * s2 + one;
        s3 = a * s3 + one;
        s4 = a * s4 + one;
        s5 = a * s5 + one;
        s6 = a * s6 + one;
        s7 = a * s7 + one;
    }
    let s = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
    sums[id.x] = (s.x + s.y) + (s.z + s.w);
}
