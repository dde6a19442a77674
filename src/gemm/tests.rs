//! The engines against a reference summed to twice the working precision, on every instruction set
//! that this machine has.
//!
//! The bound is the one that `gemm` documents, so nothing here is a guessed tolerance.

use super::params::Processor;
use super::plan::Way;
use super::tile::LONG_STEPS;
use super::{Epilogue, Product, native, portable};
use crate::aligned::Aligned;
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

    /// They begin at a cache line, so that a case's B is packed, or not, in every run.
    fn take<T: Float>(&mut self, len: usize) -> Aligned<T> {
        let mut numbers = Aligned::new();
        numbers.try_grow(len).unwrap();
        numbers.fill_with(|| T::from_f64(self.next()));
        numbers
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
    data: Aligned<T>,
    rows: usize,
    cols: usize,
    layout: Layout,
}

impl<T: Float> Stored<T> {
    fn new(numbers: &mut Numbers, rows: usize, cols: usize, layout: Layout) -> Self {
        Stored { data: numbers.take(layout.len(rows, cols)), rows, cols, layout }
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
    /// The mask's rows have gaps.
    PaddedReluMask,
    StridedReluMask,
}

const FINISHES: [Finish; 6] = [
    Finish::None,
    Finish::Bias,
    Finish::BiasRelu,
    Finish::ReluMask,
    Finish::PaddedReluMask,
    Finish::StridedReluMask,
];

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

fn at<T: Float>(matrix: &Stored<T>, row: usize, col: usize) -> f64 {
    matrix.view().get(row, col).unwrap().to_f64()
}

/// A case's operands, and what C must become.
struct Prepared<T> {
    case: Case,
    a: Stored<T>,
    b: Stored<T>,
    c: Stored<T>,
    biases: Aligned<T>,
    mask: Stored<T>,
    /// For each element of C, row by row: its value, and how far from it a result may be.
    expected: Vec<(f64, f64)>,
}

impl<T: Float> Prepared<T> {
    fn new(case: Case) -> Self {
        let Case { m, n, k, .. } = case;
        let mut numbers = Numbers(7);
        let mask_layout = match case.finish {
            Finish::StridedReluMask => Layout::Sparse,
            Finish::PaddedReluMask => Layout::PaddedRows,
            _ => Layout::Rows,
        };
        let mut prepared = Prepared {
            case,
            a: Stored::new(&mut numbers, m, k, case.a),
            b: Stored::new(&mut numbers, k, n, case.b),
            c: Stored::new(&mut numbers, m, n, case.c),
            biases: numbers.take(n),
            mask: Stored::new(&mut numbers, m, n, mask_layout),
            expected: Vec::new(),
        };
        let rows: Vec<f64> = (0..m * k).map(|i| at(&prepared.a, i / k, i % k)).collect();
        let cols: Vec<f64> = (0..n * k).map(|i| at(&prepared.b, i % k, i / k)).collect();
        let dot = |row: usize, col: usize| {
            let pairs = rows[row * k..][..k].iter().zip(&cols[col * k..][..k]);
            accurate_dot(pairs.map(|(&x, &y)| (x, y)))
        };
        let expected = (0..m * n).map(|i| (i / n, i % n));
        prepared.expected =
            expected.map(|(row, col)| prepared.expect(row, col, dot(row, col))).collect();
        if case.beta == 0.0 {
            prepared.c.view_mut().fill(T::NAN);
        }
        prepared
    }

    /// What becomes of a dot product, and how far from it a result may be; `size` is that of its terms.
    fn expect(&self, row: usize, col: usize, (dot, size): (f64, f64)) -> (f64, f64) {
        let alpha = T::from_f64(self.case.alpha).to_f64();
        let beta = T::from_f64(self.case.beta).to_f64();
        let old = beta * at(&self.c, row, col);
        let bias = match self.case.finish {
            Finish::Bias | Finish::BiasRelu => self.biases[col].to_f64(),
            _ => 0.0,
        };
        let value = alpha * dot + old + bias;
        let finished = match self.case.finish {
            Finish::BiasRelu => value.max(0.0),
            Finish::ReluMask | Finish::PaddedReluMask | Finish::StridedReluMask
                if at(&self.mask, row, col) <= 0.0 =>
            {
                0.0
            }
            _ => value,
        };
        // One more rounding for the bias, and three of the reference's own in f64.
        let steps = self.case.k as f64 + 2.0 + 1.0 + 3.0;
        let size = alpha.abs() * size + old.abs() + bias.abs();
        (finished, steps * T::EPSILON.to_f64() * size)
    }

