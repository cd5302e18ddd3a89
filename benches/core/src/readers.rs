//! How many runs of a chain come out of one, two, … threads at once.

use std::error::Error;
use std::hint::{black_box, spin_loop};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pipeline_core::hook::Chain;
use pipeline_core::published::Published;

use crate::chain::{CountFamily, chain};
use crate::effort::Effort;
use crate::figure_point::FigurePoint;

const HOOKS: u64 = 8;
const ROUND: Duration = Duration::from_millis(60);
const BATCH: u32 = 1_000;

/// The work of another thread meanwhile.
#[derive(Clone, Copy)]
enum Beside {
    Nobody,
    Spinning,
    Writing,
}

const SERIES: [(&str, Beside); 3] = [
    ("Rust core, alone", Beside::Nobody),
    ("Rust core, beside one that spins", Beside::Spinning),
    ("Rust core, beside a writer", Beside::Writing),
];

pub(crate) fn points(effort: Effort, counts: &[usize]) -> Result<(), Box<dyn Error>> {
    let published = Published::new(chain(HOOKS)?);
    for &readers in counts {
        let mut measured: [Vec<f64>; SERIES.len()] = Default::default();
        for round in 0..effort.rounds(15) {
            for turn in 0..SERIES.len() {
                let at = (round + turn) % SERIES.len();
                measured[at].push(throughput(&published, readers, SERIES[at].1));
            }
        }
        for ((series, _), rounds) in SERIES.into_iter().zip(measured) {
            let point = FigurePoint {
                figure: "readers-chain",
                series,
                x: readers,
                rounds,
            };
            println!("{point}");
        }
    }
    Ok(())
}

/// Runs per second, of all readers together.
fn throughput(published: &Published<Chain<CountFamily>>, readers: usize, beside: Beside) -> f64 {
    let stop = AtomicBool::new(false);
    let start = Barrier::new(readers + 1);
    thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            while !stop.load(Ordering::Relaxed) {
                match beside {
                    Beside::Nobody => return,
                    Beside::Spinning => spin_loop(),
                    // Built anew each time, as a change of hooks does.
                    Beside::Writing => {
                        if let Ok(next) = chain(HOOKS) {
                            published.replace(next);
                        }
                    }
                }
            }
        });
        let threads: Vec<_> = (0..readers)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    read_for(published, ROUND)
                })
            })
            .collect();
        let read: Vec<Read> = threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect();
        stop.store(true, Ordering::Relaxed);
        let runs: u32 = read.iter().map(|read| read.runs).sum();
        let first = read.iter().map(|read| read.started).min();
        let last = read.iter().map(|read| read.ended).max();
        // Not the sum of what each did in its own time: on a busy machine those times are not the same.
        first.zip(last).map_or(f64::NAN, |(first, last)| {
            f64::from(runs) / (last - first).as_secs_f64()
        })
    })
}

/// The work of one reader.
struct Read {
    runs: u32,
    started: Instant,
    ended: Instant,
}

fn read_for(published: &Published<Chain<CountFamily>>, round: Duration) -> Read {
    let mut skipped = Vec::new();
    let mut runs = 0;
    let started = Instant::now();
    loop {
        for _ in 0..BATCH {
            let mut count = black_box(0);
            let run = published.read(|chain| chain.run(&mut count, |_| Ok(()), &mut skipped));
            black_box((run.is_ok(), count));
        }
        runs += BATCH;
        let ended = Instant::now();
        if ended - started >= round {
            return Read {
                runs,
                started,
                ended,
            };
        }
    }
}
