use std::collections::HashMap;

use pipeline_core::hook::HookKind;
use pipeline_core::plugin::PluginId;
use pipeline_term::rustler::{self, Env, Error, NifResult, Term};
use pipeline_term::serde::Deserialize;
use pipeline_term::{Data, ShapeError};

use super::called::Calls;
use super::case::{Case, HookCase, Mode};
use super::outcome::OutcomeEncoder;
use super::program::Program;
use super::{chain, listeners};

/// Runs a case through a chain of the core, made of closures over plain data: `{result, called, skipped}`.
#[rustler::nif(schedule = "DirtyCpu")]
fn run_core_alone<'a>(env: Env<'a>, case: Term<'a>) -> NifResult<Term<'a>> {
    let data = Data::from_term(case).map_err(|problem| raise(&problem))?;
    let case = Case::deserialize(data).map_err(|problem: ShapeError| raise(&problem))?;
    let calls = Calls::default();
    let program = |name: Option<&Data>, steps| Program {
        name: name.cloned(),
        steps,
        trail: case.trail.clone(),
        calls: calls.clone(),
    };

    let plugins = case
        .hooks
        .iter()
        .map(|hook| (hook.id(), hook.plugin.clone()));
    let terms = OutcomeEncoder {
        env,
        plugins: plugins.collect(),
    };
    let core = case.core.map(|steps| program(None, steps));
    let mut hooks: Vec<(HookCase, Program)> = Vec::with_capacity(case.hooks.len());
    for mut hook in case.hooks {
        let program = program(Some(&hook.plugin), std::mem::take(&mut hook.steps));
        let wraps = matches!(hook.kind, HookKind::Around | HookKind::Replace);
        if !wraps && !program.is_flat() {
            return Err(Error::BadArg);
        }
        hooks.push((hook, program));
    }
    let ids = |names: &[String]| {
        names
            .iter()
            .map(|name| PluginId::symbol(name.as_str()))
            .collect()
    };
    let dependencies: HashMap<PluginId, Vec<PluginId>> = case
        .dependencies
        .iter()
        .map(|(plugin, needed)| (PluginId::symbol(plugin.as_str()), ids(needed)))
        .collect();

    let ran = match case.mode {
        Mode::Chain => chain::run(hooks, &dependencies, case.context, core.as_ref()),
        mode => listeners::run(mode, hooks, &dependencies, &case.context, core.as_ref()),
    };
    terms.outcome(ran, &calls.take())
}

fn raise(problem: &impl ToString) -> Error {
    Error::RaiseTerm(Box::new(problem.to_string()))
}
