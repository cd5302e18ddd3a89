//! Chains in a stack of tower services.
#![cfg(all(feature = "tower", not(loom)))]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pipeline_core::hook::asynchronous::{AsyncChain, AsyncHook, AsyncNext, RunError, RunLimits};
use pipeline_core::hook::{Attachment, ContextFamily, Flow, HookError, OnError, WrapError};
use pipeline_core::host::{Host, Plugin, PluginError, Registrar};
use pipeline_core::plugin::Manifest;
use pipeline_core::service::{Exchange, ExchangeError, HookLayer};
use semver::Version;
use tower::timeout::error::Elapsed;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

type Call = Exchange<String, String>;

struct Calls;

impl ContextFamily for Calls {
    type Context<'a> = Call;
    type Error = BoxError;
}

const SECOND: Duration = Duration::from_secs(1);

fn layer(hooks: Vec<AsyncHook<Calls>>) -> HookLayer<Calls> {
    let hooks = hooks.into_iter().zip(0..);
    let hooks = hooks.map(|(hook, number)| Attachment::new("a", number, hook));
    let chain = AsyncChain::new("call", hooks.collect(), |_| &[]).unwrap();
    HookLayer::of_chain(Arc::new(chain))
}

async fn greet(call: &mut Call) -> Result<Flow, BoxError> {
    if let Some(request) = &mut call.request {
        request.insert_str(0, "hello ");
    }
    Ok(Flow::Continue)
}

async fn shout(call: &mut Call) -> Result<(), BoxError> {
    if let Some(response) = &mut call.response {
        response.make_ascii_uppercase();
    }
    Ok(())
}

async fn cached(call: &mut Call) -> Result<Flow, BoxError> {
    if call.request.as_deref() != Some("cached") {
        return Ok(Flow::Continue);
    }
    call.response = Some("from the cache".to_owned());
    Ok(Flow::Answer)
}

async fn retry(
    call: &mut Call,
    next: &mut AsyncNext<'_, Calls>,
) -> Result<(), WrapError<BoxError>> {
    let request = call.request.clone();
    if next.call(call).await.is_err() {
        call.request = request;
        next.call(call).await?;
    }
    Ok(())
}

/// Fails when its number of the call is odd, counted from 1.
#[derive(Clone, Default)]
struct Flaky(Arc<AtomicUsize>);

impl Flaky {
    async fn call(self, text: String) -> Result<String, BoxError> {
        tokio::task::yield_now().await;
        if self.0.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            return Err("try again".into());
        }
        Ok(text)
    }
}

/// The error of the run, behind whatever else stands in the stack.
fn run_error(error: &BoxError) -> &RunError<BoxError> {
    error.downcast_ref().unwrap()
}

#[tokio::test]
async fn hooks_stand_around_a_service_in_a_stack() {
    let calls = Flaky::default();
    let flaky = calls.clone();
    let mut service = ServiceBuilder::new()
        .timeout(60 * SECOND)
        .concurrency_limit(1)
        .layer(layer(vec![
            AsyncHook::around(retry),
            AsyncHook::before(cached),
            AsyncHook::before(greet),
            AsyncHook::after(shout),
        ]))
        // Whoever calls it a second time has let go of the first.
        .concurrency_limit(1)
        .timeout(60 * SECOND)
        .service_fn(move |text| flaky.clone().call(text));
    for _ in 0..3 {
        let service = service.ready().await.unwrap();
        let response = service.call("you".to_owned()).await.unwrap();
        assert_eq!(response, "HELLO YOU");
    }
    assert_eq!(calls.0.load(Ordering::Relaxed), 6);
    let service = service.ready().await.unwrap();
    let response = service.call("cached".to_owned()).await.unwrap();
    assert_eq!(response, "FROM THE CACHE");
    assert_eq!(calls.0.load(Ordering::Relaxed), 6);
}

