use super::outcome::outcome;
use super::{Changes, ConfiguredAsyncHook, Fields};
use crate::context::TermContext;
use crate::failure::Failure;
use crate::hook::{ConfiguredHook, Phase};
use crate::runtime::{
    Cancellation, JobId, JobQueue, JobQueueError, NoRuntime, PendingCall, runtime,
};
use crate::term_size::size_of_copy;
use parking_lot::Mutex;
use rustler::env::{OwnedEnv, SavedTerm};
use rustler::{Env, LocalPid, Reference, Term};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use thiserror::Error;
use tokio::task::AbortHandle;

rustler::atoms! { failed, finished }

/// Blocking hooks that run at once, and that wait for a thread.
static THREADS: JobQueue = JobQueue::new(64, 4_096);

/// Async hooks that may wait at once; each takes the memory of what it holds.
const MOST_TASKS: usize = 65_536;

/// How large the copy of a context may be: a term that holds the same value over and over has a far larger
/// one.
const MOST_COPIED: usize = 256 * 1024 * 1024;

static TASKS: AtomicUsize = AtomicUsize::new(0);

/// Why a hook was not started.
#[derive(Debug, Error)]
pub(super) enum StartError {
    #[error(transparent)]
    JobQueue(#[from] JobQueueError),
    #[error(transparent)]
    NoRuntime(#[from] NoRuntime),
    #[error("{MOST_TASKS} async hooks wait already; run fewer at once")]
    TooManyTasks,
    #[error(
        "a copy of the context takes more than {MOST_COPIED} bytes; hand the hook less, or use one that does not block"
    )]
    ContextTooLarge,
}

/// A run of a hook on the runtime. It is held by a term of the caller's and cancelled when that is gone,
/// which it is when the caller has died.
pub(crate) struct BackgroundRun {
    call: Arc<PendingCall>,
    execution: Execution,
}

enum Execution {
    /// On a thread, to which this is the job.
    Thread(JobId),
    /// By polling.
    Task {
        abort: AbortHandle,
        phase: Phase,
        result: ResultSlot,
    },
}

/// Where the result of an async hook lies until its caller takes it into the context.
type ResultSlot = Arc<Mutex<Option<Result<Changes, Failure>>>>;

impl Drop for BackgroundRun {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl BackgroundRun {
    /// Runs a hook on a thread, over a copy of the context; sends `{reference, outcome}`.
    pub(super) fn on_thread(
        hook: ConfiguredHook,
        phase: Phase,
        context: Term<'_>,
        caller: Caller,
    ) -> Result<Self, StartError> {
        // Terms that a function holds are not counted: a context may have some, and they are copied in every
        // message.
        if size_of_copy(context, MOST_COPIED, Some(64)).is_none() {
            return Err(StartError::ContextTooLarge);
        }
        let call = Arc::new(PendingCall::default());
        let context = caller.env.save(context);
        let work = {
            let call = Arc::clone(&call);
            move || {
                if call.is_cancelled() {
                    return;
                }
                let ran = Cancellation::during(&call, || {
                    // The hook's panics are caught; its failure may have a message of its own making.
                    catch_unwind(AssertUnwindSafe(|| {
                        caller.env.run(|env| {
                            let mut context = TermContext::new(env, context.load(env));
                            let result = hook.run(phase, &mut context);
                            caller.env.save(outcome(env, phase, &context, result))
                        })
                    }))
                });
                let outcome = ran.unwrap_or_else(|payload| {
                    let message = Failure::from_panic(&*payload).to_string();
                    caller.env.save((failed(), message))
                });
                if call.claim() {
                    caller.send(|env| outcome.load(env));
                }
            }
        };
        let job = THREADS.submit(Box::new(work))?;
        let execution = Execution::Thread(job);
        Ok(Self { call, execution })
    }

    /// Polls an async hook over copies of what it reads; sends `{reference, :finished}`.
    pub(super) fn as_task(
        hook: &ConfiguredAsyncHook,
        phase: Phase,
        fields: Fields,
        caller: Caller,
    ) -> Result<Self, StartError> {
        let runtime = runtime()?;
        let place = TaskPlace::take().ok_or(StartError::TooManyTasks)?;
        let call = Arc::new(PendingCall::default());
        let result = ResultSlot::default();
        let mut running = Arc::clone(&hook.object).start(phase, fields);
        let task = {
            let (call, result) = (Arc::clone(&call), Arc::clone(&result));
            async move {
                let _place = place;
                let ended = poll_fn(|context| {
                    catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context)))
                        .unwrap_or_else(|payload| Poll::Ready(Err(Failure::from_panic(&*payload))))
                })
                .await;
                *result.lock() = Some(ended);
                if call.claim() {
                    caller.send(|env| finished().to_term(env));
                }
            }
        };
        let abort = runtime.spawn(task).abort_handle();
        let execution = Execution::Task {
            abort,
            phase,
            result,
        };
        Ok(Self { call, execution })
    }

    /// Gives it up; `false` if it is answered already. A hook that has not begun does not begin any more, an
    /// async one is dropped where it waits, and one on a thread is told by its [`Cancellation`].
    pub(super) fn cancel(&self) -> bool {
        if !self.call.cancel() {
            return false;
        }
        match &self.execution {
            Execution::Thread(job) => THREADS.give_up(*job),
            Execution::Task { abort, .. } => abort.abort(),
        }
        true
    }

    /// The outcome of an async hook, its changes in the context; `None` if it has not finished, or on a
    /// second call.
    pub(super) fn take<'a>(&self, env: Env<'a>, context: Term<'a>) -> Option<Term<'a>> {
        let Execution::Task { phase, result, .. } = &self.execution else {
            return None;
        };
        let ended = result.lock().take()?;
        let mut context = TermContext::new(env, context);
        let flow = ended.and_then(|changes| Ok(changes.apply(&mut context)?));
        Some(outcome(env, *phase, &context, flow))
    }
}

/// Whom to answer, and what the caller knows the answer by.
pub(super) struct Caller {
    pid: LocalPid,
    reference: SavedTerm,
    env: OwnedEnv,
}

impl Caller {
    pub(super) fn new(pid: LocalPid, reference: Reference<'_>) -> Self {
        let env = OwnedEnv::new();
        let reference = env.save(*reference);
        Self {
            pid,
            reference,
            env,
        }
    }

    /// A receiver that is gone wants no answer.
    fn send(mut self, answer: impl for<'a> FnOnce(Env<'a>) -> Term<'a>) {
        let reference = self.reference;
        let _ = self
            .env
            .send_and_clear(&self.pid, |env| (reference.load(env), answer(env)));
    }
}

/// One of the places for async hooks.
struct TaskPlace;

impl TaskPlace {
    fn take() -> Option<Self> {
        TASKS
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < MOST_TASKS).then_some(taken + 1)
            })
            .is_ok()
            .then_some(Self)
    }
}

impl Drop for TaskPlace {
    fn drop(&mut self) {
        TASKS.fetch_sub(1, Ordering::Relaxed);
    }
}
