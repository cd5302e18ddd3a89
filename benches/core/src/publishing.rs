//! Readers of a chain while a writer publishes one after another.

use std::error::Error;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pipeline_core::hook::Chain;
use pipeline_core::published::Published;

use crate::chain::{CountFamily, chain};
use crate::effort::Effort;
use crate::pair::{Row, repeat, rounds};
use crate::slices::slices;

const SPIN: u8 = 0;
const BUILD: u8 = 1;
const PUBLISH: u8 = 2;
const END: u8 = 3;

/// Chains that the other thread must have made for a measurement to count, and how long to wait for one in
/// which it did, while the reader had a core all along. On a busy machine most say nothing.
const LEAST: u64 = 10;
const WAIT: Duration = Duration::from_secs(30);

/// What the two threads tell each other, on cache lines that the reader has nothing else on.
#[repr(align(256))]
struct Turns {
    wanted: AtomicU8,
    doing: AtomicU8,
    made: AtomicU64,
}

/// The other thread spins while it does not write: what it takes from the reader by being there, in power and
/// in time on a busy machine, falls on both sides. The second row has it build the same chains and drop them
/// on both sides, so that what remains is the publishing.
pub(crate) fn rows(effort: Effort) -> Result<(), Box<dyn Error>> {
    for hooks in [8, 64] {
        for (mode, against, target) in [
            (SPIN, "itself while that thread spins", Some(1.3)),
            (BUILD, "itself while that thread builds chains", None),
        ] {
            let row = Row {
                what: format!("core chain of {hooks} hooks while a writer republishes it"),
                against,
                target,
                rounds: beside(effort, hooks, mode)?,
            };
            println!("{row}");
        }
    }
    Ok(())
}

fn beside(effort: Effort, hooks: u64, reference: u8) -> Result<Vec<(f64, f64)>, Box<dyn Error>> {
    let published = Published::new(chain(hooks)?);
    let turns = Box::new(Turns {
        wanted: AtomicU8::new(SPIN),
        doing: AtomicU8::new(SPIN),
        made: AtomicU64::new(0),
    });
    let idle = AtomicBool::new(false);
    let measured = thread::scope(|scope| {
        scope.spawn(|| write(&published, hooks, &turns));
        let mut skipped = Vec::new();
        let mut read = |mode, times| {
            turns.wanted.store(mode, Ordering::Release);
            while turns.doing.load(Ordering::Acquire) != mode {
                thread::yield_now();
            }
            let began = Instant::now();
            while began.elapsed() < WAIT {
                let (slice, before) = (slices(), turns.made.load(Ordering::Relaxed));
                let took = repeat(times, || {
                    let mut count = black_box(0);
                    let run =
                        published.read(|chain| chain.run(&mut count, |_| Ok(()), &mut skipped));
                    black_box((run.is_ok(), count));
                });
                let made = turns.made.load(Ordering::Relaxed) - before;
                if slices() == slice && (mode == SPIN || made >= LEAST) {
                    return took;
                }
                thread::yield_now();
            }
            idle.store(true, Ordering::Relaxed);
            Duration::ZERO
        };
        let read = std::cell::RefCell::new(&mut read);
        let times = if hooks == 8 { 10_000 } else { 2_500 };
        let measured = rounds(
            effort.rounds(601),
            (times, times),
            &mut |times| read.borrow_mut()(PUBLISH, times),
            &mut |times| read.borrow_mut()(reference, times),
        );
        turns.wanted.store(END, Ordering::Release);
        measured
    });
    if idle.into_inner() {
        return Err("the writer never came to write".into());
    }
    Ok(measured)
}

fn write(published: &Published<Chain<CountFamily>>, hooks: u64, turns: &Turns) {
    loop {
        let mode = turns.wanted.load(Ordering::Acquire);
        if turns.doing.load(Ordering::Relaxed) != mode {
            turns.doing.store(mode, Ordering::Release);
        }
        match mode {
            SPIN => (0..64).for_each(|_| spin_loop()),
            BUILD | PUBLISH => {
                // Built anew each time, as a change of hooks does.
                if let Ok(next) = chain(hooks) {
                    if mode == PUBLISH {
                        published.replace(next);
                    } else {
                        drop(black_box(next));
                    }
                    turns.made.fetch_add(1, Ordering::Relaxed);
                }
            }
            _ => return,
        }
    }
}