    /// C's storage after the product, which is checked.
    fn compute(&self, engine: impl Fn(&mut Product<'_, T>)) -> Vec<T> {
        let Case { m, n, .. } = self.case;
        let mut c = Stored { data: self.c.data.clone(), ..self.c };
        engine(&mut Product {
            alpha: T::from_f64(self.case.alpha),
            a: self.a.view(),
            b: self.b.view(),
            beta: T::from_f64(self.case.beta),
            c: c.view_mut(),
            epilogue: match self.case.finish {
                Finish::None => Epilogue::None,
                Finish::Bias => Epilogue::Bias(&self.biases),
                Finish::BiasRelu => Epilogue::BiasRelu(&self.biases),
                Finish::ReluMask | Finish::PaddedReluMask | Finish::StridedReluMask => {
                    Epilogue::ReluMask(self.mask.view())
                }
            },
        });
        for (i, (want, bound)) in self.expected.iter().enumerate() {
            let found = c.view().get(i / n, i % n).unwrap().to_f64();
            assert!(
                (found - want).abs() <= *bound,
                "({}, {}): {found} instead of {want}, more than {bound} apart, in {:?}",
                i / n,
                i % n,
                self.case
            );
        }
        // What lies between C's elements is as it was.
        let mut between = vec![true; c.data.len()];
        let (rs, cs) = self.case.c.strides(m, n);
        (0..m * n).for_each(|i| between[i / n * rs + i % n * cs] = false);
        for i in (0..c.data.len()).filter(|&i| between[i]) {
            assert_eq!(c.data[i], self.c.data[i], "element {i} between C's: {:?}", self.case);
        }
        c.data.to_vec()
    }
}

fn tokens() -> impl Iterator<Item = Token> {
    [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter_map(Token::new)
}

/// Checks the native engine in every way on each instruction set, plain Rust included, and the
/// portable engine, with both element types.
fn on_every_engine(cases: impl Iterator<Item = Case>) {
    fn check<T: Float>(case: Case) {
        let prepared = Prepared::<T>::new(case);
        for (token, way) in tokens().flat_map(|token| Way::ALL.map(|way| (token, way))) {
            // Half tiles are of long products with many rows, or columns where they are turned.
            let many = case.k >= 48 && case.m.max(case.n) >= 32;
            for halves in [false, true].into_iter().take(1 + usize::from(many)) {
                let processor = Processor { second_level: 1 << 20, halves };
                prepared.compute(|product| {
                    native::run_as(product, token, Par::Seq, processor, Some(way));
                });
            }
        }
        prepared.compute(|product| portable::run(product, Par::Seq));
    }
    for case in cases {
        check::<f32>(case);
        check::<f64>(case);
    }
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

/// Tiles of short products: 6 rows of 4 vectors of 8 or 16 columns, and the ends of both.
#[test]
fn every_edge_of_a_low_tile() {
    let edges = (32..=65).chain([79, 80, 96, 97, 112, 113, 127, 128, 129, 176, 192]);
    let short = edges.flat_map(|n| [(n, 1, Layout::Rows), (n, 5, Layout::Cols)]);
    let longer = [33, 47, 63, 64, 65, 90, 97, 127, 129].into_iter();
    let longer = longer.flat_map(|n| [LONG_STEPS - 1, LONG_STEPS].map(|k| (n, k, Layout::Rows)));
    on_every_engine(short.chain(longer).flat_map(|(n, k, b)| {
        let rows = [1, 2, 5, 6, 7, 11, 12, 13, 19];
        rows.map(|m| Case { m, n, k, b, beta: -1.5, finish: Finish::BiasRelu, ..PLAIN })
    }));
}

/// Half tiles of 7 rows, and lower ones at the end, with B in place, kept, and packed first.
#[test]
fn every_edge_of_a_half_tile() {
    let shapes = [32, 33, 34, 35, 36, 41, 42, 48].into_iter();
    let shapes = shapes.flat_map(|m| [(m, 33, 160), (m, 64, 600), (m, 31, LONG_STEPS)]);
    on_every_engine(shapes.flat_map(|(m, n, k)| {
        let layouts = [Layout::Rows, Layout::Cols, Layout::Sparse].into_iter();
        let layouts = layouts.flat_map(|a| [(a, Layout::Rows), (a, Layout::Cols)]);
        layouts.zip(FINISHES.into_iter().cycle().skip(m)).map(move |((a, b), finish)| Case {
            m,
            n,
            k,
            a,
            b,
            beta: -1.5,
            finish,
            ..PLAIN
        })
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
                [(1.0, 0.0), (-0.1, 1.0)].map(|(alpha, beta)| Case {
                    m,
                    n,
                    k,
                    a,
                    b,
                    c,
                    alpha,
                    beta,
                    finish,
                })
            })
        })
    }));
}

