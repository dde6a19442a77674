//! What the tests share: comparisons that cannot pass by accident, matrices with any strides,
//! random numbers, pools of threads and (in `golden`) files of known values.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod bounds;
pub mod golden;
pub mod hard_products;
pub mod losses;
pub mod mlp_bounds;

use gradkern::reference::Matrix;
use gradkern::{Float, MatMut, MatRef, Par};
use proptest::prelude::*;
use proptest::sample::select;

/// Asserts that every element is within its bound of what is expected: NaN where NaN is expected,
/// the same infinity where one is, and otherwise `|found − expected| ≤ bound`. A bound that is
/// not a finite number ≥ 0 fails, and so do different lengths; nothing passes by being NaN.
#[track_caller]
pub fn assert_close<T: Float>(what: &str, found: &[T], expected: &[f64], bounds: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}: number of elements");
    assert_eq!(bounds.len(), expected.len(), "{what}: number of bounds");
    for (i, ((found, &expected), &bound)) in found.iter().zip(expected).zip(bounds).enumerate() {
        let found = found.to_f64();
        let right = if expected.is_nan() {
            found.is_nan()
        } else if expected.is_infinite() {
            found == expected
        } else {
            assert!(bound.is_finite() && bound >= 0.0, "{what}[{i}]: {bound} is not a bound");
            (found - expected).abs() <= bound
        };
        assert!(
            right,
            "{what}[{i}]: found {found:e}, expected {expected:e}, off by {:e}, allowed {bound:e}",
            (found - expected).abs()
        );
    }
}

/// [`assert_close`] for one number.
#[track_caller]
pub fn assert_number<T: Float>(what: &str, found: T, expected: f64, bound: f64) {
    assert_close(what, &[found], &[expected], &[bound]);
}

/// [`assert_close`] for a view, element by element.
#[track_caller]
pub fn assert_matrix<T: Float>(what: &str, found: MatRef<T>, expected: &Matrix, bounds: &Matrix) {
    assert_eq!(found.shape(), (expected.rows, expected.cols), "{what}: shape");
    assert_close(what, &elements(found), &expected.data, &bounds.data);
}

/// Asserts that two slices hold the same bits, but for the payload of NaN.
#[track_caller]
pub fn assert_same_bits<T: Float>(what: &str, found: &[T], expected: &[T]) {
    assert_eq!(found.len(), expected.len(), "{what}: number of elements");
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(same_bits(*found, *expected), "{what}[{i}]: found {found:?}, not {expected:?}");
    }
}

/// Whether two numbers are the same, the sign of zero included, or both NaN.
pub fn same_bits<T: Float>(a: T, b: T) -> bool {
    // f32 → f64 is exact, so that the bits of the f64 tell all.
    a.to_f64().to_bits() == b.to_f64().to_bits() || (a.is_nan() && b.is_nan())
}

/// A view's elements, row by row.
pub fn elements<T: Float>(view: MatRef<T>) -> Vec<T> {
    let places = (0..view.rows()).flat_map(|r| (0..view.cols()).map(move |c| (r, c)));
    places.map(|(r, c)| view.get(r, c).expect("inside the view")).collect()
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Rows one after the other.
    Rows,
    /// Rows with a gap after each.
    PaddedRows,
    /// Columns one after the other: a transpose.
    Columns,
    /// Columns with a gap after each.
    PaddedColumns,
    /// Gaps between all elements.
    Spread,
    /// One row, again and again (stride 0); only to read.
    RepeatedRow,
    /// One column, again and again; only to read.
    RepeatedColumn,
}

impl Layout {
    /// Those a result may have.
    pub const OUTPUTS: [Layout; 5] =
        [Layout::Rows, Layout::PaddedRows, Layout::Columns, Layout::PaddedColumns, Layout::Spread];

    /// Those an argument may have.
    pub const INPUTS: [Layout; 7] = [
        Layout::Rows,
        Layout::PaddedRows,
        Layout::Columns,
        Layout::PaddedColumns,
        Layout::Spread,
        Layout::RepeatedRow,
        Layout::RepeatedColumn,
    ];

