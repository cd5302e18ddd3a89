//! A model of a chain, written without regard to cost: values in, values out, every hook a function of
//! the rest.

use pipeline_core::hook::{HookKind, OnError};

use super::case::{Act, Blame, HookCase, Outcome};

type Trail = Vec<String>;
type Given = Result<Trail, Outcome>;

pub(crate) struct Model<'m> {
    pub(crate) core: &'m [Act],
    pub(crate) calls: usize,
    pub(crate) skipped: Vec<Blame>,
}

fn of(cases: &[HookCase], kind: HookKind) -> Vec<&HookCase> {
    cases.iter().filter(|case| case.kind == kind).collect()
}

fn with(mut trail: Trail, mark: &str) -> Trail {
    trail.push(mark.to_owned());
    trail
}

/// Runs the model.
pub(crate) fn run(cases: &[HookCase], core: &[Act]) -> (Outcome, Vec<Blame>) {
    let mut model = Model {
        core,
        calls: 0,
        skipped: Vec::new(),
    };
    let outcome = match model.arounds(cases, 0, Trail::new()) {
        Ok(trail) => Outcome::Done(trail),
        Err(outcome) => outcome,
    };
    (outcome, model.skipped)
}

impl Model<'_> {
    fn arounds(&mut self, cases: &[HookCase], from: usize, trail: Trail) -> Given {
        match of(cases, HookKind::Around).get(from) {
            Some(case) => self.wrapping(case, from, trail, |model, trail| {
                model.arounds(cases, from + 1, trail)
            }),
            None => self.inside(cases, trail),
        }
    }

    fn inside(&mut self, cases: &[HookCase], mut trail: Trail) -> Given {
        let mut answered = false;
        for (index, case) in of(cases, HookKind::Before).into_iter().enumerate() {
            match self.plain(case, index, &trail)? {
                Some(next) => trail = next,
                None => continue,
            }
            if case.act == Act::Answer {
                answered = true;
                break;
            }
        }
        if !answered {
            trail = self.replaces(cases, 0, trail)?;
        }
        for (index, case) in of(cases, HookKind::After).into_iter().enumerate() {
            if let Some(next) = self.plain(case, index, &trail)? {
                trail = next;
            }
        }
        Ok(trail)
    }

    fn replaces(&mut self, cases: &[HookCase], from: usize, trail: Trail) -> Given {
        if let Some(case) = of(cases, HookKind::Replace).get(from) {
            return self.wrapping(case, from, trail, |model, trail| {
                model.replaces(cases, from + 1, trail)
            });
        }
        let act = self.core.get(self.calls).copied().unwrap_or(Act::Pass);
        self.calls += 1;
        match act {
            Act::Fail => Err(Outcome::CoreFailed),
            Act::Panic => Err(Outcome::CorePanicked),
            _ => Ok(with(trail, "core")),
        }
    }

    /// `None` when the hook was skipped.
    fn plain(
        &mut self,
        case: &HookCase,
        index: usize,
        trail: &Trail,
    ) -> Result<Option<Trail>, Outcome> {
        match case.act {
            Act::Fail | Act::Panic => {
                let blame = (
                    case.name.to_owned(),
                    case.kind,
                    index,
                    case.act == Act::Panic,
                );
                self.failed(case, blame).map(|()| None)
            }
            _ => Ok(Some(with(trail.clone(), case.name))),
        }
    }

    fn wrapping(
        &mut self,
        case: &HookCase,
        index: usize,
        trail: Trail,
        next: impl Fn(&mut Self, Trail) -> Given,
    ) -> Given {
        let entered = with(trail.clone(), case.name);
        let blame = (
            case.name.to_owned(),
            case.kind,
            index,
            case.act == Act::Panic,
        );
        let left = match case.act {
            Act::Fail | Act::Panic => {
                self.failed(case, blame)?;
                return next(self, trail);
            }
            Act::FailLate => {
                let given = next(self, entered);
                self.failed(case, blame)?;
                return given;
            }
            Act::Answer => entered,
            Act::Pass => next(self, entered)?,
            Act::Twice => {
                let once = next(self, entered)?;
                next(self, once)?
            }
            Act::Retry | Act::Catch => {
                unreachable!("needs the trail of a failed run; see the conformance cases")
            }
        };
        Ok(with(left, case.name))
    }

    fn failed(&mut self, case: &HookCase, blame: Blame) -> Result<(), Outcome> {
        match case.on_error {
            OnError::Halt => Err(Outcome::HookFailed(blame)),
            OnError::Skip => {
                self.skipped.push(blame);
                Ok(())
            }
        }
    }
}
