use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use super::subscriber::SubscriptionHandle;

/// A subscriber's end of an [`EventBus`](super::EventBus) that waits on Tokio. Dropping it ends the
/// subscription.
pub struct AsyncSubscription<E> {
    events: Receiver<Arc<E>>,
    place: SubscriptionHandle<E>,
}

impl<E> AsyncSubscription<E> {
    pub(super) fn new(events: Receiver<Arc<E>>, place: SubscriptionHandle<E>) -> Self {
        Self { events, place }
    }

    /// The next event; waits for it. `None` when the bus is gone and the queue empty.
    ///
    /// Dropping the future loses no event.
    pub async fn recv(&mut self) -> Option<Arc<E>> {
        self.events.recv().await
    }

    /// The next event, if there is one.
    pub fn try_recv(&mut self) -> Option<Arc<E>> {
        self.events.try_recv().ok()
    }

    /// How many events were lost so far, because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.place.dropped()
    }
}

impl<E> fmt::Debug for AsyncSubscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncSubscription")
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}
