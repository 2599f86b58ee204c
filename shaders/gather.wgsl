// The images of a chunk from those that stay on the GPU, each moved and mixed with another as its training asks:
//
//   pixels[i] = images[rows[i] − FIRST] moved by changes[i].x         for the rows that this buffer of images has
//             = ((256 − share) · that + share · other + 128) / 256    where a share of another is to be mixed in
//   pixel (x, y) of a moved plane = pixel (reflected(x' + dx), reflected(y + dy)),   x' = WIDTH − 1 − x if mirrored, else x
//
// Reads: images, rows, changes. Writes: pixels.
//
// A data set that is larger than one binding lies in several buffers, with a dispatch for each. An invocation makes one word,
// four pixels; a workgroup 256 words of one row, so that all its invocations move or none. An image and what it is
// mixed with lie in one buffer. The host's twins: `Planes::copy` and `Mix::mix` in `src/data/moves.rs`.

override D: u32 = 3072u;       // pixels of an image: some planes of WIDTH · HEIGHT
override WORDS: u32 = 768u;    // words of an image, ⌈D/4⌉
override WIDTH: u32 = 32u;
override HEIGHT: u32 = 32u;
override FIRST: u32 = 0u;      // the buffer's first image
override COUNT: u32 = 50000u;  // how many it has

@group(0) @binding(0) var<storage, read> images: array<u32>;       // [COUNT][WORDS]
@group(0) @binding(1) var<storage, read> rows: array<u32>;         // [rows of the chunk]
// [rows of the chunk]: the image's move, then of what it is mixed with the row, the move and the share in 256ths. Bit 0 of a
// move mirrors; bytes 1, 2: dx, dy.
@group(0) @binding(2) var<storage, read> changes: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> pixels: array<u32>; // [rows of the chunk][WORDS]

// A place beyond the ends of 0 … length − 1, reflected without repeating the edge: 2, 1, 0, 1, 2.
fn reflected(place: i32, length: u32) -> u32 {
    let inside = u32(abs(place));
    return min(inside, 2u * (length - 1u) - inside);
}

// Pixel `d` of an image that is moved.
fn moved(image: u32, by: u32, d: u32) -> u32 {
    let dx = bitcast<i32>(by << 16u) >> 24u;
    let dy = bitcast<i32>(by << 8u) >> 24u;
    let x = select(d % WIDTH, WIDTH - 1u - d % WIDTH, (by & 1u) == 1u);
    let y = d / WIDTH % HEIGHT;
    let row = d / (WIDTH * HEIGHT) * HEIGHT + reflected(i32(y) + dy, HEIGHT);
    let from_d = row * WIDTH + reflected(i32(x) + dx, WIDTH);
    return (images[image * WORDS + from_d / 4u] >> (from_d % 4u * 8u)) & 255u;
}

// A word of an image that is perhaps moved.
fn four_of(image: u32, by: u32, word: u32) -> u32 {
    if (by == 0u) {
        return images[image * WORDS + word];
    }
    var four = 0u;
    for (var i = 0u; i < 4u; i++) {
        if (4u * word + i < D) {
            four |= moved(image, by, 4u * word + i) << (8u * i);
        }
    }
    return four;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let word = group.y * 256u + thread;
    let change = changes[group.x];
    // Rows before FIRST wrap to numbers beyond COUNT.
    let image = rows[group.x] - FIRST;
    if (word < WORDS && image < COUNT) {
        var four = four_of(image, change.x, word);
        if (change.w > 0u) {
            let other = four_of(change.y - FIRST, change.z, word);
            var both = 0u;
            for (var i = 0u; i < 32u; i += 8u) {
                let sum = (256u - change.w) * ((four >> i) & 255u) + change.w * ((other >> i) & 255u) + 128u;
                both |= (sum >> 8u) << i;
            }
            four = both;
        }
        pixels[group.x * WORDS + word] = four;
    }
}
