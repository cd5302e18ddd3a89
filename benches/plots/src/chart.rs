//! A figure on logarithmic axes, with the legend beside it.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::axis::marks;
use crate::figure::Figure;
use crate::points::{Point, Series};

const SIZE: (u32, u32) = (960, 480);
const LEFT: i32 = 90;
const RIGHT: i32 = 640;
const TOP: i32 = 50;
const BOTTOM: i32 = 410;
const FONT: &str = "sans-serif";

/// Colours that the colour-blind tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(0, 0, 0),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];
const GRID: RGBColor = RGBColor(225, 225, 225);
const FRAME: RGBColor = RGBColor(110, 110, 110);

type Drawn<T = ()> = Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A value's place on the canvas.
struct Scale {
    low: f64,
    high: f64,
    pixels: (i32, i32),
}

impl Scale {
    /// Reaches a little further than the values do.
    fn over(values: impl Iterator<Item = f64>, margin: f64, pixels: (i32, i32)) -> Self {
        let (low, high) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        Self {
            low: low / margin,
            high: high * margin,
            pixels,
        }
    }

    #[allow(clippy::cast_possible_truncation)] // of a place on a canvas of a thousand pixels
    fn place(&self, value: f64) -> i32 {
        let share = (value / self.low).ln() / (self.high / self.low).ln();
        let (from, to) = (f64::from(self.pixels.0), f64::from(self.pixels.1));
        (from + share * (to - from)).round() as i32
    }
}

pub(crate) fn draw(figure: &Figure, series: &[Series], path: &Path) -> Drawn {
    let canvas = SVGBackend::new(path, SIZE).into_drawing_area();
    canvas.fill(&WHITE)?;
    let points = || series.iter().flat_map(|series| &series.points);
    let x = Scale::over(points().map(|point| point.x), 1.15, (LEFT, RIGHT));
    let y = Scale::over(
        points().flat_map(|point| [point.low, point.high]),
        1.25,
        (BOTTOM, TOP),
    );
    axes(&canvas, figure, &x, &y)?;
    for (at, (series, colour)) in series.iter().zip(COLOURS.iter().cycle()).enumerate() {
        line(&canvas, &series.points, *colour, &x, &y)?;
        let row = TOP + 16 + 26 * i32::try_from(at)?;
        let start = RIGHT + 20;
        canvas.draw(&PathElement::new(
            [(start, row), (start + 24, row)],
            colour.stroke_width(2),
        ))?;
        canvas.draw(&Circle::new((start + 12, row), 3, colour.filled()))?;
        text(
            &canvas,
            &series.name,
            (start + 32, row),
            13,
            (HPos::Left, VPos::Center),
        )?;
    }
    canvas.present()?;
    Ok(())
}

fn axes(canvas: &Area<'_>, figure: &Figure, x: &Scale, y: &Scale) -> Drawn {
    for mark in marks(figure.x.unit, x.low, x.high) {
        let at = x.place(mark);
        canvas.draw(&PathElement::new([(at, TOP), (at, BOTTOM)], GRID))?;
        text(
            canvas,
            &figure.x.unit.write(mark),
            (at, BOTTOM + 8),
            13,
            (HPos::Center, VPos::Top),
        )?;
    }
    for mark in marks(figure.y.unit, y.low, y.high) {
        let at = y.place(mark);
        canvas.draw(&PathElement::new([(LEFT, at), (RIGHT, at)], GRID))?;
        text(
            canvas,
            &figure.y.unit.write(mark),
            (LEFT - 8, at),
            13,
            (HPos::Right, VPos::Center),
        )?;
    }
    canvas.draw(&Rectangle::new([(LEFT, TOP), (RIGHT, BOTTOM)], FRAME))?;
    let middle = i32::midpoint(LEFT, RIGHT);
    text(
        canvas,
        figure.title,
        (middle, 14),
        18,
        (HPos::Center, VPos::Top),
    )?;
    text(
        canvas,
        figure.x.label,
        (middle, BOTTOM + 36),
        14,
        (HPos::Center, VPos::Top),
    )?;
    let style = (FONT, 14)
        .into_font()
        .transform(FontTransform::Rotate270)
        .color(&BLACK)
        .pos(Pos::new(HPos::Center, VPos::Center));
    canvas.draw(&Text::new(
        figure.y.label,
        (18, i32::midpoint(TOP, BOTTOM)),
        style,
    ))?;
    text(
        canvas,
        "medians; bars: 10–90 % of the rounds; both axes logarithmic",
        (middle, BOTTOM + 54),
        11,
        (HPos::Center, VPos::Top),
    )
}

fn line(canvas: &Area<'_>, points: &[Point], colour: RGBColor, x: &Scale, y: &Scale) -> Drawn {
    let medians: Vec<(i32, i32)> = points
        .iter()
        .map(|point| (x.place(point.x), y.place(point.median)))
        .collect();
    for (point, (across, up)) in points.iter().zip(&medians) {
        let bar = [
            (*across, y.place(point.low)),
            (*across, y.place(point.high)),
        ];
        canvas.draw(&PathElement::new(bar, colour.mix(0.5)))?;
        canvas.draw(&Circle::new((*across, *up), 3, colour.filled()))?;
    }
    canvas.draw(&PathElement::new(medians, colour.stroke_width(2)))?;
    Ok(())
}

fn text(
    canvas: &Area<'_>,
    content: &str,
    at: (i32, i32),
    size: u32,
    (across, up): (HPos, VPos),
) -> Drawn {
    let style = (FONT, size)
        .into_font()
        .color(&BLACK)
        .pos(Pos::new(across, up));
    canvas.draw(&Text::new(content, at, style))?;
    Ok(())
}
