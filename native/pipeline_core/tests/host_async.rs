//! Async points of a host.
#![cfg(all(feature = "async", not(loom)))]

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pipeline_core::hook::asynchronous::{AsyncHook, AsyncNext, RunError, RunLimits};
use pipeline_core::hook::{ContextFamily, Flow, Hook, OnError, WrapError};
use pipeline_core::host::{Host, HostError, Plugin, PluginError, Registrar};
use pipeline_core::plugin::Manifest;
use semver::Version;
use tokio::task::yield_now;

struct Texts;

impl ContextFamily for Texts {
    type Context<'a> = String;
    type Error = String;
}

/// Marks both points, each ahead of the base operation and around it.
struct Marker(&'static str);

impl Plugin<Texts> for Marker {
    fn manifest(&self) -> Manifest {
        Manifest::new(self.0, Version::new(1, 0, 0))
    }

    fn build(&self, registrar: &mut Registrar<Texts>) -> Result<(), PluginError> {
        let id = self.0;
        let sync = Hook::before(move |text: &mut String| {
            text.push_str(id);
            Ok(Flow::Continue)
        });
        registrar.attach_async("run", AsyncHook::sync(&sync)?);
        registrar.attach("run", sync);
        registrar.attach_async(
            "run",
            AsyncHook::around_fn(move |text, next| Box::pin(mark(id, text, next))),
        );
        Ok(())
    }
}

async fn mark(
    id: &str,
    text: &mut String,
    next: &mut AsyncNext<'_, Texts>,
) -> Result<(), WrapError<String>> {
    yield_now().await;
    next.call(text).await?;
    yield_now().await;
    text.push_str(id);
    Ok(())
}

async fn core(text: &mut String) -> Result<(), String> {
    yield_now().await;
    text.push('.');
    Ok(())
}

async fn run(host: &Host<Texts>) -> String {
    let mut text = String::new();
    host.run_async("run", &RunLimits::new(), &mut text, core, &mut Vec::new())
        .await
        .unwrap();
    text
}

#[tokio::test]
async fn async_hooks_come_and_go_with_their_plugin() {
    let host = Host::new();
    assert_eq!(run(&host).await, ".");
    let a = host.load(Marker("a")).unwrap();
    host.load(Marker("b")).unwrap();
    assert_eq!(run(&host).await, "ab.ba");
    let mut text = String::new();
    host.run("run", &mut text, |_| Ok(()), &mut Vec::new())
        .unwrap();
    assert_eq!(text, "ab");
    let described = host.async_chain("run").unwrap().describe();
    let kinds: Vec<String> = described
        .hooks
        .iter()
        .map(|hook| format!("{} {}", hook.kind, hook.plugin))
        .collect();
    assert_eq!(kinds, ["around a", "around b", "before a", "before b"]);
    host.unload(&a).unwrap();
    assert_eq!(run(&host).await, "b.b");
    host.shut_down();
    assert!(host.async_chain("run").is_none());
}

/// Contradicts itself on the async point.
struct Contradicting;

impl Plugin<Texts> for Contradicting {
    fn manifest(&self) -> Manifest {
        Manifest::new("z", Version::new(1, 0, 0))
    }

    fn build(&self, registrar: &mut Registrar<Texts>) -> Result<(), PluginError> {
        let pass = Hook::before(|_: &mut String| Ok(Flow::Continue));
        let attached = registrar.attach_async("run", AsyncHook::sync(&pass)?);
        attached.before.push("a".into());
        attached.after.push("a".into());
        Ok(())
    }
}

#[tokio::test]
async fn what_makes_no_async_chain_is_refused() {
    let host = Host::new();
    host.load(Marker("a")).unwrap();
    let refused = host.load(Contradicting).unwrap_err();
    assert!(matches!(refused, HostError::Chain(_)), "{refused}");
    assert_eq!(run(&host).await, "a.a");
}

/// Waits until it is told to go on, and knows that a run is in it.
struct Gate {
    entered: Arc<tokio::sync::Notify>,
    open: Arc<tokio::sync::Notify>,
}

impl Plugin<Texts> for Gate {
    fn manifest(&self) -> Manifest {
        Manifest::new("gate", Version::new(1, 0, 0))
    }

    fn build(&self, registrar: &mut Registrar<Texts>) -> Result<(), PluginError> {
        let (entered, open) = (self.entered.clone(), self.open.clone());
        let gate = AsyncHook::before_fn(move |_| {
            let (entered, open) = (entered.clone(), open.clone());
            Box::pin(async move {
                entered.notify_one();
                open.notified().await;
                Ok(Flow::Continue)
            })
        });
        registrar.attach_async("run", gate).priority = 90;
        Ok(())
    }
}

#[tokio::test]
async fn a_run_that_waits_keeps_to_its_chain_and_holds_nobody_up() {
    let host = Arc::new(Host::new());
    let (entered, open) = (Arc::default(), Arc::default());
    let gate = host
        .load(Gate {
            entered: Arc::clone(&entered),
            open: Arc::clone(&open),
        })
        .unwrap();
    host.load(Marker("a")).unwrap();
    let waiting = tokio::spawn({
        let host = host.clone();
        async move { run(&host).await }
    });
    entered.notified().await;
    host.unload(&"a".into()).unwrap();
    host.unload(&gate).unwrap();
    assert_eq!(run(&host).await, ".");
    open.notify_one();
    assert_eq!(waiting.await.unwrap(), "a.a");
}

struct Faulty;

impl Plugin<Texts> for Faulty {
    fn manifest(&self) -> Manifest {
        Manifest::new("faulty", Version::new(1, 0, 0))
    }

    fn build(&self, registrar: &mut Registrar<Texts>) -> Result<(), PluginError> {
        let fails = AsyncHook::before(async |_: &mut String| Err("no".to_owned()));
        registrar.attach_async("run", fails.on_error(OnError::Skip));
        let slow = AsyncHook::after(async |_: &mut String| std::future::pending().await);
        registrar.attach_async("run", slow.timeout(Duration::from_secs(1)));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_tells_which_async_hooks_fail() {
    let host = Host::new();
    host.load(Faulty).unwrap();
    let events = host
        .events()
        .subscribe("hook_failed", NonZeroU16::new(8).unwrap());
    let told = || {
        let events = std::iter::from_fn(|| events.try_recv());
        let events = events.map(|event| serde_json::to_value(&*event).unwrap());
        events
            .map(|event| format!("{} {}", event["error"]["cause"], event["skipped"]))
            .collect::<Vec<_>>()
    };
    let (skip, fail) = (
        "{\"failed\":null} true",
        "{\"timed_out\":{\"nanos\":0,\"secs\":1}} false",
    );
    let limits = RunLimits::new();
    let ended = host
        .run_async("run", &limits, &mut String::new(), core, &mut Vec::new())
        .await;
    assert!(matches!(ended, Err(RunError::Hook(_))));
    assert_eq!(told(), [skip, fail]);
    // A run that is cut short skipped what it skipped.
    let limits = limits.timeout(Duration::from_millis(1));
    let ended = host
        .run_async("run", &limits, &mut String::new(), core, &mut Vec::new())
        .await;
    assert!(matches!(ended, Err(RunError::DeadlineExceeded { .. })));
    assert_eq!(told(), [skip]);
}

/// Every run sees all hooks of a plugin or none, whatever it waits for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_sees_all_hooks_of_a_plugin_or_none() {
    let host = Arc::new(Host::new());
    host.load(Marker("x")).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let runs: Vec<_> = (0..4)
        .map(|_| {
            let (host, done) = (host.clone(), done.clone());
            tokio::spawn(async move {
                let mut seen = BTreeSet::new();
                while !done.load(Ordering::Acquire) {
                    seen.insert(run(&host).await);
                }
                seen
            })
        })
        .collect();
    let writer = tokio::task::spawn_blocking(move || {
        for _ in 0..300 {
            let a = host.load(Marker("a")).unwrap();
            host.unload(&a).unwrap();
        }
        done.store(true, Ordering::Release);
    });
    writer.await.unwrap();
    for run in runs {
        for trail in run.await.unwrap() {
            assert!(["x.x", "xa.ax"].contains(&trail.as_str()), "{trail}");
        }
    }
}
