//! Cyclone trains fully-connected classifiers on any GPU that wgpu reaches, and proves that the GPU computed the right
//! thing.
//!
//! # Notation
//!
//! `M` models trained at once · `B` images of a mini-batch · `D` inputs (3,072) · `H` hidden units · `C` classes (10) ·
//! `G` different batches of a step: 1 when all models share theirs, else `M` · `n_s` steps of a half-cycle. A tensor's
//! comment gives its shape in these letters, row-major: `W1 [D, H]`. A *step* is one mini-batch and one update, an *epoch*
//! one pass over the training images, a *cycle* two half-cycles, in which a cyclical learning rate goes up and down, a *chunk*
//! some steps submitted at once.
//!
//! # The network and its gradients
//!
//! For an image `x [D]` with label `y`:
//!
//! ```text
//! z      = x·W1 + b1                        x[d] = (pixel[d] − mean[d]) · scale[d]
//! hidden = max(0, z)
//! logit  = hidden·W2 + b2
//! p      = softmax(logit)
//! loss   = −ln p[y] = ln Σ_c exp(logit[c] − m) − (logit[y] − m),      m = max_c logit[c]
//! cost   = mean loss over the batch + λ/2·ΣW² (penalty `half`) or + λ·ΣW² (penalty `full`), W1 and W2 alone
//! ```
//!
//! From `∂loss/∂logit[c] = p[c] − [c = y]` the chain rule gives, over a batch of `B`, with `decay` = λ or 2λ:
//!
//! | equation | kernel |
//! |---|---|
//! | `x·W1`, in slices of the inputs | `forward` |
//! | `hidden`, `logit`, `loss`; `dlogit[b][c] = (p[b][c] − [c = y_b]) / B`; `dhidden[b][h] = [hidden[b][h] > 0] · Σ_c dlogit[b][c] · W2[h][c]` | `head` |
//! | `W1[d][h] −= rate · (Σ_b x[b][d] · dhidden[b][h] + decay · W1[d][h])` | `update` |
//! | `W2[h][c] −= rate · (Σ_b hidden[b][h] · dlogit[b][c] + decay · W2[h][c])`; `b2[c] −= rate · Σ_b dlogit[b][c]`; `b1[h] −= rate · Σ_b dhidden[b][h]` | `update` |
//! | a later layer's product `hidden·W` | `forward`, its inputs by `activations` |
//! | a hidden layer that is not the last: `hidden = max(0, z + b)` | `activate` |
//! | back through a later layer: `dz·Wᵀ`, then `[hidden > 0] ·` that | `forward`, its weights by `transposed`; `activate_backward` |
//! | a chunk's images, from those that stay on the GPU, mirrored, shifted and mixed | `gather` |
//! | sums of losses and right answers of an evaluation | `tally` |
//! | `ΣW²` | `squares` |
//!
//! This is a network of one hidden layer. One of more (`--hidden 512,256`) has a W and a b for each; `head` is its last hidden
//! layer with the output layer, and each layer before takes five dispatches more, all with the leading model axis. One of none
//! (`--hidden none`, softmax regression) has the logits in the place of `z`. The steps above are those of plain SGD; momentum and
//! `AdamW` are in [`model::optimizer`]. A training with label smoothing or mixup has other targets than `[c = y]`, and one with
//! dropout multiplies `hidden` or `x`, and what comes back through them, by its masks: [`model::regularise`].
//!
//! Each is a file `shaders/NAME.wgsl` for the GPU and `src/cpu/NAME.rs` for the CPU. [`model::reference`] is this page as code,
//! and [`verify`] judges both by it. What kernels have in common, and the parts of a long one, are files of their own
//! ([`gpu::kernels::Kernel::files`]).
//!
//! The two penalties exist because the assignment behind the reproduced report writes the cost with `λ·ΣW²`, while the
//! report's own numbers come out only with the gradient `λ·W`, that of `λ/2·ΣW²`.
//!
//! # The map
//!
//! Each module imports only modules that stand above it here; `tests/architecture.rs` checks that.
//!
//! | module | what it holds |
//! |---|---|
//! | [`error`] | every cause of failure, each with its exit code |
//! | [`util`] | files that are written whole or not at all, locks, signals, random numbers, statistics, counts and sizes |
//! | [`model`] | networks: shape, tensors, initial values, optimizers, what keeps it from learning by heart, and the [reference](model::reference) in f64 |
//! | [`data`] | images: sources, splits, standardisation, augmentation, mini-batches, download |
//! | [`config`] | settings: presets, files and flags as layers over the same keys; learning-rate schedules |
//! | [`engine`] | what an engine can do |
//! | [`proof`] | the proof that goes with a run: an engine's results computed again by the reference while it trains |
//! | [`cpu`] | the CPU engine |
//! | [`gpu`] | the GPU engine; the two never import each other |
//! | [`device`] | opens either |
//! | [`train`] | the training loop, written once for both; the learning-rate range test |
//! | [`records`] | every file of a run, written and read here |
//! | [`ranks`] | the processes of one MPI job |
//! | [`search`] | many trainings: trials ranked, the report's experiments beside its numbers |
//! | [`verify`] | the referee: both engines against the reference, every kernel and gradient |
//! | [`profile`] | where the time goes, on each device, against what the device can do |
//! | [`export`] | a trained network in other programs' formats, its predictions, and its scores on any images |
//! | [`report`] | records drawn: one page, and its charts as SVG and PNG |
//! | [`terminal`] | tables, progress, notices |
//! | [`commands`] | flags, and what each command does |
//!
//! # Promises
//!
//! - The same seed gives the same bits on the same device and build: run again, cut into other chunks, alone or among `M`
//!   models. No sum's order depends on `M`, and no sum uses atomics.
//! - Pixels stay bytes until they are inside a kernel, and between evaluations nothing waits for what a GPU gives back.
//! - A job of any number of ranks searches to the same records; trainings on the same number of ranks have the same bits.
//! - No fallback is silent: the program says which device and which images it uses.

pub mod commands;
pub mod config;
pub mod cpu;
pub mod data;
pub mod device;
pub mod engine;
pub mod error;
pub mod export;
pub mod gpu;
pub mod model;
pub mod profile;
pub mod proof;
pub mod ranks;
pub mod records;
pub mod report;
pub mod search;
pub mod terminal;
pub mod train;
pub mod util;
pub mod verify;
