use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where a plugin stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleState {
    /// Its manifest was read and is valid.
    Discovered,
    /// Its dependencies are there.
    Resolved,
    /// It is being initialised and started; its hooks are not in place.
    Loading,
    /// It runs, with its hooks in place.
    Started,
    /// It waits for something that it depends on, without a process and without hooks.
    Held,
    /// No new run calls its hooks; those that began before may still.
    Draining,
    /// It was stopped on purpose, and stays so until it is started on purpose.
    Stopped,
    /// It crashed too often, or could not be started again.
    Failed,
}

/// A transition that the machine does not have.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a {from} plugin cannot become {to}; it can become {}", Choice(from.next()))]
pub struct IllegalTransition {
    /// The state it is in.
    pub from: LifecycleState,
    /// The state it was to enter.
    pub to: LifecycleState,
}

impl LifecycleState {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Discovered,
        Self::Resolved,
        Self::Loading,
        Self::Started,
        Self::Held,
        Self::Draining,
        Self::Stopped,
        Self::Failed,
    ];

    /// The states that it can enter from this one.
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Discovered => &[Self::Resolved, Self::Held, Self::Stopped, Self::Failed],
            Self::Resolved | Self::Stopped => &[Self::Loading, Self::Held, Self::Failed],
            Self::Loading => &[Self::Started, Self::Failed, Self::Held],
            // A plugin that is upgraded is started as another version of itself.
            Self::Started => &[Self::Started, Self::Draining, Self::Failed],
            // Back to started when those still at work kept it from stopping.
            Self::Draining => &[Self::Started, Self::Stopped, Self::Held, Self::Failed],
            // Held again: for something else.
            Self::Held => &[Self::Held, Self::Loading, Self::Stopped, Self::Failed],
            Self::Failed => &[Self::Loading, Self::Held, Self::Stopped],
        }
    }

    /// Whether a plugin in it is kept without running: held, stopped or failed.
    pub fn is_idle(self) -> bool {
        matches!(self, Self::Held | Self::Stopped | Self::Failed)
    }

    /// The state `to`, if there is a way to it from this one.
    ///
    /// # Errors
    ///
    /// [`IllegalTransition`].
    pub fn enter(self, to: Self) -> Result<Self, IllegalTransition> {
        if self.next().contains(&to) {
            Ok(to)
        } else {
            Err(IllegalTransition { from: self, to })
        }
    }

    /// The state as it is written in an event.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discovered => "discovered",
            Self::Resolved => "resolved",
            Self::Loading => "loading",
            Self::Started => "started",
            Self::Held => "held",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for LifecycleState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// States as a choice: `a, b or c`.
struct Choice(&'static [LifecycleState]);

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, state) in self.0.iter().enumerate() {
            match index {
                0 => {}
                _ if index + 1 == self.0.len() => f.write_str(" or ")?,
                _ => f.write_str(", ")?,
            }
            state.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::LifecycleState;

    #[test]
    fn names_and_states_are_one_to_one() {
        for state in LifecycleState::ALL {
            assert_eq!(LifecycleState::from_name(state.name()), Some(state));
            assert_eq!(
                serde_json::to_string(&state).unwrap(),
                format!("\"{state}\"")
            );
        }
        assert_eq!(LifecycleState::from_name("sleeping"), None);
    }

    #[test]
    fn what_stands_can_always_be_started_again() {
        // From wherever a plugin is kept, there is a way back to started.
        for state in LifecycleState::ALL {
            let mut reached = vec![state];
            let mut at = 0;
            while let Some(&next) = reached.get(at) {
                reached.extend(
                    next.next()
                        .iter()
                        .copied()
                        .filter(|state| !reached.contains(state))
                        .collect::<Vec<_>>(),
                );
                at += 1;
            }
            assert!(reached.contains(&LifecycleState::Started), "from {state}");
        }
    }

    #[test]
    fn nothing_is_started_without_loading() {
        for state in LifecycleState::ALL {
            let straight = state.enter(LifecycleState::Started).is_ok();
            let loaded = matches!(
                state,
                LifecycleState::Loading | LifecycleState::Started | LifecycleState::Draining
            );
            assert_eq!(straight, loaded, "from {state}");
        }
    }
}
