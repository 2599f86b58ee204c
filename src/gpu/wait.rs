//! Waiting for the device. Once it is open, nothing else blocks; in a browser these would be asynchronous.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use wgpu::{BufferAsyncError, BufferUsages, CommandBuffer, PollError, PollType, SubmissionIndex};

use super::context::Gpu;
use super::recorder::Phase;
use crate::error::Result;

/// Longest wait for one submission. A chunk is planned to take under 0.1 s on a real GPU and some seconds on a software
/// adapter; a minute without an end is a hang.
const HANG: Duration = Duration::from_secs(60);

thread_local! {
    static POLLING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread waits for a GPU, when a panic is the library's way to say that the device was lost. It is caught
/// and becomes an error; a program's panic hook should be silent about it.
pub fn is_polling() -> bool {
    POLLING.get()
}

impl Gpu {
    /// Waits until `submission` is done.
    pub(super) fn wait(&self, submission: &SubmissionIndex) -> Result<()> {
        self.recorder.phase(Phase::Wait, || self.poll(submission))
    }

    fn poll(&self, submission: &SubmissionIndex) -> Result<()> {
        // In one piece: a wait that ends early panics in wgpu if another thread has just seen the queue empty.
        let poll = PollType::Wait { submission_index: Some(submission.clone()), timeout: Some(HANG) };
        // A device lost while waiting makes `poll` panic, whatever handler is set.
        POLLING.set(true);
        let polled = catch_unwind(AssertUnwindSafe(|| self.device.poll(poll)));
        POLLING.set(false);
        let what = match polled {
            Ok(Ok(_)) => return self.check(),
            Ok(Err(PollError::Timeout)) => {
                self.check()?;
                &format!("no answer for {} s: the GPU hangs", HANG.as_secs())
            }
            // A submission that the driver refused, which nothing else tells of.
            Ok(Err(PollError::WrongSubmissionIndex(..))) => "the device was lost: the driver refused a submission",
            Err(_) => "the device was lost while waiting for it",
        };
        Err(self.failed(what))
    }

    /// Submits `commands` and waits until they are done.
    pub(crate) fn finish(&self, commands: impl IntoIterator<Item = CommandBuffer>) -> Result<()> {
        self.wait(&self.queue.submit(commands))
    }

    /// Copies the first `size` bytes of `buffer` to the host, after everything submitted so far.
    pub(crate) fn read<T: bytemuck::Pod>(&self, buffer: &wgpu::Buffer, size: u64) -> Result<Vec<T>> {
        self.copy(buffer, 0, size)?.take(self)
    }

    /// Queues a copy of `size` bytes of `buffer` from `offset` on, after everything submitted so far.
    pub(super) fn copy(&self, buffer: &wgpu::Buffer, offset: u64, size: u64) -> Result<Copy> {
        let staging = self.create("reading back", size, BufferUsages::MAP_READ | BufferUsages::COPY_DST)?;
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, size);
        let submission = self.recorder.phase(Phase::Submit, || self.queue.submit([encoder.finish()]));
        let (send, mapped) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody is left to be told if the receiver is gone.
            let _ = send.send(result);
        });
        Ok(Copy { staging, submission, mapped })
    }
}

/// Bytes on their way to the host.
pub(super) struct Copy {
    staging: wgpu::Buffer,
    submission: SubmissionIndex,
    mapped: Receiver<std::result::Result<(), BufferAsyncError>>,
}

impl Copy {
    /// Waits for them; any thread may.
    pub(super) fn take<T: bytemuck::Pod>(self, gpu: &Gpu) -> Result<Vec<T>> {
        gpu.wait(&self.submission)?;
        // Another thread that waits for the same device may be the one that runs the callback.
        let mapped = self
            .mapped
            .recv_timeout(HANG)
            .map_err(|_| gpu.failed("the driver did not map a buffer that it had finished"))?;
        let unread = |error: &dyn std::fmt::Display| gpu.failed(&format!("cannot read results back: {error}"));
        mapped.map_err(|error| unread(&error))?;
        let view = self.staging.get_mapped_range(..).map_err(|error| unread(&error))?;
        // The bytes may lie anywhere.
        Ok(bytemuck::pod_collect_to_vec(&view))
    }
}
