use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Weak};

use parking_lot::RwLock;
#[cfg(feature = "async")]
use tokio::sync::mpsc;
use wildmatch::WildMatch;

/// The subscribers of a bus.
pub(super) type Subscribers<E> = RwLock<Vec<Subscriber<E>>>;

/// The bus's end of a subscription.
pub(super) struct Subscriber<E> {
    pub(super) pattern: WildMatch,
    pub(super) queue: Queue<E>,
    /// Counts what was lost, and tells subscribers apart.
    pub(super) dropped: Arc<AtomicU64>,
}

pub(super) enum Queue<E> {
    Sync(SyncSender<Arc<E>>),
    #[cfg(feature = "async")]
    Async(mpsc::Sender<Arc<E>>),
}

impl<E> Subscriber<E> {
    /// Hands an event over, or counts it as lost. Whether it was taken.
    pub(super) fn offer(&self, event: &Arc<E>) -> bool {
        let (taken, full) = match &self.queue {
            Queue::Sync(queue) => match queue.try_send(event.clone()) {
                Ok(()) => (true, false),
                Err(refused) => (false, matches!(refused, TrySendError::Full(_))),
            },
            #[cfg(feature = "async")]
            Queue::Async(queue) => match queue.try_send(event.clone()) {
                Ok(()) => (true, false),
                Err(refused) => (false, matches!(refused, mpsc::error::TrySendError::Full(_))),
            },
        };
        if full {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }
}

/// The subscriber's end: what it lost, and its place on the bus until it is dropped.
pub(super) struct SubscriptionHandle<E> {
    pub(super) subscribers: Weak<Subscribers<E>>,
    pub(super) dropped: Arc<AtomicU64>,
}

impl<E> SubscriptionHandle<E> {
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl<E> Drop for SubscriptionHandle<E> {
    fn drop(&mut self) {
        let Some(subscribers) = self.subscribers.upgrade() else {
            return;
        };
        let mut list = subscribers.write();
        let at = list
            .iter()
            .position(|subscriber| Arc::ptr_eq(&subscriber.dropped, &self.dropped));
        let gone = at.map(|at| list.remove(at));
        drop(list);
        // Events may be dropped with it, which must not find the list locked.
        drop(gone);
    }
}
