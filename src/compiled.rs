//! The kernels as functions that are not generic, so that they are compiled with this crate, once,
//! and not again with every crate that calls one.

use crate::arch::Token;
use crate::cross_entropy::Losses;
use crate::dense::ColumnSums;
use crate::loss::Sum;
use crate::metrics::{Argmax, Count};
use crate::optimizer::{AdamPass, MomentumPass, SgdPass};
use crate::relu::Elements;
use crate::softmax::{BackwardRows, ForwardRows};
use crate::softmax_cross_entropy::rows::{GradientRows, LossRows};

macro_rules! compiled {
    ($($name:ident: $kernel:ident -> $output:ty;)*) => {
        /// Runs each kernel on an instruction set.
        #[allow(private_interfaces, reason = "a supertrait of a sealed trait, for this crate alone")]
        pub trait Compiled: Sized {
            $(#[doc(hidden)] fn $name(token: Token, kernel: $kernel<'_, Self>) -> $output;)*
        }

        #[allow(private_interfaces, reason = "as the trait")]
        impl Compiled for f32 {
            $(fn $name(token: Token, kernel: $kernel<'_, f32>) -> $output {
                token.run(kernel)
            })*
        }

        #[allow(private_interfaces, reason = "as the trait")]
        impl Compiled for f64 {
            $(fn $name(token: Token, kernel: $kernel<'_, f64>) -> $output {
                token.run(kernel)
            })*
        }
    };
}

compiled! {
    relu: Elements -> ();
    softmax_forward: ForwardRows -> ();
    softmax_backward: BackwardRows -> ();
    cross_entropy: Losses -> ();
    softmax_cross_entropy_forward: LossRows -> ();
    softmax_cross_entropy_backward: GradientRows -> ();
    sum_in_f64: Sum -> f64;
    column_sums: ColumnSums -> ();
    count_right: Count -> (usize, usize);
    argmax: Argmax -> ();
    sgd: SgdPass -> ();
    momentum: MomentumPass -> ();
    adam: AdamPass -> ();
}
