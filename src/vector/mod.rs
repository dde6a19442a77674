//! Kernels on slices, written once over an instruction-set token.
//!
//! All are `#[inline(always)]`: they become part of the kernel that calls them, which was entered
//! through its token's trampoline.

pub(crate) mod columns;
pub(crate) mod exp;
pub(crate) mod ln;
pub(crate) mod narrow;
pub(crate) mod reduce;
pub(crate) mod softmax;
