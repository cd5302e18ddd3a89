use super::native_around::AnyState;
use parking_lot::Mutex;
use std::panic::{AssertUnwindSafe, catch_unwind};
use thiserror::Error;

/// How often an around may go in again in one run.
const MOST: u32 = 1_000;

/// One run's stay inside an around, held by a term of the run's process.
pub(crate) struct Visit(Mutex<Stay>);

struct Stay {
    /// Gone once the run has left.
    state: Option<AnyState>,
    again: u32,
}

impl Drop for Stay {
    fn drop(&mut self) {
        // The VM calls this for a process that died inside, and cannot be given a panic.
        let state = self.state.take();
        let _ = catch_unwind(AssertUnwindSafe(move || drop(state)));
    }
}

/// An around that does not come to an end.
#[derive(Debug, Error)]
#[error("it went in again {MOST} times in one run; let it give up earlier")]
pub(super) struct TooOften;

impl Visit {
    pub(super) fn new(state: AnyState) -> Self {
        Self(Mutex::new(Stay {
            state: Some(state),
            again: 0,
        }))
    }

    /// Takes the state out, for the way out; `None` if it is out already.
    pub(super) fn take(&self) -> Option<AnyState> {
        self.0.lock().state.take()
    }

    /// Puts the state back, since the run goes in again.
    pub(super) fn go_in_again(&self, state: AnyState) -> Result<(), TooOften> {
        let mut stay = self.0.lock();
        if stay.again == MOST {
            return Err(TooOften);
        }
        stay.again += 1;
        stay.state = Some(state);
        Ok(())
    }
}
