//! What this processor says of itself: how its caches are built, and whether it computes vectors of AVX-512 in
//! halves.

/// What a core is taken to have where it does not say.
const TYPICAL: usize = 512 << 10;

/// Ways of a first-level cache that does not say: most have as many.
const TYPICAL_WAYS: usize = 8;

/// Bytes of the second-level cache that one core reaches.
pub(crate) fn second_level() -> usize {
    #[cfg(target_arch = "x86_64")]
    let found = x86::cache(2).map(|cache| cache.bytes);
    #[cfg(not(target_arch = "x86_64"))]
    let found = None;
    plausible(found)
}

/// Ways of the first-level cache for data: how many lines of memory a multiple of 4 KiB apart it holds.
pub(crate) fn first_level_ways() -> usize {
    #[cfg(target_arch = "x86_64")]
    let found = x86::cache(1).map(|cache| cache.ways);
    #[cfg(not(target_arch = "x86_64"))]
    let found: Option<usize> = None;
    found.filter(|ways| (2..=64).contains(ways)).unwrap_or(TYPICAL_WAYS)
}

/// Whether it is a Zen 4, which computes vectors of 512 bits in two halves, one after the other.
pub(crate) fn halves_vectors() -> bool {
    #[cfg(target_arch = "x86_64")]
    let halves = x86::is_zen_4();
    #[cfg(not(target_arch = "x86_64"))]
    let halves = false;
    halves
}

/// Implausible sizes, as some virtual machines report, replaced by a typical one.
fn plausible(found: Option<usize>) -> usize {
    found.filter(|bytes| (64 << 10..64 << 20).contains(bytes)).unwrap_or(TYPICAL)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    /// AMD's, or Hygon's, which answer alike.
    fn is_amd() -> bool {
        let vendor = __cpuid(0);
        let name = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat();
        name == b"AuthenticAMD" || name.starts_with(b"Hygo")
    }

    /// Family 0x19 has AVX-512 from Zen 4 on, and family 0x1A, which is Zen 5, begins after it.
    pub(super) fn is_zen_4() -> bool {
        let signature = __cpuid(1).eax;
        let family = (signature >> 8 & 0xf) + (signature >> 20 & 0xff);
        is_amd() && family == 0x19 && std::arch::is_x86_feature_detected!("avx512f")
    }

    /// The leaf that lists the caches: 4 (Intel), or its twin at 0x8000001D (AMD).
    fn leaf() -> Option<u32> {
        if !is_amd() {
            return (__cpuid(0).eax >= 4).then_some(4);
        }
        const TOPOLOGY_EXTENSIONS: u32 = 1 << 22;
        let known = __cpuid(0x8000_0000).eax >= 0x8000_001d
            && __cpuid(0x8000_0001).ecx & TOPOLOGY_EXTENSIONS != 0;
        known.then_some(0x8000_001d)
    }

    pub(super) struct Cache {
        pub(super) ways: usize,
        pub(super) bytes: usize,
    }

    /// The cache of a level that has data.
    pub(super) fn cache(wanted: u32) -> Option<Cache> {
        let leaf = leaf()?;
        for index in 0..16 {
            let answer = __cpuid_count(leaf, index);
            let (kind, level) = (answer.eax & 31, answer.eax >> 5 & 7);
            let ways = (answer.ebx >> 22) as usize + 1;
            let partitions = (answer.ebx >> 12 & 0x3ff) as usize + 1;
            let line = (answer.ebx & 0xfff) as usize + 1;
            // Kind 0 ends the list; 1 is data, 2 instructions, 3 both.
            match (kind, level) {
                (0, _) => break,
                (1 | 3, level) if level == wanted => {
                    let bytes = ways * partitions * line * (answer.ecx as usize + 1);
                    return Some(Cache { ways, bytes });
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::Token;
    use crate::isa::Isa;

    #[test]
    fn vectors_in_halves_are_of_avx_512() {
        assert!(!halves_vectors() || Token::new(Isa::Avx512).is_some());
    }

    #[test]
    fn sizes_are_plausible() {
        assert!((64 << 10..64 << 20).contains(&second_level()));
        assert!((2..=64).contains(&first_level_ways()));
        assert_eq!([None, Some(0), Some(1 << 40)].map(plausible), [TYPICAL; 3]);
        assert_eq!(plausible(Some(2 << 20)), 2 << 20);
    }
}
