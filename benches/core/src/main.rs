//! What the core costs, without a VM.
//!
//! `core_bench` prints a line for each row: what is measured, against what, the median of both in nanoseconds, the
//! lowest and the highest tenth of the ratios, and the target (`-` for none), with tabs between them. `bin/bench` makes
//! a table of these and of the rows that involve the BEAM.
//!
//! `core_bench load-order FILE` reads a graph, one plugin to a line with the numbers of those that it depends on, and
//! then orders it once for each line on its standard input. It answers with the nanoseconds that this took, so that
//! whoever asks can take turns.
//!
//! `core_bench counted` is for `bin/instructions`, which has its instructions counted.

use std::error::Error;

mod chain;
mod counted;
mod load_order;
mod pair;
mod publishing;
mod version_choice;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => {
            chain::rows()?;
            publishing::rows()?;
            version_choice::rows()
        }
        ["counted"] => {
            counted::list();
            Ok(())
        }
        ["counted", name] => counted::run(name),
        ["load-order", graph] => load_order::serve(graph),
        _ => Err("usage: core_bench [counted [NAME] | load-order FILE]".into()),
    }
}