    /// Row stride and column stride.
    fn strides(self, rows: usize, cols: usize) -> (usize, usize) {
        match self {
            Layout::Rows => (cols, 1),
            Layout::PaddedRows => (cols + 3, 1),
            Layout::Columns => (1, rows),
            Layout::PaddedColumns => (1, rows + 5),
            Layout::Spread => (3 * cols + 1, 3),
            Layout::RepeatedRow => (0, 1),
            Layout::RepeatedColumn => (1, 0),
        }
    }
}

/// A matrix that owns its memory, with gaps whose content is known.
#[derive(Clone, Debug)]
pub struct Strided<T> {
    pub rows: usize,
    pub cols: usize,
    layout: Layout,
    memory: Vec<T>,
}

/// Elements before the first one, so that views do not start at an aligned address.
const OFFSET: usize = 1;

impl<T: Float> Strided<T> {
    /// The matrix with `element(row, col)` in each place; all else is `gap`.
    fn build(
        rows: usize,
        cols: usize,
        layout: Layout,
        gap: f64,
        element: impl Fn(usize, usize) -> T,
    ) -> Self {
        let (row_stride, col_stride) = layout.strides(rows, cols);
        let memory = vec![T::from_f64(gap); OFFSET + rows * row_stride + cols * col_stride];
        let mut matrix = Strided { rows, cols, layout, memory };
        for row in 0..rows {
            for col in 0..cols {
                matrix.memory[OFFSET + row * row_stride + col * col_stride] = element(row, col);
            }
        }
        matrix
    }

    /// An argument to read: gaps are NaN, which spoils whatever reads them.
    pub fn new(
        rows: usize,
        cols: usize,
        layout: Layout,
        element: impl Fn(usize, usize) -> f64,
    ) -> Self {
        Self::build(rows, cols, layout, f64::NAN, |row, col| T::from_f64(element(row, col)))
    }

    /// An argument to read, with the elements of `matrix` rounded to `T`.
    pub fn of(matrix: &Matrix, layout: Layout) -> Self {
        Self::new(matrix.rows, matrix.cols, layout, |row, col| matrix.at(row, col))
    }

    /// A result to be written: NaN in every place, and a gap that [`Self::result`] looks at.
    pub fn output(rows: usize, cols: usize, layout: Layout) -> Self {
        Self::build(rows, cols, layout, GAP, |_, _| T::NAN)
    }

    /// A result that is also read, with known gaps.
    pub fn in_out(matrix: &Matrix, layout: Layout) -> Self {
        let element = |row, col| T::from_f64(matrix.at(row, col));
        Self::build(matrix.rows, matrix.cols, layout, GAP, element)
    }

    pub fn view(&self) -> MatRef<'_, T> {
        let (row_stride, col_stride) = self.layout.strides(self.rows, self.cols);
        MatRef::with_strides(&self.memory[OFFSET..], self.rows, self.cols, row_stride, col_stride)
            .expect("the memory was made for it")
    }

    pub fn view_mut(&mut self) -> MatMut<'_, T> {
        let (row_stride, col_stride) = self.layout.strides(self.rows, self.cols);
        let memory = &mut self.memory[OFFSET..];
        MatMut::with_strides(memory, self.rows, self.cols, row_stride, col_stride)
            .expect("the memory was made for it")
    }

    /// What is in it, as the reference sees it.
    pub fn matrix(&self) -> Matrix {
        Matrix::from_view(self.view())
    }

    /// The elements of an output, after checking that nothing was written between them.
    #[track_caller]
    pub fn result(&self) -> MatRef<'_, T> {
        let mut gaps = self.clone();
        gaps.view_mut().fill(T::from_f64(GAP));
        assert!(
            gaps.memory.iter().all(|&x| x == T::from_f64(GAP)),
            "something was written outside of the matrix"
        );
        self.view()
    }

    /// All memory, gaps included.
    pub fn memory(&self) -> &[T] {
        &self.memory
    }
}

