// A floor: the time of a dispatch that does next to nothing and must wait for the one before it.
//
//   count ← count + 1

@group(0) @binding(0) var<storage, read_write> count: array<u32>;    // [1]

@compute @workgroup_size(1)
fn main() {
    count[0] += 1u;
}
