use crate::circuit::SegmentCircuit;
use crate::context::TermContext;
use crate::hook::{ConfiguredHook, Cost, Phase};
use pipeline_core::hook::OnError;
use thiserror::Error;

/// A hook in a segment.
#[derive(Clone, Debug)]
pub(super) struct SegmentStep {
    /// The hook.
    pub(super) hook: ConfiguredHook,
    /// Whether its failure ends the run.
    pub(super) on_error: OnError,
    /// The circuit that keeps it from being called while it fails too often.
    pub(super) circuit: Option<SegmentCircuit>,
    starts: Starts,
    plain: bool,
}

/// On which scheduler a hook may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Starts {
    /// On any.
    Anywhere,
    /// On a normal one unless it says that it takes long.
    AsItSays,
    /// On a dirty one.
    Dirty,
}

impl SegmentStep {
    pub(super) fn new(
        hook: ConfiguredHook,
        on_error: OnError,
        circuit: Option<SegmentCircuit>,
    ) -> Self {
        let starts = match hook.registration().cost {
            Cost::Light if !hook.scales() => Starts::Anywhere,
            Cost::Light => Starts::AsItSays,
            Cost::Heavy | Cost::Blocking | Cost::Async => Starts::Dirty,
        };
        Self {
            plain: on_error != OnError::Skip && circuit.is_none() && starts == Starts::Anywhere,
            starts,
            hook,
            on_error,
            circuit,
        }
    }

    /// Whether a call on this context belongs on a dirty scheduler.
    pub(super) fn is_long(&self, context: &TermContext<'_>) -> bool {
        match self.starts {
            Starts::Anywhere => false,
            Starts::AsItSays => self.hook.is_long(context),
            Starts::Dirty => true,
        }
    }

    /// Whether there is nothing to it but the call.
    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }
}

/// Hooks of one phase that run one after the other over one overlay.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    phase: Phase,
    steps: Box<[SegmentStep]>,
}

/// Why hooks do not form a segment.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(super) enum SegmentError {
    /// A hook does not serve the segment's phase.
    #[error("native hook {name} (number {index} of the segment) does not serve {}; use one of its phases", phase.name())]
    WrongPhase {
        /// Its place, counted from 0.
        index: usize,
        /// Its name.
        name: &'static str,
        /// The segment's phase.
        phase: Phase,
    },
}

impl Segment {
    /// Hooks to be run in this order.
    ///
    /// # Errors
    /// If one does not serve `phase`.
    pub(super) fn new(phase: Phase, steps: Vec<SegmentStep>) -> Result<Self, SegmentError> {
        match steps
            .iter()
            .enumerate()
            .find(|(_, step)| !step.hook.serves(phase))
        {
            Some((index, step)) => Err(SegmentError::WrongPhase {
                index,
                name: step.hook.registration().name,
                phase,
            }),
            None => Ok(Self {
                phase,
                steps: steps.into(),
            }),
        }
    }

    /// The phase its hooks run in.
    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Its hooks, in the order in which they run.
    pub(super) fn steps(&self) -> &[SegmentStep] {
        &self.steps
    }
}
