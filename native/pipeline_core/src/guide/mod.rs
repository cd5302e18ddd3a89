//! The guide: a page for each concept, in the order in which a program meets them.
//!
//! 1. [Hosts and plugins](hosts): who loads whom, and what a load is.
//! 2. [Hooks and chains](hooks): the kinds of hooks, and what a run is.
//! 3. [Order](order): who comes first, and who says so.
//! 4. [Failures](failures): what happens when a hook fails, and who is told.
//! 5. [Resolution](resolution): which plugins go together, in which order, in which version.
//! 6. [The registry](registry): finding what is loaded.
//! 7. Hooks that wait, `guide::waiting`: Tokio, deadlines and cancellation (feature `async`).
//! 8. [Events](events): what a host tells, and what plugins tell each other.
//! 9. [Data](data): manifests and errors in and out of JSON.
//!
//! There is no code here, only examples; each of them is a test.

pub mod data;
pub mod events;
pub mod failures;
pub mod hooks;
pub mod hosts;
pub mod order;
pub mod registry;
pub mod resolution;
#[cfg(feature = "async")]
pub mod waiting;
