//! Charts as SVG, in colours that colour-blind readers tell apart (Okabe and Ito).

use super::Failure;
use plotters::coord::Shift;
pub use plotters::prelude::SeriesLabelPosition as Corner;
use plotters::prelude::*;
pub use plotters::style::RGBColor;
use std::ops::Range;

pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub const FONT: &str = "sans-serif";
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
pub const VERMILION: RGBColor = RGBColor(213, 94, 0);
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
pub const PURPLE: RGBColor = RGBColor(204, 121, 167);
pub const SKY: RGBColor = RGBColor(86, 180, 233);
pub const GRAY: RGBColor = RGBColor(120, 120, 120);

/// Two corners of a rectangle, and its colour.
pub type Cell = ([(f64, f64); 2], RGBColor);

/// How a curve is drawn: as a line, or as a mark at each point.
#[derive(Clone, Copy)]
pub enum Mark {
    Line,
    Dashes,
    Dot,
    Triangle,
    Square,
    Star,
}

impl Mark {
    /// The corners around a point, in pixels; none for a line.
    fn corners(self) -> &'static [(i32, i32)] {
        match self {
            Mark::Line | Mark::Dashes => &[],
            Mark::Dot => &[(-3, -1), (-1, -3), (1, -3), (3, -1), (3, 1), (1, 3), (-1, 3), (-3, 1)],
            Mark::Triangle => &[(0, -4), (4, 3), (-4, 3)],
            Mark::Square => &[(-3, -3), (3, -3), (3, 3), (-3, 3)],
            Mark::Star => &[(0, -8), (2, -2), (8, 0), (2, 2), (0, 8), (-2, 2), (-8, 0), (-2, -2)],
        }
    }

    /// The mark, `right` of where it belongs.
    fn polygon(self, color: RGBColor, right: i32) -> Polygon<(i32, i32)> {
        let corners: Vec<_> = self.corners().iter().map(|&(x, y)| (x + right, y)).collect();
        Polygon::new(corners, color.filled())
    }
}

/// Points, joined or marked. Without a name it is not in the legend.
pub struct Curve<'a> {
    pub name: &'a str,
    pub color: RGBColor,
    pub mark: Mark,
    pub points: Vec<(f64, f64)>,
}

/// The lowest value by the logarithm of the iteration: `history` has the iterations at which it fell,
/// and to what.
pub fn stairs<'a>(
    name: &'a str,
    color: RGBColor,
    mark: Mark,
    history: &[(usize, f32)],
    end: usize,
) -> Curve<'a> {
    let ends = history.iter().skip(1).map(|step| step.0).chain([end]);
    let flat = |(&(start, value), end): (&(usize, f32), usize)| {
        [start, end].map(|iteration| ((iteration as f64).log10(), f64::from(value)))
    };
    Curve { name, color, mark, points: history.iter().zip(ends).flat_map(flat).collect() }
}

/// What an axis shows. On one that is logarithmic, range and points are powers of ten.
pub struct Axis<'a> {
    pub title: &'a str,
    pub range: Range<f64>,
    pub logarithmic: bool,
}

impl<'a> Axis<'a> {
    pub fn linear(title: &'a str, range: Range<f64>) -> Self {
        Axis { title, range, logarithmic: false }
    }

    /// `range` holds powers of ten.
    pub fn logarithmic(title: &'a str, range: Range<f64>) -> Self {
        Axis { title, range, logarithmic: true }
    }

    fn label(&self, value: f64) -> String {
        if !self.logarithmic {
            // Ticks are short numbers; rounding drops the noise of their last bits.
            let rounded = (value * 1e6).round() / 1e6;
            return (rounded + 0.0).to_string();
        }
        match value {
            _ if value.fract() != 0.0 => String::new(),
            -3.0..=5.0 => format!("{}", 10_f64.powf(value)),
            _ => format!("1e{value}"),
        }
    }
}

/// Axes and the curves between them.
pub struct Chart<'a> {
    pub title: &'a str,
    pub x: Axis<'a>,
    pub y: Axis<'a>,
    /// Where the legend goes, if there is one.
    pub legend: Option<Corner>,
    pub curves: Vec<Curve<'a>>,
}

