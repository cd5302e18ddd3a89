use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pipeline_core::hook::{Attachment, Chain, ChainError, Flow, Hook, HookError, Kind};
use pipeline_core::plugin::PluginId;
use pipeline_term::Data;

use super::case::HookCase;
use super::ended::Ended;
use super::outcome::End;
use super::program::{Plain, Program};

/// What each plugin depends on.
pub(super) type Dependencies = HashMap<PluginId, Vec<PluginId>>;

/// Runs hooks as a chain of the core.
pub(super) fn run(
    hooks: Vec<(HookCase, Program)>,
    dependencies: &Dependencies,
    mut context: Data,
    core: Option<&Program>,
) -> Result<(End, Vec<HookError<Ended>>), ChainError> {
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
        Ok(Ok(())) => End::Value(context),
        Ok(Err(failure)) => End::Failure(failure),
        Err(payload) => End::of_panic(&*payload),
    };
    Ok((end, skipped))
}

fn attach(number: u64, case: &HookCase, program: Program) -> Attachment<Hook<Plain>> {
    let program = Arc::new(program);
    let hook = match case.kind {
        Kind::Around => Hook::around_fn(move |context, next| program.wrap(context, next)),
        Kind::Replace => Hook::replace_fn(move |context, next| program.wrap(context, next)),
        Kind::Before => Hook::before(move |context: &mut Data| program.run(context)),
        Kind::After | Kind::Listen => {
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
