//! How large this processor's second-level cache is, asked of the processor itself.

/// What a core is taken to have where it does not say.
const TYPICAL: usize = 512 << 10;

/// Bytes of the second-level cache that one core reaches.
pub(crate) fn second_level() -> usize {
    #[cfg(target_arch = "x86_64")]
    let found = x86::second_level();
    #[cfg(not(target_arch = "x86_64"))]
    let found = None;
    plausible(found)
}

/// Implausible sizes, as some virtual machines report, replaced by a typical one.
fn plausible(found: Option<usize>) -> usize {
    found.filter(|bytes| (64 << 10..64 << 20).contains(bytes)).unwrap_or(TYPICAL)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    /// The leaf that lists the caches: 4 (Intel), or its twin at 0x8000001D (AMD).
    fn leaf() -> Option<u32> {
        let vendor = __cpuid(0);
        let amd = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat()
            == b"AuthenticAMD"
            || vendor.ebx.to_le_bytes() == *b"Hygo";
        if !amd {
            return (vendor.eax >= 4).then_some(4);
        }
        const TOPOLOGY_EXTENSIONS: u32 = 1 << 22;
        let known = __cpuid(0x8000_0000).eax >= 0x8000_001d
            && __cpuid(0x8000_0001).ecx & TOPOLOGY_EXTENSIONS != 0;
        known.then_some(0x8000_001d)
    }

    pub(super) fn second_level() -> Option<usize> {
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
                (3, 2) => return Some(ways * partitions * line * (answer.ecx as usize + 1)),
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_plausible() {
        assert!((64 << 10..64 << 20).contains(&second_level()));
        assert_eq!([None, Some(0), Some(1 << 40)].map(plausible), [TYPICAL; 3]);
        assert_eq!(plausible(Some(2 << 20)), 2 << 20);
    }
}
