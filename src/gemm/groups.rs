//! How many terms of an element's sum are added up in order: a group.
//!
//! Each addition rounds by up to half a unit of the sum so far, and the errors add up like the root of
//! their number. So sums are taken in groups, which are then added in order or in pairs, and a rounding
//! error passes through the additions of a group and of the groups that it is joined to, not through all.
//! `f32` groups are as long as random data allows; who takes `f64` does so to be exact, and gets shorter ones.
//! But a group more is an addition more where a multiply-add could be. Groups depend on the product's
//! shape, the element type and the instruction set, never on caches or threads.

/// Steps of k of a group of a [tile](super::sums), and of a [stream](super::stream) that adds as tiles do.
#[cfg(any(target_arch = "x86_64", test))]
pub(super) const fn of_a_tile<T>() -> usize {
    if size_of::<T>() == 4 { 48 } else { LEAST_OF_A_TILE }
}

/// Those of an `f64` tile.
#[cfg(any(target_arch = "x86_64", test))]
pub(super) const LEAST_OF_A_TILE: usize = 12;

/// Whether a tile's groups are added in pairs, the pairs in pairs, and so on, not in order.
#[cfg(any(target_arch = "x86_64", test))]
pub(super) const fn in_pairs<T>() -> bool {
    size_of::<T>() != 4
}

/// The most steps of k of a group of the [portable engine](super::portable).
pub(super) const fn of_a_call<T>() -> usize {
    if size_of::<T>() == 4 { 40 } else { 12 }
}

/// How many of `terms` make a group, if groups are to be of one length and at most so long.
pub(super) const fn equal(terms: usize, most: usize) -> usize {
    if terms <= most { most } else { terms.div_ceil(terms.div_ceil(most)) }
}

/// How many of `terms` make a group, if groups are added in order, too: `least`, or about twice as many as
/// there are groups. Equal numbers would make the fewest additions in a row; but sums of positive terms
/// grow, so that joins round by more than steps within a group do.
#[cfg(any(target_arch = "x86_64", test))]
pub(super) const fn in_order(terms: usize, least: usize) -> usize {
    if 2 * terms <= least * least { least } else { (2 * terms).isqrt() }
}