#[tokio::test]
async fn calls_beside_each_other_share_the_chain() {
    let service = ServiceBuilder::new()
        .concurrency_limit(4)
        .layer(layer(vec![AsyncHook::before(greet)]))
        .concurrency_limit(2)
        .service_fn(async |text: String| {
            tokio::task::yield_now().await;
            Ok::<_, BoxError>(text)
        });
    let calls = (0..32).map(|number| {
        let service = service.clone();
        tokio::spawn(service.oneshot(number.to_string()))
    });
    for (number, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap(), format!("hello {number}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_timeout_around_drops_the_hooks() {
    let slow = AsyncHook::before(async |_: &mut Call| std::future::pending().await);
    let service = ServiceBuilder::new()
        .timeout(SECOND)
        .layer(layer(vec![slow]))
        .service_fn(async |text: String| Ok::<_, BoxError>(text));
    let error = service.oneshot(String::new()).await.unwrap_err();
    assert!(error.is::<Elapsed>(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_is_a_failure_that_hooks_see() {
    let seen = Arc::new(Mutex::new(String::new()));
    let writes = seen.clone();
    let look = AsyncHook::around_fn(move |call: &mut Call, next| {
        let seen = writes.clone();
        Box::pin(async move {
            let result = next.call(call).await;
            *seen.lock().unwrap() = next.failure().unwrap().to_string();
            Ok(result?)
        })
    });
    let service = ServiceBuilder::new()
        .map_err(BoxError::from)
        .layer(layer(vec![look]))
        .timeout(SECOND)
        .service_fn(async |_: String| std::future::pending::<Result<String, BoxError>>().await);
    let error = service.oneshot(String::new()).await.unwrap_err();
    let RunError::Core(inner) = run_error(&error) else {
        panic!("{error}")
    };
    assert!(inner.is::<Elapsed>(), "{inner}");
    assert_eq!(*seen.lock().unwrap(), inner.to_string());
}

#[tokio::test(start_paused = true)]
async fn limits_hold_for_a_call() {
    let limited = layer(vec![]).limits(RunLimits::new().timeout(SECOND));
    let service = ServiceBuilder::new()
        .layer(limited)
        .service_fn(async |_: String| std::future::pending::<Result<String, BoxError>>().await);
    let error = service.oneshot(String::new()).await.unwrap_err();
    assert!(
        matches!(error, RunError::DeadlineExceeded { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn an_exchange_says_what_it_lacks() {
    let twice = async |call: &mut Call, next: &mut AsyncNext<'_, Calls>| {
        next.call(call).await?;
        next.call(call).await?;
        Ok(())
    };
    let nothing = async |_: &mut Call| Ok(Flow::Answer);
    for (hook, lacks) in [
        (AsyncHook::around(twice), ExchangeError::NoRequest),
        (AsyncHook::before(nothing), ExchangeError::NoResponse),
    ] {
        let service = ServiceBuilder::new()
            .layer(layer(vec![hook]))
            .service_fn(async |text: String| Ok::<_, BoxError>(text));
        let error = service.oneshot(String::new()).await.unwrap_err();
        let RunError::Core(error) = error else {
            panic!("{error}")
        };
        assert_eq!(error.downcast_ref(), Some(&lacks));
    }
}

#[tokio::test]
async fn skipped_failures_are_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let fails = AsyncHook::before(async |_: &mut Call| Err(BoxError::from("no")));
    let tells = told.clone();
    let skips = layer(vec![fails.on_error(OnError::Skip)]).on_skipped(
        move |error: &HookError<BoxError>| tells.lock().unwrap().push(error.to_string()),
    );
    let service = ServiceBuilder::new()
        .layer(skips)
        .service_fn(async |text: String| Ok::<_, BoxError>(text));
    assert_eq!(service.oneshot("a".to_owned()).await.unwrap(), "a");
    assert_eq!(
        *told.lock().unwrap(),
        ["the before hook of a on call failed: no"]
    );
}

struct Greet;

impl Plugin<Calls> for Greet {
    fn manifest(&self) -> Manifest {
        Manifest::new("greet", Version::new(1, 0, 0))
    }

    fn build(&self, registrar: &mut Registrar<Calls>) -> Result<(), PluginError> {
        registrar.attach_async("call", AsyncHook::before(greet));
        Ok(())
    }
}

#[tokio::test]
async fn the_hooks_of_a_point_come_and_go_under_a_running_service() {
    let host = Arc::new(Host::new());
    let mut service = ServiceBuilder::new()
        .layer(HookLayer::of_point(host.clone(), "call"))
        .service_fn(async |text: String| Ok::<_, BoxError>(text));
    let mut expected = ["you", "hello you", "you"].into_iter();
    let mut answers = async || {
        let service = service.ready().await.unwrap();
        let answer = service.call("you".to_owned()).await.unwrap();
        assert_eq!(Some(answer.as_str()), expected.next());
    };
    answers().await;
    let id = host.load(Greet).unwrap();
    answers().await;
    host.unload(&id).unwrap();
    answers().await;
}
