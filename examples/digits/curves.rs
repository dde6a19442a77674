//! The picture of the training: loss and accuracy by epoch, on the training and the test digits.

use crate::Failure;
use crate::train::{Epoch, Score};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::prelude::*;

const SIZE: (u32, u32) = (900, 840);
const FONT: &str = "sans-serif";
/// Blue and vermilion of Okabe and Ito, which colour-blind readers tell apart.
const TRAIN: RGBColor = RGBColor(0, 114, 178);
const TEST: RGBColor = RGBColor(213, 94, 0);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

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
    let mut svg = String::new();
    draw(&SVGBackend::with_string(&mut svg, SIZE).into_drawing_area(), history)?;
    Ok(svg)
}

fn draw(area: &Area, history: &[Epoch]) -> Result<(), Failure> {
    area.fill(&WHITE)?;
    let (upper, lower) = area.split_vertically(SIZE.1 / 2);
    let loss = Panel {
        title: "Loss",
        y_title: "mean cross-entropy",
        value: |score| f64::from(score.loss),
        label: |y| y.to_string(),
        legend: SeriesLabelPosition::UpperRight,
    };
    let (low, high) = loss.range(history);
    loss.draw(&upper, history, (decade_below(low)..decade_below(high) * 10.0).log_scale())?;
    let accuracy = Panel {
        title: "Accuracy",
        y_title: "share of right answers",
        value: |score| score.accuracy,
        label: |y| format!("{:.0} %", 100.0 * y),
        legend: SeriesLabelPosition::LowerRight,
    };
    let (low, _) = accuracy.range(history);
    let floor = ((low - 0.02) * 20.0).floor().max(0.0) / 20.0;
    accuracy.draw(&lower, history, floor..1.0 + 0.03 * (1.0 - floor))?;
    area.present()?;
    Ok(())
}

/// The largest power of ten that is at most `loss`, which may be 0 in a network that is certain.
fn decade_below(loss: f64) -> f64 {
    10_f64.powf(loss.max(1e-7).log10().floor())
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
            .draw()?;
        for (name, color, of) in curves() {
            let points = history.iter().map(|epoch| (self.value)(of(epoch)));
            let points: Vec<(usize, f64)> = points.enumerate().map(|(i, y)| (i + 1, y)).collect();
            chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?;
            let marks = points.iter().map(|&point| Circle::new(point, 3, color.filled()));
            chart.draw_series(marks)?.label(name).legend(move |(x, y)| {
                Rectangle::new([(x, y - 5), (x + 22, y + 5)], color.filled())
            });
        }
        chart
            .configure_series_labels()
            .position(self.legend.clone())
            .label_font((FONT, 18))
            .background_style(WHITE.mix(0.9))
            .border_style(RGBColor(120, 120, 120))
            .draw()?;
        Ok(())
    }
}

/// What both diagrams show: a name, a colour, and which score of an epoch.
fn curves() -> [(&'static str, RGBColor, fn(&Epoch) -> &Score); 2] {
    [("training digits", TRAIN, |epoch| &epoch.train), ("test digits", TEST, |epoch| &epoch.test)]
}
