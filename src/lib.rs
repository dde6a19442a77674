//! CPU kernels for training dense neural networks.

mod arch;
pub mod cross_entropy;
pub mod dense;
pub mod dense_cross_entropy;
mod error;
mod float;
pub mod gemm;
mod init;
pub mod isa;
mod loss;
pub mod metrics;
mod mlp;
mod par;
#[doc(hidden)]
pub mod reference;
pub mod relu;
mod rng;
mod rows;
mod scratch;
pub mod softmax;
pub mod softmax_cross_entropy;
mod targets;
mod vector;
mod view;

pub use error::{Error, Result};
pub use float::Float;
pub use init::Init;
pub use loss::{LossOptions, Reduction, Upstream};
pub use mlp::Mlp;
pub use par::Par;
pub use rng::Rng;
pub use targets::{Labels, Targets};
pub use view::{MatMut, MatRef};
