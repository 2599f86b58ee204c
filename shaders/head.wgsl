// From the first layer's partial sums to the loss and its gradients, for one image of one model a workgroup:
//
//   hidden[h]  = max(0, Σ_g Σ_{p in group g} partial[p][h] + b1[h])
//   logit[c]   = Σ_h hidden[h] · W2[h][c] + b2[c]
//   loss       = log Σ_c exp(logit[c] − m) − (logit[y] − m),   m = max_c logit[c], y the label
//   dlogit[c]  = (softmax(logit)[c] − [c = y]) / B
//   dhidden[h] = [hidden[h] > 0] · Σ_c dlogit[c] · W2[h][c]
//
// An evaluation has no gradients; in their place the logits stay.
//
// Reads: z (partials), small, labels. Writes: hidden, dhidden, dlogits, logits (dlogits), scores.

override H: u32 = 50u;         // hidden units
override HP: u32 = 52u;        // H rounded up to a multiple of 4
override C: u32 = 10u;         // classes
override M: u32 = 1u;          // models
override PARTIALS: u32 = 96u;  // partial sums of a value: slices or groups of the inputs
override GROUP: u32 = 16u;     // partial sums of a group
override GROUPS: u32 = 6u;     // ⌈PARTIALS / GROUP⌉
override SHUFFLES: u32 = 1u;   // 1, or M when every model has its own batch
override TRAIN: bool = true;   // false: scores and logits
override BLOCK: u32 = 52u;     // hidden units summed at a time: HP, 64 at most
// One image of one model waits for memory, so all groups of a block should be summed at once: 6 · 52 invocations. Many models
// fill a GPU anyway.
override WORKGROUP: u32 = 320u;

const LANES = 8u;  // invocations that share the sum of a logit

@group(0) @binding(0) var<storage, read> partials: array<f32>;              // [PARTIALS][B][M·HP]
@group(0) @binding(1) var<storage, read> small: array<f32>;                 // [M][H·C + C + H]: W2, b2, b1
@group(0) @binding(2) var<storage, read> labels: array<u32>;                // [rows of the chunk]
@group(0) @binding(3) var<storage, read_write> hidden: array<f32>;          // [B][M·HP]
@group(0) @binding(4) var<storage, read_write> dhidden: array<f32>;         // [B][M·HP]
@group(0) @binding(5) var<storage, read_write> dlogits: array<f32>;         // [B][M·(C+1)], the loss last; else logits [B][M·C]
@group(0) @binding(6) var<storage, read_write> scores: array<vec2<f32>>;    // [B][M], (loss, 1 if right else 0)

var<workgroup> group_sums: array<f32, BLOCK * GROUPS>;
var<workgroup> active_units: array<f32, HP>;
var<workgroup> sums: array<f32, WORKGROUP>;
var<workgroup> logits: array<f32, C>;
var<workgroup> gradients: array<f32, C>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let b = group.x;
    let m = group.y;
    let w2 = m * (H * C + C + H);
    let b2 = w2 + H * C;
    let b1 = b2 + C;
    let units = (b * M + m) * HP;
    // Asked for now, needed much later.
    let label = labels[step.row + select(0u, m, SHUFFLES > 1u) * step.rows + b];

    // An invocation sums a group of partials of one unit, then one sums the unit's groups. The inner loop's length is a
    // constant and its values are single numbers: that way a compiler sends out all 16 loads before it adds.
    for (var first = 0u; first < HP; first += BLOCK) {
        for (var i = thread; i < BLOCK * GROUPS; i += WORKGROUP) {
            let unit = first + i % BLOCK;
            var sum = 0.0;
            if (unit < HP) {
                for (var j = 0u; j < GROUP; j++) {
                    let p = i / BLOCK * GROUP + j;
                    if (PARTIALS % GROUP == 0u || p < PARTIALS) {
                        sum += partials[p * step.rows * M * HP + units + unit];
                    }
                }
            }
            group_sums[i] = sum;
        }
        workgroupBarrier();
        for (var i = thread; i < min(BLOCK, HP - first); i += WORKGROUP) {
            let unit = first + i;
            var z = 0.0;
            for (var g = 0u; g < GROUPS; g++) {
                z += group_sums[g * BLOCK + i];
            }
            if (unit < H) {
                z += small[b1 + unit];
            }
            // Not max(z, 0): that would turn a NaN into 0 and hide it.
            active_units[unit] = select(z, 0.0, z <= 0.0);
        }
        workgroupBarrier();
    }

    // Eight lanes a class, each over every eighth unit; then the lanes' sums in their order.
    let lane = thread % LANES;
    for (var first = 0u; first < C; first += WORKGROUP / LANES) {
        let c = first + thread / LANES;
        var sum = 0.0;
        if (c < C) {
            for (var i = 0u; i < (H + LANES - 1u) / LANES; i++) {
                // Not an `if` around the load: a compiler would wait for each before it asks for the next.
                let h = min(i * LANES + lane, H - 1u);
                let weight = select(0.0, small[w2 + h * C + c], i * LANES + lane < H);
                sum += active_units[h] * weight;
            }
        }
        sums[thread] = sum;
        workgroupBarrier();
        if (lane == 0u && c < C) {
            var logit = small[b2 + c];
            for (var i = 0u; i < LANES; i++) {
                logit += sums[thread + i];
            }
            logits[c] = logit;
        }
        workgroupBarrier();
    }

    var best = 0u;
    var largest = logits[0];
    for (var c = 1u; c < C; c++) {
        if (logits[c] > largest) {
            best = c;
            largest = logits[c];
        }
    }
    var total = 0.0;
    for (var c = 0u; c < C; c++) {
        total += exp(logits[c] - largest);
    }
    let loss = log(total) - (logits[label] - largest);
    if (thread == 0u) {
        scores[b * M + m] = vec2<f32>(loss, select(0.0, 1.0, best == label));
    }

    if (TRAIN) {
        if (thread == 0u) {
            dlogits[(b * M + m) * (C + 1u) + C] = loss;
        }
        for (var c = thread; c < C; c += WORKGROUP) {
            let p = exp(logits[c] - largest) / total;
            let gradient = (p - select(0.0, 1.0, c == label)) / f32(step.rows);
            gradients[c] = gradient;
            dlogits[(b * M + m) * (C + 1u) + c] = gradient;
        }
        workgroupBarrier();
        for (var h = thread; h < HP; h += WORKGROUP) {
            var gradient = 0.0;
            let unit = active_units[h];
            if (h < H && !(unit <= 0.0)) {
                for (var c = 0u; c < C; c++) {
                    gradient += gradients[c] * small[w2 + h * C + c];
                }
            }
            hidden[units + h] = unit;
            dhidden[units + h] = gradient;
        }
    } else {
        for (var c = thread; c < C; c += WORKGROUP) {
            dlogits[(b * M + m) * C + c] = logits[c];
        }
    }
}
