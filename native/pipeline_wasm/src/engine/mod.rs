//! The engine: modules, instances and calls. Nothing outside of this folder names wasmi.
//!
//! An import ends the call for the moment: the call is handed out of the engine with its request, which is served with
//! the context at hand, and goes on with the answer. So nothing of the context has to live in the engine, and no guest
//! runs within a call of the host.

mod budget;
mod compiled;
mod import;
mod instance;
mod limiter;
mod memory;

pub(crate) use budget::Budget;
pub(crate) use compiled::Compiled;
pub(crate) use import::Import;
pub(crate) use instance::{ImportServer, Instance, Served};
pub(crate) use memory::GuestMemory;

/// How large a module may be.
pub const MAX_MODULE_BYTES: usize = 8 * 1024 * 1024;

/// The bytes of a cell: of where a value stands in a guest's memory.
pub(crate) const CELL: u32 = 8;
