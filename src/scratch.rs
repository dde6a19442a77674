//! Memory that a thread keeps from call to call, so that a steady state allocates nothing.

use crate::aligned::Aligned;
use std::cell::RefCell;

/// A thread's reusable memory for one element type.
pub trait Scratch: Sized {
    /// Runs `f` with `len` elements of unspecified content, aligned to a cache line.
    ///
    /// Calls may nest: while one is under way, an inner one on the same thread allocates, each time. So the
    /// memory is for leaves of the work, not to be held while other tasks may run on the thread.
    fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [Self]) -> R) -> R;
}

macro_rules! scratch_impl {
    ($float:ident) => {
        impl Scratch for $float {
            fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [Self]) -> R) -> R {
                thread_local! {
                    static KEPT: RefCell<Aligned<$float>> = const { RefCell::new(Aligned::new()) };
                }
                KEPT.with(|kept| {
                    let mut own = Aligned::new();
                    let mut kept = kept.try_borrow_mut();
                    let memory = kept.as_deref_mut().unwrap_or(&mut own);
                    memory.try_grow(len).expect("there is memory for scratch");
                    f(&mut memory[..len])
                })
            }
        }
    };
}

scratch_impl!(f32);
scratch_impl!(f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_is_aligned_kept_and_may_nest() {
        f32::with_scratch(1000, |outer| {
            outer.fill(1.0);
            f32::with_scratch(5000, |inner| {
                assert_eq!(inner.as_ptr().align_offset(64), 0);
                inner.fill(2.0);
            });
            assert!(outer.iter().all(|&x| x == 1.0), "the inner call had memory of its own");
            assert_eq!((outer.len(), outer.as_ptr().align_offset(64)), (1000, 0));
        });
        let kept = f32::with_scratch(5000, |memory| memory.as_ptr());
        assert_eq!(f32::with_scratch(10, |memory| memory.as_ptr()), kept, "memory is kept");
    }

    #[test]
    fn scratch_survives_a_panic() {
        let panicked = std::panic::catch_unwind(|| f64::with_scratch(10, |_| panic!("on purpose")));
        assert!(panicked.is_err());
        f64::with_scratch(10, |memory| assert_eq!(memory.len(), 10));
    }
}
