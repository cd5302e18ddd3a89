use super::PendingCall;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

thread_local! {
    static CURRENT: RefCell<Option<Arc<PendingCall>>> = const { RefCell::new(None) };
}

/// Tells a blocking hook that nobody waits for it any more: its time is up, or its caller is dead.
///
/// ```no_run
/// use pipeline_term::Cancellation;
/// use std::time::Duration;
///
/// let cancellation = Cancellation::current();
/// while !cancellation.is_cancelled() {
///     // one more chunk of the download
/// #   break;
/// }
/// // Instead of a sleep, from which nothing wakes:
/// let cancelled = cancellation.wait(Duration::from_millis(50));
/// ```
#[derive(Clone, Debug)]
pub struct Cancellation(Option<Arc<PendingCall>>);

impl Cancellation {
    /// The cancellation of the hook that runs on this thread. A hook that runs on a scheduler is never
    /// cancelled; nor is what runs on a thread that a hook started, unless it is handed the hook's own.
    pub fn current() -> Self {
        Self(CURRENT.with_borrow(Clone::clone))
    }

    /// Whether the hook may stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|call| call.is_cancelled())
    }

    /// Sleeps until the hook is cancelled, no longer than `time`; whether it is.
    pub fn wait(&self, time: Duration) -> bool {
        if let Some(call) = &self.0 {
            call.wait(time)
        } else {
            std::thread::sleep(time);
            false
        }
    }

    /// Runs `f` as part of `call`.
    pub(crate) fn during<R>(call: &Arc<PendingCall>, f: impl FnOnce() -> R) -> R {
        /// Takes the note away, also when `f` panics.
        struct Reset;

        impl Drop for Reset {
            fn drop(&mut self) {
                CURRENT.set(None);
            }
        }

        CURRENT.set(Some(Arc::clone(call)));
        let _reset = Reset;
        f()
    }
}

#[cfg(test)]
mod tests {
    use super::{Cancellation, PendingCall};
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn a_hook_sees_the_cancellation_of_its_own_call() {
        let call = Arc::new(PendingCall::default());
        let outside = Cancellation::current();
        let inside = Cancellation::during(&call, Cancellation::current);
        call.cancel();
        assert!(inside.is_cancelled());
        assert!(!outside.is_cancelled() && !Cancellation::current().is_cancelled());
    }

    #[test]
    fn waiting_ends_with_the_cancellation() {
        let call = Arc::new(PendingCall::default());
        let inside = Cancellation::during(&call, Cancellation::current);
        let waiting = std::thread::spawn(move || inside.wait(Duration::from_hours(1)));
        call.cancel();
        assert!(waiting.join().unwrap());
    }
}
