use std::panic::{AssertUnwindSafe, catch_unwind};

use pipeline_core::hook::{ChainError, HookError, Listener, Listeners};
use pipeline_term::Data;

use super::case::{HookCase, Mode};
use super::chain::{DependencyMap, placed};
use super::outcome::CaseEnd;
use super::program::{Plain, Program};
use super::program_error::ProgramError;

type Heard = Listener<Plain, Option<Data>>;

/// Runs hooks as listeners of the core. The base operation, which only `:first` has, answers if no hook does.
pub(super) fn run(
    mode: Mode,
    hooks: Vec<(HookCase, Program)>,
    dependencies: &DependencyMap,
    context: &Data,
    core: Option<&Program>,
) -> Result<(CaseEnd, Vec<HookError<ProgramError>>), ChainError> {
    let attached = (0..)
        .zip(hooks)
        .map(|(number, (case, program))| {
            let hook = Heard::new(move |context: &Data| value(&program, context));
            placed(number, &case, hook.on_error(case.on_error))
        })
        .collect();
    let listeners = Listeners::new("conformance", attached, |id| {
        dependencies.get(id).map_or(&[], Vec::as_slice)
    })?;
    let mut skipped = Vec::new();
    let end = match mode {
        Mode::Chain | Mode::Notify => {
            skipped = listeners.notify(context);
            Ok(CaseEnd::Notified)
        }
        Mode::Collect => listeners
            .collect(context, &mut skipped)
            .map(|values| CaseEnd::Value(Data::List(values.into_iter().map(or_nil).collect()))),
        Mode::First => listeners
            .first(context, &mut skipped)
            .map(|first| first.map_or_else(|| base(core, context), CaseEnd::Value)),
    };
    Ok((end.unwrap_or_else(CaseEnd::of_hook), skipped))
}

fn value(program: &Program, context: &Data) -> Result<Option<Data>, ProgramError> {
    let mut context = context.clone();
    program.run(&mut context)?;
    Ok((context != Data::Nil).then_some(context))
}

fn or_nil(value: Option<Data>) -> Data {
    value.unwrap_or(Data::Nil)
}

fn base(core: Option<&Program>, context: &Data) -> CaseEnd {
    let Some(core) = core else {
        return CaseEnd::Value(Data::Nil);
    };
    let mut context = context.clone();
    match catch_unwind(AssertUnwindSafe(|| core.run(&mut context))) {
        Ok(Ok(_)) => CaseEnd::Value(context),
        Ok(Err(ended)) => CaseEnd::of_core(ended),
        Err(payload) => CaseEnd::of_panic(&*payload),
    }
}
