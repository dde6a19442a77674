//! How parameters move: stochastic gradient descent, with momentum or without, and Adam.
//!
//! Each update is one pass over slices of parameters, their gradients and whatever the method
//! remembers, in PyTorch's order of operations. It is bound by memory, not arithmetic, so the loops
//! are plain Rust, entered once a call for the instruction set in use, which is all the compiler
//! needs to make vectors of them. No product is fused with a sum, so that every instruction set
//! gives the same bits.

use crate::arch::{Kernel, Simd};
use crate::error::{Error, Result, check_length};
use crate::float::Float;
use crate::isa;

/// Stochastic gradient descent: `parameters −= learning_rate · gradients`.
///
/// ```
/// let mut parameters = [1.0_f32, 2.0];
/// gradkern::optimizer::sgd(&mut parameters, &[0.5, -0.5], 0.1)?;
/// assert_eq!(parameters, [0.95, 2.05]);
/// # Ok::<(), gradkern::Error>(())
/// ```
///
/// # Errors
/// [`Error::Length`] unless there are as many gradients as parameters; [`Error::Value`] unless
/// `learning_rate` is finite and at least 0.
pub fn sgd<T: Float>(parameters: &mut [T], gradients: &[T], learning_rate: T) -> Result<()> {
    check_not_negative("learning_rate", learning_rate)?;
    check_length("gradients", parameters.len(), gradients.len())?;
    T::sgd(isa::token()?, SgdPass { parameters, gradients, learning_rate });
    Ok(())
}

/// Stochastic gradient descent with momentum, as `torch.optim.SGD`: for each parameter p with
/// gradient g and velocity v,
///
/// ```text
/// g ← g + weight_decay · p
/// v ← momentum · v + (1 − dampening) · g        (v ← g in the first step)
/// p ← p − learning_rate · v                     (nesterov: learning_rate · (g + momentum · v))
/// ```
///
/// A momentum of 0 keeps v = g: plain descent with weight decay, and dampening has no part in it.
///
/// ```
/// use gradkern::optimizer::Momentum;
///
/// let momentum = Momentum { learning_rate: 0.1, ..Momentum::default() };
/// let (mut parameters, mut velocity) = ([1.0_f32], [0.0]);
/// for _ in 0..100 {
///     let gradients = [2.0 * parameters[0]];
///     momentum.update(&mut parameters, &gradients, &mut velocity)?;
/// }
/// assert!(parameters[0].abs() < 0.01);
/// # Ok::<(), gradkern::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Momentum<T> {
    /// How far to go; finite, at least 0. Default 0.001.
    pub learning_rate: T,
    /// How much of the velocity stays; finite, at least 0. Default 0.9.
    pub momentum: T,
    /// How much of each gradient after the first is left out; finite. Default 0.
    pub dampening: T,
    /// The part of each parameter that is added to its gradient; finite, at least 0. Default 0.
    pub weight_decay: T,
    /// Whether to look ahead along the velocity; needs a momentum and no dampening. Default false.
    pub nesterov: bool,
}

impl<T: Float> Default for Momentum<T> {
    fn default() -> Self {
        Momentum {
            learning_rate: T::from_f64(1e-3),
            momentum: T::from_f64(0.9),
            dampening: T::ZERO,
            weight_decay: T::ZERO,
            nesterov: false,
        }
    }
}

impl<T: Float> Momentum<T> {
    /// One step. Without dampening, a velocity that starts at zero needs nothing else; with
    /// dampening, take the first step by [`first_update`](Self::first_update).
    ///
    /// # Errors
    /// [`Error::Length`] unless there are as many gradients and velocities as parameters;
    /// [`Error::Value`] or [`Error::Conflict`] for an option outside its values.
    pub fn update(&self, parameters: &mut [T], gradients: &[T], velocity: &mut [T]) -> Result<()> {
        self.step(parameters, gradients, velocity, self.momentum == T::ZERO)
    }

