//! The mathematical functions that kernels compute a vector at a time, on slices and on an
//! instruction set of the caller's choice: so that their accuracy can be measured over more numbers
//! than a test has time for (`precision/`). Hidden from the documentation.

use super::exp::Divisor;
use super::ln::{ln, ln_1p};
use crate::arch::{Kernel, Simd, Token};
use crate::error::{Error, Result, check_length};
use crate::float::Float;
use crate::isa::{self, Isa};

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// eˣ / 2ᴺ, scaled up by [`exp_scale`] powers of two, with N the integer nearest `max` / ln 2:
    /// what softmax makes of an element x of a row whose largest element is `max`. It may be 0 where
    /// it is not a normal number.
    Exp {
        /// No argument is above it, and its magnitude is below 256 (`f32`) or 2048 (`f64`).
        max: f64,
    },
    /// ln x.
    Ln,
    /// ln(1 + x).
    Ln1p,
}

/// The powers of two that [`Function::Exp`] is scaled up by.
#[must_use]
pub fn exp_scale<T: Float>() -> i32 {
    // The exponent of 1 is in the bits of `SHIFT`, too.
    ((T::EXP.shift - T::SHIFT).to_f64() - 1.0) as i32
}

impl Function {
    /// The error that is promised, in units in the last place.
    pub fn promised_ulps(self, isa: Isa) -> f64 {
        let fused =
            isa != Isa::Portable || cfg!(any(target_feature = "fma", target_arch = "aarch64"));
        match self {
            Function::Exp { .. } if fused => 0.91,
            Function::Exp { .. } => 1.22,
            Function::Ln | Function::Ln1p if fused => 0.85,
            Function::Ln | Function::Ln1p => 0.87,
        }
    }

    /// y = f(x) for each element.
    ///
    /// # Errors
    /// [`Error::InstructionSet`] if the processor lacks `isa`; [`Error::Length`] unless both are
    /// equally long.
    pub fn apply<T: Float>(self, isa: Isa, x: &[T], y: &mut [T]) -> Result<()> {
        check_length("y", x.len(), y.len())?;
        let token = Token::new(isa).ok_or_else(|| Error::InstructionSet {
            expected: isa::available().map(Isa::name).collect::<Vec<_>>().join(", "),
            found: isa.name().to_owned(),
        })?;
        token.run(Apply { function: self, x, y });
        Ok(())
    }
}

struct Apply<'a, T> {
    function: Function,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Float> Kernel<T> for Apply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Apply { function, x, y } = self;
        let max = if let Function::Exp { max } = function { max } else { 0.0 };
        let divisor = Divisor::new(s, s.splat(T::from_f64(max)));
        let (mut x, mut y) = (x.chunks_exact(S::LANES), y.chunks_exact_mut(S::LANES));
        for (x, y) in (&mut x).zip(&mut y) {
            s.store(function.of(s, divisor, s.load(x)), y);
        }
        let last = function.of(s, divisor, s.load_first(x.remainder()));
        s.store_first(last, y.into_remainder());
    }
}

impl Function {
    /// f(x), with the divisor that an exponential has.
    // Not a closure: those are not always compiled for the instruction set.
    #[inline(always)]
    fn of<T: Float, S: Simd<T>>(self, s: S, divisor: Divisor<S::V>, x: S::V) -> S::V {
        match self {
            Function::Exp { .. } => divisor.exp(s, x),
            Function::Ln => ln(s, x),
            Function::Ln1p => ln_1p(s, x),
        }
    }
}
