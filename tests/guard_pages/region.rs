//! Memory between two pages that nobody may access.

use std::ptr::null_mut;

/// Which guard page a slice touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The one after it.
    AtEnd,
    /// The one before it.
    AtStart,
}

impl Place {
    pub const BOTH: [Place; 2] = [Place::AtEnd, Place::AtStart];

    pub fn name(self) -> &'static str {
        match self {
            Place::AtEnd => "end",
            Place::AtStart => "start",
        }
    }
}

/// Bytes between the guard pages.
const USABLE: usize = 5 << 20;

/// A guard page, `USABLE` bytes, and a guard page.
pub struct Region {
    start: *mut u8,
    page: usize,
}

impl Region {
    pub fn new() -> Self {
        // SAFETY: asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = usize::try_from(page).expect("a page has a size");
        assert!(USABLE.is_multiple_of(page));
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping, whose middle is made accessible.
        let start = unsafe {
            let all = libc::mmap(null_mut(), USABLE + 2 * page, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(all, libc::MAP_FAILED, "no memory");
            let start = all.cast::<u8>().add(page);
            let made = libc::mprotect(start.cast(), USABLE, libc::PROT_READ | libc::PROT_WRITE);
            assert_eq!(made, 0, "no access");
            start
        };
        Region { start, page }
    }

    /// A slice that touches a guard page, with `element(i)` in each place. No element needs more
    /// than its size for its alignment, which both ends of a page have.
    pub fn slice<E: Copy>(
        &mut self,
        len: usize,
        place: Place,
        element: impl Fn(usize) -> E,
    ) -> &mut [E] {
        let bytes = len * size_of::<E>();
        assert!(bytes <= USABLE && align_of::<E>() <= size_of::<E>());
        let offset = if place == Place::AtEnd { USABLE - bytes } else { 0 };
        // SAFETY: the bytes are accessible, aligned, and borrowed from the region; each element is
        // written before the slice is made.
        unsafe {
            let data = self.start.add(offset).cast::<E>();
            for i in 0..len {
                data.add(i).write(element(i));
            }
            std::slice::from_raw_parts_mut(data, len)
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the whole mapping; slices of it have ended with their borrows.
        unsafe { libc::munmap(self.start.sub(self.page).cast(), USABLE + 2 * self.page) };
    }
}

/// As many regions as a test has operands.
pub fn regions<const N: usize>() -> [Region; N] {
    std::array::from_fn(|_| Region::new())
}
