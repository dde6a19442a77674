//! The extents of matrices.
//!
//! What an execution costs goes with its elements, and most ways through a kernel show with few. So
//! the extents are mostly small; some lie beside the edge of a tile or of a few vectors, and a few
//! go up to those at which k and the rows are cut into blocks. A budget on their product, of which
//! all is given in one of 32 cases, a quarter in five and a sixteenth in the others, cuts the last of
//! them; which one comes last is drawn as well, so that each may be long where the others are short.

use crate::{Result, Unstructured};

/// The longest: k is cut into blocks from 513 on, rows are packed ahead from 192 on.
const LONGEST: usize = 1200;

/// Edges of tiles and vectors: 6, 7 or 14 rows, 4 to 16 lanes, up to 8 vectors in a row.
const EDGES: [u16; 14] = [4, 6, 8, 12, 14, 16, 24, 28, 32, 42, 64, 96, 128, 256];

/// Extents whose product, zeros aside, is at most `most`.
pub fn extents<const N: usize>(most: usize, bytes: &mut Unstructured<'_>) -> Result<[usize; N]> {
    let [kind, first]: [u8; 2] = bytes.arbitrary()?;
    let mut budget = match kind % 32 {
        0..=25 => most / 16,
        26..=30 => most / 4,
        _ => most,
    };
    let mut all = [0; N];
    for i in 0..N {
        let extent = extent(bytes)?.min(budget);
        budget /= extent.max(1);
        all[(usize::from(first) + i) % N] = extent;
    }
    Ok(all)
}

/// From 0 to 19 in ten of sixteen cases, beside an edge in five.
fn extent(bytes: &mut Unstructured<'_>) -> Result<usize> {
    let byte: u8 = bytes.arbitrary()?;
    Ok(match usize::from(byte) {
        small @ 0..160 => small % 20,
        edge @ 160..240 => usize::from(EDGES[edge % EDGES.len()]) + edge / EDGES.len() % 3 - 1,
        _ => bytes.int_in_range(0..=LONGEST)?,
    })
}
