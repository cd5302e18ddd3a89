//! Readers of a chain while a writer publishes one after another.

use std::error::Error;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread;

use pipeline_core::published::Published;

use crate::chain::chain;
use crate::effort::Effort;
use crate::pair::{Row, repeat, rounds};

const SPIN: u8 = 0;
const PUBLISH: u8 = 1;
const END: u8 = 2;

/// The other thread spins while it does not write: what it takes from the reader by being there, in power, in caches and
/// in time on a busy machine, falls on both sides.
pub(crate) fn rows(effort: Effort) -> Result<(), Box<dyn Error>> {
    for hooks in [8, 64] {
        let published = Published::new(chain(hooks)?);
        let wanted = AtomicU8::new(SPIN);
        let doing = AtomicU8::new(SPIN);
        let written = AtomicU64::new(0);
        let measured = thread::scope(|scope| {
            scope.spawn(|| {
                loop {
                    let mode = wanted.load(Ordering::Acquire);
                    doing.store(mode, Ordering::Release);
                    match mode {
                        PUBLISH => {
                            // Built anew each time, as a change of hooks does.
                            if let Ok(next) = chain(hooks) {
                                published.replace(next);
                                written.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                        SPIN => (0..64).for_each(|_| spin_loop()),
                        _ => return,
                    }
                }
            });
            let mut skipped = Vec::new();
            let mut read = |mode, times| {
                wanted.store(mode, Ordering::Release);
                while doing.load(Ordering::Acquire) != mode {
                    thread::yield_now();
                }
                repeat(times, || {
                    let mut count = black_box(0);
                    let run =
                        published.read(|chain| chain.run(&mut count, |_| Ok(()), &mut skipped));
                    black_box((run.is_ok(), count));
                })
            };
            let read = std::cell::RefCell::new(&mut read);
            let times = (20_000, 20_000);
            let measured = rounds(
                effort.rounds(601),
                times,
                &mut |times| read.borrow_mut()(PUBLISH, times),
                &mut |times| read.borrow_mut()(SPIN, times),
            );
            wanted.store(END, Ordering::Release);
            measured
        });
        if written.into_inner() == 0 {
            return Err("the writer never came to write".into());
        }
        let row = Row {
            what: format!("core chain of {hooks} hooks while a writer republishes it"),
            against: "itself while that thread spins",
            target: Some(1.3),
            rounds: measured,
        };
        println!("{row}");
    }
    Ok(())
}
