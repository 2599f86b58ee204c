// What the kernels of a step are told.

struct Step {
    row: u32,        // first row of the step in the chunk
    rows: u32,       // B of this step
    rate: u32,       // the step's place in the table of learning rates
    loss: u32,       // the step's place in the table of losses; of `tally`, the batch's first group in that of tallies
    next_row: u32,   // first row of the next step
    next_rows: u32,  // B of the next step
    correction1: f32,  // of AdamW's first moment at this step
    correction2: f32,  // and of the root of its second
}

var<immediate> step: Step;
