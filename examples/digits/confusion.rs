//! Which digits were taken for which.

use crate::data::CLASSES;
use std::fmt;

/// How often each digit (row) was taken for each (column).
#[derive(Default)]
pub struct Confusion([[usize; CLASSES]; CLASSES]);

impl Confusion {
    /// Counts the answers against the truth.
    pub fn new(truth: &[u8], answers: &[usize]) -> Self {
        let mut confusion = Confusion::default();
        for (&is, &said) in truth.iter().zip(answers) {
            confusion.0[usize::from(is)][said] += 1;
        }
        confusion
    }
}

impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "is \\ said")?;
        (0..CLASSES).try_for_each(|said| write!(f, "{said:>4}"))?;
        writeln!(f, "    right")?;
        for (is, row) in self.0.iter().enumerate() {
            write!(f, "{is:>9}")?;
            for &count in row {
                if count == 0 { write!(f, "   ·")? } else { write!(f, "{count:>4}")? }
            }
            let all: usize = row.iter().sum();
            let share = 100.0 * row[is] as f64 / all.max(1) as f64;
            writeln!(f, "  {share:>5.1} %")?;
        }
        Ok(())
    }
}
