//! The edits: what is wrong, and where.

use crate::gpu::kernels::Kernel;

/// What is wrong, for people; the text that stands once in the kernel's files; the wrong text for it.
pub(super) type Edit = (&'static str, &'static str, &'static str);

const FORWARD: &[Edit] = &[
    ("mean not subtracted", "- standard[0])", "- 0.0 * standard[0])"),
    ("means for scales", "standard[1] = standardisation[quads + quad]", "standard[1] = standardisation[quad]"),
    ("bytes in the wrong order", "vec4<u32>(0u, 8u, 16u, 24u)", "vec4<u32>(24u, 16u, 8u, 0u)"),
    ("last slice of a group missing", "< min((D + SLICE - 1u) / SLICE,", "+ 1u < min((D + SLICE - 1u) / SLICE,"),
    ("first row of the chunk for every step", "return step.row + batch * step.rows", "return batch * step.rows"),
    ("every model on the first batch", "return step.row + batch * step.rows", "return step.row"),
    ("transposed tile", "return transpose(mat4x4", "return (mat4x4"),
    ("weights of the next input", "w1[(d * N + place) / 4u]", "w1[((d + 1u) * N + place) / 4u]"),
    ("padding of the last input block not zeroed", "if (d < D && place < end_column)", "if (place < end_column)"),
    ("stale tile: no barrier before it is read", "workgroupBarrier();\n        // Of 100 rows", "// Of 100 rows"),
    (
        "tile overwritten while it is read",
        "slice_sums[i];\n            }\n        }\n        workgroupBarrier();",
        "slice_sums[i];\n            }\n        }",
    ),
    ("last rows of a batch not summed", "if (row < step.rows) {", "if (row + 8u < step.rows) {"),
    ("two rows swapped", "q + 1u] += a.y * c", "q + 1u] += a.z * c"),
    ("upper rows for the lower ones", "q + 6u] += b.z * c", "q + 6u] += a.z * c"),
    ("first four columns' weights for the other four", "w[(d * QUADS + q) *", "w[d * QUADS *"),
    ("slices before the last lost", "sums[i] += slice_sums[i];", "sums[i] = slice_sums[i];"),
    ("inputs cut to f16", "x[d * 2u * THREAD_ROWS + my_rows];", "quantizeToF16(x[d * 2u * THREAD_ROWS + my_rows]);"),
    ("rows past the batch written", "if (row + i < step.rows &&", "if (row + i <= step.rows &&"),
    (
        "columns past the models written",
        "&& place < end_column) {\n                partials",
        "&& place <= end_column) {\n                partials",
    ),
];

const HEAD: &[Edit] = &[
    ("last partial of a group missing", "j < GROUP; j++", "j + 1u < GROUP; j++"),
    ("first bias dropped", "z += small[b1 + unit];", "z += 0.0;"),
    ("ReLU left out", "select(z, 0.0, !LINEAR && z <= 0.0)", "z"),
    ("ReLU inverted", "z <= 0.0", "z >= 0.0"),
    ("ReLU mask inverted", "!(unit <= 0.0)", "unit <= 0.0"),
    ("ReLU mask left out", "h < H && !(unit <= 0.0)", "h < H"),
    ("W2 transposed", "select(0.0, small[w2 + h * C + c]", "select(0.0, small[w2 + c * H + h]"),
    ("W2 transposed on the way back", "gradients[c] * small[w2 + h * C + c]", "gradients[c] * small[w2 + c * H + h]"),
    ("last group missing", "g < GROUPS; g++", "g + 1u < GROUPS; g++"),
    ("groups summed before they are written", "= sum;\n        }\n        workgroupBarrier();", "= sum;\n        }"),
    ("second bias dropped", "var logit = small[b2 + c];", "var logit = 0.0;"),
    (
        "last lane missing",
        "i < LANES; i++) {\n                    logit",
        "i + 1u < LANES; i++) {\n                    logit",
    ),
    (
        "hidden units read before they are written",
        "workgroupBarrier();\n    }\n}\n\n// `logits`",
        "}\n}\n\n// `logits`",
    ),
    ("softmax not shifted", "exp(logits[c] - largest);\n    }", "exp(logits[c]);\n    }"),
    ("last class missing from the softmax", "c < C; c++) {\n        total", "c + 1u < C; c++) {\n        total"),
    ("label off by one", "let label = target_word & 255u;", "let label = ((target_word & 255u) + 1u) % C;"),
    ("labels of the first batch for every model", "select(0u, m, SHUFFLES > 1u) * step.rows", "0u * step.rows"),
    ("sum instead of mean", "/ f32(step.rows);", "/ 1.0;"),
    ("last of equal logits", "if (logits[c] > largest)", "if (logits[c] >= largest)"),
    ("logits of the next class", "C + c] = logits[c];", "C + c] = logits[(c + 1u) % C];"),
    ("every model's logits in the first's place", "dlogits[(b * M + m) * C + c]", "dlogits[b * M * C + c]"),
    ("scores one image further", "scores[b * M + m] = ", "scores[(b + 1u) * M + m] = "),
    (
        "probabilities cut to f16",
        "let p = exp(logits[c] - largest) / total;",
        "let p = quantizeToF16(exp(logits[c] - largest) / total);",
    ),
];

const UPDATE: &[Edit] = &[
    ("ascent instead of descent", "result -= rate * gradient;", "result += rate * gradient;"),
    ("no penalty", "sum + rate.y * w[i]", "sum"),
    ("penalty doubled", "sum + rate.y * w[i]", "sum + 2.0 * rate.y * w[i]"),
    ("first model's rate for all", "rate_of(min(column, end_column - 1u) / HP)", "rate_of(0u)"),
    ("first step's learning rate", "rates[step.rate * M + m].xy", "rates[m].xy"),
    ("last image missing", "inputs(x[s], b < step.rows,", "inputs(x[s], b + 1u < step.rows,"),
    ("last eight images of a batch not summed", "eight < min(32u, step.rows -", "eight + 8u < min(32u, step.rows -"),
    ("last rows of the next batch not multiplied", "if (row < step.next_rows) {", "if (row + 4u < step.next_rows) {"),
    ("every model on the first batch", "step.row + batch * step.rows", "step.row"),
    ("next images of the first batch for every model", "step.next_row + batch * step.next_rows", "step.next_row"),
    (
        "this step's images for the next product",
        "let next_row = step.next_row + batch * step.next_rows;",
        "let next_row = step.row + batch * step.rows;",
    ),
    ("mean not subtracted", "- standard[0])", "- 0.0 * standard[0])"),
    ("next tile transposed", "return transpose(mat4x4", "return (mat4x4"),
    (
        "next tile overwritten while it is read",
        "sums[i];\n            }\n        }\n        workgroupBarrier();",
        "sums[i];\n            }\n        }",
    ),
    ("odd images left out", "+ tile[256u * i", "+ 0.0 * tile[256u * i"),
    ("partner's inputs swapped", "select(sums[mine], sums[mine + 2u],", "select(sums[mine + 2u], sums[mine],"),
    ("stale tile: no barrier before it is read", "+ thread] = g[1];\n        workgroupBarrier();", "+ thread] = g[1];"),
    (
        "tile overwritten while it is read",
        "* c;\n                }\n            }\n        }\n        workgroupBarrier();",
        "* c;\n                }\n            }\n        }",
    ),
    ("sums taken before the partner has left them", "even);\n    }\n    workgroupBarrier();", "even);\n    }"),
    ("an input past the last one written", "let inside = d < D && column", "let inside = d <= D && column"),
    ("gradients cut to f16", "c = tile[512u + k * 16u + across];", "c = quantizeToF16(tile[512u + k * 16u + across]);"),
    ("first slice's inputs for both", "tile[256u * s + k * 8u", "tile[k * 8u"),
    (
        "first slice's weights for both",
        "let d = first_d + i / 2u * SLICE + i % 2u;\n        if (d < D && column < end_column) {\n            w[i]",
        "let d = first_d + i % 2u;\n        if (d < D && column < end_column) {\n            w[i]",
    ),
    ("weights written over sums that the partner still reads", "workgroupBarrier();\n        for (var i", "for (var i"),
    ("next product with the old weights", "+ i) * 16u + across] = w[i];", "+ i) * 16u + across] = w[i] + rate.x;"),
    ("next product's rows past the batch written", "if (row + i < step.next_rows", "if (row + i <= step.next_rows"),
    (
        "next product's slices by this step's length",
        "partials[((slice * step.next_rows",
        "partials[((slice * step.rows",
    ),
    ("next tile read before it is written", "workgroupBarrier();\n        words = next_words", "words = next_words"),
    (
        "W2's gradient transposed",
        "HP + value / C] * dlogits[(b * M + m) * (C + 1u) + value % C]",
        "HP + value % H] * dlogits[(b * M + m) * (C + 1u) + value / H]",
    ),
    ("last lane missing", "i < 8u; i++) {\n            total", "i < 7u; i++) {\n            total"),
    (
        "biases penalised too",
        "move_small(total, rate.x, false, i);",
        "move_small(total + rate.y * small[i], rate.x, false, i);",
    ),
    (
        "output weights not penalised",
        "move_small(total + rate.y * small[i], rate.x, true, i);",
        "move_small(total, rate.x, true, i);",
    ),
    ("b1 not updated", "} else if (value >= b1 && value < loss) {", "} else if (value >= b1 && value < b1) {"),
    ("loss of another column", "select(C, value - b2", "select(C - 1u, value - b2"),
    ("small values of the first model for all", "small_values(index / parts,", "small_values(0u,"),
    ("inputs past the last not zeroed", "< quads) {\n        standard[0]", "<= quads) {\n        standard[0]"),
    ("loss of the first step overwritten", "losses[step.loss * M + m]", "losses[m]"),
    ("loss not averaged", "total / f32(step.rows);", "total;"),
    ("models overlap", "let i = m * loss + value;", "let i = m * (loss - 1u) + value;"),
];

const OPTIMIZER: &[Edit] = &[
    ("velocity not kept", "w1[count + at] = first;", "w1[count + at] = first * 0.5;"),
    ("second moments not kept", "w1[2u * count + at] = second;", "w1[2u * count + at] = second * 0.5;"),
    ("velocity of the weights' place", "first = w1[count + at];", "first = w1[at];"),
    ("second moment for the first", "second = w1[2u * count + at];", "second = w1[count + at];"),
    ("velocity forgotten", "let velocity = MOMENTUM * *first + gradient;", "let velocity = gradient;"),
    (
        "velocity dampened",
        "let velocity = MOMENTUM * *first + gradient;",
        "let velocity = MOMENTUM * *first + 0.5 * gradient;",
    ),
    ("no look ahead", "gradient + MOMENTUM * velocity, OPTIMIZER == 2u", "velocity, OPTIMIZER == 2u"),
    ("look ahead by the gradient", "gradient + MOMENTUM * velocity", "gradient + MOMENTUM * gradient"),
    ("look ahead always", "OPTIMIZER == 2u);", "OPTIMIZER >= 1u);"),
    ("betas swapped", "const BETA1 = 0.9;\nconst BETA2 = 0.999;", "const BETA1 = 0.999;\nconst BETA2 = 0.9;"),
    (
        "second moment of the gradient, not of its square",
        "(1.0 - BETA2) * gradient * gradient",
        "(1.0 - BETA2) * gradient",
    ),
    ("first moment not corrected", "rate * step.correction1 * *first", "rate * *first"),
    ("second moment not corrected", "sqrt(*second) * step.correction2", "sqrt(*second)"),
    ("root forgotten", "(sqrt(*second) * step", "(*second * step"),
    ("epsilon inside the root's factor", "+ EPS)", "+ 1e-2)"),
    ("weights do not decay", "result -= rate * weight_decay * w;", "result -= 0.0 * w;"),
    ("decay without the rate", "result -= rate * weight_decay * w;", "result -= weight_decay * w;"),
    ("biases decay", "select(0.0, WEIGHT_DECAY, is_weight)", "WEIGHT_DECAY"),
    ("small velocity not kept", "small[count + at] = first.x;", "small[count + at] = 0.5 * first.x;"),
    ("small second moment not kept", "small[2u * count + at] = second.x;", "small[2u * count + at] = 0.5 * second.x;"),
    ("small velocity of another place", "first.x = small[count + at];", "first.x = small[at];"),
    ("small second moment of another place", "second.x = small[2u * count + at];", "second.x = small[count + at];"),
    ("moments of fewer models", "let count = M * (OUTPUTS + H);", "let count = M * H;"),
    ("moments of fewer columns", "let count = D * M * HP / 4u;", "let count = D * HP / 4u + 1u;"),
];

const ACTIVATE: &[Edit] = &[
    ("bias forgotten", "z[i] += small[", "z[i] += 0.0 * small["),
    ("bias of the first model", "small[column / HP * H + unit]", "small[unit]"),
    ("bias of a padded place", "small[column / HP * H + unit]", "small[column / HP * HP + unit]"),
    ("no ReLU", "select(z, vec4<f32>(), z <= vec4<f32>())", "z"),
    ("last partial missing", "p < min(PARTIALS,", "p + 1u < min(PARTIALS,"),
    ("last group missing", "g < GROUPS; g++", "g + 1u < GROUPS; g++"),
    ("first row for all", "((p * step.rows + b) * N + column)", "((p * step.rows) * N + column)"),
    ("last columns not written", "if (column < N) {", "if (column + 4u < N) {"),
    ("columns past the models written", "if (column < N) {", "if (column <= N) {"),
];

const ACTIVATE_BACKWARD: &[Edit] = &[
    ("inactive units learn", "select(sum, vec4<f32>(), hidden[i] <= vec4<f32>())", "sum"),
    ("active units do not learn", "hidden[i] <= vec4<f32>()", "hidden[i] > vec4<f32>()"),
    ("mask of the first row", "hidden[i] <=", "hidden[column / 4u] <="),
    ("last partial missing", "p < PARTIALS", "p + 1u < PARTIALS"),
    ("first partial twice", "((p * step.rows + b)", "((p / 2u * step.rows + b)"),
    ("first row for all", "p * step.rows + b)", "p * step.rows)"),
    ("last columns not written", "if (column < N) {", "if (column + 4u < N) {"),
    ("not scaled", " * KEPT", ""),
];

const HIDDEN_FORWARD: &[Edit] = &[
    ("every model on the first one's activations", "return b * M + batch;", "return b * M;"),
    ("images of a model side by side", "return b * M + batch;", "return batch * step.rows + b;"),
    ("last inputs missing", "let quads = (D + 3u) / 4u;", "let quads = D / 4u;"),
    ("transposed tile", "return transpose(mat4x4", "return (mat4x4"),
    ("two images swapped", "words[0], words[1], words[2]", "words[0], words[2], words[1]"),
];

const BACKWARD: &[Edit] = &[
    ("weights not turned", "let four = transpose(mat4x4", "let four = (mat4x4"),
    ("units of the first model for all", "w1[(k * M + batch) * quads + quad]", "w1[k * M * quads + quad]"),
    ("rows of one model", "(k * M + batch) * quads", "(k + batch) * quads"),
    ("units past the layer's last read", "if (k < ROWS &&", "if (k <= ROWS &&"),
    ("last unit's weights missing", "if (k < ROWS &&", "if (k + 1u < ROWS &&"),
    ("inputs past the last not zeroed", "&& quad < quads) {\n        four", "&& quad <= quads) {\n        four"),
    ("two units swapped", "weights_of(k + 1u, batch, quad)", "weights_of(k + 2u, batch, quad)"),
    ("columns of the first model", "first_column - batch * BATCH_COLUMNS + 4u", "first_column + 4u"),
    ("next unit's weights", "let k = first_column", "let k = 1u + first_column"),
    ("first four columns for the other four", "+ fours / THREAD_COLUMNS)", ")"),
];

const HIDDEN_UPDATE: &[Edit] = &[
    ("every model by the first one's activations", "return b * M + batch;", "return b * M;"),
    ("rows past the batch counted", "if (inside && quad < quads)", "if (quad < quads)"),
    ("inputs of the first slice for both", "tile[256u * s + k * 8u", "tile[k * 8u"),
    ("penalty forgotten", "sum + rate.y * w[i]", "sum + 0.0 * w[i]"),
];

const GATHER: &[Edit] = &[
    ("every buffer the first", "rows[group.x] - FIRST;", "rows[group.x];"),
    ("an image past the buffer's last", "image < COUNT", "image <= COUNT"),
    ("the next row", "pixels[group.x * WORDS + word]", "pixels[(group.x + 1u) * WORDS + word]"),
    ("last word missing", "word < WORDS &&", "word + 1u < WORDS &&"),
    ("changed by the next row's change", "changes[group.x]", "changes[group.x + 1u]"),
    ("not moved", "if (by == 0u)", "if (by < 0x7fffffffu)"),
    ("not mixed", "if (change.w > 0u)", "if (change.w > 255u)"),
    ("mixed with itself", "four_of(change.y - FIRST,", "four_of(image,"),
    ("other not moved", "change.z, word)", "0u, word)"),
    ("other moved like the image", "change.z, word)", "change.x, word)"),
    ("other of the first buffer", "change.y - FIRST", "change.y"),
    ("shares swapped", "(256u - change.w) * ((four >> i)", "change.w * ((four >> i)"),
    ("not rounded", " + 128u;", ";"),
    ("share of 255ths", "(256u - change.w)", "(255u - change.w)"),
    ("last byte not mixed", "i < 32u; i += 8u", "i < 24u; i += 8u"),
    ("not mirrored", "(by & 1u) == 1u", "(by & 1u) == 2u"),
    ("mirrored one pixel off", "WIDTH - 1u - d % WIDTH", "(WIDTH - d % WIDTH) % WIDTH"),
    ("dx of the wrong sign", "reflected(i32(x) + dx, WIDTH)", "reflected(i32(x) - dx, WIDTH)"),
    ("dy of the wrong sign", "reflected(i32(y) + dy, HEIGHT)", "reflected(i32(y) - dy, HEIGHT)"),
    ("dx without a sign", "bitcast<i32>(by << 16u) >> 24u", "i32((by << 16u) >> 24u)"),
    ("dy without a sign", "bitcast<i32>(by << 8u) >> 24u", "i32((by << 8u) >> 24u)"),
    ("dx for dy", "bitcast<i32>(by << 8u)", "bitcast<i32>(by << 16u)"),
    ("first border clamped, not reflected", "u32(abs(place))", "u32(max(place, 0))"),
    ("first edge repeated", "u32(abs(place))", "u32(max(place, -1 - place))"),
    ("last border clamped, not reflected", "min(inside, 2u * (length - 1u) - inside)", "min(inside, length - 1u)"),
    ("last edge repeated", "2u * (length - 1u) - inside", "2u * length - 1u - inside"),
    ("planes one row too close", "(WIDTH * HEIGHT) * HEIGHT", "(WIDTH * HEIGHT) * (HEIGHT - 1u)"),
    ("first plane for all", "d / (WIDTH * HEIGHT) * HEIGHT", "d / D * HEIGHT"),
    ("rows of another width", "let y = d / WIDTH", "let y = d / HEIGHT"),
    ("pixels of a word in the opposite order", "<< (8u * i)", "<< (24u - 8u * i)"),
    ("last pixel not moved", "4u * word + i < D", "4u * word + i + 1u < D"),
    ("what pads an image moved in", "4u * word + i < D", "4u * word + i <= D"),
];

const TALLY: &[Edit] = &[
    ("first group only", "let b = group.x * IMAGES + thread;", "let b = thread;"),
    ("images past the batch counted", "if (b < step.rows)", "if (b <= step.rows)"),
    ("halves added without a barrier", "}\n        workgroupBarrier();\n    }\n    if", "}\n    }\n    if"),
    ("first batch's tallies overwritten", "(step.loss + group.x) * M", "group.x * M"),
];

const SQUARES: &[Edit] = &[
    ("not squared", "sum += value * value;", "sum += value;"),
    ("padding counted", "i / WIDTH * STRIDE", "i / (WIDTH + 1u) * STRIDE"),
    ("last part cut short", "let end = min(WIDTH * HEIGHT,", "let end = min(WIDTH * HEIGHT - 1u,"),
];

/// Masks of dropout, and targets of more than one class.
const REGULARISED_HEAD: &[Edit] = &[
    ("mask left out", " * masks(at, b, unit / 4u)[unit % 4u]", ""),
    ("mask of the next unit", "masks(at, b, unit / 4u)[unit % 4u]", "masks(at, b, unit / 4u)[(unit + 1u) % 4u]"),
    ("mask of the first image", "masks(at, b, unit", "masks(at, 0u, unit"),
    ("mask of the first model", "step.rate * M + m, b);", "step.rate * M, b);"),
    ("mask of the first step", "step.rate * M + m, b);", "m, b);"),
    ("mask of another layer", "key.y + LAYER", "key.y"),
    ("one word of the key", "rates[at].zw", "rates[at].ww"),
    ("rate for the key", "rates[at].zw", "rates[at].xy"),
    ("half of the units left out", "vec4<u32>(BELOW, BELOW, BELOW, BELOW)", "vec4<u32>(BELOW / 2u)"),
    ("kept units not scaled", "vec4<f32>(KEPT, KEPT, KEPT, KEPT)", "vec4<f32>(1.0, 1.0, 1.0, 1.0)"),
    ("words mixed once", "pcg4d_round(once ^ (once >> vec4<u32>(16u, 16u, 16u, 16u)))", "once"),
    ("words not shifted", "once ^ (once >> vec4<u32>(16u, 16u, 16u, 16u))", "once"),
    ("another multiplier", "1664525u", "1664521u"),
    ("two words of the mix swapped", "let y = v.y + v.z * x;", "let y = v.y + v.w * x;"),
    ("gradients not scaled", "gradient * KEPT", "gradient"),
    ("gradient of the label alone", "p - probability(target_word, c)", "p - select(0.0, 1.0, c == label)"),
    ("loss of the label alone", "SMOOTHING > 0.0 || target_word > 255u", "SMOOTHING > 1.0"),
    ("smoothing over all classes but one", "SMOOTHING / f32(C)", "SMOOTHING / f32(C - 1u)"),
    ("labels keep their whole share", "(1.0 - SMOOTHING) * of_labels", "of_labels"),
    ("shares swapped", "select(0.0, 1.0 - share,", "select(0.0, share,"),
    ("second label left out", "select(0.0, share, c == ((word >> 8u) & 255u))", "0.0"),
    ("share of 255ths", "/ 256.0", "/ 255.0"),
    ("label for the other", "c == ((word >> 8u) & 255u)", "c == (word & 255u)"),
    ("last class missing from the loss", "c < C; c++) {\n            loss", "c + 1u < C; c++) {\n            loss"),
];

const MASKED_ACTIVATE: &[Edit] = &[
    ("mask left out", "z <= vec4<f32>()) * mask", "z <= vec4<f32>())"),
    ("mask of a padded place", "b, column % HP / 4u", "b, column / 4u"),
    ("mask of the first model", "step.rate * M + column / HP", "step.rate * M"),
    ("mask of the first step", "step.rate * M + column / HP", "column / HP"),
    ("mask of the first image", "column / HP, b,", "column / HP, 0u,"),
];

const MASKED_INPUTS: &[Edit] = &[
    ("mask left out", "x * masks(at, b, quad)", "x"),
    ("mask of the next image", "standard, at, b + 1u, quad)", "standard, at, b + 2u, quad)"),
    ("mask of the last image of four", "standard, at, b + 3u, quad)", "standard, at, b, quad)"),
    ("mask without its key", "let key = rates[at].zw;", "let key = vec2<u32>();"),
    ("another addend", "1013904223u", "1013904222u"),
];

const MASKED_FORWARD: &[Edit] = &[
    ("mask of the first step", "statistics(quad), step.rate * M + batch, quad", "statistics(quad), batch, quad"),
    (
        "mask of the first model",
        "statistics(quad), step.rate * M + batch, quad",
        "statistics(quad), step.rate * M, quad",
    ),
    ("mask of the next inputs", "step.rate * M + batch, quad)", "step.rate * M + batch, quad + 1u)"),
];

const MASKED_UPDATE: &[Edit] = &[
    ("mask of the next step", "step.rate * M + batch, b, x_quad", "(step.rate + 1u) * M + batch, b, x_quad"),
    ("mask of the first model", "step.rate * M + batch, b, x_quad", "step.rate * M, b, x_quad"),
    ("mask of the block's first image", "M + batch, b, x_quad", "M + batch, my_image, x_quad"),
    ("this step's masks for the next product", "(step.rate + 1u) * M + batch", "step.rate * M + batch"),
    ("next masks of the first model", "(step.rate + 1u) * M + batch", "(step.rate + 1u) * M"),
    ("next masks of the first images", "standard, at, slice", "standard, at + 1u, slice"),
];

/// Each kernel's.
pub(super) const EDITS: &[(Kernel, &[Edit])] = &[
    (Kernel::Forward, FORWARD),
    (Kernel::Forward, MASKED_INPUTS),
    (Kernel::Forward, MASKED_FORWARD),
    (Kernel::Head, HEAD),
    (Kernel::Head, REGULARISED_HEAD),
    (Kernel::Update, UPDATE),
    (Kernel::Update, OPTIMIZER),
    (Kernel::Update, MASKED_INPUTS),
    (Kernel::Update, MASKED_UPDATE),
    (Kernel::Activate, ACTIVATE),
    (Kernel::Activate, MASKED_ACTIVATE),
    (Kernel::ActivateBackward, ACTIVATE_BACKWARD),
    (Kernel::HiddenForward, HIDDEN_FORWARD),
    (Kernel::Backward, BACKWARD),
    (Kernel::HiddenUpdate, HIDDEN_UPDATE),
    (Kernel::Gather, GATHER),
    (Kernel::Tally, TALLY),
    (Kernel::Squares, SQUARES),
];
