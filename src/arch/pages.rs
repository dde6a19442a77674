//! Huge pages for large buffers.
//!
//! With pages of 4 KiB a large network has more of them than the processor keeps addresses for, and
//! every row of weights or gradients that is touched begins with a walk through the page tables. Most
//! Linux distributions give huge pages only to memory that asks for them.

use std::mem::MaybeUninit;

/// Bytes of a huge page, where there are any.
const HUGE: usize = 2 << 20;

/// Asks for huge pages under memory to which nothing was written yet. What the system answers changes
/// nothing but speed.
pub(crate) fn prefer_huge<T>(memory: &mut [MaybeUninit<T>]) {
    let start = memory.as_mut_ptr().cast::<u8>();
    let skipped = start.align_offset(HUGE);
    let bytes = size_of_val(memory).saturating_sub(skipped) / HUGE * HUGE;
    if bytes > 0 {
        advise(start.wrapping_add(skipped), bytes);
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
fn advise(start: *mut u8, bytes: usize) {
    // SAFETY: whole pages of memory that the caller borrows mutably; the advice changes neither what
    // they hold nor where they are.
    unsafe { libc::madvise(start.cast(), bytes, libc::MADV_HUGEPAGE) };
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn advise(_start: *mut u8, _bytes: usize) {}
