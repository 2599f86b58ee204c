//! What every check that needs a device is given.

use std::sync::Arc;

use crate::config::spec::Feed;
use crate::data::{Dataset, Standardisation};
use crate::engine::Job;
use crate::error::Result;
use crate::gpu::kernels::Shaders;
use crate::gpu::plan::Tuning;
use crate::gpu::{Gpu, GpuEngine, Options};

/// Whose work is checked.
pub struct Referee {
    /// The device.
    pub gpu: Arc<Gpu>,
    /// The built-in shaders, or wrong ones.
    pub shaders: Shaders,
}

impl Referee {
    /// The engine that is checked: streamed images and the plan's own tuning are `(Feed::Stream, None)`.
    pub(super) fn gpu_engine(
        &self,
        job: &Job,
        dataset: &Arc<Dataset>,
        standardisation: &Standardisation,
        (feed, tuning): (Feed, Option<Tuning>),
    ) -> Result<GpuEngine> {
        let options = Options { feed, tuning, shaders: self.shaders.clone() };
        GpuEngine::new(self.gpu.clone(), job, dataset.clone(), standardisation, &options)
    }
}
