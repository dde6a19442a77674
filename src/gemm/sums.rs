//! A tile of A·B, added up in registers.
//!
//! An element's sum is taken in [groups](super::groups) of steps of k. Those of `f32` are then added in
//! order; those of `f64` in pairs, the pairs in pairs, and so on (pairwise summation).
//!
//! While the multipliers are busy the memory is not, so a tile sees to what is needed next: its part of
//! C, operands a few steps ahead (a large B that is read once, up to 128), and what the driver asks for ([`Fetch`],
//! [`RowCopy`]). A core waits for a dozen cache lines at a time, and while it does, for nothing else, not even for B's next row in
//! L2. So a tile asks for a few lines every 16 or 12 steps ([`chunk`]), never for many at once.

use super::groups;
use super::microkernel::{Lies, Side};
use super::params::MOST_STEPS;
use super::run::{Fetch, RowCopy, Tile};
use super::tile::{LONG_STEPS, TALL_VECTORS};
use crate::arch::{Simd, prefetch};
use crate::float::Float;
use std::hint::cold_path;
use std::mem::MaybeUninit;

/// Levels at which sums wait for others to be added to. With one, groups are added in order, which is 0.5 %
/// faster where there are few.
const fn levels<T>() -> usize {
    if groups::in_pairs::<T>() { MOST_LEVELS } else { 1 }
}

/// As many as the groups of a block of k can be halved.
const MOST_LEVELS: usize =
    MOST_STEPS.div_ceil(groups::LEAST_OF_A_TILE).next_power_of_two().ilog2() as usize;

/// Steps of k between two looks at what else there is to do: a group has as many at least.
pub(super) const fn chunk<T>() -> usize {
    let group = groups::of_a_tile::<T>();
    if group < 16 { group } else { 16 }
}

/// Rows of C to fetch at a time.
const C_ROWS: usize = 2;

/// Rows of a tile from which there is time to fetch operands ahead.
const FETCHING_ROWS: usize = 5;

/// The tile of A·B.
///
/// # Safety
/// As [`microkernel::run`](super::microkernel::run).
#[inline(always)]
pub(super) unsafe fn of_tile<
    T: Float,
    S: Simd<T>,
    const ROWS: usize,
    const VECTORS: usize,
    const LIES: u8,
    const SIDE: u8,
>(
    simd: S,
    tile: &Tile<'_, T>,
) -> [[S::V; VECTORS]; ROWS] {
    let mut sums = Sums::<T, S, ROWS, VECTORS, LIES, SIDE>::new(simd, tile);
    let mut aside = Aside::new(tile, if VECTORS <= TALL_VECTORS { ROWS } else { 0 });
    let copies = const { SIDE == Side::Copies as u8 };
    let chunk = const { chunk::<T>() };
    let mut waiting = Waiting::new();
    let mut left = tile.k;
    // SAFETY: the caller vouches for the contract, which has k steps.
    unsafe {
        loop {
            let steps = left.min(const { groups::of_a_tile::<T>() });
            let mut rest = steps;
            // With nothing left to see to, wide and low tiles add up the rest of a group in one loop. Tall ones
            // mostly have something left, and asking would take longer than it saves.
            while rest >= chunk && (VECTORS <= TALL_VECTORS || !aside.is_done()) {
                aside.fetch::<S, VECTORS>(tile);
                if copies {
                    aside.copy::<S, VECTORS>(simd);
                }
                sums.look_afar(tile, left - (steps - rest), chunk);
                sums.steps(simd, chunk);
                rest -= chunk;
            }
            sums.look_afar(tile, left - (steps - rest), rest);
            sums.steps(simd, rest);
            left -= steps;
            waiting.join(simd, &mut sums, left == 0);
            if left == 0 {
                break;
            }
        }
        while copies && aside.copy.rows > 0 {
            aside.copy::<S, VECTORS>(simd);
        }
    }
    sums.acc
}

