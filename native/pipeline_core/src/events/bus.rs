use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use wildmatch::WildMatch;

#[cfg(feature = "async")]
use super::AsyncSubscription;
use super::subscriber::{Queue, Subscriber, Subscribers, SubscriptionHandle};
use super::{Event, Subscription};

/// Carries events to whoever has subscribed. Clones are the same bus.
///
/// Events of one thread arrive in the order in which they were emitted.
pub struct EventBus<E> {
    subscribers: Arc<Subscribers<E>>,
}

impl<E: Event> EventBus<E> {
    /// A bus without subscribers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands an event to all whose pattern fits its name, without waiting for any of them. Returns how many
    /// took it.
    pub fn emit(&self, event: E) -> usize {
        let event = Arc::new(event);
        let subscribers = self.subscribers.read();
        let fitting = subscribers
            .iter()
            .filter(|subscriber| subscriber.pattern.matches(event.name()));
        let taken = fitting
            .filter(|subscriber| subscriber.offer(&event))
            .count();
        drop(subscribers);
        taken
    }

    /// Subscribes to the events whose name fits the pattern, from now on. The queue holds as many as
    /// `capacity`; what comes while it is full is lost and counted. The memory for the queue is taken at
    /// once.
    pub fn subscribe(&self, pattern: &str, capacity: NonZeroU16) -> Subscription<E> {
        let (sender, receiver) = sync_channel(capacity.get().into());
        Subscription::new(receiver, self.add(pattern, Queue::Sync(sender)))
    }

    /// As [`EventBus::subscribe`], for a subscriber that waits on Tokio (feature `async`).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::num::NonZeroU16;
    ///
    /// use pipeline_core::events::{EventBus, Named};
    ///
    /// let bus = EventBus::new();
    /// let mut all = bus.subscribe_async("*", NonZeroU16::new(64).unwrap());
    /// bus.emit(Named::new("user_gone", 3));
    /// assert_eq!(all.recv().await.unwrap().payload, 3);
    /// # }
    /// ```
    #[cfg(feature = "async")]
    pub fn subscribe_async(&self, pattern: &str, capacity: NonZeroU16) -> AsyncSubscription<E> {
        let (sender, receiver) = tokio::sync::mpsc::channel(capacity.get().into());
        AsyncSubscription::new(receiver, self.add(pattern, Queue::Async(sender)))
    }

    fn add(&self, pattern: &str, queue: Queue<E>) -> SubscriptionHandle<E> {
        let place = SubscriptionHandle {
            subscribers: Arc::downgrade(&self.subscribers),
            dropped: Arc::default(),
        };
        self.subscribers.write().push(Subscriber {
            pattern: WildMatch::new(pattern),
            queue,
            dropped: place.dropped.clone(),
        });
        place
    }
}

impl<E> Clone for EventBus<E> {
    fn clone(&self) -> Self {
        Self {
            subscribers: self.subscribers.clone(),
        }
    }
}

impl<E> Default for EventBus<E> {
    fn default() -> Self {
        Self {
            subscribers: Arc::default(),
        }
    }
}

impl<E> fmt::Debug for EventBus<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBus")
            .field("subscribers", &self.subscribers.read().len())
            .finish()
    }
}
