//! Circuits in a host: events, and how long they stay.

use std::num::NonZeroU16;
use std::sync::Arc;

use pipeline_core::breaker::{BreakerState, TransitionReason};
use pipeline_core::events::{Event, Subscription};
use pipeline_core::hook::{Circuit, Hook, HookKind, OnError, RunFailure};
use pipeline_core::host::{Host, HostEvent, Plugin, PluginError, Registrar};
use pipeline_core::plugin::Manifest;
use semver::Version;

use super::bench::{Act, Visit, Visits, core, hook, settings};

struct Attaching {
    id: &'static str,
    hook: fn() -> Hook<Visits>,
}

impl Plugin<Visits> for Attaching {
    fn manifest(&self) -> Manifest {
        Manifest::new(self.id, Version::new(1, 0, 0))
    }

    fn build(&self, registrar: &mut Registrar<Visits>) -> Result<(), PluginError> {
        registrar.attach("step", (self.hook)());
        Ok(())
    }
}

fn flaky(hook: fn() -> Hook<Visits>) -> Attaching {
    Attaching { id: "flaky", hook }
}

fn halting() -> Hook<Visits> {
    hook(HookKind::Before).circuit(Circuit::with_clock(settings(), || 1))
}

fn run(host: &Host<Visits>, act: Act) -> Result<(), RunFailure<super::bench::Said>> {
    let mut visit = Visit { act, trail: vec![] };
    host.run("step", &mut visit, core, &mut vec![])
}

fn open(host: &Host<Visits>) {
    for _ in 0..2 {
        let _ = run(host, Act::Fail);
    }
    assert_eq!(state(host), BreakerState::Open);
}

fn state(host: &Host<Visits>) -> BreakerState {
    let chain = host.chain("step").unwrap();
    let (_, _, circuit) = chain.circuits().next().unwrap();
    circuit.state()
}

fn listen(host: &Host<Visits>) -> Subscription<HostEvent> {
    host.events().subscribe("hook_*", NonZeroU16::MAX)
}

fn names(events: &Subscription<HostEvent>) -> Vec<String> {
    std::iter::from_fn(|| events.try_recv())
        .map(|event| event.name().to_owned())
        .collect()
}

#[test]
fn the_bus_tells_of_each_change_and_not_of_hooks_that_were_not_called() {
    for on_error in [OnError::Halt, OnError::Skip] {
        let host = Host::new();
        let hook = match on_error {
            OnError::Halt => halting,
            OnError::Skip => || halting().on_error(OnError::Skip),
        };
        host.load(flaky(hook)).unwrap();
        let events = listen(&host);
        open(&host);
        let refused = run(&host, Act::Pass);
        assert_eq!(refused.is_err(), on_error == OnError::Halt);
        let told: Vec<Arc<HostEvent>> = std::iter::from_fn(|| events.try_recv()).collect();
        let [first, opened, second] = &told[..] else {
            panic!("{told:?}")
        };
        // The failure is told when the run is over.
        assert_eq!(
            [first.name(), opened.name(), second.name()],
            ["hook_failed", "hook_circuit", "hook_failed"]
        );
        let written = serde_json::to_value(&**opened).unwrap();
        let expected = serde_json::json!({"event": "hook_circuit", "change": {
            "plugin": "flaky", "point": "step", "kind": "before", "index": 0,
            "from": "closed", "to": "open", "reason": "failures", "opened": 1}});
        assert_eq!(written, expected);
        let read: HostEvent = serde_json::from_value(written).unwrap();
        assert_eq!(read, **opened);
    }
}

#[test]
fn it_stays_when_others_come_and_go_and_goes_with_its_plugin() {
    let host = Host::new();
    let id = host.load(flaky(halting)).unwrap();
    open(&host);
    let other = host
        .load(Attaching {
            id: "other",
            hook: || hook(HookKind::After),
        })
        .unwrap();
    assert_eq!(state(&host), BreakerState::Open);
    host.unload(&other).unwrap();
    assert_eq!(state(&host), BreakerState::Open);
    host.unload(&id).unwrap();
    host.load(flaky(halting)).unwrap();
    assert_eq!(state(&host), BreakerState::Closed);
}

#[test]
fn an_operator_closes_it() {
    let host = Host::new();
    let id = host.load(flaky(halting)).unwrap();
    open(&host);
    let events = listen(&host);
    assert_eq!(host.reset_circuits("step", &id), 1);
    let Some(HostEvent::HookCircuit { change }) = events.try_recv().as_deref().cloned() else {
        panic!("nothing was told")
    };
    assert_eq!(
        (change.to, change.reason),
        (BreakerState::Closed, TransitionReason::Reset)
    );
    run(&host, Act::Pass).unwrap();
    assert_eq!(host.reset_circuits("step", &id), 1);
    assert_eq!(names(&events), [""; 0]);
    assert_eq!(host.reset_circuits("step", &"nobody".into()), 0);
    assert_eq!(host.reset_circuits("nowhere", &id), 0);
}

#[cfg(feature = "async")]
#[tokio::test]
async fn async_points_tell_too() {
    struct Waiting;
    impl Plugin<Visits> for Waiting {
        fn manifest(&self) -> Manifest {
            Manifest::new("flaky", Version::new(1, 0, 0))
        }
        fn build(&self, registrar: &mut Registrar<Visits>) -> Result<(), PluginError> {
            let circuit = Circuit::with_clock(settings(), || 1);
            let hook = super::waiting::hook(HookKind::Around).circuit(circuit);
            registrar.attach_async("step", hook);
            Ok(())
        }
    }
    let host = Host::new();
    let id = host.load(Waiting).unwrap();
    let events = listen(&host);
    let limits = pipeline_core::hook::asynchronous::RunLimits::new();
    for _ in 0..3 {
        let mut visit = Visit {
            act: Act::Fail,
            trail: vec![],
        };
        let base = async |visit: &mut Visit| core(visit);
        let failed = host
            .run_async("step", &limits, &mut visit, base, &mut vec![])
            .await;
        assert!(failed.is_err());
    }
    assert_eq!(
        names(&events),
        ["hook_failed", "hook_circuit", "hook_failed"]
    );
    assert_eq!(host.reset_circuits("step", &id), 1);
    assert_eq!(names(&events), ["hook_circuit"]);
}