#[test]
fn several_blocks_of_rows_and_of_k() {
    // Then: tiles of 8 and of 4 vectors, operands too far apart, or used too often, to stay in place,
    // and few rows with a large B.
    let shapes = [
        (20, 40, 1100),
        (1500, 5, 300),
        (3, 300, 1030),
        (1, 300, 40),
        (2, 140, 33),
        (30, 70, 1024),
        (20, 1100, 9),
        (1, 1030, 523),
        (2, 4200, 127),
        (7, 1030, 523),
        (100, 20, 1100),
    ];
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

#[test]
fn blocks_of_rows_and_columns_change_no_bit() {
    // With so small a cache, blocks are a few panels wide and 64 rows high.
    let shapes = [
        (200, 170, 40),
        (193, 65, 530),
        (460, 97, 24),
        (192, 33, 1),
        (703, 65, 530),
        (200, 250, 100),
        (200, 64, 600),
        (20, 64, 600),
    ];
    let layouts = [
        (Layout::Rows, Layout::Rows),
        (Layout::Rows, Layout::PaddedCols),
        (Layout::PaddedCols, Layout::Rows),
        (Layout::PaddedCols, Layout::PaddedCols),
        (Layout::Sparse, Layout::Sparse),
        (Layout::Sparse, Layout::Rows),
    ];
    for (m, n, k) in shapes {
        for (a, b) in layouts {
            let case = Case { m, n, k, a, b, beta: -0.5, finish: Finish::ReluMask, ..PLAIN };
            blocks_change_no_bit::<f32>(case);
            blocks_change_no_bit::<f64>(case);
        }
    }
}

fn blocks_change_no_bit<T: Float>(case: Case) {
    let prepared = Prepared::<T>::new(case);
    for token in tokens() {
        let want = prepared.compute(|product| native::run(product, token, Par::Seq));
        for (second_level, halves) in
            [0, 20 << 10, 200 << 10].into_iter().flat_map(|bytes| [(bytes, false), (bytes, true)])
        {
            let processor = Processor { second_level, halves };
            let found = prepared
                .compute(|product| native::run_as(product, token, Par::Seq, processor, None));
            assert!(want == found, "blocks for {processor:?} change the result: {case:?}");
        }
    }
}

#[cfg(feature = "rayon")]
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let shapes =
        [(300, 200, 150), (33, 1000, 300), (1000, 33, 300), (8, 2000, 600), (257, 16, 999)];
    // Of 15 parts below each other the last has 1 row, or 2; of 13 it has 6: as few as take wide tiles.
    let shapes = shapes.into_iter().chain([(421, 128, 300), (422, 64, 600), (366, 127, 300)]);
    // Of few rows, 15 parts have 32 columns.
    let shapes = shapes.chain([(33, 480, 300), (48, 480, 100)]);
    // More columns than use a transposed A where it lies, with steps more than 1 KiB apart.
    let shapes = shapes.chain([(301, 270, 110)]);
    for (m, n, k) in shapes {
        for (a, b) in [(Layout::Rows, Layout::Rows), (Layout::Cols, Layout::Cols)] {
            let case = Case { m, n, k, a, b, beta: 1.0, finish: Finish::BiasRelu, ..PLAIN };
            let prepared = Prepared::<f32>::new(case);
            for token in tokens() {
                let run = |par| prepared.compute(|product| native::run(product, token, par));
                let want = run(Par::Seq);
                for threads in [1, 2, 3, 8, 13, 15] {
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
    for token in tokens() {
        for (m, n) in [(2, 3), (14, 32), (33, 40)] {
            let mut a = vec![1.0_f64; m * 4];
            a[4..8].fill(f64::NAN);
            let b = vec![-1.0; 4 * n];
            let mut c = vec![f64::NAN; m * n];
            let mut product = Product {
                alpha: 1.0,
                a: MatRef::new(&a, m, 4).unwrap(),
                b: MatRef::new(&b, 4, n).unwrap(),
                beta: 0.0,
                c: MatMut::new(&mut c, m, n).unwrap(),
                epilogue: Epilogue::BiasRelu(&vec![0.0; n]),
            };
            native::run(&mut product, token, Par::Seq);
            for (i, row) in c.chunks(n).enumerate() {
                let right = |x: &f64| if i == 1 { x.is_nan() } else { *x == 0.0 };
                assert!(row.iter().all(right), "row {i} of {m} × {n}: {row:?}");
            }
        }
    }
}
