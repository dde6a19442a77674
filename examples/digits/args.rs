//! The command line: what may be chosen, and which values are allowed.

use crate::common::args::{seed, whole};
use clap::Parser;
use std::str::FromStr;

/// Train a network on 1797 handwritten digits and say how well it reads the fifth it was not shown.
#[derive(Debug, Parser)]
#[command(name = "digits")]
pub struct Args {
    /// How often to go through the training digits, 1 to 10000
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = whole::<1, 10_000>, allow_negative_numbers = true)]
    pub epochs: usize,
    /// Digits in one training step, 1 to 1437
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = whole::<1, 1437>, allow_negative_numbers = true)]
    pub batch: usize,
    /// Length of a step against the gradient, above 0 and at most 10
    #[arg(long, value_name = "X", default_value_t = 0.1, value_parser = learning_rate, allow_hyphen_values = true)]
    pub learning_rate: f32,
    /// Neurons of the hidden layers, separated by commas: up to 8 layers of 1 to 4096
    #[arg(long, value_name = "N,...", default_value = "128,64", allow_negative_numbers = true)]
    pub hidden: Hidden,
    /// Start of the random numbers that shuffle the digits and fill the weights
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = seed, allow_negative_numbers = true)]
    pub seed: u64,
    /// Threads, 1 to 256; more than 1 pays only for networks and batches far above the defaults
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<1, 256>, allow_negative_numbers = true)]
    pub threads: usize,
}

/// The sizes of the hidden layers.
#[derive(Clone, Debug)]
pub struct Hidden(pub Vec<usize>);

fn learning_rate(text: &str) -> Result<f32, &'static str> {
    match text.parse::<f32>() {
        Ok(x) if x > 0.0 && x <= 10.0 => Ok(x),
        _ => Err("expected a number above 0 and at most 10"),
    }
}

impl FromStr for Hidden {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let sizes: Result<Vec<usize>, _> = text.split(',').map(whole::<1, 4096>).collect();
        match sizes {
            Ok(sizes) if sizes.len() <= 8 => Ok(Hidden(sizes)),
            _ => Err("expected 1 to 8 whole numbers from 1 to 4096, separated by commas"),
        }
    }
}
