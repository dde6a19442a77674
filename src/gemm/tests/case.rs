//! Products with operands that lie in every way, and what they are compared with: sums to twice the working
//! precision, and the bound that `gemm` documents.

use super::super::{Epilogue, Product};
use crate::aligned::Aligned;
use crate::float::Float;
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
pub(super) enum Layout {
    Rows,
    /// Rows with a gap after each.
    PaddedRows,
    Cols,
    PaddedCols,
    /// Gaps both ways.
    Sparse,
}

pub(super) const LAYOUTS: [Layout; 5] =
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
pub(super) enum Finish {
    None,
    Bias,
    BiasRelu,
    ReluMask,
    /// The mask's rows have gaps.
    PaddedReluMask,
    StridedReluMask,
}

pub(super) const FINISHES: [Finish; 6] = [
    Finish::None,
    Finish::Bias,
    Finish::BiasRelu,
    Finish::ReluMask,
    Finish::PaddedReluMask,
    Finish::StridedReluMask,
];

/// A product, all its operands, and what the engine makes of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) a: Layout,
    pub(super) b: Layout,
    pub(super) c: Layout,
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) finish: Finish,
}

pub(super) const PLAIN: Case = Case {
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
pub(super) struct Prepared<T> {
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
    pub(super) fn new(case: Case) -> Self {
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
    pub(super) fn compute(&self, engine: impl Fn(&mut Product<'_, T>)) -> Vec<T> {
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
