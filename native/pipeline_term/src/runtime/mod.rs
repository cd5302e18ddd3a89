//! Work that belongs on no scheduler: the library's Tokio runtime, and what decides who gets a thread of it.
//!
//! There is one runtime in a library, started with the first piece of work. Each use of its threads goes through a
//! [`Gate`], so that none takes them all from another.

mod call;
mod cancellation;
mod gate;
mod tokio_runtime;

pub use cancellation::Cancellation;
pub use gate::GateError;
pub use tokio_runtime::{NoRuntime, run_in_background};

pub(crate) use call::Call;
pub(crate) use gate::{Gate, Ticket};
pub(crate) use tokio_runtime::runtime;
