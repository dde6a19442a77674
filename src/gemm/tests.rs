//! The engines against a reference summed to twice the working precision, on every instruction set
//! that this machine has.
//!
//! The bound is the one that `gemm` documents, so nothing here is a guessed tolerance.

use super::{Epilogue, Product, native, portable};
use crate::arch::Token;
use crate::float::Float;
use crate::isa::Isa;
use crate::par::Par;
use crate::view::{MatMut, MatRef};

/// Small numbers of either sign, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((self.0 >> 40) as f64) / (1 << 23) as f64 - 1.0
    }

    fn vec<T: Float>(&mut self, len: usize) -> Vec<T> {
        (0..len).map(|_| T::from_f64(self.next())).collect()
    }
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    Rows,
    /// Rows with a gap after each.
    PaddedRows,
    Cols,
    PaddedCols,
    /// Gaps both ways.
    Sparse,
}

const LAYOUTS: [Layout; 5] =
    [Layout::Rows, Layout::PaddedRows, Layout::Cols, Layout::PaddedCols, Layout::Sparse];

impl Layout {
    fn strides(self, rows: usize, cols: usize) -> (usize, usize) {
        match self {
            Layout::Rows => (cols, 1),
            Layout::PaddedRows => (cols + 3, 1),
            Layout::Cols => (1, rows),
            Layout::PaddedCols => (1, rows + 5),
            Layout::Sparse => (2 * cols + 7, 2),
        }
    }

    fn len(self, rows: usize, cols: usize) -> usize {
        let (rs, cs) = self.strides(rows, cols);
        rows.saturating_sub(1) * rs + cols.saturating_sub(1) * cs + 1
    }
}

/// A matrix with its storage, gaps included.
struct Stored<T> {
    data: Vec<T>,
    rows: usize,
    cols: usize,
    layout: Layout,
}

impl<T: Float> Stored<T> {
    fn new(numbers: &mut Numbers, rows: usize, cols: usize, layout: Layout) -> Self {
        Stored { data: numbers.vec(layout.len(rows, cols)), rows, cols, layout }
    }

    fn view(&self) -> MatRef<'_, T> {
        let (rs, cs) = self.layout.strides(self.rows, self.cols);
        MatRef::with_strides(&self.data, self.rows, self.cols, rs, cs).unwrap()
    }

    fn view_mut(&mut self) -> MatMut<'_, T> {
        let (rs, cs) = self.layout.strides(self.rows, self.cols);
        MatMut::with_strides(&mut self.data, self.rows, self.cols, rs, cs).unwrap()
    }
}

