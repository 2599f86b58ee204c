// A slice of the weights, for `forward`'s `w`.

@group(0) @binding(2) var<storage, read> w1: array<vec4<f32>>;  // [D][N/4]

fn bring_weights(thread: u32, slice: u32, batch: u32, first_column: u32, end_column: u32) {
    for (var k = thread / THREAD_COLUMNS; k < SLICE; k += THREAD_ROWS) {
        let d = slice * SLICE + k;
        for (var q = 0u; q < QUADS; q++) {
            let place = first_column + 4u * (THREAD_COLUMNS * q + thread % THREAD_COLUMNS);
            var weights = vec4<f32>();
            if (d < D && place < end_column) {
                weights = w1[(d * N + place) / 4u];
            }
            w[(k * QUADS + q) * THREAD_COLUMNS + thread % THREAD_COLUMNS] = weights;
        }
    }
}
