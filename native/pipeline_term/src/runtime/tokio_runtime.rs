use super::{JobQueue, JobQueueError};
use std::future::Future;
use std::sync::LazyLock;
use std::thread::available_parallelism;
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

/// Resolution recurses in places, and hooks call what they like; this is as much as a main thread has. Only
/// pages that are touched take memory.
const STACK: usize = 8 << 20;

/// The threads for work that blocks: those of all gates, and those that hooks without an end may take away.
const THREADS: usize = 512;

/// How many pieces of background work run at once; more wait for their turn.
const IN_BACKGROUND: usize = 8;

static BACKGROUND: JobQueue = JobQueue::new(IN_BACKGROUND, usize::MAX);

/// There until the VM ends. A thread for blocking work that has had none for ten seconds ends.
static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    // They only poll; with one alone, a future that does not give it back would hold all others up.
    let workers = available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4));
    Builder::new_multi_thread()
        .worker_threads(workers)
        .max_blocking_threads(THREADS)
        .thread_name("pipeline")
        .thread_stack_size(STACK)
        .enable_all()
        .build()
});

/// The system gives no threads for the runtime.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "the system gives no threads for the runtime of the native library; raise the limit on threads"
)]
pub struct NoRuntime;

/// The library's runtime.
pub(crate) fn runtime() -> Result<&'static Runtime, NoRuntime> {
    RUNTIME.as_ref().map_err(|_| NoRuntime)
}

/// Runs `work` on a thread of the library's runtime, beside at most seven other pieces; more wait for their
/// turn.
///
/// # Errors
/// When the system gave no threads for the runtime.
pub fn run_in_background(work: impl FnOnce() + Send + 'static) -> Result<(), JobQueueError> {
    BACKGROUND.submit(Box::new(work)).map(|_| ())
}

/// Runs a future on the library's runtime, which other futures share: it must not block its thread.
///
/// # Errors
/// When the system gave no threads for the runtime.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Result<AbortHandle, NoRuntime> {
    Ok(runtime()?.spawn(future).abort_handle())
}
