// The hidden units and the logits of an image of a model.

// `active_units`, from the partial sums of its `units`; masked as image `b` by what the step is told `at` its place.
fn sum_units(thread: u32, units: u32, b1: u32, at: u32, b: u32) {
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
            active_units[unit] = select(z, 0.0, !LINEAR && z <= 0.0) * masks(at, b, unit / 4u)[unit % 4u];
        }
        workgroupBarrier();
    }
}

// `logits`. Eight lanes a class, each over every eighth unit; then the lanes' sums in their order.
fn sum_logits(thread: u32, w2: u32, b2: u32) {
    if (LINEAR) {
        for (var c = thread; c < C; c += WORKGROUP) {
            logits[c] = active_units[c];
        }
        workgroupBarrier();
    } else {
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
    }
}
