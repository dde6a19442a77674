//! Numbers to compute with, the same in every run.

use gradkern::{MatMut, MatRef, Rng};

/// `len` values of N(0, 1).
pub fn normal(len: usize) -> Vec<f32> {
    let mut rng = Rng::new(len as u64);
    (0..len).map(|_| rng.normal() as f32).collect()
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
