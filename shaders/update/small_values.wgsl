// A step on 32 values of a model's W2, b2 and b1, or its loss: eight lanes a value, every eighth image each.

fn small_values(m: u32, first: u32, thread: u32) {
    let value = first + thread / 8u;
    let lane = thread % 8u;
    let b1 = OUTPUTS;
    let b2 = select(0u, b1 - C, b1 > 0u);
    let loss = b1 + H;
    var sum = 0.0;
    // A loop each, not cases in one: that way a compiler sends out several images' loads together.
    if (value < b2) {
        for (var b = lane; b < step.rows; b += 8u) {
            sum += hidden[(b * M + m) * HP + value / C] * dlogits[(b * M + m) * (C + 1u) + value % C];
        }
    } else if (value >= b1 && value < loss) {
        let unit = value - b1;
        for (var b = lane; b < step.rows; b += 8u) {
            sum += dhidden[((b * M + m) * HP + unit) / 4u][unit % 4u];
        }
    } else if (value <= loss) {
        let column = select(C, value - b2, value < b1);
        for (var b = lane; b < step.rows; b += 8u) {
            sum += dlogits[(b * M + m) * (C + 1u) + column];
        }
    }
    tile[thread].x = sum;
    workgroupBarrier();
    if (lane == 0u && value <= loss) {
        var total = 0.0;
        for (var i = 0u; i < 8u; i++) {
            total += tile[thread + i].x;
        }
        let rate = rate_of(m);
        let i = m * loss + value;
        if (value == loss) {
            if (LOSS) {
                losses[step.loss * M + m] = total / f32(step.rows);
            }
        } else if (value < b2) {
            move_small(total + rate.y * small[i], rate.x, true, i);
        } else {
            move_small(total, rate.x, false, i);
        }
    }
}
