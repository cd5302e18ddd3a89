use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// The time that a hook takes for itself. It stands still while the hook is in its `next`.
pub(super) struct Clock {
    state: Mutex<ClockState>,
}

#[derive(Clone, Copy)]
enum ClockState {
    Runs { until: Instant },
    Stands { left: Duration },
}

impl Clock {
    pub(super) fn new(limit: Duration) -> Self {
        let mut state = ClockState::Stands { left: limit };
        state.run();
        Self {
            state: Mutex::new(state),
        }
    }

    /// Stops the clock until the result is dropped.
    pub(super) fn pause(&self) -> Paused<'_> {
        let mut state = self.state.lock();
        if let ClockState::Runs { until } = *state {
            let left = until.saturating_duration_since(Instant::now());
            *state = ClockState::Stands { left };
        }
        Paused { clock: self }
    }

    /// Runs a future until the time is up; then `None`.
    pub(super) async fn limit<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let mut alarm = pin!(sleep_until(Instant::now()));
        poll_fn(move |cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            let ClockState::Runs { until } = *self.state.lock() else {
                // Whatever ends the pause wakes this task.
                return Poll::Pending;
            };
            if alarm.deadline() != until {
                alarm.as_mut().reset(until);
            }
            alarm.as_mut().poll(cx).map(|()| None)
        })
        .await
    }
}

impl ClockState {
    fn run(&mut self) {
        if let Self::Stands { left } = *self {
            let now = Instant::now();
            // A limit beyond what the clock can tell is a century.
            let until = now.checked_add(left);
            let until = until.unwrap_or_else(|| now + Duration::from_hours(24 * 36_525));
            *self = Self::Runs { until };
        }
    }
}

pub(super) struct Paused<'c> {
    clock: &'c Clock,
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.clock.state.lock().run();
    }
}
