//! Where a segment runs: on the scheduler that called it, or on a dirty one. docs/decisions/0023 tells why.

mod average;
mod budget;
mod clock;
mod timeslice;
mod watch;

pub(crate) use average::{Average, Reading};
pub(crate) use budget::Budget;
pub(crate) use clock::now;
pub(crate) use timeslice::report_timeslice;
pub(crate) use watch::Watch;
