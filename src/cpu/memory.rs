//! What a training takes of the machine's memory.

use super::rows::Rows;
use crate::data::split::Split;
use crate::data::{Mix, Move};
use crate::engine::Job;
use crate::model::regularise::Target;

/// Images of an evaluation's task: 3 MB of f32, and enough tasks for every thread. Fixed, so that no sum depends on
/// the threads.
pub(super) const EVALUATION_IMAGES: usize = 256;

/// 32 steps of B = 100 are 6 ms of one model and 50 of ten: short enough for a progress bar, long enough that the calls cost nothing.
pub(super) const CHUNK_STEPS: usize = 32;

/// What does not grow with the networks: the program's own tables, and what an allocator keeps between two uses. At
/// H = B = 1,000 on 2 threads a run took 23 MiB more than the rest of the sum.
const REST: u128 = 64 << 20;

/// The most bytes that a training of `job` in f32 on the CPU engine has at once, but for the images.
///
/// Of each network there are at most six copies: its weights here, and, while a checkpoint is saved, its state twice, its
/// bytes twice, and the best state so far; and a gradient of all but W1. The rest is what grows with the batch, the images and
/// the threads.
pub fn memory(job: &Job, split: &Split, threads: usize) -> u128 {
    let classes = job.model.classes as u128;
    let hidden = job.model.hidden.iter().sum::<usize>() as u128;
    let [models, shuffles, batch] = [job.models(), job.shuffles, job.batch_size].map(|size| size as u128);
    let parts = [&split.train, &split.validation, &split.test].map(Vec::len);
    let images = parts.iter().sum::<usize>() as u128;
    // With the optimizer's moments; and where there are any, the gradient.
    let kinds = 1 + job.optimizer.moments().len() as u128;
    let copies = if kinds > 1 { kinds + 1 } else { 1 };
    let parameters = kinds * job.model.parameters() as u128;
    // What enters the hidden layers, activations, their gradients, those of the layer before, and on the way back both once more,
    // of one image.
    let activations = hidden + 5 * (hidden + classes);
    // Of an image's inputs or a unit's weights.
    let row = |inputs: usize| 4 * Rows::<f32>::zeros(0, inputs).stride() as u128;
    let layers = job.model.layers().take(job.model.hidden.len().max(1));
    let wide = layers.clone().map(|[from, to]| to as u128 * row(from)).sum::<u128>();
    // The output layer and the biases.
    let small = parameters - kinds * layers.map(|[from, to]| (from * to) as u128).sum::<u128>();
    let row = row(job.model.inputs);
    let networks = models * (copies * wide + 4 * (5 * parameters + 2 * small + batch * activations));
    // Of f32; where few parts of models share a batch it is of bytes.
    let batches = 2 * shuffles * batch * row;
    // The images' numbers: in the split and two copies, shuffled, and of a chunk's steps.
    let of_a_chunk = shuffles * CHUNK_STEPS as u128 * batch;
    let rows = 4 * (images * 3 + shuffles * split.train.len() as u128 + of_a_chunk);
    // How those of a chunk are moved and mixed, and what a step teaches of them.
    let changes = of_a_chunk * (size_of::<Move>() + size_of::<Mix>()) as u128
        + 2 * shuffles * batch * size_of::<Target>() as u128;
    // A thread that waits inside one block of an evaluation may begin another.
    let blocks = (2 * threads).min(parts.into_iter().fold(0, usize::max).div_ceil(EVALUATION_IMAGES)) as u128;
    let evaluation = blocks * EVALUATION_IMAGES as u128 * (4 * activations + row);
    // Twice the logits of the test images, for the answers.
    let answers = 2 * 4 * models * split.test.len() as u128 * classes;
    networks + batches + rows + changes + evaluation + answers + REST
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Hidden, ModelSpec};

    #[test]
    fn a_network_more_takes_all_its_copies_of_every_tensor() {
        let split = Split { train: vec![0, 1], validation: vec![], test: vec![] };
        for (inputs, hidden, classes) in [(3072, 50, 10), (16, 1000, 200)] {
            let model = ModelSpec { inputs, hidden: Hidden::one(hidden), classes };
            let of = |models| {
                let job = Job { decay: vec![0.0; models], batch_size: 1, ..Job::new(model.clone()) };
                memory(&job, &split, 1)
            };
            let (all, w1) = (model.parameters(), inputs * hidden);
            assert!(of(11) - of(1) >= 10 * 4 * (6 * all + (all - w1)) as u128, "{model:?}");
        }
    }
}
