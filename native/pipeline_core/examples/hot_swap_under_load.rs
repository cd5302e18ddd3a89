//! Threads run a point without pause while a plugin is loaded and unloaded, two hooks at a time. No run
//! fails, none is lost, and each sees both hooks of the plugin or neither.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use pipeline_core::hook::{ContextFamily, Flow, Hook, Point};
use pipeline_core::host::{Host, Plugin, PluginError, Registrar};
use pipeline_core::plugin::Manifest;
use pipeline_core::semver::Version;

const READERS: usize = 4;
const SWAPS: u64 = 2_000;

/// The versions that a run has met.
#[derive(Default)]
struct Seen {
    before: Option<u64>,
    after: Option<u64>,
    core: u32,
}

struct Runs;
impl ContextFamily for Runs {
    type Context<'a> = Seen;
    type Error = &'static str;
}

const WORK: Point<Runs> = Point::new("work");

/// Leaves the number of its load at both ends of a run.
struct Marks(u64);
impl Plugin<Runs> for Marks {
    fn manifest(&self) -> Manifest {
        Manifest::new("marks", Version::new(1, 0, self.0))
    }

    fn build(&self, registrar: &mut Registrar<Runs>) -> Result<(), PluginError> {
        let load = self.0;
        let before = Hook::before(move |seen: &mut Seen| {
            seen.before = Some(load);
            Ok(Flow::Continue)
        });
        let after = Hook::after(move |seen: &mut Seen| {
            seen.after = Some(load);
            Ok(())
        });
        registrar.attach(WORK, before);
        registrar.attach(WORK, after);
        Ok(())
    }
}

/// Counts runs by what they met.
#[derive(Default)]
struct Tally {
    with: AtomicU64,
    without: AtomicU64,
    failed: AtomicU64,
    mixed: AtomicU64,
    lost: AtomicU64,
}

impl Tally {
    fn run_once(&self, host: &Host<Runs>) {
        let mut seen = Seen::default();
        let core = |seen: &mut Seen| {
            seen.core += 1;
            Ok(())
        };
        let result = host.run(WORK, &mut seen, core, &mut Vec::new());
        let counter = match (result, seen.core, seen.before, seen.after) {
            (Err(_), ..) => &self.failed,
            (Ok(()), 1, None, None) => &self.without,
            (Ok(()), 1, before, after) if before == after => &self.with,
            (Ok(()), 1, ..) => &self.mixed,
            (Ok(()), ..) => &self.lost,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn wrong(&self) -> u64 {
        [&self.failed, &self.mixed, &self.lost]
            .map(|counter| counter.load(Ordering::Relaxed))
            .iter()
            .sum()
    }

    fn wait_for_another(&self, counter: &AtomicU64) {
        let seen = counter.load(Ordering::Relaxed);
        while counter.load(Ordering::Relaxed) == seen && self.wrong() == 0 {
            thread::yield_now();
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (host, tally, over) = (Host::new(), Tally::default(), AtomicBool::new(false));
    let started = thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut runs = 0_u64;
                    while !over.load(Ordering::Relaxed) {
                        tally.run_once(&host);
                        runs += 1;
                    }
                    runs
                })
            })
            .collect();
        let swapped = swap(&host, &tally);
        over.store(true, Ordering::Relaxed);
        let started = readers
            .into_iter()
            .try_fold(0, |sum, reader| reader.join().map(|runs| sum + runs));
        swapped.map(|()| started.expect("no run panics"))
    })?;

    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (with, without) = (count(&tally.with), count(&tally.without));
    let wrong = tally.wrong();
    println!(
        "{SWAPS} swaps, {started} runs: {with} with the plugin, {without} without, {wrong} wrong"
    );
    assert_eq!(wrong, 0);
    assert_eq!(with + without, started);
    assert!(with > 0 && without > 0, "a swap never met a run");
    assert!(host.manifests().is_empty());
    Ok(())
}

/// Loads and unloads, and lets the runs see either state ever again, also on a machine of one core.
fn swap(host: &Host<Runs>, tally: &Tally) -> Result<(), Box<dyn Error>> {
    for load in 0..SWAPS {
        let id = host.load(Marks(load))?;
        if load % 500 == 0 {
            tally.wait_for_another(&tally.with);
        }
        host.unload(&id)?;
        if load % 500 == 0 {
            tally.wait_for_another(&tally.without);
        }
    }
    Ok(())
}