/// Σ xᵢ·yᵢ as if computed with twice the precision and rounded once, and Σ |xᵢ·yᵢ| (Ogita, Rump,
/// Oishi, *Accurate Sum and Dot Product*, 2005).
fn accurate_dot(terms: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let (mut sum, mut correction, mut size) = (0.0_f64, 0.0, 0.0);
    for (x, y) in terms {
        let product = x * y;
        let product_error = x.mul_add(y, -product);
        let next = sum + product;
        let part = next - sum;
        correction += (sum - (next - part)) + (product - part) + product_error;
        sum = next;
        size += product.abs();
    }
    (sum + correction, size)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Finish {
    None,
    Bias,
    BiasRelu,
    ReluMask,
    StridedReluMask,
}

const FINISHES: [Finish; 5] =
    [Finish::None, Finish::Bias, Finish::BiasRelu, Finish::ReluMask, Finish::StridedReluMask];

/// A product, all its operands, and what the engine makes of it.
#[derive(Clone, Copy, Debug)]
struct Case {
    m: usize,
    n: usize,
    k: usize,
    a: Layout,
    b: Layout,
    c: Layout,
    alpha: f64,
    beta: f64,
    finish: Finish,
}

const PLAIN: Case = Case {
    m: 1,
    n: 1,
    k: 1,
    a: Layout::Rows,
    b: Layout::Rows,
    c: Layout::Rows,
    alpha: 1.0,
    beta: 0.0,
    finish: Finish::None,
};

type Engine<T> = dyn Fn(Product<'_, T>);

impl Case {
    /// C's storage after the product.
    fn compute<T: Float>(&self, engine: &Engine<T>) -> Stored<T> {
        let mut numbers = Numbers(7);
        let a = Stored::<T>::new(&mut numbers, self.m, self.k, self.a);
        let b = Stored::<T>::new(&mut numbers, self.k, self.n, self.b);
        let mut c = Stored::<T>::new(&mut numbers, self.m, self.n, self.c);
        let biases = numbers.vec::<T>(self.n);
        let mask_layout =
            if self.finish == Finish::StridedReluMask { Layout::Sparse } else { Layout::PaddedRows };
        let mask = Stored::<T>::new(&mut numbers, self.m, self.n, mask_layout);
        if self.beta == 0.0 {
            c.view_mut().fill(T::NAN);
        }
        let before = c.data.clone();
        let old: Vec<f64> = (0..self.m * self.n)
            .map(|i| c.view().get(i / self.n, i % self.n).unwrap().to_f64())
            .collect();

        engine(Product {
            alpha: T::from_f64(self.alpha),
            a: a.view(),
            b: b.view(),
            beta: T::from_f64(self.beta),
            c: c.view_mut(),
            epilogue: match self.finish {
                Finish::None => Epilogue::None,
                Finish::Bias => Epilogue::Bias(&biases),
                Finish::BiasRelu => Epilogue::BiasRelu(&biases),
                Finish::ReluMask | Finish::StridedReluMask => Epilogue::ReluMask(mask.view()),
            },
        });

        let (alpha, beta) = (T::from_f64(self.alpha).to_f64(), T::from_f64(self.beta).to_f64());
        for row in 0..self.m {
            for col in 0..self.n {
                let old = if beta == 0.0 { 0.0 } else { old[row * self.n + col] };
                let bias = match self.finish {
                    Finish::Bias | Finish::BiasRelu => biases[col].to_f64(),
                    _ => 0.0,
                };
                let terms = (0..self.k).map(|p| {
                    let (x, y) = (a.view().get(row, p).unwrap(), b.view().get(p, col).unwrap());
                    (x.to_f64(), y.to_f64())
                });
                let (dot, size) = accurate_dot(terms);
                let mut want = alpha * dot + beta * old + bias;
                let size = alpha.abs() * size + (beta * old).abs() + bias.abs();
                // One more rounding for the bias; the reference itself is within 4ε of the size.
                let steps = self.k as f64 + 3.0 + if T::EPSILON.to_f64() < 1e-10 { 4.0 } else { 0.0 };
                let bound = steps * T::EPSILON.to_f64() * size;
                match self.finish {
                    Finish::BiasRelu => want = want.max(0.0),
                    Finish::ReluMask | Finish::StridedReluMask => {
                        if mask.view().get(row, col).unwrap() <= T::ZERO {
                            want = 0.0;
                        }
                    }
                    _ => {}
                }
                let found = c.view().get(row, col).unwrap().to_f64();
                assert!(
                    (found - want).abs() <= bound,
                    "({row}, {col}): {found} instead of {want}, more than {bound} apart, in {self:?}"
                );
            }
        }
        self.check_gaps(&before, &c);
        c
    }

    /// What lies between and around C's elements is as it was.
    fn check_gaps<T: Float>(&self, before: &[T], c: &Stored<T>) {
        let mut inside = vec![false; before.len()];
        let (rs, cs) = self.c.strides(self.m, self.n);
        for row in 0..self.m {
            for col in 0..self.n {
                inside[row * rs + col * cs] = true;
            }
        }
        for (i, inside) in inside.iter().enumerate() {
            assert!(*inside || before[i] == c.data[i], "element {i} between C's: {self:?}");
        }
    }
}

/// Runs `check` with both element types and the native engine on each instruction set, plain Rust
/// included, as well as with the portable engine.
fn on_every_engine(cases: impl Iterator<Item = Case> + Clone) {
    fn both<T: Float>(cases: impl Iterator<Item = Case> + Clone) {
        let tokens = [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter_map(Token::new);
        for token in tokens {
            for case in cases.clone() {
                case.compute::<T>(&move |product| native::run(product, token, Par::Seq));
            }
        }
        for case in cases {
            case.compute::<T>(&|product| portable::run(product, Par::Seq));
        }
    }
    both::<f32>(cases.clone());
    both::<f64>(cases);
}

/// Extents on both sides of every edge of a tile: 6 or 14 rows, 2 vectors of 2 to 16 columns.
const EXTENTS: [usize; 21] =
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 27, 28, 29, 31, 32, 33];

#[test]
fn every_tile_edge() {
    let shapes = EXTENTS.into_iter().flat_map(|m| EXTENTS.map(|n| (m, n)));
    on_every_engine(shapes.flat_map(|(m, n)| {
        [1, 2, 3, 17].map(|k| Case { m, n, k, alpha: 0.5, beta: -1.5, ..PLAIN })
    }));
}

#[test]
fn every_layout_with_every_epilogue() {
    let layouts = LAYOUTS
        .into_iter()
        .flat_map(|a| LAYOUTS.into_iter().flat_map(move |b| LAYOUTS.map(|c| (a, b, c))));
    let shapes = [(1, 1, 1), (3, 40, 9), (5, 3, 33), (31, 37, 20), (40, 70, 5)];
    on_every_engine(layouts.flat_map(move |(a, b, c)| {
        shapes.into_iter().flat_map(move |(m, n, k)| {
            FINISHES.into_iter().flat_map(move |finish| {
                [(1.0, 0.0), (-0.1, 1.0)]
                    .map(|(alpha, beta)| Case { m, n, k, a, b, c, alpha, beta, finish })
            })
        })
    }));
}

#[test]
fn several_blocks_of_rows_and_of_k() {
    let shapes = [(20, 40, 1100), (2100, 5, 700), (3, 600, 1030), (601, 33, 515)];
    on_every_engine(shapes.into_iter().flat_map(|(m, n, k)| {
        let transposes = [Layout::Rows, Layout::Cols];
        transposes.into_iter().flat_map(move |a| {
            transposes.into_iter().flat_map(move |b| {
                [Finish::None, Finish::BiasRelu, Finish::ReluMask].map(|finish| Case {
                    a,
                    b,
                    m,
                    n,
                    k,
                    beta: 0.25,
                    finish,
                    ..PLAIN
                })
            })
        })
    }));
}

#[cfg(feature = "rayon")]
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let shapes = [(300, 200, 150), (33, 1000, 300), (1000, 33, 300), (8, 2000, 600), (257, 16, 999)];
    let tokens = [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter_map(Token::new);
    for token in tokens {
        for (m, n, k) in shapes {
            for (a, b) in [(Layout::Rows, Layout::Rows), (Layout::Cols, Layout::Cols)] {
                let case = Case { m, n, k, a, b, beta: 1.0, finish: Finish::BiasRelu, ..PLAIN };
                let run = |par: Par| {
                    case.compute::<f32>(&move |product| native::run(product, token, par)).data
                };
                let want = run(Par::Seq);
                for threads in [1, 2, 3, 8] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                    let found = pool.build().unwrap().install(|| run(Par::Rayon));
                    let same = want.iter().zip(&found).all(|(x, y)| x.to_bits() == y.to_bits());
                    assert!(same, "{threads} threads: {case:?}");
                }
            }
        }
    }
}

#[test]
fn nothing_is_read_where_alpha_is_0_or_k_is_0() {
    let nan = [f32::NAN; 12];
    for (alpha, k) in [(0.0, 3), (1.0, 0)] {
        let mut c = [1.0_f32, -2.0, 3.0, -4.0];
        Product {
            alpha,
            a: MatRef::new(&nan[..2 * k], 2, k).unwrap(),
            b: MatRef::new(&nan[..k * 2], k, 2).unwrap(),
            beta: 2.0,
            c: MatMut::new(&mut c, 2, 2).unwrap(),
            epilogue: Epilogue::BiasRelu(&[1.0, 1.0]),
        }
        .run(Par::Seq)
        .unwrap();
        assert_eq!(c, [3.0, 0.0, 7.0, 0.0]);
    }
}

#[test]
fn not_a_number_survives_relu_but_not_beta_0() {
    for token in [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter_map(Token::new) {
        for (m, n) in [(2, 3), (14, 32), (33, 40)] {
            let mut a = vec![1.0_f64; m * 4];
            a[4..8].fill(f64::NAN);
            let b = vec![-1.0; 4 * n];
            let mut c = vec![f64::NAN; m * n];
            let product = Product {
                alpha: 1.0,
                a: MatRef::new(&a, m, 4).unwrap(),
                b: MatRef::new(&b, 4, n).unwrap(),
                beta: 0.0,
                c: MatMut::new(&mut c, m, n).unwrap(),
                epilogue: Epilogue::BiasRelu(&vec![0.0; n]),
            };
            native::run(product, token, Par::Seq);
            for (i, row) in c.chunks(n).enumerate() {
                let right = |x: &f64| if i == 1 { x.is_nan() } else { *x == 0.0 };
                assert!(row.iter().all(right), "row {i} of {m} × {n}: {row:?}");
            }
        }
    }
}
