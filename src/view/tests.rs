use super::layout::Layout;
use super::*;

/// Two elements of a view at one place, found by looking at all of them.
fn overlaps_by_search(layout: &Layout) -> bool {
    let mut seen = std::collections::HashSet::new();
    (0..layout.rows)
        .flat_map(|row| (0..layout.cols).map(move |col| (row, col)))
        .any(|(row, col)| !seen.insert(row * layout.row_stride + col * layout.col_stride))
}

#[test]
fn overlap_is_what_a_search_finds() {
    let mut found = [0, 0];
    for case in 0..5 * 5 * 8 * 8 {
        let (rows, cols) = (case % 5, case / 5 % 5);
        let (row_stride, col_stride) = (case / 25 % 8, case / 200);
        let layout = Layout { rows, cols, row_stride, col_stride };
        assert_eq!(layout.overlaps(), overlaps_by_search(&layout), "{layout:?}");
        found[usize::from(layout.overlaps())] += 1;
    }
    assert!(found.iter().all(|&count| count > 100), "both kinds were tried: {found:?}");
}

#[test]
fn a_view_ends_with_its_last_element() {
    let mut data = [0.0_f32; 23];
    for len in 0..data.len() {
        // Row 2, column 3 of a 3 × 4 matrix with strides 7 and 2 is element 20.
        assert_eq!(MatRef::with_strides(&data[..len], 3, 4, 7, 2).is_ok(), len >= 21);
        assert_eq!(MatMut::with_strides(&mut data[..len], 3, 4, 7, 2).is_ok(), len >= 21);
    }
}

#[test]
fn extents_times_strides_must_fit() {
    let data = [0.0_f64; 4];
    let half = usize::MAX / 2 + 1;
    for (rows, cols, row_stride, col_stride) in
        [(2, 0, half, 1), (0, 2, 1, half), (usize::MAX, 0, 2, 1), (half, 1, 1, 1), (half, 1, 0, 1)]
    {
        let refused = MatRef::with_strides(&data, rows, cols, row_stride, col_stride);
        assert!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
    }
    assert!(matches!(MatRef::new(&data, half, 2), Err(Error::TooLarge { .. })));
    assert!(MatRef::new(&data[..0], usize::MAX, 0).is_ok_and(|m| m.is_empty()));
}

#[test]
fn parts_of_a_view_hold_its_elements() -> Result<()> {
    let data: Vec<f64> = (0..40).map(f64::from).collect();
    for (row_stride, col_stride) in [(5, 1), (8, 2), (1, 6), (0, 1), (3, 0)] {
        let whole = MatRef::with_strides(&data, 4, 3, row_stride, col_stride)?;
        for cut in 0..=4 {
            let (above, below) = whole.split_at_row(cut);
            let range = whole.row_range(cut..4)?;
            for (row, col) in (0..4).flat_map(|row| (0..3).map(move |col| (row, col))) {
                let expected = Some((row * row_stride + col * col_stride) as f64);
                let part = if row < cut { above.get(row, col) } else { below.get(row - cut, col) };
                assert_eq!(part, expected);
                assert_eq!(whole.t().get(col, row), expected);
                assert_eq!(
                    row.checked_sub(cut).and_then(|r| range.get(r, col)),
                    expected.filter(|_| row >= cut)
                );
            }
        }
    }
    Ok(())
}

#[test]
fn mutable_parts_do_not_meet() -> Result<()> {
    let mut data = vec![0; 30];
    let whole = MatMut::with_strides(&mut data, 4, 3, 7, 2)?;
    assert!(whole.can_split_rows());
    let (mut above, mut below) = whole.split_at_row(3);
    above.fill(1);
    below.fill(2);
    assert_eq!((data[0], data[18], data[21], data[25]), (1, 1, 2, 2));
    assert_eq!((data.iter().sum::<i32>(), data[26]), (9 + 2 * 3, 0));
    assert!(!MatMut::with_strides(&mut data, 4, 3, 1, 4)?.can_split_rows());
    Ok(())
}
