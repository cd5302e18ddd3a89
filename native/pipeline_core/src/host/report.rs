use super::HostEvent;
use crate::events::EventBus;
use crate::hook::{Cause, HookError};

/// Tells of the hooks that a run skips, also when it panics or is dropped.
pub(super) struct Report<'r, E> {
    events: &'r EventBus<HostEvent>,
    pub(super) skipped: &'r mut Vec<HookError<E>>,
    /// Those before were there already.
    from: usize,
}

impl<'r, E> Report<'r, E> {
    pub(super) fn new(events: &'r EventBus<HostEvent>, skipped: &'r mut Vec<HookError<E>>) -> Self {
        let from = skipped.len();
        Self {
            events,
            skipped,
            from,
        }
    }

    /// Tells of the hook that ended the run, behind those that it skipped.
    #[cold]
    pub(super) fn failed(mut self, error: &HookError<E>) {
        self.tell_skipped();
        self.tell(error, false);
    }

    fn tell_skipped(&mut self) {
        for error in self.skipped.get(self.from..).unwrap_or_default() {
            self.tell(error, true);
        }
        self.from = self.skipped.len();
    }

    fn tell(&self, error: &HookError<E>, skipped: bool) {
        if matches!(error.cause, Cause::CircuitOpen) {
            return;
        }
        let error = error.without_details();
        self.events.emit(HostEvent::HookFailed { error, skipped });
    }
}

impl<E> Drop for Report<'_, E> {
    fn drop(&mut self) {
        if self.skipped.len() > self.from {
            self.tell_skipped();
        }
    }
}
