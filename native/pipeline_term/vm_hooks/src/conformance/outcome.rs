use std::any::Any;
use std::collections::HashMap;

use pipeline_core::hook::{Cause, ChainError, HookError, HookKind, RunFailure};
use pipeline_core::plugin::PluginId;
use pipeline_term::rustler::{self, Atom, Encoder, Env, Error, NifResult, Term};
use pipeline_term::{Data, DataError};

use super::program::panicked;
use super::program_error::ProgramError;

rustler::atoms! {
    after, around, before, contradiction, core, error, failed, hook_error, listen, ok, raised, refused, replace,
}

/// How a run of the core alone ended.
pub(super) enum CaseEnd {
    Value(Data),
    Notified,
    Failure(RunFailure<ProgramError>),
    /// The base operation panicked, with this message.
    Panicked(String),
}

impl CaseEnd {
    pub(super) fn of_hook(error: HookError<ProgramError>) -> Self {
        Self::Failure(RunFailure::Hook(error))
    }

    pub(super) fn of_core(ended: ProgramError) -> Self {
        Self::Failure(RunFailure::Core(ended))
    }

    pub(super) fn of_panic(payload: &(dyn Any + Send)) -> Self {
        Self::Panicked(
            payload
                .downcast_ref::<String>()
                .cloned()
                .unwrap_or_default(),
        )
    }
}

/// Makes the terms of an outcome, in the shape that the cases expect of every tier.
pub(super) struct OutcomeEncoder<'a> {
    pub(super) env: Env<'a>,
    /// The plugins of the case, by the ids that the core knows them by.
    pub(super) plugins: HashMap<PluginId, Data>,
}

impl<'a> OutcomeEncoder<'a> {
    /// `{result, called, skipped}`.
    pub(super) fn outcome(
        &self,
        ran: Result<(CaseEnd, Vec<HookError<ProgramError>>), ChainError>,
        calls: &[Option<Data>],
    ) -> NifResult<Term<'a>> {
        let (result, skipped) = match ran {
            Ok((end, skipped)) => (self.end(&end)?, skipped),
            Err(ChainError::Contradiction {
                contradiction: found,
                ..
            }) => {
                let sentence = found.to_string();
                ((contradiction(), sentence).encode(self.env), Vec::new())
            }
            Err(refused) => ((error(), refused.to_string()).encode(self.env), Vec::new()),
        };
        let called = calls
            .iter()
            .map(|name| match name {
                Some(name) => self.data(name),
                None => Ok(core().encode(self.env)),
            })
            .collect::<NifResult<Vec<_>>>()?;
        let skipped = skipped
            .iter()
            .map(|skip| {
                let reason = match &skip.cause {
                    Cause::Failed(ProgramError::Refused(reason)) => {
                        (hook_error(), self.refusal(reason)?).encode(self.env)
                    }
                    cause => message(cause).encode(self.env),
                };
                Ok((self.plugin(skip)?, kind(skip.kind), reason))
            })
            .collect::<NifResult<Vec<_>>>()?;
        Ok((result, called, skipped).encode(self.env))
    }

    fn end(&self, end: &CaseEnd) -> NifResult<Term<'a>> {
        let env = self.env;
        Ok(match end {
            CaseEnd::Value(value) => (ok(), self.data(value)?).encode(env),
            CaseEnd::Notified => ok().encode(env),
            CaseEnd::Panicked(message) => (raised(), error(), panicked(message)).encode(env),
            CaseEnd::Failure(RunFailure::Core(ProgramError::Refused(reason))) => {
                (error(), self.refusal(reason)?).encode(env)
            }
            CaseEnd::Failure(RunFailure::Core(ended)) => {
                (raised(), error(), ended.to_string()).encode(env)
            }
            CaseEnd::Failure(RunFailure::CorePanicked(payload)) => {
                self.end(&CaseEnd::of_panic(&**payload))?
            }
            CaseEnd::Failure(RunFailure::Hook(hook)) => match &hook.cause {
                Cause::Failed(ProgramError::Refused(reason)) => {
                    (error(), self.refusal(reason)?).encode(env)
                }
                cause => {
                    let plugin = self.plugin(hook)?;
                    (failed(), plugin, kind(hook.kind), message(cause)).encode(env)
                }
            },
        })
    }

    fn refusal(&self, reason: &Data) -> NifResult<Term<'a>> {
        Ok((refused(), self.data(reason)?).encode(self.env))
    }

    fn plugin(&self, error: &HookError<ProgramError>) -> NifResult<Term<'a>> {
        self.data(self.plugins.get(&error.plugin).ok_or(Error::BadArg)?)
    }

    fn data(&self, data: &Data) -> NifResult<Term<'a>> {
        data.to_term(self.env)
            .map_err(|problem: DataError| Error::RaiseTerm(Box::new(problem.to_string())))
    }
}

fn message(cause: &Cause<ProgramError>) -> String {
    match cause {
        Cause::Failed(ended) => ended.to_string(),
        Cause::Panicked(message) => panicked(message),
        other => other.to_string(),
    }
}

fn kind(kind: HookKind) -> Atom {
    match kind {
        HookKind::Around => around(),
        HookKind::Before => before(),
        HookKind::Replace => replace(),
        HookKind::After => after(),
        HookKind::Listen => listen(),
    }
}
