//! Numbers to compute with, the same in every run, and as tensor libraries keep them: a buffer that
//! begins with a cache line. Elsewhere it would be chance how often a vector crosses two.

use gradkern::{MatMut, MatRef, Rng};
use std::ops::{Deref, DerefMut};

const CACHE_LINE: usize = 64;

/// A slice that begins with a cache line.
pub struct Buffer {
    data: Vec<f32>,
    start: usize,
    len: usize,
}

impl Buffer {
    pub fn zeros(len: usize) -> Self {
        let data = vec![0.0; len + CACHE_LINE / size_of::<f32>()];
        let start = data.as_ptr().align_offset(CACHE_LINE);
        Buffer { data, start, len }
    }

    /// `len` values of N(0, 1).
    pub fn normal(len: usize) -> Self {
        let mut buffer = Self::zeros(len);
        let mut rng = Rng::new(len as u64);
        buffer.iter_mut().for_each(|value| *value = rng.normal() as f32);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[self.start..][..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..][..self.len]
    }
}

/// `len` labels below `classes`.
pub fn labels(len: usize, classes: usize) -> Vec<u32> {
    let mut rng = Rng::new(classes as u64);
    (0..len).map(|_| rng.below(classes) as u32).collect()
}

pub fn matrix(data: &[f32], rows: usize, cols: usize) -> MatRef<'_, f32> {
    MatRef::new(data, rows, cols).expect("as many elements as the shape has")
}

pub fn matrix_mut(data: &mut [f32], rows: usize, cols: usize) -> MatMut<'_, f32> {
    MatMut::new(data, rows, cols).expect("as many elements as the shape has")
}
