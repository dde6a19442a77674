//! How large this processor's caches are, asked of the processor itself.

/// Bytes of the caches that one core reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Caches {
    /// The first-level data cache.
    pub(crate) l1: usize,
    /// The second-level cache.
    pub(crate) l2: usize,
    /// The third-level cache, or 0.
    pub(crate) l3: usize,
}

impl Caches {
    /// What a core is taken to have where it does not say.
    const TYPICAL: Self = Caches { l1: 32 << 10, l2: 512 << 10, l3: 8 << 20 };

    /// The caches of this processor.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        let found = x86::caches();
        #[cfg(not(target_arch = "x86_64"))]
        let found = Caches { l1: 0, l2: 0, l3: 0 };
        found.or_typical()
    }

    /// Implausible sizes, as some virtual machines report, replaced by typical ones.
    fn or_typical(self) -> Self {
        let typical = Self::TYPICAL;
        let l1 = if (8 << 10..1 << 20).contains(&self.l1) { self.l1 } else { typical.l1 };
        let l2 = if (64 << 10..64 << 20).contains(&self.l2) { self.l2 } else { typical.l2 };
        Caches { l1, l2, l3: self.l3 }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Caches;
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

    pub(super) fn caches() -> Caches {
        let mut found = Caches { l1: 0, l2: 0, l3: 0 };
        let Some(leaf) = leaf() else { return found };
        for index in 0..16 {
            let answer = __cpuid_count(leaf, index);
            let (kind, level) = (answer.eax & 31, answer.eax >> 5 & 7);
            let ways = (answer.ebx >> 22) as usize + 1;
            let partitions = (answer.ebx >> 12 & 0x3ff) as usize + 1;
            let line = (answer.ebx & 0xfff) as usize + 1;
            let bytes = ways * partitions * line * (answer.ecx as usize + 1);
            // Kind 0 ends the list; 1 is data, 2 instructions, 3 both.
            match (kind, level) {
                (0, _) => break,
                (1 | 3, 1) => found.l1 = bytes,
                (3, 2) => found.l2 = bytes,
                (3, 3) => found.l3 = bytes,
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_plausible() {
        let found = Caches::detect();
        assert!(found.l1 >= 8 << 10 && found.l2 > found.l1, "{found:?}");
        let nothing = Caches { l1: 0, l2: 0, l3: 0 };
        assert_eq!(nothing.or_typical(), Caches { l3: 0, ..Caches::TYPICAL });
    }
}
