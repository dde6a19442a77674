//! CPU kernels for training dense neural networks.

mod arch;
pub mod error;
pub mod float;
pub mod gemm;
pub mod isa;
mod par;
mod scratch;
#[allow(dead_code)]
mod vector;
mod view;

pub use error::{Error, Result};
pub use float::Float;
pub use par::Par;
pub use view::{MatMut, MatRef};
