//! Events: emitted by name, taken from bounded queues.
//!
//! An [`EventBus`] carries events of one type. Subscribers name what they want by a pattern, in which `*`
//! stands for any text and `?` for one character, and each has a queue of its own. To emit never waits: a
//! queue that is full loses the event, which its [`Subscription`] counts, and nobody else notices.
//!
//! A bus of one's own enum is typed; one of [`Named`] events takes any name.
//!
//! ```
//! use std::num::NonZeroU16;
//!
//! use pipeline_core::events::{EventBus, Named};
//!
//! let bus = EventBus::new();
//! let capacity = NonZeroU16::new(64).unwrap();
//! let orders = bus.subscribe("order_*", capacity);
//! bus.emit(Named::new("order_paid", 17));
//! bus.emit(Named::new("user_gone", 3));
//! assert_eq!(orders.try_recv().map(|event| event.payload), Some(17));
//! assert!(orders.try_recv().is_none());
//! assert_eq!(orders.dropped(), 0);
//! ```
//!
//! With the feature `async` there are subscribers that wait on Tokio: `EventBus::subscribe_async`. What a
//! [`Host`](crate::host::Host) has to tell are [`HostEvent`](crate::host::HostEvent)s.

#[cfg(feature = "async")]
mod async_subscription;
mod bus;
mod event;
mod subscriber;
mod subscription;

#[cfg(feature = "async")]
pub use async_subscription::AsyncSubscription;
pub use bus::EventBus;
pub use event::{Event, Named};
pub use subscription::{Subscription, WaitError};
