//! Listeners with circuits.

use pipeline_core::breaker::BreakerState;
use pipeline_core::hook::{Attachment, Cause, Circuit, Listener, Listeners, OnError};

use super::bench::{Act, Said, Visit, Visits, act, settings};

type Heard = Option<u8>;

fn listeners(on_error: OnError) -> (Circuit, Listeners<Visits, Heard>) {
    let circuit = Circuit::with_clock(settings(), || 1);
    let flaky = Listener::new(|visit: &Visit| act(&mut visit.clone()).map(|()| Some(1)))
        .on_error(on_error)
        .circuit(circuit.clone());
    let other = Listener::new(|_: &Visit| Ok(Some(2)));
    let hooks = vec![
        Attachment::new("flaky", 1, flaky),
        Attachment::new("other", 2, other),
    ];
    (circuit, Listeners::new("hear", hooks, |_| &[]).unwrap())
}

fn visit(act: Act) -> Visit {
    Visit { act, trail: vec![] }
}

#[test]
fn one_that_is_skipped_is_left_out() {
    let (circuit, listeners) = listeners(OnError::Skip);
    let mut skipped = vec![];
    let mut first = |act| listeners.first(&visit(act), &mut skipped).unwrap();
    assert_eq!(first(Act::Pass), Some(1));
    assert_eq!(first(Act::Fail), Some(2));
    assert_eq!(first(Act::Panic), Some(2));
    assert_eq!(circuit.state(), BreakerState::Open);
    assert_eq!(first(Act::Pass), Some(2));
    assert_eq!(skipped.pop().unwrap().cause, Cause::CircuitOpen);
    assert_eq!(
        listeners.collect(&visit(Act::Pass), &mut skipped).unwrap(),
        [Some(2)]
    );
    assert_eq!(listeners.describe().hooks[0].circuit, Some(settings()));
    assert_eq!(listeners.reset_circuits(&"flaky".into()), 1);
    assert_eq!(
        listeners.collect(&visit(Act::Pass), &mut skipped).unwrap(),
        [Some(1), Some(2)]
    );
}

#[test]
fn one_that_halts_refuses_and_stops_no_notification() {
    let (circuit, listeners) = listeners(OnError::Halt);
    let mut skipped = vec![];
    for _ in 0..2 {
        let failed = listeners.collect(&visit(Act::Fail), &mut skipped);
        assert_eq!(failed.unwrap_err().cause, Cause::Failed(Said::Down));
    }
    let refused = listeners.collect(&visit(Act::Pass), &mut skipped);
    assert_eq!(refused.unwrap_err().cause, Cause::CircuitOpen);
    let [error] = &listeners.notify(&visit(Act::Pass))[..] else {
        panic!("one was not called")
    };
    assert_eq!((&error.cause, error.index), (&Cause::CircuitOpen, 0));
    assert_eq!(circuit.counts().refused, 2);
    let states: Vec<_> = listeners
        .circuits()
        .map(|(_, _, circuit)| circuit.state())
        .collect();
    assert_eq!(states, [BreakerState::Open]);
}
