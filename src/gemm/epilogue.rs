//! What is done to a product's elements as they are written.

use crate::float::Float;
use crate::view::MatRef;

/// A function of the finished element, its row and its column; applied once, after the last block
/// of k.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue<'a, T> {
    /// x.
    None,
    /// x + biases\[col\].
    Bias(&'a [T]),
    /// max(0, x + biases\[col\]); NaN stays NaN.
    BiasRelu(&'a [T]),
    /// x where the mask, of C's shape, is positive; else 0.
    ReluMask(MatRef<'a, T>),
}

impl<T: Float> Epilogue<'_, T> {
    /// The finished element, from α·A·B + β·C at (`row`, `col`).
    #[inline]
    pub(crate) fn apply(&self, x: T, row: usize, col: usize) -> T {
        match self {
            Epilogue::None => x,
            Epilogue::Bias(biases) => x + biases[col],
            Epilogue::BiasRelu(biases) => {
                let x = x + biases[col];
                if x < T::ZERO { T::ZERO } else { x }
            }
            Epilogue::ReluMask(mask) => {
                let positive = mask.get(row, col).is_some_and(|m| m > T::ZERO);
                if positive { x } else { T::ZERO }
            }
        }
    }
}
