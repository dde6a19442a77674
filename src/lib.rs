//! CPU kernels for training dense neural networks.

mod arch;
pub mod cross_entropy;
pub mod dense;
pub mod error;
pub mod float;
pub mod gemm;
pub mod isa;
pub mod loss;
pub mod metrics;
mod par;
pub mod relu;
mod rows;
mod scratch;
pub mod softmax;
pub mod softmax_cross_entropy;
pub mod targets;
mod vector;
mod view;

pub use error::{Error, Result};
pub use float::Float;
pub use loss::{LossOptions, Reduction, Upstream};
pub use par::Par;
pub use targets::{Labels, Targets};
pub use view::{MatMut, MatRef};
