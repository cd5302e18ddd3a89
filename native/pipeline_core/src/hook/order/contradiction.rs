use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::hook::HookKind;

/// Why one hook has to run before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrecedenceReason {
    /// The earlier one declares `before:` the later one's plugin.
    DeclaredBefore,
    /// The later one declares `after:` the earlier one's plugin.
    DeclaredAfter,
    /// Neither moves, and priority, dependency or registration put them so.
    Standing,
}

/// One step of a [`Contradiction`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Precedence<Id> {
    /// The plugin whose hook has to run first.
    pub earlier: Id,
    /// The plugin whose hook has to run later.
    pub later: Id,
    /// The reason.
    pub reason: PrecedenceReason,
}

/// Named constraints that cannot all hold: a cycle, and no shorter one exists.
///
/// Each step's `later` is the next one's `earlier`, and the last one's `later` is the first one's `earlier`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradiction<Id> {
    /// The kind of the hooks.
    pub kind: HookKind,
    /// The steps of the cycle. At least one is declared.
    pub cycle: Vec<Precedence<Id>>,
}

impl<Id: fmt::Display> fmt::Display for Precedence<Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            earlier,
            later,
            reason,
        } = self;
        write!(f, "{earlier} before {later} (")?;
        match reason {
            PrecedenceReason::DeclaredBefore => write!(f, "{earlier} declares before: {later}"),
            PrecedenceReason::DeclaredAfter => write!(f, "{later} declares after: {earlier}"),
            PrecedenceReason::Standing => f.write_str("priority, dependency or registration"),
        }?;
        f.write_str(")")
    }
}

impl<Id: fmt::Display> fmt::Display for Contradiction<Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} hooks cannot be put in order: ", self.kind)?;
        for (position, step) in self.cycle.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(f, "{separator}{step}")?;
        }
        f.write_str("; remove one of the declared constraints")
    }
}

impl<Id: fmt::Debug + fmt::Display> Error for Contradiction<Id> {}
