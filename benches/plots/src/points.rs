//! The file of points.

use std::collections::BTreeMap;

pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
}

/// What was measured at one place of the x axis.
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PointsError {
    #[error("line {0} has not six fields with tabs between them")]
    Fields(usize),
    #[error("line {0}: `{1}` is not a number above zero, which a logarithmic axis wants")]
    Number(usize, String),
}

/// Figures by name, with their series in the order of the file.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<String, Vec<Series>>, PointsError> {
    let mut figures: BTreeMap<String, Vec<Series>> = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [figure, name, numbers @ ..] = fields.as_slice() else {
            return Err(PointsError::Fields(at + 1));
        };
        let numbers = numbers
            .iter()
            .map(|text| number(text).ok_or_else(|| PointsError::Number(at + 1, (*text).to_owned())))
            .collect::<Result<Vec<f64>, _>>()?;
        let [x, median, low, high] = numbers[..] else {
            return Err(PointsError::Fields(at + 1));
        };
        let series = figures.entry((*figure).to_owned()).or_default();
        let point = Point {
            x,
            median,
            low,
            high,
        };
        match series.iter_mut().find(|series| series.name == *name) {
            Some(series) => series.points.push(point),
            None => series.push(Series {
                name: (*name).to_owned(),
                points: vec![point],
            }),
        }
    }
    for series in figures.values_mut().flatten() {
        series.points.sort_by(|a, b| a.x.total_cmp(&b.x));
    }
    Ok(figures)
}

fn number(text: &str) -> Option<f64> {
    text.parse()
        .ok()
        .filter(|number: &f64| number.is_finite() && *number > 0.0)
}
