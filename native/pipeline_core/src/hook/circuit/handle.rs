use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use crate::breaker::{Admission, Breaker, BreakerState, Counts, Permit, Settings, Transition};

/// The circuit of a hook: while it is open, because the hook has failed too often, the hook is not called.
/// Clones are the same circuit.
///
/// A [`Breaker`] decides, whose states and settings these are. Errors of the family that [are
/// refusals](crate::hook::ContextFamily::is_refusal), and what comes out of the `next` of a hook, are no
/// failures of it.
///
/// ```
/// use pipeline_core::breaker::{Settings, BreakerState};
/// use pipeline_core::hook::{Attachment, Cause, Chain, Circuit, ContextFamily, RunFailure, Flow, Hook};
///
/// # struct Texts;
/// # impl ContextFamily for Texts {
/// #     type Context<'a> = String;
/// #     type Error = &'static str;
/// # }
/// let second = 1_000_000_000;
/// let circuit = Circuit::new(Settings::new(2, 10 * second, 5 * second, 1)?);
/// let down = Hook::<Texts>::before(|_: &mut String| Err("down")).circuit(circuit.clone());
/// let chain = Chain::new("publish", vec![Attachment::new("remote", 1, down)], |_| &[])?;
///
/// let mut run = || chain.run(&mut String::new(), |_| Ok(()), &mut Vec::new()).unwrap_err();
/// for cause in [Cause::Failed("down"), Cause::Failed("down"), Cause::CircuitOpen] {
///     assert!(matches!(run(), RunFailure::Hook(error) if error.cause == cause));
/// }
/// assert_eq!((circuit.state(), circuit.counts().refused), (BreakerState::Open, 1));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Circuit {
    shared: Arc<Shared>,
}

struct Shared {
    breaker: Breaker,
    now: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl Circuit {
    /// A closed circuit.
    pub fn new(settings: Settings) -> Self {
        Self::with_clock(settings, now)
    }

    /// As [`Circuit::new`], with a clock of one's own: nanoseconds from any fixed moment, never fewer than
    /// before. It is not read for a call that passes while the circuit is closed.
    pub fn with_clock(settings: Settings, now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::new(Shared {
                breaker: Breaker::new(settings),
                now: Box::new(now),
            }),
        }
    }

    /// Its settings.
    pub fn settings(&self) -> Settings {
        self.shared.breaker.settings()
    }

    /// Its state. An open one whose cool-down is over stays open until the next call.
    pub fn state(&self) -> BreakerState {
        self.shared.breaker.state()
    }

    /// Its state and what it has counted.
    pub fn counts(&self) -> Counts {
        self.shared.breaker.counts(self.now())
    }

    pub(in crate::hook) fn opened(&self) -> u64 {
        self.shared.breaker.opened()
    }

    /// Closes it, and forgets the failures so far. The change is told to the caller alone;
    /// [`Chain::reset_circuits`](crate::hook::Chain::reset_circuits) tells it to whoever hears of all others.
    pub fn reset(&self) -> Option<Transition> {
        self.shared.breaker.reset()
    }

    #[inline]
    pub(super) fn admit(&self) -> Admission {
        self.shared.breaker.admit(|| self.now())
    }

    pub(super) fn passed(&self, permit: Permit) -> Option<Transition> {
        self.shared.breaker.passed(permit)
    }

    pub(super) fn failed(&self, permit: Permit) -> Option<Transition> {
        self.shared.breaker.failed(permit, self.now())
    }

    fn now(&self) -> u64 {
        (self.shared.now)()
    }
}

/// Nanoseconds since this was first asked; enough for 584 years.
fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl From<Settings> for Circuit {
    fn from(settings: Settings) -> Self {
        Self::new(settings)
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit")
            .field("settings", &self.settings())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
