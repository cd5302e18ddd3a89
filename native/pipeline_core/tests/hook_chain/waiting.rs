//! The same cases on the async chain: every hook waits once on its way in, and once on its way out.

use pipeline_core::hook::asynchronous::{
    AsyncChain, AsyncHook, AsyncNext, BoxFuture, RunError, boxed,
};
use pipeline_core::hook::{Attachment, Flow, HookKind, WrapError};
use tokio::task::yield_now;

use super::case::{Act, Blame, HookCase, Outcome, Trail, Trails, blame, fail};

async fn with_next(
    case: HookCase,
    trail: &mut Trail,
    next: &mut AsyncNext<'_, Trails>,
) -> Result<(), WrapError<String>> {
    trail.push(case.name);
    yield_now().await;
    fail(case.act, case.name)?;
    match case.act {
        Act::Answer => {}
        Act::FailLate => {
            let _ = next.call(trail).await;
            trail.push("half-way");
            return Err(WrapError::Own(case.name.to_owned()));
        }
        Act::Retry => {
            if next.call(trail).await.is_err() {
                next.call(trail).await?;
            }
        }
        Act::Twice => {
            next.call(trail).await?;
            next.call(trail).await?;
        }
        Act::Catch => {
            if next.call(trail).await.is_err() {
                trail.push("caught");
            }
        }
        _ => next.call(trail).await?,
    }
    yield_now().await;
    trail.push(case.name);
    Ok(())
}

async fn plain(case: HookCase, trail: &mut Trail) -> Result<Flow, String> {
    trail.push(case.name);
    yield_now().await;
    fail(case.act, case.name)?;
    yield_now().await;
    Ok(match case.act {
        Act::Answer => Flow::Answer,
        _ => Flow::Continue,
    })
}

fn wrapping(
    case: HookCase,
) -> impl for<'h> Fn(
    &'h mut Trail,
    &'h mut AsyncNext<'h, Trails>,
) -> BoxFuture<'h, Result<(), WrapError<String>>>
+ Send
+ Sync {
    move |trail, next| Box::pin(with_next(case.clone(), trail, next))
}

fn build(case: &HookCase) -> AsyncHook<Trails> {
    let case = case.clone();
    let on_error = case.on_error;
    let hook = match case.kind {
        HookKind::Around => AsyncHook::around_fn(wrapping(case)),
        HookKind::Replace => AsyncHook::replace_fn(wrapping(case)),
        HookKind::Before => AsyncHook::before_fn(move |trail| Box::pin(plain(case.clone(), trail))),
        _ => AsyncHook::after_fn(move |trail| {
            let case = case.clone();
            Box::pin(async move { plain(case, trail).await.map(drop) })
        }),
    };
    hook.on_error(on_error)
}

/// Runs the real chain, as [`case::run`](super::case::run) does.
pub(crate) fn run(cases: &[HookCase], core: &[Act]) -> (Outcome, Vec<Blame>) {
    let hooks = cases
        .iter()
        .zip(0..)
        .map(|(case, number)| Attachment::new(case.name, number, build(case)));
    let chain = AsyncChain::new("point", hooks.collect(), |_| &[]).unwrap();
    let mut trail = Trail::default();
    let mut skipped = Vec::new();
    let mut acts = core.iter();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let core = boxed::<Trails, _>(|trail| {
            let act = acts.next().copied().unwrap_or(Act::Pass);
            Box::pin(async move {
                trail.push("core");
                yield_now().await;
                fail(act, "core")
            })
        });
        runtime.block_on(chain.run(&mut trail, core, &mut skipped))
    }));
    let outcome = match outcome {
        Ok(Ok(())) => Outcome::Done(trail.0),
        Ok(Err(RunError::Hook(error))) => Outcome::HookFailed(blame(&error)),
        Ok(Err(RunError::Core(error))) => {
            assert_eq!(error, "core");
            Outcome::CoreFailed
        }
        Ok(Err(error)) => panic!("{error}"),
        Err(payload) => {
            assert_eq!(payload.downcast_ref::<String>().unwrap(), "core");
            Outcome::CorePanicked
        }
    };
    (outcome, skipped.iter().map(blame).collect())
}