/// Sums added in pairs, the pairs in pairs: the first half has as many as a power of two.
#[cfg(test)]
pub(super) fn added_in_pairs<T: crate::float::Float>(sums: &[T]) -> T {
    match sums {
        [sum] => *sum,
        _ => {
            let (left, right) = sums.split_at(sums.len().next_power_of_two() / 2);
            added_in_pairs(left) + added_in_pairs(right)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::params::Processor;
    use super::super::plan::Way;
    use super::super::{Epilogue, Product, native, portable};
    use super::{equal, in_order};
    use crate::arch::Token;
    use crate::float::Float;
    use crate::isa::Isa;
    use crate::par::Par;
    use crate::view::{MatMut, MatRef};

    #[test]
    fn groups_in_order_grow_with_the_sum() {
        for least in [16, 32, 64] {
            for terms in (0..5000).chain([1 << 20, usize::MAX / 4]) {
                let group = in_order(terms, least);
                assert!(group >= least, "{terms}");
                let count = terms.div_ceil(group);
                let twice = group == least || count + 2 >= group / 2;
                assert!(twice && count <= group / 2 + 2, "{terms}: {count} groups of {group}");
            }
        }
    }

    #[test]
    fn equal_groups_are_no_longer_than_they_may_be() {
        for most in [1, 12, 40] {
            for terms in (0..5000).chain([1 << 20, usize::MAX]) {
                let group = equal(terms, most);
                assert!((1..=most).contains(&group));
                assert_eq!(terms.div_ceil(group), terms.div_ceil(most), "{terms} of {most}");
            }
        }
    }

    /// The steps of the first group of every element's sum, where `at_once` steps make a term. The first step is
    /// so large that no term of ones changes a sum that has it, but the sum of a group does: what is missing is
    /// what was added to it term by term.
    fn first_group<T: Float>(
        (m, k, n): (usize, usize, usize),
        at_once: usize,
        engine: impl Fn(&mut Product<'_, T>),
    ) -> usize {
        let huge = 2.0 * at_once.next_power_of_two() as f64 / T::EPSILON.to_f64();
        let mut a = vec![T::ONE; m * k];
        a.iter_mut().step_by(k).for_each(|first| *first = T::from_f64(huge));
        let (b, mut c) = (vec![T::ONE; n * k], vec![T::ZERO; m * n]);
        engine(&mut Product {
            alpha: T::ONE,
            a: MatRef::new(&a, m, k).unwrap(),
            // Ones lie either way, and n × k has a row for each dot product.
            b: if n < 4 {
                MatRef::new(&b, n, k).unwrap().t()
            } else {
                MatRef::new(&b, k, n).unwrap()
            },
            beta: T::ZERO,
            c: MatMut::new(&mut c, m, n).unwrap(),
            epilogue: Epilogue::None,
        });
        assert!(c.iter().all(|&sum| sum == c[0]), "{m} × {n} × {k}: {c:?}");
        k - (c[0].to_f64() - huge) as usize
    }

    fn check_first_groups<T: Float>(of_a_tile: usize, of_dots: usize, of_a_call: usize) {
        let tokens = [(Isa::Avx2, 32), (Isa::Avx512, 64)].into_iter();
        for ((token, bytes), halves) in tokens.flat_map(|token| [(token, false), (token, true)]) {
            let Some(token) = Token::new(token) else { continue };
            let processor = Processor { first_level_ways: 8, second_level: 1 << 20, halves };
            let lanes = bytes / size_of::<T>();
            let group = |way, shape, at_once| {
                first_group::<T>(shape, at_once, |product| {
                    native::run_as(product, token, Par::Seq, processor, Some(way));
                })
            };
            // Tall, wide, low, tall or half, and turned tiles.
            for shape in [(15, 192, 40), (2, 192, 140), (15, 96, 70), (40, 192, 40)] {
                assert_eq!(group(Way::Columns, shape, 1), of_a_tile, "{shape:?}, {token:?}");
            }
            assert_eq!(group(Way::Rows, (40, 192, 5), 1), of_a_tile, "{token:?}");
            for (vectors, wanted) in [(256, of_dots), (4096, 90)] {
                let found = group(Way::Dots, (3, vectors * lanes, 3), 1);
                assert_eq!(found, wanted, "{vectors} vectors, {token:?}");
            }
            // Vectors of a small B, of a large one, and of a huge one.
            let (most_at_once, many_at_once) = if bytes == 64 { (16, 12) } else { (8, 8) };
            let (small, large, huge) = (1 << 12, 96 << 10, 160 << 10);
            for (rows, vectors, at_once) in [
                (1, small, 8),
                (3, small, 4),
                (3, large, 8),
                (4, small, 4),
                (8, small, 4),
                (1, large, 8),
                (5, large, 8),
                (6, large, most_at_once),
                (8, large, most_at_once),
                (5, huge, 8),
                (8, huge, many_at_once),
            ] {
                let is_tiles = rows > 3 && size_of::<T>() == 4 && bytes == 64;
                for (sums, terms) in [(128, 16), (512, 32)] {
                    let k = if is_tiles { 448 } else { sums * at_once };
                    let n = vectors / k * lanes + lanes;
                    let (terms_of, wanted) =
                        if is_tiles { (1, of_a_tile) } else { (at_once, at_once * terms) };
                    let found = group(Way::Stream, (rows, k, n), terms_of);
                    assert_eq!(found, wanted, "{rows} × {n} × {k}, {token:?}");
                }
            }
        }
        let found = first_group::<T>((15, 190, 40), 1, |product| portable::run(product, Par::Seq));
        assert_eq!(found, of_a_call);
    }

    #[test]
    fn first_groups_are_as_long_as_is_documented() {
        // The portable engine's 190 steps are five groups.
        check_first_groups::<f32>(48, 64, 38);
        check_first_groups::<f64>(12, 32, 12);
    }
}
