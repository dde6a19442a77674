//! CPU kernels for training dense neural networks.

mod arch;
pub mod datasets;
pub mod error;
pub mod float;
pub mod gemm;
pub mod gradcheck;
mod init;
pub mod isa;
pub mod optimizer;
mod par;
mod rng;
mod scratch;
mod view;

pub use error::{Error, Result};
pub use float::Float;
pub use init::Init;
pub use par::Par;
pub use rng::Rng;
pub use view::{MatMut, MatRef};
