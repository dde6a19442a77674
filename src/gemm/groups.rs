//! How many terms of an element's sum are added up in order: a group.
//!
//! Each addition rounds by up to half a unit of the sum so far, and the errors add up like the root of
//! their number. So sums are taken in groups, and a rounding error passes through as many additions as a
//! group has, and those of the groups after it, not through all. But a group more is an addition more
//! where a multiply-add could be. Groups depend on k and on the element type alone, never on the
//! processor or on threads.

/// Steps of k of a [tile](super::sums)'s group. Who takes `f64` does so to be exact, and gets more groups.
#[cfg(any(target_arch = "x86_64", test))]
pub(super) const fn of_a_tile<T>() -> usize {
    if size_of::<T>() == 4 { 48 } else { LEAST_OF_A_TILE }
}

#[cfg(any(target_arch = "x86_64", test))]
pub(super) const LEAST_OF_A_TILE: usize = 16;

/// Whether a tile's groups are added in pairs, the pairs in pairs, and so on, not in order.
#[cfg(any(target_arch = "x86_64", test))]
pub(super) const fn in_pairs<T>() -> bool {
    size_of::<T>() != 4
}

/// How many of `terms` make a group, if groups are added in order, too: about twice as many as there are groups,
/// but no fewer than `least`. As many would keep the sum of both least; but where terms are positive, groups'
/// sums are large, and what a group rounds is small beside what they do.
pub(super) const fn in_order(terms: usize, least: usize) -> usize {
    if 2 * terms <= least * least { least } else { (2 * terms).isqrt() }
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn groups_in_order_grow_with_the_sum() {
        for least in [16, 32, 48, 64] {
            for terms in (0..5000).chain([1 << 20, usize::MAX / 4]) {
                let group = in_order(terms, least);
                assert!(group >= least, "{terms}");
                let count = terms.div_ceil(group);
                assert!(count <= group / 2 + 2, "{terms}: {count} groups of {group}");
                assert!(
                    group == least || count + 2 >= group / 2,
                    "{terms}: {count} groups of {group}"
                );
            }
        }
    }
}
