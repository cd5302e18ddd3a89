//! The order of the hooks on one point.
//!
//! Each kind is ordered by itself, in two steps:
//!
//! 1. The *standing order*: higher priority first; among equal priorities, plugins after those they depend
//!    on, also by way of plugins that have no hook here; then the order of registration.
//! 2. *Named constraints* (`before: :other`, `after: [:a, :b]`) on top of that. They win over priority and
//!    apply while the named plugin has hooks of the same kind on the point. The hook that declares a
//!    constraint moves, to just before or just after the hooks it names; all others keep their order among
//!    themselves.
//!
//! Constraints that cannot all hold are a [`Contradiction`], which spells the shortest cycle out.
//!
//! ```
//! use pipeline_core::hook::{HookKind, order::{OrderEntry, order}};
//!
//! let hooks = [
//!     OrderEntry::new("audit", HookKind::Before, 50, 1),
//!     OrderEntry::new("redact", HookKind::Before, 90, 2),
//!     OrderEntry::new("log", HookKind::Before, 10, 3).before(["redact"]),
//! ];
//! // No plugin depends on another.
//! let sequence = order(&hooks, |_| &[]).unwrap();
//! assert_eq!(sequence, [2, 1, 0]);
//! ```

mod arrange;
mod constraint;
mod contradiction;
mod dependency;
mod entry;
mod placed;
mod placement;
mod precedence;

pub use arrange::order;
pub use contradiction::{Contradiction, Precedence, PrecedenceReason};
pub use entry::OrderEntry;
pub(crate) use placed::place_by_builders;
