//! A chain of hooks against a loop over boxed functions.

use std::error::Error;
use std::hint::black_box;

use pipeline_core::hook::{Attachment, Chain, ChainError, ContextFamily, Flow, Hook};
use pipeline_core::host::{Host, Plugin, PluginError, Registrar};
use pipeline_core::plugin::{Manifest, PluginId};
use pipeline_core::published::Published;
use semver::Version;

use crate::effort::Effort;
use crate::pair::{Row, repeat, rounds};

/// Counts.
pub(crate) struct CountFamily;

impl ContextFamily for CountFamily {
    type Context<'a> = u64;
    type Error = &'static str;
}

type Function = Box<dyn Fn(&mut u64)>;

/// A chain whose hooks each add to the counter.
pub(crate) fn chain(hooks: u64) -> Result<Chain<CountFamily>, ChainError> {
    let hooks = (0..hooks).map(|step| Attachment::new("counting", step, adding(step)));
    Chain::new("count", hooks.collect(), |_: &PluginId| &[][..])
}

/// A hook that adds to the counter.
pub(crate) fn adding(step: u64) -> Hook<CountFamily> {
    Hook::before(move |count: &mut u64| {
        *count = count.wrapping_add(step);
        Ok(Flow::Continue)
    })
}

/// A plugin with so many hooks on one point.
pub(crate) struct CountingPlugin(pub(crate) u64);

impl Plugin<CountFamily> for CountingPlugin {
    fn manifest(&self) -> Manifest {
        Manifest::new("counting", Version::new(1, 0, 0))
    }

    fn build(&self, registrar: &mut Registrar<CountFamily>) -> Result<(), PluginError> {
        for step in 0..self.0 {
            registrar.attach("count", adding(step));
        }
        Ok(())
    }
}

pub(crate) fn rows(effort: Effort) -> Result<(), Box<dyn Error>> {
    const AGAINST: &str = "a loop over Vec<Box<dyn Fn>>";
    for (hooks, target) in [(8_u64, 1.5), (64, 1.2)] {
        let published = Published::new(chain(hooks)?);
        let functions: Vec<Function> = (0..hooks)
            .map(|step| {
                Box::new(move |count: &mut u64| *count = count.wrapping_add(step)) as Function
            })
            .collect();
        let host = Host::new();
        host.load(CountingPlugin(hooks))?;

        let mut skipped = Vec::new();
        let mut run_chain = |times| {
            repeat(times, || {
                let mut count = black_box(0);
                let run = published.read(|chain| chain.run(&mut count, |_| Ok(()), &mut skipped));
                black_box((run.is_ok(), count));
            })
        };
        let mut skipped = Vec::new();
        let mut run_host = |times| {
            repeat(times, || {
                let mut count = black_box(0);
                let run = host.run("count", &mut count, |_| Ok(()), &mut skipped);
                black_box((run.is_ok(), count));
            })
        };
        let functions = black_box(functions);
        let mut run_functions = |times| {
            repeat(times, || {
                let mut count = black_box(0);
                for function in &functions {
                    function(&mut count);
                }
                black_box(count);
            })
        };

        let times = (20_000, 20_000);
        let row = Row {
            what: format!("core chain of {hooks} hooks"),
            against: AGAINST,
            target: Some(target),
            rounds: rounds(
                effort.rounds(301),
                times,
                &mut run_chain,
                &mut run_functions,
            ),
        };
        println!("{row}");
        let row = Row {
            what: format!("the same through Host::run, {hooks} hooks"),
            against: AGAINST,
            target: None,
            rounds: rounds(effort.rounds(301), times, &mut run_host, &mut run_functions),
        };
        println!("{row}");
    }
    Ok(())
}
