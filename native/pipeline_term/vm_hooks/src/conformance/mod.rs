//! The conformance cases of `test/support/conformance`, in Rust.
//!
//! A hook is a list of steps, which comes from the case as data. Here the steps are taken twice: on
//! the context of a VM, by a native hook ([`native`]), and on plain data, by the closures of a chain of the
//! core that knows no VM ([`core_alone`]). `Pipeline.Conformance.Program` is the same in Elixir.

mod called;
mod case;
mod chain;
mod core_alone;
mod instruction;
mod listeners;
mod native;
mod native_around;
mod outcome;
mod program;
mod program_error;
mod trail;
