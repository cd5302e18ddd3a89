use cpu_time::ThreadTime;
use std::time::{Duration, Instant};

/// How long a hook may compute on its thread. A busy machine on which the thread waits for its turn takes
/// nothing from it.
#[derive(Clone, Copy)]
pub(super) struct WorkLimit {
    limit: Duration,
    until: Instant,
    started: ThreadTime,
}

impl WorkLimit {
    /// Starts now, on this thread.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            until: Instant::now() + limit,
            started: ThreadTime::now(),
        }
    }

    /// Whether the time is used up. The clock of the thread is a system call: it is asked only when that much
    /// time has passed at all.
    pub(super) fn is_used_up(&self) -> bool {
        Instant::now() > self.until && self.started.elapsed() > self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::WorkLimit;
    use std::time::Duration;

    #[test]
    fn time_asleep_is_not_counted() {
        let limit = WorkLimit::new(Duration::from_millis(5));
        std::thread::sleep(Duration::from_millis(20));
        assert!(!limit.is_used_up());
    }

    #[test]
    fn computing_uses_it_up() {
        let limit = WorkLimit::new(Duration::from_millis(1));
        while !limit.is_used_up() {}
    }
}
