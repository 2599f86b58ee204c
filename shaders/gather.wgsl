// The rows of a chunk from the images that stay on the GPU:
//
//   pixels[i] = images[rows[i] − FIRST]   for the rows that this buffer of images has
//
// Reads: images, rows. Writes: pixels.
//
// A data set that is larger than one binding lies in several buffers, with a dispatch for each. An invocation copies one
// word, four pixels; a workgroup 256 words of one row.

override WORDS: u32 = 768u;    // words of an image, ⌈D/4⌉
override FIRST: u32 = 0u;      // the buffer's first image
override COUNT: u32 = 50000u;  // how many it has

@group(0) @binding(0) var<storage, read> images: array<u32>;       // [COUNT][WORDS]
@group(0) @binding(1) var<storage, read> rows: array<u32>;         // [rows of the chunk]
@group(0) @binding(2) var<storage, read_write> pixels: array<u32>; // [rows of the chunk][WORDS]

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let word = group.y * 256u + thread;
    // Rows before FIRST wrap to numbers beyond COUNT.
    let image = rows[group.x] - FIRST;
    if (word < WORDS && image < COUNT) {
        pixels[group.x * WORDS + word] = images[image * WORDS + word];
    }
}
