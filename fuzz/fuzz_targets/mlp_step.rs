//! Training steps of small networks: sizes, batch, targets, options and parameters of any bits.

#![no_main]

use gradkern::reference;
use gradkern::{Float, Init, Mlp};
use gradkern_fuzz::expect::assert_near;
use gradkern_fuzz::loss::Loss;
use gradkern_fuzz::matrix::assert_same;
use gradkern_fuzz::mlp_bounds::{self, MlpBounds};
use gradkern_fuzz::{Bits, Numbers, Result, Strided, Unstructured, bounds, fuzz_floats};

fn check<T: Bits>(bytes: &mut Unstructured<'_>) -> Result<()> {
    let layers = bytes.int_in_range(1..=3)?;
    let sizes: Vec<usize> = (0..=layers).map(|_| extent(bytes)).collect::<Result<_>>()?;
    let batch = extent(bytes)?;
    let mut numbers = Numbers::decode(bytes)?;
    let tame = matches!(numbers, Numbers::Seeded(_));
    let mut mlp = Mlp::<T>::new(&sizes, Init::HeNormal, 0).expect("sizes are small");
    for parameter in mlp.parameters_mut() {
        *parameter = numbers.next(bytes)?;
    }
    let inputs = Strided::<T>::input(batch, sizes[0], &mut numbers, bytes)?;
    let loss = Loss::<T>::decode(batch, sizes[layers], bytes)?;
    mlp.set_loss(&loss.options()).expect("as many weights as classes");

    let step = Step { sizes: &sizes, before: &mlp, inputs: &inputs, loss: &loss };
    let valid = loss.is_valid();
    let gradients = step.gradients();
    assert_eq!(gradients.is_some(), valid);
    let Some((found_loss, found)) = gradients else {
        assert_eq!(step.descend(0.5), None);
        return Ok(());
    };
    if tame && loss.reference().denominator() > 0.0 {
        step.compare(found_loss, &found);
    } else {
        // Nothing that is not finite reads or writes elsewhere, or makes two runs differ.
        let (first, second) =
            (step.descend(0.5).expect("valid"), step.descend(0.5).expect("valid"));
        assert_same("loss", &[first.0], &[second.0]);
        assert_same("parameters", &first.1, &second.1);
    }
    Ok(())
}

/// Up to 9, and in one of sixteen cases up to 40: what an execution costs goes with the product of
/// two or three of these.
fn extent(bytes: &mut Unstructured<'_>) -> Result<usize> {
    let byte: u8 = bytes.arbitrary()?;
    let most = if byte < 240 { 9 } else { 40 };
    bytes.int_in_range(0..=most)
}

/// A step that is tried from the same parameters more than once.
struct Step<'a, T: Float> {
    sizes: &'a [usize],
    before: &'a Mlp<T>,
    inputs: &'a Strided<T>,
    loss: &'a Loss<T>,
}

impl<T: Bits> Step<'_, T> {
    /// The loss and its gradients, unless they are refused.
    fn gradients(&self) -> Option<(T, Vec<T>)> {
        let mut mlp = self.before.clone();
        let loss = mlp.loss_and_gradients(self.inputs.view(), self.loss.targets()).ok();
        assert_same("parameters", mlp.parameters(), self.before.parameters());
        loss.map(|loss| (loss, mlp.gradients().to_vec()))
    }

    /// The loss and the parameters after a step, unless it is refused.
    fn descend(&self, rate: f64) -> Option<(T, Vec<T>)> {
        let mut mlp = self.before.clone();
        let rate = T::from_f64(rate);
        let loss = mlp.train_step(self.inputs.view(), self.loss.targets(), rate).ok();
        if loss.is_none() {
            assert_same("parameters", mlp.parameters(), self.before.parameters());
        }
        loss.map(|loss| (loss, mlp.parameters().to_vec()))
    }

    fn compare(&self, found_loss: T, found: &[T]) {
        let (inputs, loss) = (self.inputs.matrix(), self.loss.reference());
        let before: Vec<f64> = self.before.parameters().iter().map(|p| p.to_f64()).collect();
        let reference = reference::Mlp::from_parameters(self.sizes, &before);
        let bounds = mlp_bounds::mlp::<T>(&reference, &inputs, &loss, false);
        let (expected_loss, expected) = reference.loss_and_gradients(&inputs, &loss);
        assert_near("loss", &[found_loss], &[expected_loss], &[bounds.loss]);
        if bounds.near_kink {
            return;
        }
        assert_near("gradient", found, &expected, &bounds.gradients);
        let rate = 0.5;
        let (_, found) = self.descend(rate).expect("it is valid");
        let moved: Vec<f64> = before.iter().zip(&expected).map(|(p, g)| p - rate * g).collect();
        let allowed = step_bounds::<T>(&before, &expected, &bounds, rate, inputs.rows);
        assert_near("parameter", &found, &moved, &allowed);
    }
}

/// The gradient's own error, its product with the learning rate and the subtraction.
fn step_bounds<T: Float>(
    before: &[f64],
    gradients: &[f64],
    bounds: &MlpBounds,
    rate: f64,
    batch: usize,
) -> Vec<f64> {
    let units = (batch as f64 + 4.0) * bounds::unit::<T>();
    let of = |i: usize| {
        rate * (bounds.gradients[i] * 1.01 + units * gradients[i].abs())
            + units * before[i].abs()
            + bounds::tiny::<T>()
    };
    (0..before.len()).map(of).collect()
}

fuzz_floats!(check);
