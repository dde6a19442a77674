//! Cache lines asked for ahead of their use. Any address may be asked for: none faults, and what is
//! asked for changes nothing but speed.

/// Asks for a line in the first-level cache.
#[inline(always)]
pub(crate) fn to_l1<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every x86-64 processor has the instruction, and no address makes it fault.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Asks for a line in the second-level cache.
#[cfg(any(target_arch = "x86_64", test))]
#[inline(always)]
pub(crate) fn to_l2<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: every x86-64 processor has the instruction, and no address makes it fault.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Asks for a line to write to, which other cores then no longer hold.
#[cfg(any(target_arch = "x86_64", test))]
#[inline(always)]
pub(crate) fn to_write<T>(at: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: x86-64 processors that lack the instruction take it for one that does nothing, no address
    // makes it fault, and it changes neither memory nor registers. (The intrinsic of that name asks as
    // for reading, unless the target is one that is known to have the instruction.)
    unsafe {
        core::arch::asm!("prefetchw [{}]", in(reg) at.addr(), options(nomem, nostack, preserves_flags));
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = at;
}
