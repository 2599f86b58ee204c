// A ceiling: multiplications and additions a second, all operands in registers.
//
//   p ← p + a · q, then q ← q + b · p, ROUNDS times, in each of 16 pairs of an invocation: 64 · ROUNDS operations
//
// With a = 1 and b = −1 it turns (p, q) by a sixth of a circle: integers stay integers of the same size. Eight vec4s stand
// for the sums of a good product kernel, four of them independent of each other. Written as the kernels write it,
// `s += a * b`: an accumulator is the only form that RDNA3 issues two of at once.

override ROUNDS: u32 = 256u;

@group(0) @binding(0) var<storage, read> factors: array<vec4<f32>>;  // [2]: a, b, not known when the shader is compiled
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;     // [invocations]: the sum of an invocation's 32

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let a = factors[0];
    let b = factors[1];
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
        s0 += a * s4;
        s1 += a * s5;
        s2 += a * s6;
        s3 += a * s7;
        s4 += b * s0;
        s5 += b * s1;
        s6 += b * s2;
        s7 += b * s3;
    }
    let s = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
    sums[id.x] = (s.x + s.y) + (s.z + s.w);
}
