//! Async chains beyond sync ones: time, cancellation, blocking hooks, listeners beside each other.
#![cfg(all(feature = "async", not(loom)))]

use std::future::pending;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pipeline_core::hook::asynchronous::{
    AsyncAround, AsyncBefore, AsyncChain, AsyncFamily, AsyncHook, AsyncListener, AsyncListeners,
    AsyncNext, Owned, RunError, RunLimits, Running, cancellation,
};
use pipeline_core::hook::{
    Attachment, Cause, Chain, ContextFamily, Flow, Hook, HookError, HookKind, OnError, WrapError,
};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

struct Texts;

impl ContextFamily for Texts {
    type Context<'a> = String;
    type Error = String;
}

const SECOND: Duration = Duration::from_secs(1);

fn chain(hooks: Vec<(&'static str, AsyncHook<Texts>)>) -> AsyncChain<Texts> {
    let hooks = hooks
        .into_iter()
        .zip(0..)
        .map(|((plugin, hook), number)| Attachment::new(plugin, number, hook));
    AsyncChain::new("point", hooks.collect(), |_| &[]).unwrap()
}

async fn core(text: &mut String) -> Result<(), String> {
    text.push_str(" core");
    Ok(())
}

async fn forever(text: &mut String) -> Result<Flow, String> {
    text.push_str(" half-way");
    pending().await
}

fn only(skipped: &[HookError<String>]) -> (String, HookKind, &Cause<String>) {
    let [error] = skipped else {
        panic!("{skipped:?}")
    };
    (error.plugin.to_string(), error.kind, &error.cause)
}

/// Tells when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_takes_too_long_fails() {
    let hook = AsyncHook::before(forever).timeout(SECOND);
    let mut text = String::new();
    let error = chain(vec![("slow", hook)])
        .run(&mut text, core, &mut Vec::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the before hook of slow on point was not done within 1s"
    );
    assert!(
        matches!(error, RunError::Hook(HookError { cause: Cause::TimedOut(limit), .. }) if limit == SECOND)
    );
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_takes_too_long_is_skipped_without_a_trace() {
    let hook = AsyncHook::before(forever)
        .timeout(SECOND)
        .on_error(OnError::Skip);
    let (mut text, mut skipped) = (String::new(), Vec::new());
    chain(vec![("slow", hook)])
        .run(&mut text, core, &mut skipped)
        .await
        .unwrap();
    assert_eq!(text, " core");
    assert_eq!(
        only(&skipped),
        (
            "slow".to_owned(),
            HookKind::Before,
            &Cause::TimedOut(SECOND)
        )
    );
}

async fn slow_core(text: &mut String) -> Result<(), String> {
    sleep(10 * SECOND).await;
    core(text).await
}

async fn slow_around(
    text: &mut String,
    next: &mut AsyncNext<'_, Texts>,
) -> Result<(), WrapError<String>> {
    sleep(SECOND).await;
    next.call(text).await?;
    sleep(SECOND).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_a_hook_wraps_does_not_count_as_its_own_time() {
    let around = |limit| AsyncHook::around(slow_around).timeout(limit);
    let mut text = String::new();
    let start = Instant::now();
    chain(vec![("a", around(3 * SECOND))])
        .run(&mut text, slow_core, &mut Vec::new())
        .await
        .unwrap();
    assert_eq!((text.as_str(), start.elapsed()), (" core", 12 * SECOND));

    let mut skipped = Vec::new();
    let start = Instant::now();
    let short = around(SECOND + SECOND / 2).on_error(OnError::Skip);
    chain(vec![("a", short)])
        .run(&mut text, slow_core, &mut skipped)
        .await
        .unwrap();
    assert_eq!(
        (text.as_str(), start.elapsed()),
        (" core core", 11 * SECOND + SECOND / 2)
    );
    assert_eq!(only(&skipped).0, "a");
}

async fn impatient(
    text: &mut String,
    next: &mut AsyncNext<'_, Texts>,
) -> Result<(), WrapError<String>> {
    match tokio::time::timeout(SECOND, next.call(text)).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(WrapError::Own("no patience".to_owned())),
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_drops_its_next_is_not_skipped() {
    let hook = AsyncHook::around(impatient).on_error(OnError::Skip);
    let mut skipped = Vec::new();
    let error = chain(vec![("a", hook)])
        .run(&mut String::new(), slow_core, &mut skipped)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the around hook of a on point failed: no patience"
    );
    assert!(skipped.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_time_is_up_says_what_it_was_at() {
    let limits = RunLimits::new().timeout(SECOND / 2);
    let start = Instant::now();
    let error = chain(vec![("outer", AsyncHook::around(slow_around))])
        .run_within(&limits, &mut String::new(), core, &mut Vec::new())
        .await
        .unwrap_err();
    assert_eq!(start.elapsed(), SECOND / 2);
    let RunError::DeadlineExceeded { running, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(running.to_string(), "the around hook of outer");

    let limits = RunLimits::new()
        .timeout(3 * SECOND)
        .deadline(Instant::now() + 2 * SECOND);
    let hooks = vec![
        ("outer", AsyncHook::around(slow_around)),
        ("slow", AsyncHook::before(forever)),
    ];
    let error = chain(hooks)
        .run_within(&limits, &mut String::new(), core, &mut Vec::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the run on point was not over in time: it had come to the before hook of slow"
    );
}

#[tokio::test(start_paused = true)]
async fn after_its_next_a_run_is_at_the_hook_again() {
    let limits = RunLimits::new().timeout(SECOND + SECOND / 2);
    let error = chain(vec![("outer", AsyncHook::around(slow_around))])
        .run_within(&limits, &mut String::new(), core, &mut Vec::new())
        .await
        .unwrap_err();
    let expected = Running::Hook {
        plugin: "outer".into(),
        kind: HookKind::Around,
        index: 0,
    };
    assert!(matches!(error, RunError::DeadlineExceeded { running, .. } if running == expected));
}

#[tokio::test]
async fn a_token_ends_a_run() {
    let token = CancellationToken::new();
    let limits = RunLimits::new().token(token.clone());
    let waits = async |_: &mut String| {
        token.cancel();
        pending().await
    };
    let error = chain(vec![])
        .run_within(&limits, &mut String::new(), waits, &mut Vec::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the run on point was cancelled when it had come to the base operation"
    );
    let error = chain(vec![])
        .run_within(&limits, &mut String::new(), core, &mut Vec::new())
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        RunError::Cancelled {
            running: Running::Nothing,
            ..
        }
    ));
}

async fn cooperative(text: &mut String) -> Result<Flow, String> {
    cancellation().cancelled().await;
    text.push_str("in time");
    Ok(Flow::Answer)
}

#[tokio::test(start_paused = true)]
async fn a_run_may_end_in_its_own_way_within_the_grace() {
    let limits = RunLimits::new().timeout(SECOND).grace(SECOND);
    let mut text = String::new();
    chain(vec![("a", AsyncHook::before(cooperative))])
        .run_within(&limits, &mut text, core, &mut Vec::new())
        .await
        .unwrap();
    assert_eq!(text, "in time");

    let start = Instant::now();
    let error = chain(vec![("a", AsyncHook::before(forever))])
        .run_within(&limits, &mut text, core, &mut Vec::new())
        .await
        .unwrap_err();
    assert!(matches!(error, RunError::DeadlineExceeded { .. }));
    assert_eq!(start.elapsed(), 2 * SECOND);
}

async fn nested(text: &mut String) -> Result<Flow, String> {
    let inner = chain(vec![("inner", AsyncHook::before(cooperative))]);
    inner
        .run_within(&RunLimits::new().grace(SECOND), text, core, &mut Vec::new())
        .await
        .map_err(|error| error.to_string())?;
    Ok(Flow::Answer)
}

#[tokio::test(start_paused = true)]
async fn a_run_inside_a_run_ends_with_it() {
    let limits = RunLimits::new().timeout(SECOND).grace(SECOND);
    let mut text = String::new();
    chain(vec![("outer", AsyncHook::before(nested))])
        .run_within(&limits, &mut text, core, &mut Vec::new())
        .await
        .unwrap();
    assert_eq!(text, "in time");
}

#[tokio::test]
async fn dropping_a_run_drops_what_is_inside_and_cancels_its_token() {
    let dropped = Arc::new(AtomicBool::new(false));
    let (begun, begins) = oneshot::channel();
    let begun = Arc::new(Mutex::new(Some(begun)));
    let hook = {
        let dropped = dropped.clone();
        AsyncHook::before_fn(move |_| {
            let guard = Dropped(dropped.clone());
            let begun = begun.clone();
            Box::pin(async move {
                let _guard = guard;
                let begun = begun.lock().unwrap().take().unwrap();
                begun.send(cancellation()).unwrap();
                pending().await
            })
        })
    };
    let run = tokio::spawn(async move {
        let chain = chain(vec![("a", hook)]);
        let limits = RunLimits::new();
        chain
            .run_within(&limits, &mut String::new(), core, &mut Vec::new())
            .await
    });
    let token = begins.await.unwrap();
    assert!(!token.is_cancelled());
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    assert!(dropped.load(Ordering::Acquire));
    assert!(token.is_cancelled());
}

fn sync_push(mark: &'static str) -> Hook<Texts> {
    Hook::before(move |text: &mut String| {
        text.push_str(mark);
        Ok(Flow::Continue)
    })
}

#[tokio::test]
async fn sync_hooks_stand_in_an_async_chain() {
    let panics = Hook::<Texts>::after(|_: &mut String| panic!("ouch")).on_error(OnError::Skip);
    let shout = Hook::<Texts>::after(|text: &mut String| {
        text.make_ascii_uppercase();
        Ok(())
    });
    let hooks = vec![
        ("a", AsyncHook::sync(&sync_push("a")).unwrap()),
        ("b", AsyncHook::blocking(&sync_push("b")).unwrap()),
        ("c", AsyncHook::sync(&panics).unwrap()),
        ("d", AsyncHook::blocking(&panics).unwrap()),
        ("e", AsyncHook::blocking(&shout).unwrap()),
    ];
    let (mut text, mut skipped) = (String::new(), Vec::new());
    chain(hooks)
        .run(&mut text, core, &mut skipped)
        .await
        .unwrap();
    assert_eq!(text, "AB CORE");
    let told: Vec<String> = skipped.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "the after hook of c on point panicked: ouch",
            "the after hook of d on point panicked: ouch"
        ]
    );
    let wraps = Hook::<Texts>::around_fn(|text, next| Ok(next.call(text)?));
    assert_eq!(
        AsyncHook::sync(&wraps).unwrap_err().to_string(),
        "a sync around hook cannot wrap what waits; write it with a `next` that is awaited, or give it a chain of its \
         own and attach that with `AsyncHook::before_chain`"
    );
    assert!(AsyncHook::blocking(&wraps).is_err());
}

#[tokio::test]
async fn a_sync_chain_is_a_hook_of_an_async_one() {
    let fails = Hook::<Texts>::after(|_: &mut String| Err("no".to_owned()));
    let wraps = Hook::<Texts>::around_fn(|text, next| {
        text.push('<');
        next.call(text)?;
        text.push('>');
        Ok(())
    });
    let hooks = |last: Hook<Texts>| {
        vec![
            Attachment::new("wraps", 1, wraps.clone()),
            Attachment::new("push", 2, sync_push("b")),
            Attachment::new("last", 3, last),
        ]
    };
    let inner = |last| Arc::new(Chain::new("inner", hooks(last), |_| &[]).unwrap());
    let skips = inner(fails.clone().on_error(OnError::Skip));
    let hooks = vec![
        ("first", AsyncHook::before_chain(skips.clone())),
        ("then", AsyncHook::after_chain(skips)),
    ];
    let (mut text, mut skipped) = (String::new(), Vec::new());
    chain(hooks)
        .run(&mut text, core, &mut skipped)
        .await
        .unwrap();
    assert_eq!(text, "<b> core<b>");
    assert_eq!(skipped.len(), 2);

    let error = chain(vec![("outer", AsyncHook::before_chain(inner(fails)))])
        .run(&mut text, core, &mut Vec::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the after hook of last on inner failed: no"
    );
}

/// The thread is let go by the token alone: the run has ended by then.
#[tokio::test]
async fn a_blocking_hook_learns_that_its_run_is_over() {
    let (over, is_over) = oneshot::channel();
    let over = Mutex::new(Some(over));
    let waits = Hook::<Texts>::before(move |_: &mut String| {
        let token = cancellation();
        tokio::runtime::Handle::current().block_on(token.cancelled());
        over.lock().unwrap().take().unwrap().send(()).unwrap();
        Ok(Flow::Continue)
    });
    let hook = AsyncHook::blocking(&waits).unwrap();
    let chain = chain(vec![("a", hook.timeout(Duration::from_millis(1)))]);
    let error = chain
        .run_within(&RunLimits::new(), &mut String::new(), core, &mut Vec::new())
        .await
        .unwrap_err();
    assert!(matches!(error, RunError::Hook(_)), "{error}");
    is_over.await.unwrap();
}

/// A context that the thread keeps is lost to the run, unless it has a copy.
#[tokio::test]
async fn a_blocking_hook_that_takes_too_long_keeps_its_context() {
    for (on_error, left) in [(OnError::Halt, ""), (OnError::Skip, "here core")] {
        let waits = Hook::<Texts>::before(|_: &mut String| {
            let over = cancellation();
            tokio::runtime::Handle::current().block_on(over.cancelled());
            Ok(Flow::Continue)
        });
        let hook = AsyncHook::blocking(&waits.on_error(on_error)).unwrap();
        let mut text = "here".to_owned();
        let result = chain(vec![("a", hook.timeout(Duration::from_millis(1)))])
            .run_within(&RunLimits::new(), &mut text, core, &mut Vec::new())
            .await;
        assert_eq!(result.is_ok(), on_error == OnError::Skip);
        assert_eq!(text, left);
    }
}

struct Greet(String);

impl AsyncBefore<Texts> for Greet {
    async fn before(&self, text: &mut String) -> Result<Flow, String> {
        tokio::task::yield_now().await;
        text.push_str(&self.0);
        Ok(Flow::Continue)
    }
}

#[tokio::test]
async fn types_functions_and_async_closures_are_hooks() {
    let hooks = vec![
        ("type", AsyncHook::before(Greet("type".to_owned()))),
        (
            "closure",
            AsyncHook::after(async |text: &mut String| {
                tokio::task::yield_now().await;
                text.push_str(" closure");
                Ok(())
            }),
        ),
        (
            "around",
            AsyncHook::around(async |text: &mut String, next: &mut AsyncNext<'_, Texts>| {
                next.call(text).await?;
                text.push_str(" around");
                Ok(())
            }),
        ),
    ];
    let mut text = String::new();
    let mark = String::from(" core");
    let core = async |text: &mut String| {
        text.push_str(&mark);
        Ok(())
    };
    chain(hooks)
        .run(&mut text, core, &mut Vec::new())
        .await
        .unwrap();
    assert_eq!(text, "type core closure around");
}

