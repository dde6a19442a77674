//! Memory that begins at a cache line, so that no vector of a row lies in two of them, and lies in
//! huge pages where it is large.

use crate::arch::pages;
use crate::float::Float;
use std::collections::TryReserveError;
use std::ops::{Deref, DerefMut};

/// Bytes of a cache line, and of the longest vector.
const LINE: usize = 64;

/// A buffer that begins at a cache line.
#[derive(Debug, Default)]
pub(crate) struct Aligned<T> {
    memory: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Float> Aligned<T> {
    /// A buffer of no elements, which owns no memory.
    pub(crate) const fn new() -> Self {
        Aligned { memory: Vec::new(), start: 0, len: 0 }
    }

    /// Makes it `len` elements long, if it is shorter. Those it had are kept where no memory had to
    /// be found for more, and 0 otherwise. Where there is no memory for more, it stays as it was.
    pub(crate) fn try_grow(&mut self, len: usize) -> Result<(), TryReserveError> {
        if len <= self.len {
            return Ok(());
        }
        let most_skipped = LINE / size_of::<T>();
        let needed = len.saturating_add(most_skipped);
        if needed > self.memory.len() {
            let mut memory = Vec::new();
            memory.try_reserve_exact(needed)?;
            pages::prefer_huge(memory.spare_capacity_mut());
            memory.resize(needed, T::ZERO);
            self.memory = memory;
            self.start = self.memory.as_ptr().align_offset(LINE).min(most_skipped);
        }
        self.len = len;
        Ok(())
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

impl<T: Float> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let mut copy = Aligned::new();
        copy.try_grow(self.len).expect("there is memory for a copy");
        copy.copy_from_slice(self);
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_aligned_wherever_it_is() {
        let mut buffer = Aligned::<f32>::new();
        for len in [1, 3, 1000, 1001, 70_000] {
            buffer.try_grow(len).unwrap();
            assert_eq!((buffer.len(), buffer.as_ptr().align_offset(LINE)), (len, 0));
            buffer.fill(1.0);
        }
        let copy = buffer.clone();
        assert_eq!(copy.as_ptr().align_offset(LINE), 0);
        assert_eq!(*copy, *buffer);
        assert!(buffer.try_grow(usize::MAX).is_err());
        assert_eq!(*copy, *buffer, "what cannot grow stays as it was");
    }
}
