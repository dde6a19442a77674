//! CPU kernels for training dense neural networks: what a framework calls between its own tensors
//! and the processor. Dense layers, ReLU, softmax, cross-entropy, their gradients, the updates of
//! parameters, and the checks that prove the gradients right: the mathematics of *Neural Networks
//! from Scratch*, chapters 4 to 9.
//!
//! Kernels are functions on views ([`MatRef`], [`MatMut`]) of slices that the caller owns, in `f32`
//! and `f64`. They check their arguments before they write anything, and return an [`Error`] that
//! names the argument. A [`Par`] says whether they may use the rayon pool they are called in.
//!
//! | kernel | forward | backward | error bound of an element |
//! | --- | --- | --- | --- |
//! | [`gemm`] | C ← α·A·B + β·C | | (k + 2)·ε·(\|α\|·\|A\|·\|B\| + \|β\|·\|C\|) |
//! | [`dense`] | inputs·weights + biases, ReLU fused or not | three products, each can be left out or added; or weights moved in place | as `gemm`; bias sums (batch / 64 + 65)·ε·Σ\|g\| |
//! | [`relu`] | max(0, x); NaN stays NaN | grad_output where x > 0, else 0 | exact |
//! | [`softmax`] | per row, exponentials divided by a power of two near the largest | pᵢ(gᵢ − Σⱼ gⱼpⱼ) | a few ε, with any spread of x |
//! | [`cross_entropy`] | −Σ t·ln(clip(p, ε, 1 − ε)), from probabilities | −t / p | one logarithm, ≤ 1 unit in the last place |
//! | [`softmax_cross_entropy`] | the two fused, from logits, clipped or not | p − t, of the unclipped loss | as `softmax`; the loss is accurate however small |
//! | [`dense_cross_entropy`] | a dense layer and the loss after it, in chunks | the gradients of both | as its parts |
//! | [`metrics`] | accuracy, argmax | | exact |
//! | [`optimizer`] | SGD, momentum, Adam: one pass over memory | | one rounding an operation |
//!
//! ε is [`Float::EPSILON`]. Around them: [`Init`] starts weights, [`Mlp`] trains a stack of layers,
//! `gradcheck` compares gradients with numerical ones, [`datasets`] draws the book's data, [`isa`]
//! tells and forces the instruction set.
//!
//! # Promises
//! 1. Safe functions on views, checked once at the door.
//! 2. No allocation in a steady-state training step: scratch is kept by the caller or the thread.
//! 3. The caller decides about threads. The crate never makes a pool.
//! 4. The same inputs give the same bits on the same instruction set, for any number of threads.
//! 5. Every kernel states its shapes, its error bound, and what it returns an error for.

mod aligned;
mod arch;
mod compiled;
pub mod cross_entropy;
pub mod datasets;
pub mod dense;
pub mod dense_cross_entropy;
mod error;
mod float;
pub mod gemm;
pub mod gradcheck;
mod init;
pub mod isa;
mod loss;
pub mod metrics;
mod mlp;
pub mod optimizer;
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
#[doc(hidden)]
pub use vector::functions;
pub use view::{MatMut, MatRef};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
