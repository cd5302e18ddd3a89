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
//! Whoever keeps plugins asks [`State::enter`] before it changes one, so that there is no other way through.
//!
//! ```
//! use pipeline_core::lifecycle::{IllegalTransition, State};
//!
//! let state = State::Started.enter(State::Draining)?;
//! assert_eq!(state.enter(State::Stopped)?, State::Stopped);
//! let error = State::Stopped.enter(State::Started).unwrap_err();
//! assert_eq!(error.to_string(), "a stopped plugin cannot become started; it can become loading, held or failed");
//! # Ok::<_, IllegalTransition>(())
//! ```

mod state;

pub use state::{IllegalTransition, State};
