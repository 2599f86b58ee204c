// From the first layer's partial sums to the loss and its gradients, for one image of one model a workgroup:
//
//   hidden[h]  = mask[h] · max(0, Σ_g Σ_{p in group g} partial[p][h] + b1[h])
//   logit[c]   = Σ_h hidden[h] · W2[h][c] + b2[c]
//   loss       = Σ_c t[c] · (log Σ_k exp(logit[k] − m) − (logit[c] − m)),   m = max_c logit[c]
//   dlogit[c]  = (softmax(logit)[c] − t[c]) / B
//   dhidden[h] = [hidden[h] > 0] · KEPT · Σ_c dlogit[c] · W2[h][c]
//   t[c]       = SMOOTHING / C + (1 − SMOOTHING) · ((1 − share) · [c = label] + share · [c = other])
//
// An evaluation has no masks and no gradients; in their place the logits stay. Without hidden layers (LINEAR) the H units are
// the C logits, and dhidden is dlogit.
//
// Reads: z (partials), small, targets, masks (rates). Writes: hidden, dhidden, dlogits, logits (dlogits), scores.

override H: u32 = 50u;         // hidden units
override HP: u32 = 52u;        // H rounded up to a multiple of 4
override C: u32 = 10u;         // classes
override M: u32 = 1u;          // models
override PARTIALS: u32 = 96u;  // partial sums of a value: slices or groups of the inputs
override GROUP: u32 = 16u;     // partial sums of a group
override GROUPS: u32 = 6u;     // ⌈PARTIALS / GROUP⌉
override SHUFFLES: u32 = 1u;   // 1, or M when every model has its own batch
override TRAIN: bool = true;   // false: scores and logits
override LINEAR: bool = false; // true: no hidden layer, the H units are the logits
override SMOOTHING: f32 = 0.0; // the share of a target that all classes have alike
override LAYER: u32 = 1u;      // of dropout, see `dropout`
override BELOW: u32 = 0u;
override KEPT: f32 = 1.0;
override BLOCK: u32 = 52u;     // hidden units summed at a time: HP, 64 at most
// One image of one model waits for memory, so all groups of a block should be summed at once: 6 · 52 invocations. Many models
// fill a GPU anyway.
override WORKGROUP: u32 = 320u;

const LANES = 8u;  // invocations that share the sum of a logit

@group(0) @binding(0) var<storage, read> partials: array<f32>;              // [PARTIALS][B][M·HP]
@group(0) @binding(1) var<storage, read> small: array<f32>;                 // [M][H·C + C + H]: W2, b2, b1
@group(0) @binding(2) var<storage, read> targets: array<u32>;               // [rows of the chunk]: label, other, share in 256ths
@group(0) @binding(3) var<storage, read_write> hidden: array<f32>;          // [B][M·HP]
@group(0) @binding(4) var<storage, read_write> dhidden: array<f32>;         // [B][M·HP]
@group(0) @binding(5) var<storage, read_write> dlogits: array<f32>;         // [B][M·(C+1)], the loss last; else logits [B][M·C]
@group(0) @binding(6) var<storage, read_write> scores: array<vec2<f32>>;    // [B][M], (loss, 1 if right else 0)

var<workgroup> group_sums: array<f32, BLOCK * GROUPS>;
var<workgroup> active_units: array<f32, HP>;
var<workgroup> sums: array<f32, WORKGROUP>;
var<workgroup> logits: array<f32, C>;
var<workgroup> gradients: array<f32, C>;

// What a target gives to class `c`.
fn probability(word: u32, c: u32) -> f32 {
    let share = f32(word >> 16u) / 256.0;
    let of_labels = select(0.0, 1.0 - share, c == (word & 255u)) + select(0.0, share, c == ((word >> 8u) & 255u));
    return SMOOTHING / f32(C) + (1.0 - SMOOTHING) * of_labels;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let b = group.x;
    let m = group.y;
    let w2 = m * select(H * C + C + H, H, LINEAR);
    let b2 = w2 + H * C;
    let b1 = select(b2 + C, w2, LINEAR);
    let units = (b * M + m) * HP;
    // Asked for now, needed much later.
    let target_word = targets[step.row + select(0u, m, SHUFFLES > 1u) * step.rows + b];
    let label = target_word & 255u;

    sum_units(thread, units, b1, step.rate * M + m, b);

    sum_logits(thread, w2, b2);

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
    var loss = log(total) - (logits[label] - largest);
    if (SMOOTHING > 0.0 || target_word > 255u) {
        loss = 0.0;
        for (var c = 0u; c < C; c++) {
            loss += probability(target_word, c) * (log(total) - (logits[c] - largest));
        }
    }
    if (thread == 0u) {
        scores[b * M + m] = vec2<f32>(loss, select(0.0, 1.0, best == label));
    }

    if (TRAIN) {
        if (thread == 0u) {
            dlogits[(b * M + m) * (C + 1u) + C] = loss;
        }
        for (var c = thread; c < C; c += WORKGROUP) {
            let p = exp(logits[c] - largest) / total;
            let gradient = (p - probability(target_word, c)) / f32(step.rows);
            gradients[c] = gradient;
            dlogits[(b * M + m) * (C + 1u) + c] = gradient;
        }
        workgroupBarrier();
        for (var h = thread; h < HP; h += WORKGROUP) {
            var gradient = 0.0;
            let unit = active_units[h];
            if (LINEAR) {
                gradient = select(0.0, gradients[min(h, C - 1u)], h < C);
            } else if (h < H && !(unit <= 0.0)) {
                for (var c = 0u; c < C; c++) {
                    gradient += gradients[c] * small[w2 + h * C + c];
                }
            }
            hidden[units + h] = unit;
            dhidden[units + h] = gradient * KEPT;
        }
    } else {
        for (var c = thread; c < C; c += WORKGROUP) {
            dlogits[(b * M + m) * C + c] = logits[c];
        }
    }
}
