//! The portable engine: `matrixmultiply`, a cache-sized panel of C at a time, so that the epilogue
//! finds the panel still in cache and panels can be shared out.
//!
//! The panels depend on the product's shape alone, never on the number of threads, so neither do
//! the results.

use super::{Epilogue, Product, groups, multiply_adds};
use crate::float::Float;
use crate::par::Par;
use std::ops::Range;

/// The least rows of a panel: each of them packs B anew, which takes the time of about 20 rows.
const PANEL_ROWS: usize = 256;
/// The least columns of a panel: each of them packs A anew.
const PANEL_COLS: usize = 256;
/// A panel is no wider than what `matrixmultiply` packs of B at once.
const MAX_PANEL_COLS: usize = 1024;
/// `matrixmultiply` is called for a [group](groups) at a time, of at most so many steps of k, or of more where k is
/// long.
const LEAST_GROUP: usize = 48;
/// Panels are cut at multiples of this, which no microkernel's tile exceeds.
const TILE: usize = 16;

/// Rows and columns of a panel: a quarter of C each way, so that there is something to share, but
/// for the limits above.
fn panel_shape(m: usize, n: usize) -> (usize, usize) {
    let quarter = |extent: usize| extent.div_ceil(4).next_multiple_of(TILE);
    (quarter(m).clamp(PANEL_ROWS, 2 * PANEL_ROWS), quarter(n).clamp(PANEL_COLS, MAX_PANEL_COLS))
}

/// Computes a product whose C is not empty.
pub(super) fn run<T: Float>(product: &mut Product<'_, T>, par: Par) {
    let (m, n, k) = (product.a.rows(), product.b.cols(), product.a.cols());
    let (panel_rows, panel_cols) = panel_shape(m, n);
    let across = n.div_ceil(panel_cols);
    let count = m.div_ceil(panel_rows) * across;
    // The pointer holds as long as the product is not moved.
    let c = product.c.as_mut_ptr();
    let panels = Panels { product, c };
    par.for_each_index(count, multiply_adds(m, k, n), &|i| {
        let (row, col) = (i / across * panel_rows, i % across * panel_cols);
        // SAFETY: every index yields another panel, so no two tasks write the same element.
        unsafe {
            panels.multiply(row, col, panel_rows.min(m - row), panel_cols.min(n - col));
        }
    });
}

/// The product with C as a pointer, so that tasks can write its panels at the same time.
struct Panels<'p, 'a, T> {
    product: &'p Product<'a, T>,
    c: *mut T,
}

// SAFETY: `c` points to the elements of `product.c`, borrowed mutably for 'a, longer than 'p; they are written
// through `multiply` alone, whose callers keep panels apart. All else is only read.
unsafe impl<T: Sync> Sync for Panels<'_, '_, T> {}

impl<T: Float> Panels<'_, '_, T> {
    /// Computes the panel of `rows` × `cols` elements at (`row`, `col`), epilogue included.
    ///
    /// # Safety
    /// The panel lies in C, has elements, and nothing else accesses it meanwhile.
    unsafe fn multiply(&self, row: usize, col: usize, rows: usize, cols: usize) {
        let Product { alpha, a, c, epilogue, .. } = self.product;
        let k = if *alpha == T::ZERO { 0 } else { a.cols() };
        let most = groups::in_order(k, LEAST_GROUP);
        let steps = k.div_ceil(k.div_ceil(most).max(1));
        let mut first = 0;
        // SAFETY: the caller vouches for the panel.
        unsafe {
            loop {
                let last = (first + steps).min(k);
                self.add_steps((row, col), (rows, cols), first..last);
                first = last;
                if last == k {
                    break;
                }
            }
            if matches!(epilogue, Epilogue::None) {
                return;
            }
            for i in row..row + rows {
                for j in col..col + cols {
                    let element = self.c.add(i * c.row_stride() + j * c.col_stride());
                    *element = epilogue.apply(*element, i, j);
                }
            }
        }
    }

    /// Adds the products of some steps of k to a panel: to β times itself, if they are the first.
    ///
    /// # Safety
    /// As [`multiply`](Self::multiply); A has the steps, and B.
    unsafe fn add_steps(
        &self,
        (row, col): (usize, usize),
        (rows, cols): (usize, usize),
        steps: Range<usize>,
    ) {
        let Product { alpha, a, b, beta, c, .. } = self.product;
        let (rsc, csc) = (c.row_stride(), c.col_stride());
        // Without steps, A and B are not read, so their pointers stay at the start. C's elements do not
        // overlap, as in any MatMut, and strides of a view fit in isize.
        // SAFETY: a view's elements lie in its slice, so the rows of A from `row` on, the columns of B
        // from `col` on, the steps of both, and the panel of C are in bounds.
        unsafe {
            let offset = |place: usize| if steps.is_empty() { 0 } else { place };
            let a_part = offset(row * a.row_stride() + steps.start * a.col_stride());
            let b_part = offset(steps.start * b.row_stride() + col * b.col_stride());
            (T::MATRIXMULTIPLY)(
                rows,
                steps.len(),
                cols,
                *alpha,
                a.as_ptr().add(a_part),
                a.row_stride() as isize,
                a.col_stride() as isize,
                b.as_ptr().add(b_part),
                b.row_stride() as isize,
                b.col_stride() as isize,
                if steps.start == 0 { *beta } else { T::ONE },
                self.c.add(row * rsc + col * csc),
                rsc as isize,
                csc as isize,
            );
        }
    }
}
