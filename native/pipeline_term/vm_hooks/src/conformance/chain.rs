use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pipeline_core::hook::{Attachment, Chain, ChainError, Flow, Hook, HookError, HookKind};
use pipeline_core::plugin::PluginId;
use pipeline_term::Data;

use super::case::HookCase;
use super::outcome::CaseEnd;
use super::program::{Plain, Program};
use super::program_error::ProgramError;

/// The dependencies of each plugin.
pub(super) type DependencyMap = HashMap<PluginId, Vec<PluginId>>;

/// Runs hooks as a chain of the core.
pub(super) fn run(
    hooks: Vec<(HookCase, Program)>,
    dependencies: &DependencyMap,
    mut context: Data,
    core: Option<&Program>,
) -> Result<(CaseEnd, Vec<HookError<ProgramError>>), ChainError> {
    let attached = (0..)
        .zip(hooks)
        .map(|(number, (case, program))| attach(number, &case, program))
        .collect();
    let chain = Chain::new("conformance", attached, |id| {
        dependencies.get(id).map_or(&[], Vec::as_slice)
    })?;
    let mut skipped = Vec::new();
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let base = |context: &mut Data| core.map_or(Ok(()), |core| core.run(context).map(|_| ()));
        chain.run(&mut context, base, &mut skipped)
    }));
    let end = match ran {
        Ok(Ok(())) => CaseEnd::Value(context),
        Ok(Err(failure)) => CaseEnd::Failure(failure),
        Err(payload) => CaseEnd::of_panic(&*payload),
    };
    Ok((end, skipped))
}

fn attach(number: u64, case: &HookCase, program: Program) -> Attachment<Hook<Plain>> {
    let program = Arc::new(program);
    let hook = match case.kind {
        HookKind::Around => Hook::around_fn(move |context, next| program.wrap(context, next)),
        HookKind::Replace => Hook::replace_fn(move |context, next| program.wrap(context, next)),
        HookKind::Before => Hook::before(move |context: &mut Data| program.run(context)),
        HookKind::After | HookKind::Listen => {
            Hook::after(move |result: &mut Data| program.run(result).map(|_: Flow| ()))
        }
    };
    placed(number, case, hook.on_error(case.on_error))
}

/// A hook with what decides its place.
pub(super) fn placed<H>(number: u64, case: &HookCase, hook: H) -> Attachment<H> {
    let mut attachment = Attachment::new(case.id(), number, hook).priority(case.priority);
    let ids = |names: &[String]| -> Vec<PluginId> {
        names
            .iter()
            .map(|name| PluginId::symbol(name.as_str()))
            .collect()
    };
    attachment.before = ids(&case.before);
    attachment.after = ids(&case.after);
    attachment
}
