//! Memory that a thread keeps from call to call, so that a steady state allocates nothing.

use std::cell::Cell;

/// A thread's reusable memory for one element type.
pub trait Scratch: Sized {
    /// Runs `f` with `len` elements of unspecified content, aligned to a cache line.
    ///
    /// Calls may nest: while one is under way, an inner one on the same thread allocates. So the
    /// memory is for leaves of the work, not to be held while other tasks may run on the thread.
    fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [Self]) -> R) -> R;
}

macro_rules! scratch_impl {
    ($float:ident) => {
        impl Scratch for $float {
            fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [Self]) -> R) -> R {
                thread_local! {
                    static KEPT: Cell<Vec<$float>> = const { Cell::new(Vec::new()) };
                }
                const LINE: usize = 64 / size_of::<$float>();
                let mut memory = KEPT.take();
                if memory.len() < len + LINE {
                    memory.resize(len + LINE, 0.0);
                }
                let start = memory.as_ptr().align_offset(64).min(LINE);
                let result = f(&mut memory[start..start + len]);
                let nested = KEPT.take();
                KEPT.set(if nested.len() > memory.len() { nested } else { memory });
                result
            }
        }
    };
}

scratch_impl!(f32);
scratch_impl!(f64);
