//! Pieces of work whose instructions are counted.
//!
//! `core_bench counted` lists them, a name and how often its work is done to a line.
//! `core_bench counted NAME` does one: all that is to be counted happens inside of [`measured`], which
//! `callgrind` is told to look for.

use std::error::Error;
use std::hint::black_box;

use pipeline_core::hook::{Attachment, Chain, Flow, Hook, OnError};
use pipeline_core::host::{Host, Plugin, PluginError, Registrar};
use pipeline_core::plugin::{Capability, Manifest, PluginId};
use pipeline_core::published::Published;
use pipeline_core::registry::Registry;
use pipeline_core::resolve::{Dependency, Node, load_order, solve};
use semver::Version;

use crate::chain::{CountFamily, CountingPlugin, adding, chain};
use crate::version_choice::{contradicting, problem};

type Failed = Box<dyn Error>;
type CountedWork = Box<dyn FnMut()>;

/// A piece of work, how often it is done, and what makes it ready.
type Piece = (&'static str, u32, fn() -> Result<CountedWork, Failed>);

const PIECES: [Piece; 15] = [
    ("chain_8", 1_000, || run_chain(chain(8)?)),
    ("chain_64", 1_000, || run_chain(chain(64)?)),
    ("chain_8_early_answer", 1_000, early_answer),
    ("chain_8_one_skipped", 1_000, one_skipped),
    ("chain_8_arounds", 1_000, arounds),
    ("host_run_8", 1_000, || run_host(8)),
    ("host_run_64", 1_000, || run_host(64)),
    ("host_run_no_hooks", 1_000, || run_host(0)),
    ("host_load_and_unload_of_100", 100, load_and_unload),
    ("registry_get_of_1000", 1_000, registry_get),
    ("registry_capability_of_1000", 1_000, registry_capability),
    ("registry_register_and_unregister_of_1000", 1_000, register),
    ("load_order_1000", 1, order),
    ("solve_100", 1, || choose(true)),
    ("conflict_explained_100", 1, || choose(false)),
];

pub(crate) fn list() {
    for (name, times, _) in PIECES {
        println!("{name} {times}");
    }
}

pub(crate) fn run(name: &str) -> Result<(), Failed> {
    let (_, times, prepare) = PIECES
        .into_iter()
        .find(|piece| piece.0 == name)
        .ok_or("no such piece: core_bench counted lists them")?;
    let mut work = prepare()?;
    // What happens once in a thread's life, and what grows with use, does so here.
    for _ in 0..times {
        work();
    }
    measured(times, &mut *work);
    Ok(())
}

/// The work that is counted.
#[inline(never)]
fn measured(times: u32, work: &mut dyn FnMut()) {
    for _ in 0..black_box(times) {
        work();
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as the others do")]
fn run_chain(chain: Chain<CountFamily>) -> Result<CountedWork, Failed> {
    let published = Published::new(chain);
    let mut skipped = Vec::new();
    Ok(Box::new(move || {
        let mut count = black_box(0);
        let run = published.read(|chain| chain.run(&mut count, |_| Ok(()), &mut skipped));
        skipped.clear();
        black_box((run.is_ok(), count));
    }))
}

fn of_hooks(hooks: Vec<Hook<CountFamily>>) -> Result<CountedWork, Failed> {
    let hooks = (0..)
        .zip(hooks)
        .map(|(registration, hook)| Attachment::new("counting", registration, hook))
        .collect();
    run_chain(Chain::new("count", hooks, |_| &[])?)
}

/// Of eight hooks, the first answers.
fn early_answer() -> Result<CountedWork, Failed> {
    let mut hooks = vec![Hook::before(|count: &mut u64| {
        *count = 1;
        Ok(Flow::Answer)
    })];
    hooks.extend((1..8).map(|_| adding(1)));
    of_hooks(hooks)
}

/// Of eight hooks, the first fails and is skipped.
fn one_skipped() -> Result<CountedWork, Failed> {
    let fails = Hook::before(|_: &mut u64| Err("no")).on_error(OnError::Skip);
    let mut hooks = vec![fails];
    hooks.extend((1..8).map(|_| adding(1)));
    of_hooks(hooks)
}

fn arounds() -> Result<CountedWork, Failed> {
    let around = || {
        Hook::around_fn(|count: &mut u64, next| {
            next.call(count)?;
            *count = count.wrapping_add(1);
            Ok(())
        })
    };
    of_hooks((0..8).map(|_| around()).collect())
}

fn run_host(hooks: u64) -> Result<CountedWork, Failed> {
    let host = Host::new();
    host.load(CountingPlugin(hooks))?;
    let mut skipped = Vec::new();
    Ok(Box::new(move || {
        let mut count = black_box(0);
        let run = host.run("count", &mut count, |_| Ok(()), &mut skipped);
        black_box((run.is_ok(), count));
    }))
}

/// A plugin with a hook on one of ten points.
struct Numbered(usize);

impl Plugin<CountFamily> for Numbered {
    fn manifest(&self) -> Manifest {
        Manifest::new(&*name(self.0), version())
    }

    fn build(&self, registrar: &mut Registrar<CountFamily>) -> Result<(), PluginError> {
        registrar.attach(&format!("point_{}", self.0 % 10), adding(1));
        Ok(())
    }
}

/// One plugin more and one less, beside a hundred: another each time, so that every point has its turn.
fn load_and_unload() -> Result<CountedWork, Failed> {
    let host = Host::new();
    let plugins = (0..100).map(|number| Box::new(Numbered(number)) as Box<dyn Plugin<CountFamily>>);
    host.load_all(plugins.collect())?;
    let mut next = (100..200).cycle();
    Ok(Box::new(move || {
        let loaded = host.load(Numbered(next.next().unwrap_or(100)));
        let unloaded = loaded.and_then(|id| host.unload(&id));
        assert!(black_box(unloaded).is_ok());
    }))
}

fn registry() -> Result<Registry<Manifest>, Failed> {
    let registry = Registry::new();
    for plugin in 0..1_000 {
        registry.register(manifest(plugin))?;
    }
    Ok(registry)
}

/// Every capability is shared by ten.
fn manifest(plugin: usize) -> Manifest {
    let capability = Capability::new(format!("capability_{}", plugin % 100));
    Manifest::new(&*name(plugin), version()).capability(capability)
}

fn registry_get() -> Result<CountedWork, Failed> {
    let registry = registry()?;
    let ids: Vec<PluginId> = (0..1_000).map(|plugin| (&*name(plugin)).into()).collect();
    let mut next = (0..ids.len()).cycle();
    Ok(Box::new(move || {
        let id = &ids[next.next().unwrap_or(0)];
        assert!(black_box(registry.get(id)).is_some());
    }))
}

fn registry_capability() -> Result<CountedWork, Failed> {
    let registry = registry()?;
    let names: Vec<_> = (0..100)
        .map(|number| format!("capability_{number}").into())
        .collect();
    let mut next = (0..names.len()).cycle();
    Ok(Box::new(move || {
        let found = registry.find_by_capability(&names[next.next().unwrap_or(0)]);
        assert_eq!(black_box(found).len(), 10);
    }))
}

/// One plugin more and one less, another each time.
fn register() -> Result<CountedWork, Failed> {
    let registry = registry()?;
    let mut next = (1_000..2_000).cycle();
    Ok(Box::new(move || {
        let registered = registry.register(manifest(next.next().unwrap_or(0)));
        let gone = registered.and_then(|manifest| registry.unregister(&manifest.id));
        assert!(black_box(gone).is_ok());
    }))
}

/// A thousand plugins, each but the first five of which needs five of those before it.
fn order() -> Result<CountedWork, Failed> {
    let nodes: Vec<Node<String>> = (0..1_000_usize)
        .map(|plugin| {
            let needed = (1..=5).filter_map(|step| plugin.checked_sub(step * step * step));
            needed.fold(Node::new(name(plugin), version()), |node, needed| {
                node.needs(Dependency::plugin(name(needed), None))
            })
        })
        .collect();
    load_order(&nodes, &[])?;
    Ok(Box::new(move || drop(black_box(load_order(&nodes, &[])))))
}

fn choose(fits: bool) -> Result<CountedWork, Failed> {
    let problem = problem(100, 25)?;
    let problem = if fits {
        problem
    } else {
        contradicting(problem)?
    };
    if solve(&problem.releases, &problem.request).is_ok() != fits {
        return Err("a problem is not what it was built to be".into());
    }
    Ok(Box::new(move || {
        drop(black_box(solve(&problem.releases, &problem.request)));
    }))
}

fn name(plugin: usize) -> String {
    format!("plugin_{plugin}")
}

fn version() -> Version {
    Version::new(1, 0, 0)
}
