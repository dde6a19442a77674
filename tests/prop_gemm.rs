//! GEMM against the reference: random shapes, strides, transposes, α and β.

mod common;

use common::{
    Layout, Random, Strided, assert_matrix, bounds, cases, elements, extent, for_every_par,
};
use gradkern::gemm::{gemm, gemm_batched};
use gradkern::reference::{self, Matrix};
use gradkern::{Float, MatMut, MatRef, Par};
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Copy, Debug)]
struct Case {
    /// m, k and n.
    shape: (usize, usize, usize),
    /// Of A, B and C.
    layouts: (Layout, Layout, Layout),
    alpha: f64,
    beta: f64,
    seed: u64,
}

fn case(shape: impl Strategy<Value = (usize, usize, usize)>) -> impl Strategy<Value = Case> {
    let layouts =
        (select(&Layout::INPUTS[..]), select(&Layout::INPUTS[..]), select(&Layout::OUTPUTS[..]));
    let factor = || select(&[0.0, 1.0, -1.0, 0.5, -2.25][..]);
    (shape, layouts, factor(), factor(), any::<u64>())
        .prop_map(|(shape, layouts, alpha, beta, seed)| Case { shape, layouts, alpha, beta, seed })
}

/// A, B and C; C holds NaN where it must not be read.
struct Operands<T> {
    a: Strided<T>,
    b: Strided<T>,
    c: Strided<T>,
}

impl<T: Float> Operands<T> {
    fn new(case: &Case) -> Self {
        let (m, k, n) = case.shape;
        let (a, b, c) = case.layouts;
        let mut random = Random::new(case.seed);
        Operands {
            a: Strided::of(&random.matrix::<T>(m, k, 1.0), a),
            b: Strided::of(&random.matrix::<T>(k, n, 1.0), b),
            c: if case.beta == 0.0 {
                Strided::output(m, n, c)
            } else {
                Strided::in_out(&random.matrix::<T>(m, n, 1.0), c)
            },
        }
    }

    fn expected(&self, case: &Case) -> (Matrix, Matrix) {
        let (a, b, c) = (self.a.matrix(), self.b.matrix(), self.c.matrix());
        let bounds = bounds::gemm::<T>(case.alpha, &a, &b, case.beta, &c);
        (reference::gemm(case.alpha, &a, &b, case.beta, &c), bounds)
    }
}

fn check_gemm<T: Float>(case: &Case) {
    let operands = Operands::<T>::new(case);
    let (alpha, beta) = (T::from_f64(case.alpha), T::from_f64(case.beta));
    let multiply = |par| {
        let mut c = operands.c.clone();
        gemm(alpha, operands.a.view(), operands.b.view(), beta, c.view_mut(), par).unwrap();
        elements(c.result())
    };
    let found = for_every_par("C", multiply);
    let (expected, bounds) = operands.expected(case);
    let found = MatRef::new(&found, expected.rows, expected.cols).unwrap();
    assert_matrix("C", found, &expected, &bounds);
}

fn check_batched<T: Float>(shapes: &[Case]) {
    let (alpha, beta) = (shapes[0].alpha, shapes[0].beta);
    let shapes: Vec<Case> = shapes.iter().map(|&case| Case { alpha, beta, ..case }).collect();
    let all: Vec<Operands<T>> = shapes.iter().map(Operands::new).collect();
    let a: Vec<MatRef<T>> = all.iter().map(|operands| operands.a.view()).collect();
    let b: Vec<MatRef<T>> = all.iter().map(|operands| operands.b.view()).collect();
    for_every_par("all products", |par| {
        let mut outputs: Vec<Strided<T>> = all.iter().map(|operands| operands.c.clone()).collect();
        let mut c: Vec<MatMut<T>> = outputs.iter_mut().map(Strided::view_mut).collect();
        gemm_batched(T::from_f64(alpha), &a, &b, T::from_f64(beta), &mut c, par).unwrap();
        for ((case, operands), c) in shapes.iter().zip(&all).zip(&outputs) {
            let (expected, bounds) = operands.expected(case);
            assert_matrix("a product", c.result(), &expected, &bounds);
        }
        outputs.iter().flat_map(|c| elements(c.result())).collect()
    });
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn small_products(case in case((extent(), extent(), extent()))) {
        check_gemm::<f32>(&case);
        check_gemm::<f64>(&case);
    }
}

/// Shapes that need more than one panel, or block of k, in one direction or another.
const LARGE: [(usize, usize, usize); 10] = [
    (1100, 3, 5),
    (1025, 1, 1),
    (5, 3, 1100),
    (1, 2, 4200),
    (530, 70, 33),
    (150, 600, 17),
    (17, 900, 270),
    (3, 2100, 9),
    (130, 300, 290),
    (67, 1030, 1040),
];

proptest! {
    #![proptest_config(cases(80))]

    #[test]
    fn products_larger_than_a_panel(case in case(select(&LARGE[..]))) {
        check_gemm::<f32>(&case);
        check_gemm::<f64>(&case);
    }

    #[test]
    fn batches_of_products(
        shapes in proptest::collection::vec(case((extent(), extent(), extent())), 1..9)
    ) {
        check_batched::<f32>(&shapes);
        check_batched::<f64>(&shapes);
    }
}

#[test]
fn a_batch_large_enough_to_be_shared_out() {
    let layouts = (Layout::Rows, Layout::Columns, Layout::PaddedRows);
    let case = |seed| Case { shape: (70, 90, 80), layouts, alpha: -0.5, beta: 1.0, seed };
    let shapes: Vec<Case> = (0..9).map(case).collect();
    check_batched::<f32>(&shapes);
    check_batched::<f64>(&shapes);
}

#[test]
fn an_empty_batch() {
    gemm_batched::<f32>(1.0, &[], &[], 0.0, &mut [], Par::Seq).unwrap();
}