/// The rectangles of a grid over the plane, by rows from the lowest `y`, for [`Chart::draw_over`].
/// Neighbours in a row that have the same colour are one.
pub fn cells(x: Range<f64>, y: Range<f64>, colors: &[RGBColor]) -> impl Iterator<Item = Cell> {
    let side = colors.len().isqrt();
    let edge = move |range: &Range<f64>, i: usize| {
        range.start + (range.end - range.start) * i as f64 / side as f64
    };
    colors.chunks(side).enumerate().flat_map(move |(row, colors)| {
        let (x, bottom, top) = (x.clone(), edge(&y, row), edge(&y, row + 1));
        let mut end = 0;
        colors.chunk_by(|a, b| a == b).map(move |run| {
            let start = end;
            end += run.len();
            ([(edge(&x, start), bottom), (edge(&x, end), top)], run[0])
        })
    })
}

/// The middles of the cells of such a grid.
pub fn middles(x: Range<f64>, y: Range<f64>, side: usize) -> impl Iterator<Item = (f64, f64)> {
    let middle = move |range: &Range<f64>, i: usize| {
        range.start + (range.end - range.start) * (i as f64 + 0.5) / side as f64
    };
    (0..side * side).map(move |i| (middle(&x, i % side), middle(&y, i / side)))
}

/// A picture of some size, in pixels.
pub fn svg(
    size: (u32, u32),
    draw: impl FnOnce(&Area) -> Result<(), Failure>,
) -> Result<String, Failure> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    area.fill(&WHITE)?;
    draw(&area)?;
    area.present()?;
    drop(area);
    Ok(svg)
}

/// Draws each of some things, side by side.
pub fn side_by_side<V>(
    area: &Area,
    things: &[V],
    draw: impl Fn(&V, &Area) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let panels = area.split_evenly((1, things.len()));
    panels.iter().zip(things).try_for_each(|(panel, thing)| draw(thing, panel))
}

impl Chart<'_> {
    pub fn draw(&self, area: &Area) -> Result<(), Failure> {
        self.draw_over(area, std::iter::empty())
    }

    /// The chart, over some rectangles.
    pub fn draw_over(
        &self,
        area: &Area,
        background: impl Iterator<Item = Cell>,
    ) -> Result<(), Failure> {
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, (FONT, 22))
            .margin(12)
            .margin_right(24)
            .x_label_area_size(48)
            .y_label_area_size(72)
            .build_cartesian_2d(self.x.range.clone(), self.y.range.clone())?;
        let filled = background.map(|(corners, color)| Rectangle::new(corners, color.filled()));
        chart.draw_series(filled)?;
        chart
            .configure_mesh()
            .x_desc(self.x.title)
            .y_desc(self.y.title)
            .axis_desc_style((FONT, 17))
            .label_style((FONT, 15))
            .x_labels(9)
            .y_labels(9)
            .x_label_formatter(&|&x| self.x.label(x))
            .y_label_formatter(&|&y| self.y.label(y))
            .bold_line_style(BLACK.mix(0.12))
            .max_light_lines(0)
            .draw()?;
        for curve in &self.curves {
            let (mark, color) = (curve.mark, curve.color);
            let points = curve.points.iter().copied();
            let style = color.stroke_width(2);
            let drawn = match mark {
                Mark::Line => chart.draw_series(LineSeries::new(points, style))?,
                Mark::Dashes => chart.draw_series(DashedLineSeries::new(points, 6, 5, style))?,
                _ => chart
                    .draw_series(points.map(|at| EmptyElement::at(at) + mark.polygon(color, 0)))?,
            };
            if !curve.name.is_empty() {
                // The width of text is estimated, and often too little; spaces make room.
                drawn.label(format!("{}  ", curve.name)).legend(move |at| {
                    let part = |from, to| PathElement::new([(from, 0), (to, 0)], style);
                    let parts = match mark {
                        Mark::Line => [part(0, 13), part(13, 26)],
                        Mark::Dashes => [part(0, 10), part(16, 26)],
                        _ => [part(13, 13), part(13, 13)],
                    };
                    let [first, second] = parts;
                    EmptyElement::at(at) + first + second + mark.polygon(color, 13)
                });
            }
        }
        let Some(corner) = &self.legend else { return Ok(()) };
        chart
            .configure_series_labels()
            .position(corner.clone())
            .label_font((FONT, 15))
            .legend_area_size(36)
            .background_style(WHITE.mix(0.85))
            .border_style(GRAY)
            .draw()?;
        Ok(())
    }
}
