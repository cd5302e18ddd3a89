//! Hooks that end in every way a hook can, and the shipped ones beside them.

mod conformance;
mod copy_field;
mod ending;
mod guard;
mod hold;
mod memory;
mod pause;
mod reporter;
mod scheduler;
mod spin;

pipeline_term::library!("Elixir.VmHooks");
