use parking_lot::{Condvar, Mutex};
use std::time::Duration;

/// A call whose caller waits for an answer: it is answered or cancelled, and never both.
///
/// The side that answers claims that first. So a caller that has cancelled knows that no message comes, and
/// one that came too late to cancel that a message does.
#[derive(Debug, Default)]
pub(crate) struct PendingCall {
    state: Mutex<CallState>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum CallState {
    #[default]
    Open,
    Answered,
    Cancelled,
}

impl PendingCall {
    /// Whether the answer may be sent, which this is then taken for.
    pub(crate) fn claim(&self) -> bool {
        self.end(CallState::Answered)
    }

    /// Whether it is cancelled, now or before; `false` if it is answered.
    pub(crate) fn cancel(&self) -> bool {
        self.end(CallState::Cancelled) || self.is_cancelled()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        *self.state.lock() == CallState::Cancelled
    }

    /// Waits for the call to be cancelled, no longer than `time`; whether it is.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let mut state = self.state.lock();
        self.changed
            .wait_while_for(&mut state, |state| *state == CallState::Open, time);
        *state == CallState::Cancelled
    }

    fn end(&self, end: CallState) -> bool {
        let mut state = self.state.lock();
        let open = *state == CallState::Open;
        if open {
            *state = end;
            self.changed.notify_all();
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::PendingCall;

    #[test]
    fn what_is_cancelled_is_not_answered() {
        let call = PendingCall::default();
        assert!(call.cancel() && call.cancel());
        assert!(!call.claim());
        assert!(call.is_cancelled());
    }

    #[test]
    fn what_is_answered_is_not_cancelled() {
        let call = PendingCall::default();
        assert!(call.claim());
        assert!(!call.cancel() && !call.is_cancelled());
    }
}