/// The tile of A·B where k is too short to see to anything else.
///
/// # Safety
/// As [`microkernel::run`](super::microkernel::run).
#[inline(always)]
pub(super) unsafe fn of_short_tile<
    T: Float,
    S: Simd<T>,
    const ROWS: usize,
    const VECTORS: usize,
    const LIES: u8,
>(
    simd: S,
    tile: &Tile<'_, T>,
) -> [[S::V; VECTORS]; ROWS] {
    debug_assert!(tile.k < LONG_STEPS);
    let mut sums = Sums::<T, S, ROWS, VECTORS, LIES, { Side::Nothing as u8 }>::new(simd, tile);
    let mut waiting = Waiting::new();
    let mut left = tile.k;
    // SAFETY: the caller vouches for the contract, which has k steps.
    unsafe {
        while is_more_than_a_group::<T>(left) {
            sums.steps(simd, groups::of_a_tile::<T>());
            left -= groups::of_a_tile::<T>();
            waiting.join(simd, &mut sums, false);
        }
        sums.steps(simd, left);
        waiting.join(simd, &mut sums, true);
    }
    sums.acc
}

/// Whether so many steps are more than a group. Most short tiles of `f32` have no more, and are not to pay for the
/// registers that a second one takes.
#[inline(always)]
fn is_more_than_a_group<T: Float>(steps: usize) -> bool {
    let most = const { groups::of_a_tile::<T>() };
    if groups::in_pairs::<T>() {
        return steps > most;
    }
    if steps > most {
        cold_path();
        return true;
    }
    false
}

/// Sums of groups, at the levels that are the bits of `count`, the groups so far. At each they wait for
/// those of as many groups as its bit is worth; at the last, for those of any that come.
struct Waiting<T: Float, S: Simd<T>, const ROWS: usize, const VECTORS: usize> {
    levels: [MaybeUninit<[[S::V; VECTORS]; ROWS]>; MOST_LEVELS],
    count: usize,
}

impl<T: Float, S: Simd<T>, const ROWS: usize, const VECTORS: usize> Waiting<T, S, ROWS, VECTORS> {
    #[inline(always)]
    fn new() -> Self {
        Waiting { levels: [const { MaybeUninit::uninit() }; MOST_LEVELS], count: 0 }
    }

    /// Adds to a group's sums those that wait for them. If it is the last these are all there are; if not,
    /// the sums wait in turn.
    #[inline(always)]
    fn join<const LIES: u8, const SIDE: u8>(
        &mut self,
        simd: S,
        sums: &mut Sums<T, S, ROWS, VECTORS, LIES, SIDE>,
        is_last: bool,
    ) {
        let last = const { levels::<T>() - 1 };
        let mut level = 0;
        while self.count >> level > 0 {
            if level == last || self.count >> level & 1 == 1 {
                // SAFETY: whoever sets a bit of the count writes sums to its level, which stay there.
                sums.add(simd, unsafe { self.levels[level].assume_init_ref() });
            } else if !is_last {
                break;
            }
            if level == last {
                break;
            }
            level += 1;
        }
        if !is_last {
            self.levels[level].write(sums.take(simd));
            self.count += 1;
        }
    }
}

/// The sums of a tile so far, and where its operands go on.
struct Sums<
    T: Float,
    S: Simd<T>,
    const ROWS: usize,
    const VECTORS: usize,
    const LIES: u8,
    const SIDE: u8,
> {
    acc: [[S::V; VECTORS]; ROWS],
    a: *const T,
    b: *const T,
    keep: *mut T,
    a_row: usize,
    a_step: usize,
    b_step: usize,
    b_ahead: usize,
    /// From a step's row of B to the one that is fetched from afar.
    b_afar: usize,
}

