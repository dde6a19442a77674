//! The result as a picture: for each row, how many times gradkern's time everyone takes, and what
//! the limit would.

use crate::Failure;
use crate::report::{Report, Row, counted};
use plotters::coord::Shift;
use plotters::prelude::*;
use std::collections::BTreeSet;

const LABELS: i32 = 300;
const PANEL: i32 = 440;
const TOP: i32 = 84;
const BOTTOM: i32 = 52;
const LINE: i32 = 20;
const FONT: &str = "sans-serif";
const GREY: RGBColor = RGBColor(110, 110, 110);

/// Okabe and Ito's colours, which the colour-blind can tell apart.
const COLOURS: [RGBColor; 7] = [
    RGBColor(230, 159, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Mark<'a, C> = DynElement<'a, SVGBackend<'a>, C>;

/// A line of the picture: a table's title, or one of its rows.
#[derive(PartialEq)]
enum Line<'a> {
    Table(&'a str),
    Row(&'a str, &'a str),
}

/// The picture as SVG: a panel for each number of threads.
pub fn svg(report: &Report) -> Result<String, Failure> {
    let lines = lines(report);
    let size = (
        (LABELS + PANEL * report.limits.len() as i32) as u32,
        (TOP + LINE * lines.len() as i32 + BOTTOM) as u32,
    );
    let mut svg = String::new();
    if !report.rows.is_empty() {
        draw(&SVGBackend::with_string(&mut svg, size).into_drawing_area(), report, &lines)?;
    }
    Ok(svg)
}

fn lines(report: &Report) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for Row { table, name, .. } in &report.rows {
        for line in [Line::Table(table), Line::Row(table, name)] {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

fn draw(area: &Area<'_>, report: &Report, lines: &[Line<'_>]) -> Result<(), Failure> {
    area.fill(&WHITE)?;
    let peers: BTreeSet<&str> =
        report.rows.iter().flat_map(|row| row.peers_us.keys().map(String::as_str)).collect();
    let peers: Vec<&str> = peers.into_iter().collect();
    area.draw_text(
        "Time of each peer as a multiple of gradkern's (right of 1: gradkern is faster)",
        &(FONT, 17).into_text_style(area),
        (12, 12),
    )?;
    legend(area, &peers)?;
    for (i, line) in lines.iter().enumerate() {
        let y = TOP + LINE * i as i32 + 5;
        match line {
            Line::Table(table) => {
                let style = (FONT, 14, FontStyle::Bold).into_text_style(area);
                area.draw_text(table, &style, (12, y))?;
            }
            Line::Row(_, name) => {
                area.draw_text(name, &(FONT, 14).into_text_style(area), (28, y))?;
            }
        }
    }
    let (_, mut panels) = area.split_horizontally(LABELS);
    for limits in &report.limits {
        let (panel, rest) = panels.split_horizontally(PANEL);
        draw_panel(&panel, report, lines, &peers, limits.threads)?;
        panels = rest;
    }
    area.present()?;
    Ok(())
}

fn legend(area: &Area<'_>, peers: &[&str]) -> Result<(), Failure> {
    let style = (FONT, 14).into_text_style(area);
    let mut x = 20;
    for (i, peer) in peers.iter().enumerate() {
        area.draw(&mark(i, (x, 48)))?;
        area.draw_text(peer, &style, (x + 10, 41))?;
        x += 36 + 8 * peer.len() as i32;
    }
    area.draw(&limit_mark((x, 48)))?;
    area.draw_text("limit", &style, (x + 10, 41))?;
    Ok(())
}

fn draw_panel(
    area: &Area<'_>,
    report: &Report,
    lines: &[Line<'_>],
    peers: &[&str],
    threads: usize,
) -> Result<(), Failure> {
    let (low, high) = range(report);
    let bottom = lines.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .margin_top(TOP)
        .margin_right(14)
        .x_label_area_size(BOTTOM)
        .build_cartesian_2d((low..high).log_scale(), bottom..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_labels(12)
        .x_label_formatter(&|x| format!("{x}"))
        .x_label_style((FONT, 13))
        .x_desc(counted(threads))
        .axis_desc_style((FONT, 15))
        .light_line_style(RGBColor(245, 245, 245))
        .bold_line_style(RGBColor(225, 225, 225))
        .draw()?;
    chart.draw_series([PathElement::new([(1.0, 0.0), (1.0, bottom)], BLACK)])?;
    for row in report.rows.iter().filter(|row| row.threads == threads) {
        let line = Line::Row(&row.table, &row.name);
        let line = lines.iter().position(|other| *other == line).expect("a line for every row");
        let y = line as f64 + 0.5;
        let area = chart.plotting_area();
        area.draw(&PathElement::new([(low, y), (high, y)], RGBColor(238, 238, 238)))?;
        area.draw(&limit_mark((row.share_of_limit, y)))?;
        for (i, &peer) in peers.iter().enumerate() {
            if let Some(us) = row.peers_us.get(peer) {
                area.draw(&mark(i, (us / row.gradkern_us, y)))?;
            }
        }
    }
    Ok(())
}

/// A little more than from the least to the largest multiple, and 1.
fn range(report: &Report) -> (f64, f64) {
    let peers = report
        .rows
        .iter()
        .flat_map(|row| row.peers_us.values().map(move |us| us / row.gradkern_us));
    let all = peers.chain(report.rows.iter().map(|row| row.share_of_limit));
    let (low, high) = all.fold((0.5_f64, 2.0_f64), |(low, high), x| (low.min(x), high.max(x)));
    (low / 1.2, high * 1.2)
}

/// A peer's mark: its colour and its shape.
fn mark<'a, C: Clone + 'a>(peer: usize, at: C) -> Mark<'a, C> {
    let colour = COLOURS[peer % COLOURS.len()];
    let at = EmptyElement::at(at);
    let polygon = |points: &[(i32, i32)]| Polygon::new(points.to_vec(), colour.filled());
    match peer % 7 {
        0 => (at + Circle::new((0, 0), 5, colour.filled())).into_dyn(),
        1 => (at + polygon(&[(-4, -4), (4, -4), (4, 4), (-4, 4)])).into_dyn(),
        2 => (at + polygon(&[(-5, 4), (5, 4), (0, -5)])).into_dyn(),
        3 => (at + polygon(&[(-6, 0), (0, -6), (6, 0), (0, 6)])).into_dyn(),
        4 => (at + Cross::new((0, 0), 4, colour.stroke_width(2))).into_dyn(),
        5 => (at + polygon(&[(-5, -4), (5, -4), (0, 5)])).into_dyn(),
        _ => (at + Circle::new((0, 0), 4, colour.stroke_width(2))).into_dyn(),
    }
}

fn limit_mark<'a, C: Clone + 'a>(at: C) -> Mark<'a, C> {
    let line = PathElement::new([(0, -7), (0, 7)], GREY.stroke_width(3));
    (EmptyElement::at(at) + line).into_dyn()
}
