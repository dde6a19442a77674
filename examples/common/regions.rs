//! Points of the plane by class, and the regions in which a network answers one class.

use super::Failure;
use super::forward::Forward;
use super::plot::{self, Area, Axis, BLUE, Chart, Corner, Curve, GREEN, Mark, RGBColor, VERMILION};
use gradkern::Mlp;
use gradkern::datasets::Dataset;
use std::ops::Range;

/// Cells along a side of the picture.
const CELLS: usize = 64;

/// The name, colour and mark of each class, and the colour of its region.
const CLASSES: [(&str, RGBColor, Mark, RGBColor); 3] = [
    ("class 0", BLUE, Mark::Dot, RGBColor(190, 220, 240)),
    ("class 1", VERMILION, Mark::Triangle, RGBColor(250, 215, 180)),
    ("class 2", GREEN, Mark::Square, RGBColor(195, 230, 205)),
];

/// Draws three classes of points, over the regions in which a network answers each class.
pub fn draw(
    area: &Area,
    title: &str,
    data: &Dataset<f32>,
    network: Option<&Mlp<f32>>,
) -> Result<(), Failure> {
    let chart = chart(title, data);
    let Some(network) = network else { return chart.draw(area) };
    let (x, y) = (chart.x.range.clone(), chart.y.range.clone());
    let middles = plot::middles(x.clone(), y.clone(), CELLS);
    let middles: Vec<f32> = middles.flat_map(|(x, y)| [x as f32, y as f32]).collect();
    let classes = Forward::default().classes(network, &middles)?;
    let colors: Vec<RGBColor> = classes.into_iter().map(|class| CLASSES[class].3).collect();
    chart.draw_over(area, plot::cells(x, y, &colors))
}

fn chart<'a>(title: &'a str, data: &Dataset<f32>) -> Chart<'a> {
    let points_of = |class: usize| {
        let points = data.inputs.chunks_exact(2).zip(&data.labels);
        let own = points.filter(move |(_, label)| usize::from(**label) == class);
        own.map(|(point, _)| (f64::from(point[0]), f64::from(point[1]))).collect()
    };
    let curves = CLASSES.iter().enumerate().map(|(class, &(name, color, mark, _))| Curve {
        name,
        color,
        mark,
        points: points_of(class),
    });
    Chart {
        title,
        x: Axis::linear("x", around(data, 0)),
        y: Axis::linear("y", below_legend(around(data, 1))),
        legend: Some(Corner::UpperRight),
        curves: curves.collect(),
    }
}

/// With room for the legend above.
fn below_legend(range: Range<f64>) -> Range<f64> {
    range.start..range.end + 0.22 * (range.end - range.start)
}

/// A little more than the points span along an axis.
fn around(data: &Dataset<f32>, axis: usize) -> Range<f64> {
    let values = || data.inputs.iter().skip(axis).step_by(2).map(|&x| f64::from(x));
    let (low, high) = (values().fold(0.0, f64::min), values().fold(1.0, f64::max));
    let margin = 0.08 * (high - low);
    low - margin..high + margin
}
