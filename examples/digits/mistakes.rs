//! The picture of the mistakes: every test digit that was taken for another, with what the network
//! said, how sure it was, and what the digit is. The surest mistakes come first.

use crate::common::Failure;
use crate::common::plot::{self, Area, BLUE, FONT};
use crate::data::{Digits, SIDE};
use gradkern::MatRef;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const PIXEL: i32 = 14;
const PICTURE: i32 = PIXEL * SIDE as i32;
const COLUMNS: usize = 6;
const MARGIN: i32 = 24;
const HEADING: i32 = 76;
const TILE: (i32, i32) = (PICTURE + 34, PICTURE + 68);
/// Vermilion for what was said and blue for the truth, as Okabe and Ito chose them.
const SAID: RGBColor = RGBColor(190, 80, 0);
const TRUTH: RGBColor = BLUE;

struct Mistake {
    index: usize,
    said: usize,
    probability: f32,
}

/// The picture as SVG.
pub fn svg(
    digits: &Digits,
    answers: &[usize],
    probabilities: MatRef<'_, f32>,
) -> Result<String, Failure> {
    let mistakes = find(digits, answers, probabilities);
    let rows = mistakes.len().div_ceil(COLUMNS) as i32;
    let width = 2 * MARGIN + COLUMNS as i32 * TILE.0;
    let size = (width as u32, (HEADING + rows * TILE.1 + MARGIN) as u32);
    plot::svg(size, |area| draw(area, digits, &mistakes))
}

fn find(digits: &Digits, answers: &[usize], probabilities: MatRef<'_, f32>) -> Vec<Mistake> {
    let wrong = |&(i, &said): &(usize, &usize)| said != usize::from(digits.labels[i]);
    let mistakes = answers.iter().enumerate().filter(wrong).map(|(index, &said)| Mistake {
        index,
        said,
        probability: probabilities.get(index, said).unwrap_or_default(),
    });
    let mut mistakes: Vec<Mistake> = mistakes.collect();
    mistakes.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    mistakes
}

fn draw(area: &Area, digits: &Digits, mistakes: &[Mistake]) -> Result<(), Failure> {
    let heading = format!("{} of {} test digits taken for another", mistakes.len(), digits.len());
    text(area, &heading, (MARGIN, 18), 26, HPos::Left, BLACK)?;
    let order = "the surest first; in brackets the probability it gave its answer";
    text(area, order, (MARGIN, 48), 17, HPos::Left, RGBColor(90, 90, 90))?;
    for (place, mistake) in mistakes.iter().enumerate() {
        let (row, column) = ((place / COLUMNS) as i32, (place % COLUMNS) as i32);
        let left = MARGIN + column * TILE.0 + (TILE.0 - PICTURE) / 2;
        let top = HEADING + row * TILE.1 + 10;
        picture(area, digits.picture(mistake.index), (left, top))?;
        let middle = left + PICTURE / 2;
        let said = format!("said {} ({:.0} %)", mistake.said, 100.0 * mistake.probability);
        text(area, &said, (middle, top + PICTURE + 8), 19, HPos::Center, SAID)?;
        let truth = format!("is {}", digits.labels[mistake.index]);
        text(area, &truth, (middle, top + PICTURE + 30), 19, HPos::Center, TRUTH)?;
    }
    Ok(())
}

/// A digit, ink black on white, in a thin frame.
fn picture(area: &Area, pixels: &[f32], (left, top): (i32, i32)) -> Result<(), Failure> {
    for (i, ink) in pixels.iter().enumerate() {
        let (x, y) = (left + (i % SIDE) as i32 * PIXEL, top + (i / SIDE) as i32 * PIXEL);
        let gray = (255.0 * (1.0 - ink)).round() as u8;
        let color = RGBColor(gray, gray, gray).filled();
        area.draw(&Rectangle::new([(x, y), (x + PIXEL, y + PIXEL)], color))?;
    }
    let frame = [(left - 1, top - 1), (left + PICTURE + 1, top + PICTURE + 1)];
    area.draw(&Rectangle::new(frame, RGBColor(150, 150, 150)))?;
    Ok(())
}

fn text(
    area: &Area,
    text: &str,
    at: (i32, i32),
    size: i32,
    align: HPos,
    color: RGBColor,
) -> Result<(), Failure> {
    let style = (FONT, size).into_font().color(&color).pos(Pos::new(align, VPos::Top));
    area.draw(&Text::new(text, at, style))?;
    Ok(())
}