/// Extents: none, one, odd and even ones, and some on both sides of a vector's or tile's length.
pub fn extent() -> impl Strategy<Value = usize> {
    prop_oneof![
        1 => Just(0_usize),
        2 => Just(1_usize),
        6 => 2..=9_usize,
        3 => 10..=40_usize,
        1 => select(&[47_usize, 49, 63, 64, 65, 95, 97, 103, 104, 105, 127, 129][..]),
    ]
}

/// How many cases a property is tried on; `PROPTEST_CASES` allows fewer, where tests run slowly.
pub fn cases(cases: u32) -> ProptestConfig {
    let most = std::env::var("PROPTEST_CASES").ok().and_then(|most| most.parse().ok());
    let cases = most.map_or(cases, |most| cases.min(most));
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Runs `f` as each caller would: sequentially, and in pools of 1 and 3 threads; and asserts that
/// what it returns is the same, bit for bit. Returns it.
#[track_caller]
pub fn for_every_par<T: Float>(what: &str, f: impl Fn(Par) -> Vec<T> + Sync) -> Vec<T> {
    let expected = f(Par::Seq);
    for par in every_par() {
        for threads in [1, 3] {
            let found = in_pool(threads, || f(par));
            assert_same_bits(&format!("{what}, {par:?}, {threads} threads"), &found, &expected);
        }
    }
    expected
}

/// What lies between the elements of an output.
const GAP: f64 = -77.25;

/// Random numbers from a seed: SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// In [−scale, scale).
    pub fn symmetric(&mut self, scale: f64) -> f64 {
        scale * (2.0 * self.unit() - 1.0)
    }

    /// In 0..n.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// Elements in [−scale, scale), each a number of `T`.
    pub fn matrix<T: Float>(&mut self, rows: usize, cols: usize, scale: f64) -> Matrix {
        let data = self.numbers::<T>(rows * cols, scale);
        Matrix { rows, cols, data }
    }

    /// Numbers of `T` in [−scale, scale).
    pub fn numbers<T: Float>(&mut self, count: usize, scale: f64) -> Vec<f64> {
        (0..count).map(|_| rounded::<T>(self.symmetric(scale))).collect()
    }

    /// Rows of positive numbers that sum to 1.
    pub fn probabilities<T: Float>(&mut self, rows: usize, cols: usize) -> Matrix {
        let weights =
            Matrix { rows, cols, data: (0..rows * cols).map(|_| self.unit() + 0.01).collect() };
        let sums = weights.row_sums();
        Matrix::from_fn(rows, cols, |row, col| rounded::<T>(weights.at(row, col) / sums[row]))
    }
}

/// The nearest number of `T`, as `f64`.
pub fn rounded<T: Float>(x: f64) -> f64 {
    T::from_f64(x).to_f64()
}

/// Numbers of `T`.
pub fn to_type<T: Float>(numbers: &[f64]) -> Vec<T> {
    numbers.iter().map(|&x| T::from_f64(x)).collect()
}

/// Numbers as `f64`.
pub fn to_f64<T: Float>(numbers: &[T]) -> Vec<f64> {
    numbers.iter().map(|x| x.to_f64()).collect()
}

/// Every way to use threads that this build has.
pub fn every_par() -> Vec<Par> {
    vec![
        Par::Seq,
        #[cfg(feature = "rayon")]
        Par::Rayon,
    ]
}

/// Runs `f` in a pool of `threads` threads, which is kept for later calls.
pub fn in_pool<R: Send>(threads: usize, f: impl FnOnce() -> R + Send) -> R {
    use std::collections::BTreeMap;
    use std::sync::{Arc, LazyLock, Mutex};
    static POOLS: LazyLock<Mutex<BTreeMap<usize, Arc<rayon::ThreadPool>>>> =
        LazyLock::new(Mutex::default);
    let pool = {
        let mut pools = POOLS.lock().expect("no test panics while it makes a pool");
        let make = || rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pools.entry(threads).or_insert_with(|| Arc::new(make().expect("a pool"))).clone()
    };
    pool.install(f)
}
