//! Shapes, strides and ranges that no view can have.

use super::table::{Table, matrix, ones};
use gradkern::{Float, MatMut, MatRef};

/// 2⁶³ − 1 and a half of it, and what they make of messages.
const MAX: usize = isize::MAX as usize;
const HALF: usize = MAX / 2 + 1;

pub fn views<T: Float>(t: &Table) {
    let (new, new_mut) = ("MatRef::new", "MatMut::new");
    let length = "`data`: expected 6 elements, found 5";
    t.refuse(new, length, 5, |data: &mut [T]| MatRef::new(data, 2, 3).map(drop));
    t.refuse(new_mut, length, 5, |data: &mut [T]| MatMut::new(data, 2, 3).map(drop));
    let length = "`data`: expected 0 elements, found 5";
    t.refuse(new, length, 5, |data: &mut [T]| MatRef::new(data, 0, 3).map(drop));
    t.refuse(new_mut, length, 5, |data: &mut [T]| MatMut::new(data, 3, 0).map(drop));

    // In a view to read and in one to write, or in the latter alone.
    let strided = |message: &str, len, (rows, cols), (row_stride, col_stride), to_read: bool| {
        if to_read {
            t.refuse("MatRef::with_strides", message, len, |data: &mut [T]| {
                MatRef::with_strides(data, rows, cols, row_stride, col_stride).map(drop)
            });
        }
        t.refuse("MatMut::with_strides", message, len, |data: &mut [T]| {
            MatMut::with_strides(data, rows, cols, row_stride, col_stride).map(drop)
        });
    };
    let too_large = |argument: &str, extent: usize, stride: usize| {
        format!(
            "`{argument}`: expected extent × stride of at most isize::MAX elements, found {extent} × {stride}"
        )
    };
    for (rows, cols, row_stride, col_stride, argument, extent, stride) in [
        (2, 3, HALF, 1, "row_stride", 2, HALF),
        (2, 3, usize::MAX, 1, "row_stride", 2, usize::MAX),
        (usize::MAX, 3, usize::MAX, 1, "row_stride", usize::MAX, usize::MAX),
        (2, 3, 1, usize::MAX, "col_stride", 3, usize::MAX),
        (2, HALF, 1, 2, "col_stride", HALF, 2),
        // Without elements, too: nothing may overflow later.
        (HALF, 0, 2, 1, "row_stride", HALF, 2),
    ] {
        let message = too_large(argument, extent, stride);
        strided(&message, 9, (rows, cols), (row_stride, col_stride), true);
    }
    let message = too_large("row_stride", HALF, 2);
    t.refuse(new, &message, 9, |data: &mut [T]| MatRef::new(data, HALF, 2).map(drop));
    t.refuse(new_mut, &message, 9, |data: &mut [T]| MatMut::new(data, HALF, 2).map(drop));
    // With a stride of 0 there is a slice for it, but no kernel that could round it up.
    for (shape, argument) in [((MAX + 1, 1), "row_stride"), ((1, usize::MAX), "col_stride")] {
        let extent = shape.0.max(shape.1);
        let message =
            format!("`{argument}`: expected an extent of at most isize::MAX, found {extent}");
        strided(&message, 1, shape, (0, 0), true);
    }

    let past = "`data`: expected a slice of at least 10 elements for this shape and these strides, found 9";
    strided(past, 9, (3, 2), (4, 1), true);
    strided(past, 9, (2, 3), (1, 4), true);

    for (rows, cols, row_stride, col_stride) in
        [(2, 3, 0, 1), (2, 3, 1, 0), (2, 3, 1, 1), (3, 3, 2, 1), (4, 4, 2, 3), (4, 3, 1, 2)]
    {
        let message = format!(
            "`data`: expected strides under which no two elements of a {rows} × {cols} matrix share a place, found row stride {row_stride} and column stride {col_stride}"
        );
        strided(&message, 30, (rows, cols), (row_stride, col_stride), false);
    }

    #[allow(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    for range in [0..4, 4..4, 3..2, usize::MAX..0, 2..usize::MAX] {
        let message = format!("`rows`: expected a range with start ≤ end ≤ 3, found {range:?}");
        t.refuse("MatRef::row_range", &message, 6, |data: &mut [T]| {
            ones(data, 3, 2).row_range(range.clone()).map(drop)
        });
        t.refuse("MatMut::row_range", &message, 6, |data: &mut [T]| {
            matrix(data, 3, 2).row_range(range.clone()).map(drop)
        });
    }
}
