//! The result: rows with the times of all, as JSON and as tables.

use crate::limits::{Limits, Work};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// All that was measured.
#[derive(Default, Serialize, Deserialize)]
pub struct Report {
    pub processor: String,
    /// The instruction set that gradkern uses.
    pub instruction_set: String,
    pub limits: Vec<Limits>,
    pub rows: Vec<Row>,
}

/// One computation with a number of threads. Times are medians in microseconds.
#[derive(Serialize, Deserialize)]
pub struct Row {
    pub table: String,
    pub name: String,
    pub threads: usize,
    pub gradkern_us: f64,
    pub peers_us: BTreeMap<String, f64>,
    pub best_peer: Option<String>,
    /// gradkern's time divided by the best peer's: below 1, gradkern is faster.
    pub ratio_to_best_peer: Option<f64>,
    /// What this many multiply-adds, or a copy that moves this many bytes, takes at best: the
    /// larger of both.
    pub limit_us: f64,
    pub limited_by: Limit,
    /// The limit's time divided by gradkern's. 1 is hardly exceeded: a copy writes half of its
    /// bytes, and what only reads them can be a little faster.
    pub share_of_limit: f64,
    pub gflops: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    Arithmetic,
    Memory,
}

impl Limit {
    fn name(self) -> &'static str {
        match self {
            Limit::Arithmetic => "arithmetic",
            Limit::Memory => "memory",
        }
    }
}

/// Seconds of everything that took part in a row's rounds: medians, and the limits at their best.
pub struct Measured {
    pub gradkern: f64,
    pub peers: Vec<(String, f64)>,
    pub arithmetic: f64,
    pub memcpy: f64,
}

impl Row {
    pub fn new(table: &str, name: String, threads: usize, work: Work, measured: Measured) -> Self {
        let Measured { gradkern, peers, arithmetic, memcpy } = measured;
        let best = peers.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let limit = arithmetic.max(memcpy);
        Row {
            table: table.to_string(),
            name,
            threads,
            gradkern_us: 1e6 * gradkern,
            best_peer: best.map(|(name, _)| name.clone()),
            ratio_to_best_peer: best.map(|(_, seconds)| gradkern / seconds),
            peers_us: peers.iter().map(|(name, seconds)| (name.clone(), 1e6 * seconds)).collect(),
            limit_us: 1e6 * limit,
            limited_by: if arithmetic >= memcpy { Limit::Arithmetic } else { Limit::Memory },
            share_of_limit: limit / gradkern,
            gflops: 1e-9 * work.flops / gradkern,
        }
    }

    /// The row in one line, while others are still measured.
    pub fn summary(&self) -> String {
        let Row { table, name, threads, .. } = self;
        let ratio = self.ratio_to_best_peer.unwrap_or(f64::NAN);
        let peer = self.best_peer.as_deref().unwrap_or("any");
        let us = time(self.gradkern_us);
        format!("{}, {table}, {name}: {us} µs, {ratio:.2} of {peer}", counted(*threads))
    }
}

impl Report {
    /// The tables, in the order they were measured in.
    pub fn tables(&self) -> String {
        let mut text = format!("{}, gradkern on {}\n", self.processor, self.instruction_set);
        for limits in &self.limits {
            let Limits { threads, fma_gflops, memcpy_gb_per_s } = limits;
            let _ = writeln!(
                text,
                "{}: f32 multiply-adds {fma_gflops:.0} GFLOP/s, memcpy \
                 {memcpy_gb_per_s:.1} GB/s (read and written)",
                counted(*threads)
            );
        }
        text.push_str(
            "Medians in µs. Ratio: gradkern's time to the best peer's; 1.00 = equal, below 1 = \
             gradkern is faster.\nLimit: the larger of the same multiply-adds at their peak and a \
             memcpy of the same bytes, both at their best in the same rounds.\n",
        );
        let mut seen = BTreeSet::new();
        for row in &self.rows {
            if seen.insert((&row.table, row.threads)) {
                self.table(&mut text, &row.table, row.threads);
            }
        }
        text
    }

    fn table(&self, text: &mut String, table: &str, threads: usize) {
        let rows = || self.rows.iter().filter(|row| row.table == table && row.threads == threads);
        let peers: BTreeSet<&String> = rows().flat_map(|row| row.peers_us.keys()).collect();
        let mut cells = vec![vec![format!("{table}, {}", counted(threads)), "gradkern".into()]];
        cells[0].extend(peers.iter().map(|peer| peer.to_string()));
        cells[0].extend(
            ["best peer", "ratio", "limit", "limited by", "share", "GFLOP/s"].map(String::from),
        );
        for row in rows() {
            let mut line = vec![row.name.clone(), time(row.gradkern_us)];
            line.extend(
                peers
                    .iter()
                    .map(|&peer| row.peers_us.get(peer).map_or(String::new(), |&us| time(us))),
            );
            line.extend([
                row.best_peer.clone().unwrap_or_default(),
                row.ratio_to_best_peer.map_or(String::new(), |ratio| format!("{ratio:.2}")),
                time(row.limit_us),
                row.limited_by.name().to_string(),
                format!("{:.0} %", 100.0 * row.share_of_limit),
                format!("{:.0}", row.gflops),
            ]);
            cells.push(line);
        }
        text.push('\n');
        markdown(text, &cells);
    }
}

/// The number of threads, in words.
pub fn counted(threads: usize) -> String {
    if threads == 1 { "1 thread".into() } else { format!("{threads} threads") }
}

/// Microseconds, to three or four digits.
fn time(us: f64) -> String {
    let decimals = if us < 10.0 {
        2
    } else if us < 100.0 {
        1
    } else {
        0
    };
    format!("{us:.decimals$}")
}

/// A table whose first line is its head; columns after the first are aligned to the right.
fn markdown(text: &mut String, cells: &[Vec<String>]) {
    let columns = cells[0].len();
    let width = |column: usize| cells.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    for (i, line) in cells.iter().enumerate() {
        for (column, cell) in line.iter().enumerate() {
            let width = widths[column];
            let _ = if column == 0 {
                write!(text, "| {cell:<width$} ")
            } else {
                write!(text, "| {cell:>width$} ")
            };
        }
        text.push_str("|\n");
        if i == 0 {
            for (column, &width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width);
                let _ = if column == 0 {
                    write!(text, "| {dashes} ")
                } else {
                    write!(text, "| {}: ", &dashes[1..])
                };
            }
            text.push_str("|\n");
        }
    }
}
