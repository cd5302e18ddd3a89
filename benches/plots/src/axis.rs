//! Axes: what they count in, and how a place on them is written.

/// An axis with a logarithmic scale.
pub(crate) struct Axis {
    pub(crate) label: &'static str,
    pub(crate) unit: Unit,
}

#[derive(Clone, Copy)]
pub(crate) enum Unit {
    Count,
    Bytes,
    Nanoseconds,
    PerSecond,
}

impl Unit {
    pub(crate) fn write(self, value: f64) -> String {
        const THOUSANDS: [(f64, &str); 3] = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
        match self {
            Unit::Count => scaled(value, &[(1e6, "M")], ""),
            Unit::Bytes => scaled(value, &[(1_048_576.0, " MiB"), (1024.0, " KiB")], " B"),
            Unit::Nanoseconds => scaled(value, &[(1e9, " s"), (1e6, " ms"), (1e3, " µs")], " ns"),
            Unit::PerSecond => scaled(value, &THOUSANDS, ""),
        }
    }

    /// The powers that a scale has its steps at.
    pub(crate) fn base(self) -> f64 {
        match self {
            Unit::Bytes => 2.0,
            Unit::Count | Unit::Nanoseconds | Unit::PerSecond => 10.0,
        }
    }
}

/// In the largest of the units that the value is not below.
fn scaled(value: f64, units: &[(f64, &str)], smallest: &str) -> String {
    let nearly = value * (1.0 + 1e-9);
    let (one, name) = units
        .iter()
        .copied()
        .find(|(one, _)| nearly >= *one)
        .unwrap_or((1.0, smallest));
    // Three digits are more than a label has room for.
    let rounded = (value / one * 1e3).round() / 1e3;
    format!("{rounded}{name}")
}

/// Where the marks of an axis stand: at 1, 2 and 5 of each power of ten, or at powers of ten only where those
/// would be too many; at powers of four for bytes.
pub(crate) fn marks(unit: Unit, low: f64, high: f64) -> Vec<f64> {
    let within = |steps: &[f64], base: f64| -> Vec<f64> {
        let first = low.log(base).floor();
        (0..64_i32)
            .map(|power| base.powf(first + f64::from(power)))
            .take_while(|power| *power <= high)
            .flat_map(|power| steps.iter().map(move |step| step * power))
            .filter(|mark| (low..=high).contains(mark))
            .collect()
    };
    match unit.base() {
        2.0 => within(&[1.0], 4.0),
        base => {
            let fine = within(&[1.0, 2.0, 5.0], base);
            if fine.len() > 9 {
                within(&[1.0], base)
            } else {
                fine
            }
        }
    }
}