impl<T: Float, S: Simd<T>, const ROWS: usize, const VECTORS: usize, const LIES: u8, const SIDE: u8>
    Sums<T, S, ROWS, VECTORS, LIES, SIDE>
{
    const IN_ROWS: bool = LIES == Lies::InRows as u8;
    const KEEPS_B: bool = SIDE == Side::KeepsB as u8;
    const FETCHES: bool = SIDE != Side::Nothing as u8;
    const FROM_AFAR: bool = SIDE == Side::FetchesFromAfar as u8;
    const FETCHES_B: bool =
        Self::FETCHES && (Self::KEEPS_B || VECTORS > TALL_VECTORS || ROWS >= FETCHING_ROWS);
    const FETCHES_A: bool = Self::FETCHES && !Self::IN_ROWS && ROWS >= FETCHING_ROWS;

    /// Rows whose elements of A are not loaded to a register first, but by each instruction that multiplies
    /// them: that is an instruction less, and a load more. With half of the rows a tile asks for no more
    /// than the two loads a cycle that processors have, and for a seventh fewer instructions. That matters
    /// where a core's other thread takes its share of those.
    const UNLOADED_ROWS: usize =
        if VECTORS == TALL_VECTORS && !Self::IN_ROWS { ROWS / 2 } else { 0 };

    /// How many steps ahead A is fetched.
    const AHEAD: usize = 8;

    #[inline(always)]
    fn new(simd: S, tile: &Tile<'_, T>) -> Self {
        let Tile { a, b, a_stride, b_stride: b_step, b_ahead, keep, .. } = *tile;
        let (a_row, a_step) = if Self::IN_ROWS { (a_stride, 1) } else { (1, a_stride) };
        let acc = [[simd.splat(T::ZERO); VECTORS]; ROWS];
        Sums { acc, a, b, keep, a_row, a_step, b_step, b_ahead, b_afar: 0 }
    }

    /// Chooses what is fetched from afar at the next `count` of `left` steps: later rows of the panel or, where these
    /// end, the first ones of the panel beside it.
    #[inline(always)]
    fn look_afar(&mut self, tile: &Tile<'_, T>, left: usize, count: usize) {
        if Self::FROM_AFAR {
            let ahead = tile.steps_from_afar.min(tile.k);
            self.b_afar = if left > ahead + count / 2 {
                ahead.wrapping_mul(tile.b_stride)
            } else {
                let up = (tile.k - ahead).wrapping_mul(tile.b_stride);
                (VECTORS * S::LANES).wrapping_sub(up)
            };
        }
    }

    /// Adds the products of the next steps of k.
    ///
    /// # Safety
    /// As [`of_tile`]; the tile has as many steps left.
    #[inline(always)]
    unsafe fn steps(&mut self, simd: S, count: usize) {
        for _ in 0..count {
            // SAFETY: the caller vouches for it.
            unsafe { self.step(simd) };
        }
    }

    /// # Safety
    /// As [`of_tile`]; the tile has a step left.
    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "accumulators are indexed by row and vector")]
    unsafe fn step(&mut self, simd: S) {
        let mut row = [simd.splat(T::ZERO); VECTORS];
        // SAFETY: the contract has ROWS elements of A and VECTORS vectors of B at each of the k steps.
        unsafe {
            for j in 0..VECTORS {
                row[j] = simd.load_ptr(self.b.add(j * S::LANES));
                if Self::KEEPS_B {
                    simd.store_ptr(row[j], self.keep.add(j * S::LANES));
                }
            }
            macro_rules! add_rows {
                ($($i:literal)*) => {$(
                    if $i < ROWS {
                        for j in 0..VECTORS {
                            let sum = self.acc[$i][j];
                            self.acc[$i][j] = if $i < Self::UNLOADED_ROWS {
                                simd.mul_add_nth::<$i>(self.a, row[j], sum)
                            } else {
                                simd.mul_add(simd.splat(*self.a.add($i * self.a_row)), row[j], sum)
                            };
                        }
                    }
                )*};
            }
            const { assert!(ROWS <= 14, "all rows are listed below") };
            add_rows!(0 1 2 3 4 5 6 7 8 9 10 11 12 13);
        }
        if Self::FETCHES_B {
            let b_ahead = self.b.wrapping_add(self.b_ahead);
            for j in 0..VECTORS {
                prefetch::to_l1(b_ahead.wrapping_add(j * S::LANES));
            }
            if Self::FROM_AFAR {
                prefetch::to_l1(b_ahead.wrapping_add(VECTORS * S::LANES - 1));
            }
        }
        if Self::FROM_AFAR {
            let line = 64 / size_of::<T>();
            let b_afar = self.b.wrapping_add(self.b_afar);
            for j in 0..VECTORS * S::LANES / line {
                prefetch::to_l2(b_afar.wrapping_add(j * line + line - 1));
            }
        }
        if Self::FETCHES_A {
            // The last of the step's elements: the first may be in a line that the tile above has fetched.
            let a_ahead = self.a.wrapping_add(self.a_step.wrapping_mul(Self::AHEAD));
            prefetch::to_l1(a_ahead.wrapping_add(ROWS - 1));
        }
        if Self::KEEPS_B {
            self.keep = self.keep.wrapping_add(VECTORS * S::LANES);
        }
        self.a = self.a.wrapping_add(self.a_step);
        self.b = self.b.wrapping_add(self.b_step);
    }

    /// The sums; what follows is added up from 0.
    #[inline(always)]
    fn take(&mut self, simd: S) -> [[S::V; VECTORS]; ROWS] {
        std::mem::replace(&mut self.acc, [[simd.splat(T::ZERO); VECTORS]; ROWS])
    }

    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "accumulators are indexed by row and vector")]
    fn add(&mut self, simd: S, before: &[[S::V; VECTORS]; ROWS]) {
        for i in 0..ROWS {
            for j in 0..VECTORS {
                self.acc[i][j] = simd.add(before[i][j], self.acc[i][j]);
            }
        }
    }
}

