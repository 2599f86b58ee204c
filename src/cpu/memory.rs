//! What a training takes of the machine's memory.

use super::forward::slices;
use super::{CHUNK_STEPS, EVALUATION_IMAGES};
use crate::data::split::Split;
use crate::engine::Job;

/// What does not grow with the networks: the program's own tables, and what an allocator keeps between two uses. At
/// H = B = 1,000 on 2 threads a run took 56 MiB more than the rest of the sum.
const REST: u128 = 64 << 20;

/// The most bytes that a training of `job` in f32 on the CPU engine has at once, but for the images.
///
/// Of each network there are at most seven copies: weights and gradient here, and, while a checkpoint is saved, its state
/// twice, its bytes twice, and the best state so far. The rest is what grows with the batch, the images and the threads.
pub fn memory(job: &Job, split: &Split, threads: usize) -> u128 {
    let [inputs, hidden, classes] = [job.model.inputs, job.model.hidden, job.model.classes].map(|size| size as u128);
    let [models, shuffles, batch] = [job.models(), job.shuffles, job.batch_size].map(|size| size as u128);
    let parts = [&split.train, &split.validation, &split.test].map(Vec::len);
    let images = parts.iter().sum::<usize>() as u128;
    let parameters = job.model.parameters() as u128;
    // Partial sums, activations and their gradients, of one image.
    let activations = slices(&job.model) as u128 * hidden + 2 * (hidden + classes);
    // A byte and an f32 of each pixel.
    let pixels = 5 * inputs;
    let networks = models * 4 * (7 * parameters + batch * activations);
    let batches = 2 * shuffles * batch * pixels;
    // The images' numbers: in the split and two copies, shuffled, and of a chunk's steps.
    let rows = 4 * (images * 3 + shuffles * (split.train.len() as u128 + CHUNK_STEPS as u128 * batch));
    // A thread that waits inside one block of an evaluation may begin another.
    let blocks = (2 * threads).min(parts.into_iter().fold(0, usize::max).div_ceil(EVALUATION_IMAGES)) as u128;
    let evaluation = blocks * EVALUATION_IMAGES as u128 * (4 * activations + pixels);
    // Twice the logits of the test images, for the answers.
    let answers = 2 * 4 * models * split.test.len() as u128 * classes;
    networks + batches + rows + evaluation + answers + REST
}
