//! The picture of the training: loss and accuracy by epoch, on the training and the test digits.

use crate::common::Failure;
use crate::common::plot::{self, Area, BLUE, FONT, VERMILION};
use crate::train::{Epoch, Score};
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;
use std::ops::Range;

const SIZE: (u32, u32) = (900, 840);
/// A curve of more points has a mark on some of them only.
const MARKS: usize = 50;

/// One of the two diagrams: what it shows, and how.
struct Panel<'a> {
    title: &'a str,
    y_title: &'a str,
    value: fn(&Score) -> f64,
    label: fn(&f64) -> String,
    legend: SeriesLabelPosition,
}

/// The picture as SVG.
pub fn svg(history: &[Epoch]) -> Result<String, Failure> {
    plot::svg(SIZE, |area| draw(area, history))
}

fn draw(area: &Area, history: &[Epoch]) -> Result<(), Failure> {
    let (upper, lower) = area.split_vertically(SIZE.1 / 2);
    let loss = Panel {
        title: "Loss",
        y_title: "mean cross-entropy",
        value: |score| f64::from(score.loss),
        label: |&y| short(y),
        legend: SeriesLabelPosition::UpperRight,
    };
    let (low, high) = loss.range(history);
    loss.draw(&upper, history, loss_axis(low, high).log_scale())?;
    let accuracy = Panel {
        title: "Accuracy",
        y_title: "share of right answers",
        value: |score| score.accuracy,
        label: |y| format!("{:.0} %", 100.0 * y),
        legend: SeriesLabelPosition::LowerRight,
    };
    let (low, _) = accuracy.range(history);
    let floor = ((low - 0.02) * 20.0).floor().max(0.0) / 20.0;
    accuracy.draw(&lower, history, floor..1.0 + 0.03 * (1.0 - floor))
}

/// A little more than from `low` to `high`, with a power of ten in it to label. The loss may be 0
/// in a network that is certain.
fn loss_axis(low: f64, high: f64) -> Range<f64> {
    let (low, high) = (0.7 * low.max(1e-7), 1.4 * high.max(2e-7));
    let power_of_ten = 10_f64.powf(high.log10().floor());
    low.min(0.99 * power_of_ten)..high
}

/// A power of ten, or a digit times one, without the noise of its last bits.
fn short(y: f64) -> String {
    let decimals = (-y.log10()).ceil().max(0.0) as usize;
    format!("{y:.decimals$}")
}

impl Panel<'_> {
    fn range(&self, history: &[Epoch]) -> (f64, f64) {
        let values =
            || history.iter().flat_map(|e| [(self.value)(&e.train), (self.value)(&e.test)]);
        (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max))
    }

    fn draw<Y>(&self, area: &Area, history: &[Epoch], y: Y) -> Result<(), Failure>
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let mut chart = ChartBuilder::on(area)
            .caption(self.title, (FONT, 26))
            .margin(12)
            .margin_right(30)
            .x_label_area_size(52)
            .y_label_area_size(84)
            .build_cartesian_2d(0..history.len() + 1, y)?;
        chart
            .configure_mesh()
            .x_desc("epoch")
            .y_desc(self.y_title)
            .axis_desc_style((FONT, 20))
            .label_style((FONT, 17))
            .y_label_formatter(&self.label)
            .bold_line_style(RGBColor(205, 205, 205))
            .light_line_style(RGBColor(238, 238, 238))
            .max_light_lines(1)
            .draw()?;
        for curve in CURVES {
            let values = history.iter().map(|epoch| (self.value)((curve.score)(epoch)));
            let points: Vec<(usize, f64)> = (1..).zip(values).collect();
            let style = curve.color.stroke_width(2);
            let key = move |(x, y)| {
                let line = PathElement::new([(0, 0), (26, 0)], style);
                EmptyElement::at((x, y)) + line + curve.mark_at(13)
            };
            let line = LineSeries::new(points.iter().copied(), style);
            chart.draw_series(line)?.label(curve.name).legend(key);
            let marked = points.into_iter().step_by(history.len().div_ceil(MARKS));
            let marks = marked.map(|point| EmptyElement::at(point) + curve.mark_at(0));
            chart.draw_series(marks)?;
        }
        chart
            .configure_series_labels()
            .position(self.legend.clone())
            .label_font((FONT, 18))
            .legend_area_size(36)
            .background_style(WHITE.mix(0.9))
            .border_style(RGBColor(120, 120, 120))
            .draw()?;
        Ok(())
    }
}

/// What both diagrams show: a score of each epoch, in a colour and with a mark of its own.
#[derive(Clone, Copy)]
struct Curve {
    name: &'static str,
    score: fn(&Epoch) -> &Score,
    color: RGBColor,
    /// The corners around a point, in pixels.
    mark: &'static [(i32, i32)],
}

const CURVES: [Curve; 2] = [
    Curve {
        name: "training digits",
        score: |epoch| &epoch.train,
        color: BLUE,
        mark: &[(-3, -3), (3, -3), (3, 3), (-3, 3)],
    },
    Curve {
        name: "test digits",
        score: |epoch| &epoch.test,
        color: VERMILION,
        mark: &[(0, -5), (5, 3), (-5, 3)],
    },
];

impl Curve {
    fn mark_at(&self, right: i32) -> Polygon<(i32, i32)> {
        let corners: Vec<(i32, i32)> = self.mark.iter().map(|&(x, y)| (x + right, y)).collect();
        Polygon::new(corners, self.color.filled())
    }
}
