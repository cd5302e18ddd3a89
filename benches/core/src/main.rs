//! The cost of the core, without a VM.
//!
//! `core_bench rows` prints a line for each row: what is measured, against what, the median of both in
//! nanoseconds, the lowest and the highest tenth of the ratios, and the target (`-` for none), with tabs
//! between them. `bin/bench` makes a table of these and of the rows that involve the BEAM.
//!
//! `core_bench points READERS...` prints what figures are drawn of: figure, series, place on the x axis,
//! median, lowest and highest tenth. The arguments say with how many readers at once.
//!
//! `core_bench load-order FILE` reads a graph, one plugin to a line with the numbers of those that it depends
//! on, and then orders it once for each line on its standard input. It answers with the nanoseconds that this
//! took, so that whoever asks can take turns.
//!
//! `core_bench counted` is for `bin/instructions`, which has its instructions counted.
//!
//! With `--quick` before all that, everything is measured a few times only.

use std::error::Error;

use effort::Effort;

mod chain;
mod counted;
mod effort;
mod figure_point;
mod load_order;
mod pair;
mod plugins;
mod publishing;
mod random;
mod readers;
mod slices;
mod version_choice;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (effort, arguments) = match arguments.as_slice() {
        ["--quick", rest @ ..] => (Effort::Quick, rest),
        all => (Effort::Full, all),
    };
    match arguments {
        ["rows"] => {
            chain::rows(effort)?;
            publishing::rows(effort)?;
            version_choice::rows(effort)
        }
        ["points", readers @ ..] => {
            let readers: Vec<usize> = readers
                .iter()
                .map(|text| text.parse())
                .collect::<Result<_, _>>()?;
            readers::points(effort, &readers)?;
            plugins::points(effort)
        }
        ["counted"] => {
            counted::list();
            Ok(())
        }
        ["counted", name] => counted::run(name),
        ["load-order", graph] => load_order::serve(graph),
        _ => Err(
            "usage: core_bench [--quick] rows | points READERS... | counted [NAME] | load-order FILE".into(),
        ),
    }
}
