use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use thiserror::Error;

use super::subscriber::SubscriptionHandle;

/// A subscriber's end of an [`EventBus`](super::EventBus). Dropping it ends the subscription.
pub struct Subscription<E> {
    events: Receiver<Arc<E>>,
    place: SubscriptionHandle<E>,
}

/// Why no event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WaitError {
    /// None came in time.
    #[error("no event came in time; wait again")]
    Timeout,
    /// The bus is gone, and the queue is empty.
    #[error("the event bus is gone, so that no event will come; end the loop")]
    Closed,
}

impl<E> Subscription<E> {
    pub(super) fn new(events: Receiver<Arc<E>>, place: SubscriptionHandle<E>) -> Self {
        Self { events, place }
    }

    /// The next event; waits for it. `None` when the bus is gone and the queue empty.
    pub fn recv(&self) -> Option<Arc<E>> {
        self.events.recv().ok()
    }

    /// The next event, if there is one.
    pub fn try_recv(&self) -> Option<Arc<E>> {
        self.events.try_recv().ok()
    }

    /// The next event; waits for it no longer than this.
    ///
    /// # Errors
    ///
    /// [`WaitError`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Arc<E>, WaitError> {
        self.events
            .recv_timeout(timeout)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => WaitError::Timeout,
                RecvTimeoutError::Disconnected => WaitError::Closed,
            })
    }

    /// The events as they come, until the bus is gone.
    pub fn iter(&self) -> impl Iterator<Item = Arc<E>> {
        self.events.iter()
    }

    /// How many events were lost so far, because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.place.dropped()
    }
}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}
