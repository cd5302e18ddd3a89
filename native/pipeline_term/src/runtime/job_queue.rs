use super::{NoRuntime, runtime};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// How many threads may be lost to work that was given up and goes on, before no more is taken on.
const MOST_LOST: usize = 384;

/// Lets so many pieces of work onto the runtime's threads at once, and so many wait, first come, first
/// served.
pub(crate) struct JobQueue {
    at_once: usize,
    most_waiting: usize,
    jobs: Mutex<Jobs>,
}

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Identifies a job to its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobId(u64);

struct Jobs {
    next: u64,
    waiting: BTreeMap<JobId, Job>,
    running: BTreeSet<JobId>,
    /// Given up while they ran, and running on.
    lost: usize,
}

/// Why work is not taken on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum JobQueueError {
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

impl JobQueue {
    pub(crate) const fn new(at_once: usize, most_waiting: usize) -> Self {
        Self {
            at_once,
            most_waiting,
            jobs: Mutex::new(Jobs {
                next: 0,
                waiting: BTreeMap::new(),
                running: BTreeSet::new(),
                lost: 0,
            }),
        }
    }

    /// Takes work on, to run now or when it is its turn. A panic of it ends its thread's work and nothing
    /// else.
    pub(crate) fn submit(&'static self, work: Job) -> Result<JobId, JobQueueError> {
        runtime()?;
        let mut jobs = self.jobs.lock();
        if jobs.lost >= MOST_LOST {
            return Err(JobQueueError::Lost);
        }
        let job = JobId(jobs.next);
        if jobs.running.len() < self.at_once {
            jobs.running.insert(job);
            jobs.next += 1;
            drop(jobs);
            self.spawn(job, work);
        } else if jobs.waiting.len() < self.most_waiting {
            jobs.waiting.insert(job, work);
            jobs.next += 1;
        } else {
            return Err(JobQueueError::Full {
                waiting: jobs.waiting.len(),
                at_once: self.at_once,
            });
        }
        Ok(job)
    }

    /// Gives work up: it does not start any more, or its place goes to the next one while it runs on.
    pub(crate) fn give_up(&'static self, job: JobId) {
        let mut jobs = self.jobs.lock();
        let never_run = jobs.waiting.remove(&job);
        let next = if jobs.running.remove(&job) {
            jobs.lost += 1;
            self.next(&mut jobs)
        } else {
            None
        };
        drop(jobs);
        drop(never_run);
        self.start(next);
    }

    fn finished(&'static self, job: JobId) {
        let mut jobs = self.jobs.lock();
        let next = if jobs.running.remove(&job) {
            self.next(&mut jobs)
        } else {
            jobs.lost -= 1;
            None
        };
        drop(jobs);
        self.start(next);
    }

    fn next(&self, jobs: &mut Jobs) -> Option<(JobId, Job)> {
        if jobs.running.len() >= self.at_once {
            return None;
        }
        let (job, work) = jobs.waiting.pop_first()?;
        jobs.running.insert(job);
        Some((job, work))
    }

    fn start(&'static self, next: Option<(JobId, Job)>) {
        if let Some((job, work)) = next {
            self.spawn(job, work);
        }
    }

    fn spawn(&'static self, job: JobId, work: Job) {
        let running = RunningJob { gate: self, job };
        // `submit` has seen that there is a runtime, which stays.
        if let Ok(runtime) = runtime() {
            runtime.spawn_blocking(move || {
                let _running = running;
                work();
            });
        }
    }
}

/// A place at a gate, given back also by a panic.
struct RunningJob {
    gate: &'static JobQueue,
    job: JobId,
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        self.gate.finished(self.job);
    }
}

#[cfg(test)]
mod tests {
    use super::{JobQueue, JobQueueError};
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Job that says that it has begun and ends when told to.
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
        static GATE: JobQueue = JobQueue::new(1, 2);
        let (began, names) = channel();
        let (first, end_first) = held(&began, 1);
        let (second, _second) = held(&began, 2);
        let (third, end_third) = held(&began, 3);
        GATE.submit(first).unwrap();
        let second = GATE.submit(second).unwrap();
        GATE.submit(third).unwrap();
        let (fourth, _fourth) = held(&began, 4);
        let full = JobQueueError::Full {
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
    fn work_that_is_given_up_while_it_runs_leaves_its_running() {
        static GATE: JobQueue = JobQueue::new(1, 1);
        let (began, names) = channel();
        let (first, end_first) = held(&began, 1);
        let (second, end_second) = held(&began, 2);
        let job = GATE.submit(first).unwrap();
        assert_eq!(names.recv(), Ok(1));
        GATE.submit(second).unwrap();
        GATE.give_up(job);
        assert_eq!(names.recv(), Ok(2));
        assert_eq!(GATE.jobs.lock().lost, 1);
        drop((end_first, end_second, began));
        assert!(names.recv().is_err());
        while GATE.jobs.lock().lost > 0 || !GATE.jobs.lock().running.is_empty() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_panic_gives_the_place_back() {
        static GATE: JobQueue = JobQueue::new(1, 1);
        let (began, names) = channel();
        GATE.submit(Box::new(|| panic!("odd input"))).unwrap();
        let (after, end) = held(&began, 1);
        GATE.submit(after).unwrap();
        assert_eq!(names.recv(), Ok(1));
        drop(end);
    }
}