    /// The first step, which sets the velocity to the gradient, whatever it holds before and
    /// whatever the dampening is.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub fn first_update(
        &self,
        parameters: &mut [T],
        gradients: &[T],
        velocity: &mut [T],
    ) -> Result<()> {
        self.step(parameters, gradients, velocity, true)
    }

    fn step(
        &self,
        parameters: &mut [T],
        gradients: &[T],
        velocity: &mut [T],
        from_rest: bool,
    ) -> Result<()> {
        self.check()?;
        check_length("gradients", parameters.len(), gradients.len())?;
        check_length("velocity", parameters.len(), velocity.len())?;
        let options = *self;
        let pass = MomentumPass { options, parameters, gradients, velocity, from_rest };
        T::momentum(isa::token()?, pass);
        Ok(())
    }

    fn check(&self) -> Result<()> {
        check_not_negative("learning_rate", self.learning_rate)?;
        check_not_negative("momentum", self.momentum)?;
        check_value("dampening", self.dampening, "a finite number", T::is_finite)?;
        check_not_negative("weight_decay", self.weight_decay)?;
        let conflict = |found| {
            let expected = "a momentum above 0 and no dampening";
            Err(Error::Conflict { argument: "nesterov", expected, found })
        };
        match self {
            Momentum { nesterov: false, .. } => Ok(()),
            Momentum { momentum, .. } if *momentum == T::ZERO => conflict("a momentum of 0"),
            Momentum { dampening, .. } if *dampening != T::ZERO => conflict("dampening"),
            _ => Ok(()),
        }
    }
}

/// Adam (Kingma and Ba, *Adam: A Method for Stochastic Optimization*, 2015), as
/// `torch.optim.Adam`: for each parameter p with gradient g and moments m and v, at step t,
///
/// ```text
/// g ← g + weight_decay · p
/// m ← beta1 · m + (1 − beta1) · g
/// v ← beta2 · v + (1 − beta2) · g²
/// p ← p − learning_rate · m / (1 − beta1ᵗ) / (√(v / (1 − beta2ᵗ)) + epsilon)
/// ```
///
/// ```
/// use gradkern::optimizer::Adam;
///
/// let adam = Adam { learning_rate: 0.1, ..Adam::default() };
/// let (mut parameters, mut first_moment, mut second_moment) = ([1.0_f32], [0.0], [0.0]);
/// for step in 1..=100 {
///     let gradients = [2.0 * parameters[0]];
///     adam.update(&mut parameters, &gradients, &mut first_moment, &mut second_moment, step)?;
/// }
/// assert!(parameters[0].abs() < 0.01);
/// # Ok::<(), gradkern::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam<T> {
    /// How far to go; finite, at least 0. Default 0.001.
    pub learning_rate: T,
    /// How much of the first moment stays; in [0, 1). Default 0.9.
    pub beta1: T,
    /// How much of the second moment stays; in [0, 1). Default 0.999.
    pub beta2: T,
    /// What keeps the divisor from 0; finite, at least 0. Default 1e-8. With 0, a parameter whose
    /// gradients were all 0 becomes NaN, as in PyTorch.
    pub epsilon: T,
    /// The part of each parameter that is added to its gradient; finite, at least 0. Default 0.
    pub weight_decay: T,
}

impl<T: Float> Default for Adam<T> {
    fn default() -> Self {
        Adam {
            learning_rate: T::from_f64(1e-3),
            beta1: T::from_f64(0.9),
            beta2: T::from_f64(0.999),
            epsilon: T::from_f64(1e-8),
            weight_decay: T::ZERO,
        }
    }
}

impl<T: Float> Adam<T> {
    /// One step. Both moments start at zero; `step` counts the calls, the first being 1.
    ///
    /// # Errors
    /// [`Error::Length`] unless there are as many gradients and moments as parameters;
    /// [`Error::Value`] if `step` is 0 or for an option outside its values.
    pub fn update(
        &self,
        parameters: &mut [T],
        gradients: &[T],
        first_moment: &mut [T],
        second_moment: &mut [T],
        step: u64,
    ) -> Result<()> {
        self.check(step)?;
        check_length("gradients", parameters.len(), gradients.len())?;
        check_length("first_moment", parameters.len(), first_moment.len())?;
        check_length("second_moment", parameters.len(), second_moment.len())?;
        let scales = AdamScales::new(self, step);
        let pass = AdamPass { parameters, gradients, first_moment, second_moment, scales };
        T::adam(isa::token()?, pass);
        Ok(())
    }

    fn check(&self, step: u64) -> Result<()> {
        check_not_negative("learning_rate", self.learning_rate)?;
        for (argument, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            check_value(argument, beta, "a number in [0, 1)", |x| x >= T::ZERO && x < T::ONE)?;
        }
        check_not_negative("epsilon", self.epsilon)?;
        check_not_negative("weight_decay", self.weight_decay)?;
        if step == 0 {
            let expected = "a count of steps from 1";
            return Err(Error::Value { argument: "step", expected, found: 0.0 });
        }
        Ok(())
    }
}