/// A hook of every family: no closure stands in its way.
struct Counts(Arc<AtomicUsize>);

impl<F: AsyncFamily> AsyncBefore<F> for Counts {
    async fn before(&self, _: &mut Owned<F>) -> Result<Flow, F::Error> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Flow::Continue)
    }
}

impl<F: AsyncFamily> AsyncAround<F> for Counts {
    async fn around(
        &self,
        context: &mut Owned<F>,
        next: &mut AsyncNext<'_, F>,
    ) -> Result<(), WrapError<F::Error>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(next.call(context).await?)
    }
}

#[tokio::test]
async fn a_type_may_be_a_hook_of_every_family() {
    let count = Arc::new(AtomicUsize::new(0));
    let hooks = vec![
        ("a", AsyncHook::before(Counts(count.clone()))),
        ("b", AsyncHook::around(Counts(count.clone()))),
    ];
    chain(hooks)
        .run(&mut String::new(), core, &mut Vec::new())
        .await
        .unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

/// Runs can be spawned, and many of them share a chain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_move_between_threads() {
    let chain = Arc::new(chain(vec![("a", AsyncHook::around(slowly))]));
    let runs: Vec<_> = (0..64)
        .map(|number| {
            let chain = chain.clone();
            tokio::spawn(async move {
                let mut text = number.to_string();
                chain.run(&mut text, core, &mut Vec::new()).await.unwrap();
                text
            })
        })
        .collect();
    for (number, run) in runs.into_iter().enumerate() {
        assert_eq!(run.await.unwrap(), format!("{number} core"));
    }
}

