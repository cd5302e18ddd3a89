//! Events on their way from emitters to subscribers.
#![cfg(not(loom))]

use std::num::NonZeroU16;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use pipeline_core::events::{Event, EventBus, Named, WaitError};

fn capacity(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

type Bus = EventBus<Named<u32>>;

fn payloads(events: impl IntoIterator<Item = Arc<Named<u32>>>) -> Vec<u32> {
    events.into_iter().map(|event| event.payload).collect()
}

fn queued(subscription: &pipeline_core::events::Subscription<Named<u32>>) -> Vec<u32> {
    payloads(std::iter::from_fn(|| subscription.try_recv()))
}

#[test]
fn patterns_choose_by_name() {
    let bus = Bus::new();
    let patterns = [
        "*",
        "order_*",
        "*_gone",
        "order_paid",
        "o?der_gone",
        "Order_paid",
        "",
    ];
    let subscriptions = patterns.map(|pattern| bus.subscribe(pattern, capacity(8)));
    let names = ["order_paid", "order_gone", "user_gone", "ö"];
    let taken: Vec<usize> = names
        .iter()
        .zip(0..)
        .map(|(name, number)| bus.emit(Named::new(*name, number)))
        .collect();
    assert_eq!(taken, [3, 4, 2, 1]);
    let heard = subscriptions.each_ref().map(queued);
    let expected: [&[u32]; 7] = [&[0, 1, 2, 3], &[0, 1], &[1, 2], &[0], &[1], &[], &[]];
    assert_eq!(heard, expected);
}

#[derive(Debug, PartialEq)]
enum Order {
    Paid(u32),
    Gone,
}

impl Event for Order {
    fn name(&self) -> &str {
        match self {
            Self::Paid(_) => "paid",
            Self::Gone => "gone",
        }
    }
}

#[test]
fn a_bus_may_carry_a_type_of_its_own() {
    let bus = EventBus::new();
    let paid = bus.subscribe("paid", capacity(1));
    bus.emit(Order::Gone);
    bus.emit(Order::Paid(7));
    assert_eq!(*paid.recv().unwrap(), Order::Paid(7));
}

#[test]
fn a_full_queue_loses_what_comes_and_harms_nobody_else() {
    let bus = Bus::new();
    let slow = bus.subscribe("*", capacity(2));
    let quick = bus.subscribe("*", capacity(8));
    let taken: Vec<usize> = (0..5)
        .map(|number| bus.emit(Named::new("a", number)))
        .collect();
    assert_eq!(taken, [2, 2, 1, 1, 1]);
    assert_eq!((slow.dropped(), quick.dropped()), (3, 0));
    assert_eq!(queued(&slow), [0, 1]);
    assert_eq!(queued(&quick), [0, 1, 2, 3, 4]);
    bus.emit(Named::new("a", 5));
    assert_eq!((queued(&slow), slow.dropped()), (vec![5], 3));
}

#[test]
fn a_dropped_subscription_is_gone() {
    let bus = Bus::new();
    let first = bus.subscribe("*", capacity(1));
    let second = bus.subscribe("*", capacity(1));
    drop(first);
    assert_eq!(bus.emit(Named::new("a", 1)), 1);
    assert_eq!(format!("{bus:?}"), "EventBus { subscribers: 1 }");
    assert_eq!(queued(&second), [1]);
}

#[test]
fn subscribers_wait_until_the_last_clone_of_the_bus_is_gone() {
    let bus = Bus::new();
    let subscription = bus.subscribe("*", capacity(8));
    assert_eq!(
        subscription.recv_timeout(Duration::ZERO),
        Err(WaitError::Timeout)
    );
    let emitter = bus.clone();
    drop(bus);
    let emitting = thread::spawn(move || {
        for number in 0..3 {
            emitter.emit(Named::new("a", number));
        }
    });
    assert_eq!(payloads(subscription.iter()), [0, 1, 2]);
    emitting.join().unwrap();
    assert!(subscription.recv().is_none());
    assert_eq!(
        subscription.recv_timeout(Duration::MAX),
        Err(WaitError::Closed)
    );
}

/// An event whose end is an event.
struct Last(EventBus<Last>, &'static str);

impl Event for Last {
    fn name(&self) -> &str {
        self.1
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        if self.1 == "first" {
            self.0.emit(Last(self.0.clone(), "second"));
        }
    }
}

#[test]
fn an_event_may_emit_when_it_is_dropped() {
    let bus = EventBus::new();
    let second = bus.subscribe("second", capacity(1));
    bus.emit(Last(bus.clone(), "first"));
    assert_eq!(second.try_recv().unwrap().name(), "second");
    let first = bus.subscribe("first", capacity(1));
    bus.emit(Last(bus.clone(), "first"));
    drop(first);
    assert_eq!(second.try_recv().unwrap().name(), "second");
}

#[test]
fn each_emitter_keeps_its_order_and_every_event_is_taken_or_counted() {
    let bus = Bus::new();
    let subscription = bus.subscribe("*", capacity(64));
    let (emitters, each) = (4, if cfg!(miri) { 50 } else { 5_000 });
    thread::scope(|scope| {
        for emitter in 0..emitters {
            let bus = bus.clone();
            scope.spawn(move || {
                for number in 0..each {
                    bus.emit(Named::new("a", emitter * each + number));
                }
            });
        }
        drop(bus);
        let mut last = vec![None; emitters as usize];
        let mut count = 0;
        for payload in payloads(subscription.iter()) {
            let emitter = (payload / each) as usize;
            assert!(last[emitter].is_none_or(|last| last < payload));
            last[emitter] = Some(payload);
            count += 1;
        }
        assert_eq!(count + subscription.dropped(), u64::from(emitters * each));
    });
}

#[cfg(feature = "async")]
mod waiting {
    use super::{Bus, Named, capacity};

    #[tokio::test]
    async fn async_subscribers_wait_beside_sync_ones() {
        let bus = Bus::new();
        let mut slow = bus.subscribe_async("a*", capacity(1));
        let sync = bus.subscribe("*", capacity(8));
        let waiting = tokio::spawn({
            let mut subscription = bus.subscribe_async("b", capacity(1));
            async move { subscription.recv().await.unwrap().payload }
        });
        for (name, number) in ["a", "aa", "b"].into_iter().zip(0..) {
            bus.emit(Named::new(name, number));
        }
        assert_eq!(waiting.await.unwrap(), 2);
        assert_eq!(slow.recv().await.unwrap().payload, 0);
        assert_eq!((slow.dropped(), sync.dropped()), (1, 0));
        assert!(slow.try_recv().is_none());
        drop(bus);
        assert!(slow.recv().await.is_none());
        assert_eq!(super::payloads(sync.iter()), [0, 1, 2]);
    }
}
