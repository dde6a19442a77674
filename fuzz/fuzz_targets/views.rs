//! Views of any extents and strides, however large: they are made exactly where every element lies
//! in the slice and none overlap, and then show and change the elements they should.

#![no_main]

use gradkern::reference::{self, Matrix};
use gradkern::{Error, MatMut, MatRef, Par, metrics, relu};
use gradkern_fuzz::matrix::assert_same;
use gradkern_fuzz::{Bits, Numbers, Result, Unstructured, fuzz_floats};

/// The longest slice.
const LONGEST: usize = 900;

/// Extents and strides, as the fuzzer has them.
#[derive(Clone, Copy, Debug)]
struct Layout {
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl Layout {
    fn decode(bytes: &mut Unstructured<'_>) -> Result<Self> {
        let mut number = || -> Result<usize> {
            let byte: u8 = bytes.arbitrary()?;
            // Mostly small, for the checks visit every place; rarely of any size.
            Ok(match usize::from(byte) {
                small @ 0..192 => small % 10,
                middling @ 192..250 => middling % 40,
                _ => bytes.arbitrary()?,
            })
        };
        let (rows, cols) = (number()?, number()?);
        Ok(Layout { rows, cols, row_stride: number()?, col_stride: number()? })
    }

    /// The slice's length that the elements need; `None` where arithmetic on them may overflow.
    fn needs(self) -> Option<usize> {
        let is_empty = self.rows == 0 || self.cols == 0;
        // Extents are limited where a stride is 0, too.
        let reach = |extent: usize, stride: usize| {
            let stride = if is_empty { stride } else { stride.max(1) };
            extent as u128 * stride as u128
        };
        let (down, across) = (reach(self.rows, self.row_stride), reach(self.cols, self.col_stride));
        if down.max(across) > isize::MAX as u128 {
            return None;
        }
        if is_empty {
            return Some(0);
        }
        Some((self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride + 1)
    }

    /// Where the elements lie, row by row; there are few.
    fn places(self) -> Vec<usize> {
        let Layout { rows, cols, row_stride, col_stride } = self;
        let row = |r: usize| (0..cols).map(move |c| r * row_stride + c * col_stride);
        (0..rows).flat_map(row).collect()
    }
}

/// The length of the slice to view: mostly just enough for the elements, or almost.
fn slice_len(needs: Option<usize>, bytes: &mut Unstructured<'_>) -> Result<usize> {
    let kind: u8 = bytes.arbitrary()?;
    Ok(match needs {
        Some(needs) if needs <= LONGEST && kind % 4 > 0 => match kind / 4 {
            0..16 => needs.saturating_sub(1),
            16..32 => needs + 1,
            _ => needs,
        },
        _ => bytes.int_in_range(0..=LONGEST)?,
    })
}

fn check<T: Bits>(bytes: &mut Unstructured<'_>) -> Result<()> {
    let layout = Layout::decode(bytes)?;
    let Layout { rows, cols, row_stride, col_stride } = layout;
    let len = slice_len(layout.needs(), bytes)?;
    let data: Vec<T> = Numbers::decode(bytes)?.vec(len, bytes)?;
    let mut copy = data.clone();

    let view = MatRef::with_strides(&data, rows, cols, row_stride, col_stride);
    let view_mut = MatMut::with_strides(&mut copy, rows, cols, row_stride, col_stride);
    let (view, view_mut) = match (layout.needs(), view, view_mut) {
        (None, Err(Error::TooLarge { .. }), Err(Error::TooLarge { .. })) => return Ok(()),
        (Some(n), Err(Error::OutOfBounds { .. }), Err(Error::OutOfBounds { .. })) if n > len => {
            return Ok(());
        }
        (Some(n), Ok(view), view_mut) if n <= len => (view, view_mut),
        (needs, view, view_mut) => panic!("{layout:?} needs {needs:?}: {view:?}, {view_mut:?}"),
    };
    // More elements than places share some. They are too many to visit, as are rows of nothing.
    if rows.max(cols).max(rows.saturating_mul(cols)) > 4096 {
        assert!(rows == 0 || cols == 0 || view_mut.is_err());
        return Ok(());
    }
    let places = layout.places();
    let distinct = count_distinct(&places);
    check_reading(view, layout, &data, &places);
    check_parts(view, bytes)?;
    match view_mut {
        Ok(view) if distinct == places.len() => {
            check_writing(view, &data, &places);
            check_kernels(copy, &data, layout, &places);
        }
        Err(Error::Overlap { .. }) if distinct < places.len() => {}
        other => panic!("{layout:?}: {distinct} places of {}, {other:?}", places.len()),
    }
    Ok(())
}

fn count_distinct(places: &[usize]) -> usize {
    let mut places = places.to_vec();
    places.sort_unstable();
    places.dedup();
    places.len()
}

fn check_reading<T: Bits>(view: MatRef<'_, T>, layout: Layout, data: &[T], places: &[usize]) {
    let Layout { rows, cols, row_stride, col_stride } = layout;
    assert_eq!(view.shape(), (rows, cols));
    assert_eq!((view.row_stride(), view.col_stride()), (row_stride, col_stride));
    let shown: Vec<T> = places.iter().map(|&place| data[place]).collect();
    let get = |row, col| view.get(row, col).expect("inside");
    let found: Vec<T> = (0..rows).flat_map(|r| (0..cols).map(move |c| get(r, c))).collect();
    assert_same("elements", &found, &shown);
    let turned = view.t();
    assert_eq!(turned.shape(), (cols, rows));
    for row in 0..rows {
        if let Some(found) = view.row(row) {
            assert_same("row", found, &shown[row * cols..][..cols]);
        }
        for col in 0..cols {
            let element = turned.get(col, row).expect("inside");
            assert_same("transposed", &[element], &shown[row * cols + col..][..1]);
        }
    }
    if let Some(slice) = view.as_slice() {
        assert_same("slice", slice, &shown);
    }
    assert!(view.get(rows, 0).is_none() && view.get(0, cols).is_none());
    assert!(view.row(rows).is_none());
}

fn check_parts<T: Bits>(view: MatRef<'_, T>, bytes: &mut Unstructured<'_>) -> Result<()> {
    let (start, end) = (bytes.int_in_range(0..=41)?, bytes.int_in_range(0..=41)?);
    let part = view.row_range(start..end);
    assert_eq!(part.is_ok(), start <= end && end <= view.rows());
    for (row, col) in part.iter().flat_map(|p| (0..p.rows()).map(move |r| (r, p.cols() / 2))) {
        let found = part.as_ref().ok().and_then(|part| part.get(row, col));
        assert_eq!(
            found.map(|x| x.to_f64().to_bits()),
            view.get(start + row, col).map(|x| x.to_f64().to_bits())
        );
    }
    Ok(())
}

/// Elements become their opposites, and nothing else changes.
fn check_writing<T: Bits>(mut view: MatMut<'_, T>, data: &[T], places: &[usize]) {
    let (rows, cols) = view.shape();
    let shown: Vec<T> = places.iter().map(|&place| data[place]).collect();
    for row in 0..rows {
        for col in 0..cols {
            let element = view.get_mut(row, col).expect("inside");
            *element = -*element;
        }
        if let Some(found) = view.row_mut(row) {
            let expected: Vec<T> = shown[row * cols..][..cols].iter().map(|&x| -x).collect();
            assert_same("row", found, &expected);
        }
    }
    assert!(view.get_mut(rows, 0).is_none() && view.row_mut(rows).is_none());
    let mut back = view.t();
    for row in 0..rows {
        for col in 0..cols {
            let element = back.get_mut(col, row).expect("inside");
            *element = -*element;
        }
    }
}

/// Elementwise kernels change what the view shows, and only that; row kernels see it.
fn check_kernels<T: Bits>(mut copy: Vec<T>, data: &[T], layout: Layout, places: &[usize]) {
    assert_same("memory after two negations", &copy, data);
    let Layout { rows, cols, row_stride, col_stride } = layout;
    let view = MatRef::with_strides(data, rows, cols, row_stride, col_stride).expect("as before");
    let mut indices = vec![usize::MAX; rows];
    metrics::argmax(view, &mut indices).expect("an index a row");
    let matrix = Matrix::from_view(view);
    let expected: Vec<usize> = (0..rows).map(|row| reference::argmax(matrix.row(row))).collect();
    assert_eq!(indices, expected);

    let mut expected = data.to_vec();
    for &place in places {
        expected[place] = if expected[place] < T::ZERO { T::ZERO } else { expected[place] };
    }
    let to = MatMut::with_strides(&mut copy, rows, cols, row_stride, col_stride).expect("apart");
    relu::forward_in_place(to, Par::Seq).expect("nothing to refuse");
    // max(0, −0) may be either zero.
    let unsigned =
        |all: &[T]| all.iter().map(|&x| if x == T::ZERO { T::ZERO } else { x }).collect();
    let (found, expected): (Vec<T>, Vec<T>) = (unsigned(&copy), unsigned(&expected));
    assert_same("memory after ReLU", &found, &expected);
    let to = MatMut::with_strides(&mut copy, rows, cols, row_stride, col_stride).expect("apart");
    to.t().fill(T::ONE);
    let ones = places.iter().all(|&place| copy[place] == T::ONE);
    assert!(ones, "fill left an element");
}

fuzz_floats!(check);