/// What a tile has yet to do on the side.
struct Aside<T> {
    c: *const T,
    c_rows: usize,
    fetch: Fetch<T>,
    copy: RowCopy<T>,
}

impl<T: Float> Aside<T> {
    #[inline(always)]
    fn new(tile: &Tile<'_, T>, c_rows: usize) -> Self {
        let c = tile.output.at(tile.row, tile.col);
        Aside { c, c_rows, fetch: tile.fetch, copy: tile.copy }
    }

    /// Whether nothing is left.
    #[inline(always)]
    fn is_done(&self) -> bool {
        self.c_rows == 0 && self.fetch.rows == 0 && self.copy.rows == 0
    }

    /// Asks for some cache lines.
    #[inline(always)]
    fn fetch<S: Simd<T>, const VECTORS: usize>(&mut self, tile: &Tile<'_, T>) {
        for _ in 0..C_ROWS.min(self.c_rows) {
            let last = self.c.wrapping_add(VECTORS * S::LANES - 1);
            let lines = (0..VECTORS).map(|j| self.c.wrapping_add(j * S::LANES)).chain([last]);
            match tile.output.shared {
                true => lines.for_each(prefetch::to_write),
                false => lines.for_each(prefetch::to_l2),
            }
            self.c = self.c.wrapping_add(tile.output.row_stride);
        }
        self.c_rows = self.c_rows.saturating_sub(C_ROWS);
        let fetch = &mut self.fetch;
        for _ in 0..tile.fetch.at_once.min(fetch.rows) {
            for line in 0..tile.fetch.lines {
                prefetch::to_l2(fetch.at.wrapping_add(line * (64 / size_of::<T>())));
            }
            fetch.at = fetch.at.wrapping_add(tile.fetch.stride);
        }
        fetch.rows = fetch.rows.saturating_sub(tile.fetch.at_once);
    }

