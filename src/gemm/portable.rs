//! The portable engine: `matrixmultiply`, a cache-sized panel of C at a time, so that the epilogue
//! finds the panel still in cache and panels can be shared out.
//!
//! `matrixmultiply` is called for a [group](groups) of steps at a time. Up to four of them, a block, are added in order;
//! blocks are added in pairs, the pairs in pairs, and so on. The first half of each pair is summed in C or a buffer,
//! where the second joins it, which is summed in a buffer.
//!
//! Panels, groups and blocks depend on the product's shape and element type alone, never on the number of threads,
//! so neither do the results.

use super::{Epilogue, Product, groups, multiply_adds};
use crate::float::Float;
use crate::par::Par;
use std::ops::Range;
use std::slice;

/// Rows and columns of a panel. With smaller panels A and B are packed more often: each time takes as long as 20 rows
/// or columns more. Larger ones do not stay in the cache from group to group.
const PANEL: usize = 256;
/// `matrixmultiply` adds the groups of a block itself. To join blocks, C or a buffer is read and written once more.
const GROUPS_OF_A_BLOCK: usize = 4;

/// Computes a product whose C is not empty.
pub(super) fn run<T: Float>(product: &mut Product<'_, T>, par: Par) {
    let (m, n, k) = (product.a.rows(), product.b.cols(), product.a.cols());
    let across = n.div_ceil(PANEL);
    let count = m.div_ceil(PANEL) * across;
    // The pointer holds as long as the product is not moved.
    let c = product.c.as_mut_ptr();
    let panels = Panels { product, c };
    par.for_each_index(count, multiply_adds(m, k, n), &|i| {
        let (row, col) = (i / across * PANEL, i % across * PANEL);
        // SAFETY: every index yields another panel, so no two tasks write the same element.
        unsafe { panels.multiply(row, col, PANEL.min(m - row), PANEL.min(n - col)) };
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
        let Product { alpha, a, beta, c, epilogue, .. } = self.product;
        let k = if *alpha == T::ZERO { 0 } else { a.cols() };
        let group = groups::equal(k, groups::of_a_call::<T>());
        let block = group * GROUPS_OF_A_BLOCK;
        let (row_stride, col_stride) = (c.row_stride(), c.col_stride());
        let levels = k.div_ceil(block).max(1).next_power_of_two().ilog2() as usize;
        // SAFETY: the caller vouches for the panel, and the memory has a buffer for each level.
        unsafe {
            let at = self.c.add(row * row_stride + col * col_stride);
            let sums = Sums { at, rows, cols, row_stride, col_stride };
            T::with_scratch(levels * rows * cols, |memory| {
                Panel { product: self.product, row, col, group }.sum(0..k, *beta, sums, memory);
            });
            if matches!(epilogue, Epilogue::None) {
                return;
            }
            for i in row..row + rows {
                for j in col..col + cols {
                    let element = self.c.add(i * row_stride + j * col_stride);
                    *element = epilogue.apply(*element, i, j);
                }
            }
        }
    }
}

/// A panel of the product, whose first element is (`row`, `col`) of C, and its groups' steps.
struct Panel<'p, 'a, T> {
    product: &'p Product<'a, T>,
    row: usize,
    col: usize,
    group: usize,
}

impl<T: Float> Panel<'_, '_, T> {
    /// Adds the products of some steps of k to β times `sums`.
    ///
    /// # Safety
    /// A and B have the steps, and C the panel, which is of `sums`' shape; nothing else accesses `sums` meanwhile.
    /// `memory` has rows × cols elements for each time that the steps' blocks can be halved.
    unsafe fn sum(&self, steps: Range<usize>, beta: T, mut sums: Sums<T>, memory: &mut [T]) {
        let block = self.group * GROUPS_OF_A_BLOCK;
        let blocks = steps.len().div_ceil(block);
        // SAFETY: the caller vouches for the contract, and a half has a level less.
        unsafe {
            if blocks <= 1 {
                return self.sum_block(steps, beta, sums);
            }
            let half = steps.start + blocks.next_power_of_two() / 2 * block;
            self.sum(steps.start..half, beta, sums, memory);
            let (buffer, memory) = memory.split_at_mut(sums.rows * sums.cols);
            let other = sums.in_buffer(buffer);
            self.sum(half..steps.end, T::ZERO, other, memory);
            sums.add(&other);
        }
    }

    /// Adds the products of a block's steps to β times `sums`, a group after the other.
    ///
    /// # Safety
    /// As [`sum`](Self::sum).
    unsafe fn sum_block(&self, steps: Range<usize>, beta: T, sums: Sums<T>) {
        let (mut first, mut beta) = (steps.start, beta);
        loop {
            let last = (first + self.group).min(steps.end);
            // SAFETY: the caller vouches for the contract.
            unsafe { self.sum_group(first..last, beta, sums) };
            if last == steps.end {
                break;
            }
            (first, beta) = (last, T::ONE);
        }
    }

    /// Adds the products of some steps to β times `sums`.
    ///
    /// # Safety
    /// As [`sum`](Self::sum).
    unsafe fn sum_group(&self, steps: Range<usize>, beta: T, sums: Sums<T>) {
        let Product { alpha, a, b, .. } = self.product;
        // Without steps, A and B are not read, so their pointers stay at the start. The elements of `sums` do not
        // overlap, as in any MatMut or buffer, and strides of a view fit in isize.
        // SAFETY: a view's elements lie in its slice, so the rows of A from `row` on, the columns of B
        // from `col` on and the steps of both are in bounds; the caller vouches for `sums`.
        unsafe {
            let offset = |place: usize| if steps.is_empty() { 0 } else { place };
            let a_part = offset(self.row * a.row_stride() + steps.start * a.col_stride());
            let b_part = offset(steps.start * b.row_stride() + self.col * b.col_stride());
            (T::MATRIXMULTIPLY)(
                sums.rows,
                steps.len(),
                sums.cols,
                *alpha,
                a.as_ptr().add(a_part),
                a.row_stride() as isize,
                a.col_stride() as isize,
                b.as_ptr().add(b_part),
                b.row_stride() as isize,
                b.col_stride() as isize,
                beta,
                sums.at,
                sums.row_stride as isize,
                sums.col_stride as isize,
            );
        }
    }
}

/// Where the sums of a panel are: in C, or in a buffer.
#[derive(Clone, Copy)]
struct Sums<T> {
    at: *mut T,
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<T: Float> Sums<T> {
    /// As many in a buffer, which lie as these do, but close together.
    fn in_buffer(&self, buffer: &mut [T]) -> Self {
        let in_rows = self.col_stride <= self.row_stride;
        let (row_stride, col_stride) = if in_rows { (self.cols, 1) } else { (1, self.rows) };
        Sums { at: buffer.as_mut_ptr(), row_stride, col_stride, ..*self }
    }

    /// Adds those of a buffer, which [lie](Self::in_buffer) as these do.
    ///
    /// # Safety
    /// Nothing else accesses either meanwhile.
    unsafe fn add(&mut self, buffer: &Self) {
        let Sums { at, rows, cols, row_stride, col_stride } = *self;
        let (lines, len, stride, step) = if buffer.col_stride == 1 {
            (rows, cols, row_stride, col_stride)
        } else {
            (cols, rows, col_stride, row_stride)
        };
        for line in 0..lines {
            // SAFETY: the line lies in the sums, the buffer's in the buffer, element after element.
            unsafe {
                let (at, others) = (at.add(line * stride), buffer.at.add(line * len));
                let others = slice::from_raw_parts(others, len);
                if step == 1 {
                    let sums = slice::from_raw_parts_mut(at, len);
                    sums.iter_mut().zip(others).for_each(|(sum, &other)| *sum += other);
                } else {
                    for (i, &other) in others.iter().enumerate() {
                        *at.add(i * step) += other;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::view::{MatMut, MatRef};

    /// Compares bits with groups computed by themselves and added as is documented.
    fn check_order<T: Float>(count: usize, group: usize, layout: usize) {
        let (m, n, k) = (20, 30, count * group - 1);
        let (row_stride, col_stride) = [(n, 1), (1, m), (2 * n, 2)][layout];
        let mut random = Rng::new(5);
        let mut vec = |len| -> Vec<T> { (0..len).map(|_| T::from_f64(random.normal())).collect() };
        let (a, b) = (vec(m * k), vec(k * n));
        let (a, b) = (MatRef::new(&a, m, k).unwrap(), MatRef::new(&b, k, n).unwrap());
        let product = |steps: Range<usize>| {
            let mut c = vec![T::ZERO; 2 * m * n];
            run(
                &mut Product {
                    alpha: T::ONE,
                    a: a.t().row_range(steps.clone()).unwrap().t(),
                    b: b.row_range(steps).unwrap(),
                    beta: T::ZERO,
                    c: MatMut::with_strides(&mut c, m, n, row_stride, col_stride).unwrap(),
                    epilogue: Epilogue::None,
                },
                Par::Seq,
            );
            c
        };
        let parts: Vec<Vec<T>> =
            (0..count).map(|i| product(i * group..((i + 1) * group).min(k))).collect();
        for (i, sum) in product(0..k).into_iter().enumerate() {
            let parts: Vec<T> = parts.iter().map(|part| part[i]).collect();
            let blocks = parts
                .chunks(4)
                .map(|block| block[1..].iter().fold(block[0], |sum, &group| sum + group));
            let wanted = groups::added_in_pairs(&blocks.collect::<Vec<T>>());
            assert_eq!(sum.to_f64().to_bits(), wanted.to_f64().to_bits(), "{count} groups");
        }
    }

    #[test]
    fn groups_are_added_in_the_order_that_is_documented() {
        for groups in [1, 2, 4, 5, 8, 9, 12, 13, 17, 20, 27, 28, 33] {
            for layout in 0..3 {
                check_order::<f32>(groups, 40, layout);
                check_order::<f64>(groups, 12, layout);
            }
        }
    }
}
