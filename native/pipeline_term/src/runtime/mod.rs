//! Jobs that belong on no scheduler: the library's Tokio runtime, and the queue for its threads.
//!
//! There is one runtime in a library, started with the first piece of work. Each use of its threads goes
//! through a [`JobQueue`], so that none takes them all from another.

mod cancellation;
mod job_queue;
mod pending_call;
mod tokio_runtime;

pub use cancellation::Cancellation;
pub use job_queue::JobQueueError;
pub use tokio_runtime::{NoRuntime, run_in_background, spawn};

pub(crate) use job_queue::{JobId, JobQueue};
pub(crate) use pending_call::PendingCall;
pub(crate) use tokio_runtime::runtime;