    /// Copies a row, if one is left.
    ///
    /// # Safety
    /// As [`of_tile`].
    #[inline(always)]
    unsafe fn copy<S: Simd<T>, const VECTORS: usize>(&mut self, simd: S) {
        let copy = &mut self.copy;
        if copy.rows == 0 {
            return;
        }
        for j in 0..VECTORS {
            // SAFETY: the contract has a row of VECTORS vectors at both places.
            unsafe {
                simd.store_ptr(
                    simd.load_ptr(copy.from.add(j * S::LANES)),
                    copy.to.add(j * S::LANES),
                )
            };
        }
        copy.from = copy.from.wrapping_add(copy.stride);
        copy.to = copy.to.wrapping_add(VECTORS * S::LANES);
        copy.rows -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::groups;
    use super::super::params::{Processor, steps_of_a_block};
    use super::super::plan::Way;
    use super::super::{Epilogue, Product, native};
    use crate::arch::Token;
    use crate::isa::Isa;
    use crate::par::Par;
    use crate::rng::Rng;
    use crate::view::{MatMut, MatRef};

    /// Whether streams of 4 rows and more do.
    fn adds_as_tiles<T>(token: Token) -> bool {
        size_of::<T>() == 4 && matches!(token, Token::Avx512(_))
    }

    /// Compares products' bits with sums taken in groups of `$steps`, added as `$add` does.
    macro_rules! check_order {
        ($float:ident, $steps:literal, $add:expr) => {
            let mut random = Rng::new(3);
            let tokens = || [Isa::Avx2, Isa::Avx512].into_iter().filter_map(Token::new);
            let steps = [
                1, 11, 12, 13, 24, 25, 48, 49, 64, 97, 103, 104, 128, 160, 300, 416, 512, 513, 1300,
            ];
            // Tall, wide, half, and turned tiles, and streams.
            let shapes = [
                (15, 40, Way::Columns),
                (2, 140, Way::Columns),
                (6, 70, Way::Columns),
                (33, 40, Way::Columns),
                (15, 20, Way::Rows),
                (4, 40, Way::Stream),
                (8, 70, Way::Stream),
            ];
            for ((m, n, way), k, token) in shapes.into_iter().flat_map(|shape| {
                steps.into_iter().flat_map(move |k| tokens().map(move |token| (shape, k, token)))
            }) {
                if way == Way::Stream && !adds_as_tiles::<$float>(token) {
                    continue;
                }
                let mut vec = |len: usize| -> Vec<$float> {
                    (0..len).map(|_| random.normal() as $float).collect()
                };
                let (a, b, mut c) = (vec(m * k), vec(k * n), vec(m * n));
                let mut product = Product {
                    alpha: 1.0,
                    a: MatRef::new(&a, m, k).unwrap(),
                    b: MatRef::new(&b, k, n).unwrap(),
                    beta: 0.0,
                    c: MatMut::new(&mut c, m, n).unwrap(),
                    epilogue: Epilogue::None,
                };
                let processor =
                    Processor { first_level_ways: 8, second_level: 1 << 20, halves: m == 33 };
                native::run_as(&mut product, token, Par::Seq, processor, Some(way));
                let steps: Vec<usize> = (0..k).collect();
                for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
                    let blocks = steps.chunks(steps_of_a_block(k)).map(|block| {
                        let groups = block.chunks($steps).map(|group| {
                            let add = |sum, &p: &usize| a[i * k + p].mul_add(b[p * n + j], sum);
                            group.iter().fold(0.0, add)
                        });
                        $add(&groups.collect::<Vec<$float>>())
                    });
                    let wanted = blocks.fold(0.0, |sum, block| sum + block);
                    assert_eq!(
                        c[i * n + j].to_bits(),
                        wanted.to_bits(),
                        "{m} × {n} × {k}, {way:?}, {token:?}"
                    );
                }
            }
        };
    }

    #[test]
    fn sums_are_taken_in_the_order_that_is_documented() {
        check_order!(f32, 48, |groups: &[f32]| groups.iter().fold(0.0, |sum, group| sum + group));
        check_order!(f64, 12, groups::added_in_pairs);
    }
}
