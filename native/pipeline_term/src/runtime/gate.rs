use super::{NoRuntime, runtime};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// How many threads may be lost to work that was given up and goes on, before no more is taken on.
const MOST_LOST: usize = 384;

/// Lets so many pieces of work onto the runtime's threads at once, and so many wait, first come, first served.
pub(crate) struct Gate {
    at_once: usize,
    most_waiting: usize,
    inside: Mutex<Inside>,
}

pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// What a piece of work is known by to its gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

struct Inside {
    next: u64,
    waiting: BTreeMap<Ticket, Work>,
    running: BTreeSet<Ticket>,
    /// Given up while they ran, and running on.
    lost: usize,
}

/// Why work is not taken on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GateError {
    /// Too much waits already.
    #[error(
        "{waiting} runs wait for one of {at_once} threads already; run fewer at once, or use an async hook"
    )]
    Full {
        /// How many wait.
        waiting: usize,
        /// How many run at once.
        at_once: usize,
    },
    /// Too many threads never came back.
    #[error(
        "{MOST_LOST} runs that were given up still hold a thread each; let the hooks end when they are cancelled"
    )]
    Lost,
    /// There are no threads at all.
    #[error(transparent)]
    NoRuntime(#[from] NoRuntime),
}

impl Gate {
    pub(crate) const fn new(at_once: usize, most_waiting: usize) -> Self {
        Self {
            at_once,
            most_waiting,
            inside: Mutex::new(Inside {
                next: 0,
                waiting: BTreeMap::new(),
                running: BTreeSet::new(),
                lost: 0,
            }),
        }
    }

    /// Takes work on, to run now or when it is its turn. A panic of it ends its thread's work and nothing else.
    pub(crate) fn submit(&'static self, work: Work) -> Result<Ticket, GateError> {
        runtime()?;
        let mut inside = self.inside.lock();
        if inside.lost >= MOST_LOST {
            return Err(GateError::Lost);
        }
        let ticket = Ticket(inside.next);
        if inside.running.len() < self.at_once {
            inside.running.insert(ticket);
            inside.next += 1;
            drop(inside);
            self.spawn(ticket, work);
        } else if inside.waiting.len() < self.most_waiting {
            inside.waiting.insert(ticket, work);
            inside.next += 1;
        } else {
            return Err(GateError::Full {
                waiting: inside.waiting.len(),
                at_once: self.at_once,
            });
        }
        Ok(ticket)
    }

    /// Gives work up: it does not start any more, or its place goes to the next one while it runs on.
    pub(crate) fn give_up(&'static self, ticket: Ticket) {
        let mut inside = self.inside.lock();
        let never_run = inside.waiting.remove(&ticket);
        let next = if inside.running.remove(&ticket) {
            inside.lost += 1;
            self.next(&mut inside)
        } else {
            None
        };
        drop(inside);
        drop(never_run);
        self.start(next);
    }

    fn finished(&'static self, ticket: Ticket) {
        let mut inside = self.inside.lock();
        let next = if inside.running.remove(&ticket) {
            self.next(&mut inside)
        } else {
            inside.lost -= 1;
            None
        };
        drop(inside);
        self.start(next);
    }

    fn next(&self, inside: &mut Inside) -> Option<(Ticket, Work)> {
        if inside.running.len() >= self.at_once {
            return None;
        }
        let (ticket, work) = inside.waiting.pop_first()?;
        inside.running.insert(ticket);
        Some((ticket, work))
    }

    fn start(&'static self, next: Option<(Ticket, Work)>) {
        if let Some((ticket, work)) = next {
            self.spawn(ticket, work);
        }
    }

    fn spawn(&'static self, ticket: Ticket, work: Work) {
        let place = Place { gate: self, ticket };
        // `submit` has seen that there is a runtime, which stays.
        if let Ok(runtime) = runtime() {
            runtime.spawn_blocking(move || {
                let _place = place;
                work();
            });
        }
    }
}

/// A place at a gate, given back also by a panic.
struct Place {
    gate: &'static Gate,
    ticket: Ticket,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.finished(self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::{Gate, GateError};
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Work that says that it has begun and ends when told to.
    fn held(began: &Sender<u8>, name: u8) -> (Box<dyn FnOnce() + Send>, Sender<()>) {
        let began = began.clone();
        let (let_go, held): (_, Receiver<()>) = channel();
        let work = Box::new(move || {
            began.send(name).unwrap();
            let _ = held.recv();
        });
        (work, let_go)
    }

    #[test]
    fn work_waits_for_its_turn_and_leaves_the_queue_when_given_up() {
        static GATE: Gate = Gate::new(1, 2);
        let (began, names) = channel();
        let (first, end_first) = held(&began, 1);
        let (second, _second) = held(&began, 2);
        let (third, end_third) = held(&began, 3);
        GATE.submit(first).unwrap();
        let second = GATE.submit(second).unwrap();
        GATE.submit(third).unwrap();
        let (fourth, _fourth) = held(&began, 4);
        let full = GateError::Full {
            waiting: 2,
            at_once: 1,
        };
        assert_eq!(GATE.submit(fourth), Err(full));
        assert_eq!(names.recv(), Ok(1));
        GATE.give_up(second);
        drop(end_first);
        assert_eq!(names.recv(), Ok(3));
        drop(end_third);
        drop(began);
        assert!(names.recv().is_err(), "the second has run");
    }

    #[test]
    fn work_that_is_given_up_while_it_runs_leaves_its_place() {
        static GATE: Gate = Gate::new(1, 1);
        let (began, names) = channel();
        let (first, end_first) = held(&began, 1);
        let (second, end_second) = held(&began, 2);
        let ticket = GATE.submit(first).unwrap();
        assert_eq!(names.recv(), Ok(1));
        GATE.submit(second).unwrap();
        GATE.give_up(ticket);
        assert_eq!(names.recv(), Ok(2));
        assert_eq!(GATE.inside.lock().lost, 1);
        drop((end_first, end_second, began));
        assert!(names.recv().is_err());
        while GATE.inside.lock().lost > 0 || !GATE.inside.lock().running.is_empty() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_panic_gives_the_place_back() {
        static GATE: Gate = Gate::new(1, 1);
        let (began, names) = channel();
        GATE.submit(Box::new(|| panic!("odd input"))).unwrap();
        let (after, end) = held(&began, 1);
        GATE.submit(after).unwrap();
        assert_eq!(names.recv(), Ok(1));
        drop(end);
    }
}
