// In the place of `weights`, on the way back through a layer: its weights transposed, so that `forward` gives
//
//   z[b][k] = Σ_n x[b][n] · W[k][n]
//
// from the gradient x [B][M][D], D units of the layer, for each k of the layer before.

@group(0) @binding(2) var<storage, read> w1: array<vec4<f32>>;  // [ROWS][M][⌈D/4⌉]

// Four neighbouring weights of a unit of the layer before; zero past the last.
fn weights_of(k: u32, batch: u32, quad: u32) -> vec4<f32> {
    let quads = (D + 3u) / 4u;
    var four: vec4<f32>;
    if (k < ROWS && quad < quads) {
        four = w1[(k * M + batch) * quads + quad];
    }
    return four;
}

fn bring_weights(thread: u32, slice: u32, batch: u32, first_column: u32, end_column: u32) {
    // 4 columns × 4 inputs at a time, turned in registers: every write to workgroup memory is a whole vec4. Not a matrix that a
    // loop fills: FXC would give up unrolling it.
    for (var i = thread; i < 8u * QUADS * THREAD_COLUMNS; i += WORKGROUP) {
        let fours = i % (QUADS * THREAD_COLUMNS);
        let quad = slice * 8u + i / (QUADS * THREAD_COLUMNS);
        let k = first_column - batch * BATCH_COLUMNS + 4u * fours;
        let four = transpose(mat4x4<f32>(
            weights_of(k, batch, quad),
            weights_of(k + 1u, batch, quad),
            weights_of(k + 2u, batch, quad),
            weights_of(k + 3u, batch, quad),
        ));
        let to = (i / (QUADS * THREAD_COLUMNS) * 4u * QUADS + fours / THREAD_COLUMNS) * THREAD_COLUMNS + fours % THREAD_COLUMNS;
        for (var j = 0u; j < 4u; j++) {
            w[to + j * QUADS * THREAD_COLUMNS] = four[j];
        }
    }
}