fn check_not_negative<T: Float>(argument: &'static str, value: T) -> Result<()> {
    let valid = |x: T| x.is_finite() && x >= T::ZERO;
    check_value(argument, value, "a finite number of at least 0", valid)
}

fn check_value<T: Float>(
    argument: &'static str,
    value: T,
    expected: &'static str,
    valid: impl Fn(T) -> bool,
) -> Result<()> {
    if valid(value) {
        return Ok(());
    }
    Err(Error::Value { argument, expected, found: value.to_f64() })
}

pub(crate) struct SgdPass<'a, T> {
    parameters: &'a mut [T],
    gradients: &'a [T],
    learning_rate: T,
}

impl<T: Float> Kernel<T> for SgdPass<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        for (p, &g) in self.parameters.iter_mut().zip(self.gradients) {
            *p -= self.learning_rate * g;
        }
    }
}

pub(crate) struct MomentumPass<'a, T> {
    options: Momentum<T>,
    parameters: &'a mut [T],
    gradients: &'a [T],
    velocity: &'a mut [T],
    /// Whether the velocity is set to the gradient, without being read.
    from_rest: bool,
}

impl<T: Float> Kernel<T> for MomentumPass<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        let Momentum { momentum, dampening, .. } = self.options;
        let kept = T::ONE - dampening;
        if self.from_rest {
            self.pass(|_, g| g);
        } else {
            self.pass(|v, g| momentum * v + kept * g);
        }
    }
}

impl<T: Float> MomentumPass<'_, T> {
    #[inline(always)]
    fn pass(self, next_velocity: impl Fn(T, T) -> T) {
        let Momentum { learning_rate, momentum, weight_decay, nesterov, .. } = self.options;
        let decays = weight_decay != T::ZERO;
        let moving = self.parameters.iter_mut().zip(self.velocity.iter_mut());
        for ((p, v), &g) in moving.zip(self.gradients) {
            let g = if decays { g + weight_decay * *p } else { g };
            *v = next_velocity(*v, g);
            *p -= learning_rate * if nesterov { g + momentum * *v } else { *v };
        }
    }
}

/// What a step of Adam multiplies by, computed once a call, in `f64`.
struct AdamScales<T> {
    weight_decay: T,
    beta1: T,
    beta2: T,
    /// 1 − beta1.
    gradient: T,
    /// 1 − beta2.
    squared_gradient: T,
    /// learning_rate / (1 − beta1ᵗ).
    step_size: T,
    /// 1 / √(1 − beta2ᵗ).
    root: T,
    epsilon: T,
}

impl<T: Float> AdamScales<T> {
    fn new(options: &Adam<T>, step: u64) -> Self {
        let (beta1, beta2) = (options.beta1.to_f64(), options.beta2.to_f64());
        let correction = |beta: f64| 1.0 - beta.powf(step as f64);
        AdamScales {
            weight_decay: options.weight_decay,
            beta1: options.beta1,
            beta2: options.beta2,
            gradient: T::from_f64(1.0 - beta1),
            squared_gradient: T::from_f64(1.0 - beta2),
            step_size: T::from_f64(options.learning_rate.to_f64() / correction(beta1)),
            root: T::from_f64(1.0 / correction(beta2).sqrt()),
            epsilon: options.epsilon,
        }
    }
}

pub(crate) struct AdamPass<'a, T> {
    parameters: &'a mut [T],
    gradients: &'a [T],
    first_moment: &'a mut [T],
    second_moment: &'a mut [T],
    scales: AdamScales<T>,
}

impl<T: Float> Kernel<T> for AdamPass<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) {
        let s = self.scales;
        let decays = s.weight_decay != T::ZERO;
        let moments = self.first_moment.iter_mut().zip(self.second_moment);
        for ((p, &g), (m, v)) in self.parameters.iter_mut().zip(self.gradients).zip(moments) {
            let g = if decays { g + s.weight_decay * *p } else { g };
            *m = s.beta1 * *m + s.gradient * g;
            *v = s.beta2 * *v + s.squared_gradient * (g * g);
            *p -= s.step_size * *m / ((*v).sqrt() * s.root + s.epsilon);
        }
    }
}

#[cfg(test)]
mod tests;