async fn slowly(
    text: &mut String,
    next: &mut AsyncNext<'_, Texts>,
) -> Result<(), WrapError<String>> {
    tokio::task::yield_now().await;
    Ok(next.call(text).await?)
}

fn at_once(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

type Heard = AsyncListener<Texts, usize>;

fn listeners(hooks: Vec<Heard>) -> AsyncListeners<Texts, usize> {
    let names = ["a", "b", "c", "d", "e", "f"];
    let hooks = hooks
        .into_iter()
        .zip(names)
        .zip(0..)
        .map(|((hook, name), number)| Attachment::new(name, number, hook));
    AsyncListeners::new("measure", hooks.collect(), |_| &[]).unwrap()
}

fn after(seconds: u32, result: Result<usize, &'static str>) -> Heard {
    Heard::new_fn(move |_| {
        Box::pin(async move {
            sleep(seconds * SECOND).await;
            result.map_err(str::to_owned)
        })
    })
}

#[tokio::test(start_paused = true)]
async fn values_are_collected_in_order_whoever_is_done_first() {
    let heard = listeners(vec![after(3, Ok(1)), after(1, Ok(2)), after(2, Ok(3))]);
    let start = Instant::now();
    let values = heard
        .collect(&String::new(), at_once(3), &mut Vec::new())
        .await
        .unwrap();
    assert_eq!((values, start.elapsed()), (vec![1, 2, 3], 3 * SECOND));
    let start = Instant::now();
    heard
        .collect(&String::new(), at_once(1), &mut Vec::new())
        .await
        .unwrap();
    assert_eq!(start.elapsed(), 6 * SECOND);
}

#[tokio::test]
async fn no_more_listeners_than_allowed_run_at_once() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let go = Arc::new(Notify::new());
    let counts = || {
        let (now, most, go) = (now.clone(), most.clone(), go.clone());
        Heard::new_fn(move |_| {
            let (now, most, go) = (now.clone(), most.clone(), go.clone());
            Box::pin(async move {
                let count = now.fetch_add(1, Ordering::Relaxed) + 1;
                most.fetch_max(count, Ordering::Relaxed);
                // The second to come lets the first go.
                if count < 2 {
                    go.notified().await;
                } else {
                    go.notify_one();
                    tokio::task::yield_now().await;
                }
                now.fetch_sub(1, Ordering::Relaxed);
                Ok(0)
            })
        })
    };
    let heard = listeners((0..6).map(|_| counts()).collect());
    assert!(heard.notify(&String::new(), at_once(2)).await.is_empty());
    assert_eq!(most.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn the_failure_that_is_first_in_order_halts() {
    let begun = Arc::new(AtomicUsize::new(0));
    let counts = || {
        let begun = begun.clone();
        Heard::new_fn(move |_| {
            begun.fetch_add(1, Ordering::Relaxed);
            Box::pin(pending())
        })
    };
    let heard = listeners(vec![
        after(1, Ok(1)),
        after(3, Err("slow")),
        after(2, Err("quick")),
        counts(),
        counts(),
        counts(),
    ]);
    let start = Instant::now();
    let error = heard
        .collect(&String::new(), at_once(4), &mut Vec::new())
        .await
        .unwrap_err();
    assert_eq!(
        (error.cause, error.index),
        (Cause::Failed("slow".to_owned()), 1)
    );
    assert_eq!(start.elapsed(), 3 * SECOND);
    // The fourth with the first three, the fifth when the first was done; none after a failure.
    assert_eq!(begun.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn skipped_listeners_leave_no_value_and_slow_ones_time_out() {
    let panics = Heard::new_fn(|_| Box::pin(async { panic!("ouch") })).on_error(OnError::Skip);
    let slow = after(9, Ok(9)).timeout(SECOND).on_error(OnError::Skip);
    let heard = listeners(vec![slow, panics, after(0, Ok(3))]);
    let mut skipped = Vec::new();
    let values = heard
        .collect(&String::new(), at_once(8), &mut skipped)
        .await
        .unwrap();
    assert_eq!(values, [3]);
    let causes: Vec<_> = skipped.into_iter().map(|error| error.cause).collect();
    let expected = [Cause::TimedOut(SECOND), Cause::Panicked("ouch".to_owned())];
    assert_eq!(causes, expected);
    let failed = heard.notify(&String::new(), at_once(1)).await;
    assert_eq!(
        failed.iter().map(|error| error.index).collect::<Vec<_>>(),
        [0, 1]
    );
}

#[tokio::test]
async fn the_first_value_wins() {
    let says = |value: Option<bool>| {
        AsyncListener::<Texts, Option<bool>>::new_fn(move |_| Box::pin(async move { Ok(value) }))
    };
    let fails = AsyncListener::new_fn(|_| Box::pin(async { Err("no".to_owned()) }));
    let route = |hooks: Vec<AsyncListener<Texts, Option<bool>>>| {
        let hooks = hooks.into_iter().zip(0..);
        let hooks = hooks.map(|(hook, number)| Attachment::new("a", number, hook));
        AsyncListeners::new("route", hooks.collect(), |_| &[]).unwrap()
    };
    let mut skipped = Vec::new();
    let heard = route(vec![
        says(None),
        fails.clone().on_error(OnError::Skip),
        says(Some(false)),
        fails.clone(),
    ]);
    assert_eq!(
        heard.first(&String::new(), &mut skipped).await.unwrap(),
        Some(false)
    );
    assert_eq!(skipped.len(), 1);
    let heard = route(vec![fails, says(Some(true))]);
    assert!(heard.first(&String::new(), &mut skipped).await.is_err());
}

/// A future of every around stands inside that of the one around it.
#[test]
fn the_deepest_chain_fits_the_stack_of_a_tokio_thread() {
    let run = || {
        let hooks = (0..pipeline_core::hook::MAX_NESTING as u64).map(|number| {
            let hook = if number.is_multiple_of(2) {
                AsyncHook::around(slowly)
            } else {
                AsyncHook::replace(slowly)
            };
            let hook = hook.on_error(OnError::Skip).timeout(SECOND);
            Attachment::new("a", number, hook)
        });
        let chain = AsyncChain::new("point", hooks.collect(), |_| &[]).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let mut text = String::new();
        runtime
            .block_on(chain.run(&mut text, core, &mut Vec::new()))
            .unwrap();
        text
    };
    // In bytes; the runtime's default.
    let thread = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    assert_eq!(thread.spawn(run).unwrap().join().unwrap(), " core");
}
