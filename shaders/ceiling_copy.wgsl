// A ceiling: bytes a second between memory and registers, half of them read and half written.
//
//   to[i] = from[i]
//
// Invocation i copies every stride-th vec4 from the i-th on, so that neighbours touch neighbouring 16 bytes.

override QUADS: u32 = 1024u;   // vec4s to copy
override STRIDE: u32 = 256u;   // invocations of the dispatch

@group(0) @binding(0) var<storage, read> source: array<vec4<f32>>;           // [QUADS]
@group(0) @binding(1) var<storage, read_write> copies: array<vec4<f32>>;     // [QUADS]

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    for (var i = id.x; i < QUADS; i += STRIDE) {
        copies[i] = source[i];
    }
}
