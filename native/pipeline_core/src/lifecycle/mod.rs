//! The life of a plugin: the states it passes through and the transitions between them.
//!
//! ```text
//! discovered → resolved → loading → started ⇄ draining → stopped
//!                            ↑         ↓          ↓         │
//!                            ├──────── failed ←───┤         │
//!                            ├──────── held   ←───┘         │
//!                            └──────────────────────────────┘
//! ```
//!
//! A keeper of plugins asks [`LifecycleState::enter`] before it changes one, so that there is no other way
//! through.
//!
//! ```
//! use pipeline_core::lifecycle::{IllegalTransition, LifecycleState};
//!
//! let state = LifecycleState::Started.enter(LifecycleState::Draining)?;
//! assert_eq!(state.enter(LifecycleState::Stopped)?, LifecycleState::Stopped);
//! let error = LifecycleState::Stopped.enter(LifecycleState::Started).unwrap_err();
//! assert_eq!(error.to_string(), "a stopped plugin cannot become started; it can become loading, held or failed");
//! # Ok::<_, IllegalTransition>(())
//! ```

mod state;

pub use state::{IllegalTransition, LifecycleState};
