//! The meaning of a run: what follows from how a hook ended.
//!
//! Pure functions, used by every executor: the sync chain, the async chain, listeners, and the segments of
//! native hooks in `pipeline_term`. They say what happens next; the executors call hooks and keep contexts.
//!
//! A hook that returned ([`Returned::verdict`]):
//!
//! | kind | continues | answers | declines |
//! |---|---|---|---|
//! | before | next hook | early answer: no later before hook, replace hook or base operation; after hooks run | next hook |
//! | replace | its context is the result | its context is the result | next replace hook, finally the base operation |
//! | after, listen | next hook | next hook | next hook |
//!
//! A hook that failed ([`NextCall::after_failure`]), by what became of its `next`:
//!
//! | `next` | halt | skip |
//! |---|---|---|
//! | not called, or the hook has none | the run ends | the run goes on from the context that the hook was given |
//! | called, and dropped before its end | the run ends | the run ends: the inside would run twice |
//! | succeeded | the run ends | what `next` gave stands |
//! | failed | the run ends | the failure of `next` goes on outwards |
//!
//! A failed hook is to blame itself, unless it hands on a failure of its `next` (`blame`). A hook whose
//! circuit is open has failed without a call. A refusal is no failure to its circuit (`counts_as_failure`).

use super::{Cause, ContextFamily, HookKind, OnError, RunFailure, WrapError};

/// The request of a hook that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// To go on.
    Continue,
    /// To take the context as the answer.
    Answer,
    /// To leave its place to the next.
    Decline,
}

/// How a run goes on after a hook that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// With the next hook.
    Next,
    /// The context is an early answer.
    Answer,
    /// The context is the result of the base operation.
    Result,
    /// With the next replace hook, or the base operation.
    Decline,
}

impl Returned {
    /// The verdict for a hook of this kind.
    #[inline]
    pub fn verdict(self, kind: HookKind) -> Verdict {
        match (kind, self) {
            (HookKind::Before, Self::Answer) => Verdict::Answer,
            (HookKind::Replace, Self::Continue | Self::Answer) => Verdict::Result,
            (HookKind::Replace, Self::Decline) => Verdict::Decline,
            _ => Verdict::Next,
        }
    }
}

/// The result of the last call that a hook made to its `next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextCall<C> {
    /// There was none, or the hook has no `next`.
    None,
    /// It was dropped before its end, as the future of an async hook can be.
    Dropped,
    /// It succeeded. Where the hook may be skipped, this is a copy of the context.
    Done(C),
    /// It failed.
    Failed,
}

/// How a run goes on after a hook that failed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure<C> {
    /// It ends with the failure of the hook.
    End,
    /// As if the hook were not there, from the context that it was given.
    GoOn,
    /// With this context in place of what the hook made of it.
    Keep(C),
    /// It ends with the failure of `next`.
    HandOn,
}

impl<C> NextCall<C> {
    /// How the run goes on after a failure of the hook.
    #[inline]
    pub fn after_failure(self, on_error: OnError) -> AfterFailure<C> {
        match (on_error, self) {
            (OnError::Halt, _) | (OnError::Skip, Self::Dropped) => AfterFailure::End,
            (OnError::Skip, Self::None) => AfterFailure::GoOn,
            (OnError::Skip, Self::Done(given)) => AfterFailure::Keep(given),
            (OnError::Skip, Self::Failed) => AfterFailure::HandOn,
        }
    }
}

/// Whether a hook without a `next` that failed is skipped.
#[inline]
pub fn is_skipped(on_error: OnError) -> bool {
    NextCall::<()>::None.after_failure(on_error) == AfterFailure::GoOn
}

/// The culprit when a hook with a `next` failed.
pub(super) enum Blame<E> {
    /// The hook that failed inside.
    Inside(RunFailure<E>),
    /// The hook.
    Itself(Cause<E>),
}

/// Tells a hook's own failure from one that it hands on. `inside` is the last failure of its `next`, which is
/// taken only if the hook hands it on: a hook that is skipped for a failure of its own hands it on too,
/// afterwards.
pub(super) fn blame<E>(failed: WrapError<E>, inside: &mut Option<RunFailure<E>>) -> Blame<E> {
    match failed {
        WrapError::Own(error) => Blame::Itself(Cause::Failed(error)),
        WrapError::Inner(_) => match inside.take() {
            Some(failure) => Blame::Inside(failure),
            None => Blame::Itself(Cause::Stray),
        },
    }
}

/// Whether the circuit of a hook counts this as a failure: the hook was called and did not do its work.
pub(super) fn counts_as_failure<F: ContextFamily>(cause: &Cause<F::Error>) -> bool {
    match cause {
        Cause::Failed(error) => !F::is_refusal(error),
        Cause::Panicked(_) | Cause::Stray | Cause::TimedOut(_) => true,
        Cause::Aborted | Cause::CircuitOpen => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Inner;
    use super::*;

    #[test]
    fn only_before_hooks_answer_early_and_only_replace_hooks_decline() {
        for kind in HookKind::ALL {
            let verdicts = [Returned::Continue, Returned::Answer, Returned::Decline]
                .map(|returned| returned.verdict(kind));
            let expected = match kind {
                HookKind::Before => [Verdict::Next, Verdict::Answer, Verdict::Next],
                HookKind::Replace => [Verdict::Result, Verdict::Result, Verdict::Decline],
                _ => [Verdict::Next; 3],
            };
            assert_eq!(verdicts, expected, "{kind}");
        }
    }

    #[test]
    fn a_failure_that_halts_ends_the_run_whatever_next_did() {
        for next in [
            NextCall::None,
            NextCall::Dropped,
            NextCall::Done(7),
            NextCall::Failed,
        ] {
            assert_eq!(next.after_failure(OnError::Halt), AfterFailure::End);
        }
    }

    #[test]
    fn nothing_runs_twice_when_a_hook_is_skipped() {
        let after = |next: NextCall<u8>| next.after_failure(OnError::Skip);
        assert_eq!(after(NextCall::None), AfterFailure::GoOn);
        assert_eq!(after(NextCall::Done(7)), AfterFailure::Keep(7));
        assert_eq!(after(NextCall::Failed), AfterFailure::HandOn);
        assert_eq!(after(NextCall::Dropped), AfterFailure::End);
    }

    #[test]
    fn a_hook_is_to_blame_for_all_but_what_its_next_gave_it() {
        let mut inside = Some(RunFailure::Core("inside"));
        let own = blame(WrapError::Own("no"), &mut inside);
        assert!(matches!(own, Blame::Itself(Cause::Failed("no"))));
        assert!(
            inside.is_some(),
            "it is still there for a hook that is skipped"
        );
        let handed_on = blame(WrapError::Inner(Inner::new()), &mut inside);
        assert!(matches!(
            handed_on,
            Blame::Inside(RunFailure::Core("inside"))
        ));
        let stray = blame(WrapError::Inner(Inner::new()), &mut inside);
        assert!(matches!(stray, Blame::Itself(Cause::Stray)));
    }

    #[test]
    fn a_refusal_is_no_failure_to_the_circuit() {
        struct Texts;
        impl ContextFamily for Texts {
            type Context<'a> = String;
            type Error = &'static str;

            fn is_refusal(error: &&'static str) -> bool {
                *error == "refused"
            }
        }
        assert!(!counts_as_failure::<Texts>(&Cause::Failed("refused")));
        assert!(counts_as_failure::<Texts>(&Cause::Failed("broken")));
        assert!(!counts_as_failure::<Texts>(&Cause::CircuitOpen));
    }
}
