//! Draws what the benchmarks measured.
//!
//! `bench_plots POINTS DIRECTORY` reads a file of points, a line for each with tabs between figure, series,
//! place on the x axis, median, and the lowest and the highest tenth, and writes an SVG for every figure that
//! it knows and finds there.

use std::error::Error;
use std::path::Path;

mod axis;
mod chart;
mod figure;
mod points;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [points, directory] = arguments.as_slice() else {
        return Err("usage: bench_plots POINTS DIRECTORY".into());
    };
    let measured = points::parse(&std::fs::read_to_string(points)?)?;
    for figure in measured.keys() {
        figure::find(figure).ok_or_else(|| format!("no figure is called {figure}"))?;
    }
    for figure in figure::ALL {
        if let Some(series) = measured.get(figure.name) {
            let path = Path::new(directory).join(format!("{}.svg", figure.name));
            chart::draw(figure, series, &path)?;
        }
    }
    Ok(())
}
