use super::*;
use crate::arch::Token;
use crate::isa;
use crate::rng::Rng;

const PYTORCH_START: [f64; 3] = [0.5, -1.0, 2.0];

fn pytorch_gradients(parameters: &[f64], step: u64) -> Vec<f64> {
    let wave = 0.25 * ((step % 5) as f64 - 2.0);
    parameters.iter().zip([1.0, 2.0, 3.0]).map(|(p, k)| p * k - 1.0 + wave).collect()
}

/// Compares with what PyTorch 2.15.0 (CPU, float64) leaves after 1, 2 and 100 steps from 0.5, −1, 2
/// with the gradients p·(1, 2, 3) − 1 + 0.25·(step mod 5 − 2).
fn follows_pytorch(mut update: impl FnMut(&mut [f64], &[f64], u64), expected: [[f64; 3]; 3]) {
    let mut parameters = PYTORCH_START;
    for step in 1..=100 {
        let gradients = pytorch_gradients(&parameters, step);
        update(&mut parameters, &gradients, step);
        let Some(at) = [1, 2, 100].iter().position(|&s| s == step) else { continue };
        for (p, e) in parameters.iter().zip(expected[at]) {
            assert!((p - e).abs() <= 1e-13, "step {step}: {parameters:?}, {:?}", expected[at]);
        }
    }
}

fn momentum_follows_pytorch(options: Momentum<f64>, expected: [[f64; 3]; 3]) {
    let mut velocity = [f64::NAN; 3];
    let update = |p: &mut [f64], g: &[f64], step| match step {
        1 => options.first_update(p, g, &mut velocity).unwrap(),
        _ => options.update(p, g, &mut velocity).unwrap(),
    };
    follows_pytorch(update, expected);
}

const WITH_DECAY: Momentum<f64> = Momentum {
    learning_rate: 0.05,
    momentum: 0.0,
    dampening: 0.0,
    weight_decay: 0.1,
    nesterov: false,
};

#[test]
fn sgd_with_weight_decay_follows_pytorch() {
    let expected = [
        [0.535, -0.8325, 1.7525],
        [0.555575, -0.6950875, 1.5308625],
        [0.908393544813359, 0.4776541419906957, 0.324904341730784],
    ];
    momentum_follows_pytorch(WITH_DECAY, expected);
    // PyTorch gives the same for `dampening=0.3`, which has no part where there is no momentum.
    momentum_follows_pytorch(Momentum { dampening: 0.3, ..WITH_DECAY }, expected);
}

#[test]
fn momentum_follows_pytorch_in_all_its_forms() {
    momentum_follows_pytorch(
        Momentum { momentum: 0.9, weight_decay: 0.0, ..WITH_DECAY },
        [
            [0.5375, -0.8375, 1.7625],
            [0.594375, -0.5575, 1.3343749999999999],
            [0.9892373973583976, 0.4806480814915836, 0.3149685182211666],
        ],
    );
    momentum_follows_pytorch(
        Momentum { momentum: 0.8, dampening: 0.3, ..WITH_DECAY },
        [
            [0.535, -0.8325, 1.7525],
            [0.5774025, -0.60231125, 1.39935375],
            [0.8999810530125065, 0.4668022071775985, 0.31291075880647534],
        ],
    );
    momentum_follows_pytorch(
        Momentum { momentum: 0.9, nesterov: true, ..WITH_DECAY },
        [
            [0.5665, -0.68175, 1.52975],
            [0.63065075, -0.3150658749999999, 0.9737636249999999],
            [0.8979154347719053, 0.46533030479534876, 0.31241169475662645],
        ],
    );
}

#[test]
fn adam_follows_pytorch() {
    let follows = |options: Adam<f64>, expected| {
        let (mut m, mut v) = ([0.0; 3], [0.0; 3]);
        let update = |p: &mut [f64], g: &[f64], step| {
            options.update(p, g, &mut m, &mut v, step).unwrap();
        };
        follows_pytorch(update, expected);
    };
    follows(
        Adam::default(),
        [
            [0.5009999999866667, -0.9990000000030769, 1.9990000000021053],
            [0.5019701232667599, -0.9980029133616797, 1.9979990003017245],
            [0.5788319652725936, -0.9018350422489995, 1.901253407950987],
        ],
    );
    follows(
        Adam { learning_rate: 0.02, beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weight_decay: 0.1 },
        [
            [0.5199714693295292, -0.9800059683676514, 1.9800040395879621],
            [0.5389720833037144, -0.9601108444975462, 1.9599796361428041],
            [0.906131234319668, 0.41192852524115287, 0.46207966841491854],
        ],
    );
}

/// One parameter's course in `f64`, a statement a line of the formulas.
struct Reference {
    p: f64,
    velocity: f64,
    m: f64,
    v: f64,
}

impl Reference {
    fn momentum(&mut self, o: &Momentum<f64>, gradient: f64, step: u64) {
        let g = gradient + o.weight_decay * self.p;
        let first = step == 1 || o.momentum == 0.0;
        self.velocity =
            if first { g } else { o.momentum * self.velocity + (1.0 - o.dampening) * g };
        let direction = if o.nesterov { g + o.momentum * self.velocity } else { self.velocity };
        self.p -= o.learning_rate * direction;
    }

    fn adam(&mut self, o: &Adam<f64>, gradient: f64, step: u64) {
        let g = gradient + o.weight_decay * self.p;
        self.m = o.beta1 * self.m + (1.0 - o.beta1) * g;
        self.v = o.beta2 * self.v + (1.0 - o.beta2) * g * g;
        let m_hat = self.m / (1.0 - o.beta1.powi(step as i32));
        let v_hat = self.v / (1.0 - o.beta2.powi(step as i32));
        self.p -= o.learning_rate * m_hat / (v_hat.sqrt() + o.epsilon);
    }
}

/// Moves parameters by gradients, at a step counted from 1.
type Update<T> = Box<dyn FnMut(&mut [T], &[T], u64)>;

/// 100 steps with random gradients, for each of the lengths around the vectors', against the
/// reference.
///
/// Gradients are below 5 and parameters below 10 in size. A step of momentum errs by at most
/// 4 ε · learning_rate · |v| and by ε/2 · |p|, and |v| ≤ 60 here; what it errs in v is multiplied by
/// at most 10 in the steps after. A step of Adam errs by a few ε · learning_rate · |m|/√v, and
/// |m|/√v ≤ 10. So 100 steps stay below 100 · (40 · 0.01 · 60 + 5) ε = 2900 ε.
fn follows_the_reference<T: Float>(
    mut start: impl FnMut(usize) -> Update<T>,
    reference: impl Fn(&mut Reference, f64, u64),
) {
    for len in [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 100] {
        let mut update = start(len);
        let mut rng = Rng::new(len as u64);
        let mut parameters: Vec<T> = (0..len).map(|_| T::from_f64(rng.normal())).collect();
        let mut references: Vec<Reference> = parameters
            .iter()
            .map(|p| Reference { p: p.to_f64(), velocity: 0.0, m: 0.0, v: 0.0 })
            .collect();
        for step in 1..=100 {
            let gradients: Vec<T> = (0..len).map(|_| T::from_f64(rng.normal())).collect();
            update(&mut parameters, &gradients, step);
            for (r, g) in references.iter_mut().zip(&gradients) {
                reference(r, g.to_f64(), step);
            }
        }
        for (p, r) in parameters.iter().zip(&references) {
            let error = (p.to_f64() - r.p).abs() / T::EPSILON.to_f64();
            assert!(error <= 2900.0, "length {len}: {p}, {}", r.p);
        }
    }
}

fn updates_follow_the_reference<T: Float>() {
    let t = T::from_f64;
    let none = Momentum { learning_rate: t(0.01), momentum: T::ZERO, ..Momentum::default() };
    for options in [
        none,
        Momentum { weight_decay: t(0.1), ..none },
        Momentum { momentum: t(0.9), ..none },
        Momentum { momentum: t(0.7), dampening: t(0.4), weight_decay: t(0.2), ..none },
        Momentum { momentum: t(0.9), nesterov: true, ..none },
        Momentum { momentum: t(0.9), weight_decay: t(0.1), nesterov: true, ..none },
    ] {
        let in_f64 = Momentum {
            learning_rate: options.learning_rate.to_f64(),
            momentum: options.momentum.to_f64(),
            dampening: options.dampening.to_f64(),
            weight_decay: options.weight_decay.to_f64(),
            nesterov: options.nesterov,
        };
        let start = |len| -> Update<T> {
            let mut v = vec![T::ZERO; len];
            Box::new(move |p, g, step| match step {
                1 => options.first_update(p, g, &mut v).unwrap(),
                _ => options.update(p, g, &mut v).unwrap(),
            })
        };
        follows_the_reference(start, |r, g, step| r.momentum(&in_f64, g, step));
    }
    let plain =
        |_| -> Update<T> { Box::new(move |p, g, _| sgd(p, g, none.learning_rate).unwrap()) };
    follows_the_reference(plain, |r, g, _| r.p -= none.learning_rate.to_f64() * g);

    let adam = Adam { learning_rate: t(0.01), ..Adam::default() };
    let other =
        Adam { beta1: t(0.5), beta2: t(0.9), epsilon: t(0.1), weight_decay: t(0.1), ..adam };
    for options in [adam, other, Adam { beta1: T::ZERO, beta2: T::ZERO, ..other }] {
        let in_f64 = Adam {
            learning_rate: options.learning_rate.to_f64(),
            beta1: options.beta1.to_f64(),
            beta2: options.beta2.to_f64(),
            epsilon: options.epsilon.to_f64(),
            weight_decay: options.weight_decay.to_f64(),
        };
        let start = |len| -> Update<T> {
            let (mut m, mut v) = (vec![T::ZERO; len], vec![T::ZERO; len]);
            Box::new(move |p, g, step| options.update(p, g, &mut m, &mut v, step).unwrap())
        };
        follows_the_reference(start, |r, g, step| r.adam(&in_f64, g, step));
    }
}

#[test]
fn f64_updates_follow_the_reference() {
    updates_follow_the_reference::<f64>();
}

#[test]
fn f32_updates_follow_the_reference() {
    updates_follow_the_reference::<f32>();
}

#[test]
fn without_dampening_a_velocity_of_zero_is_a_first_step() {
    for nesterov in [false, true] {
        let options = Momentum { nesterov, ..Momentum::default() };
        let (mut p, mut v) = ([1.0, -2.0], [0.0; 2]);
        options.update(&mut p, &[0.3, 0.4], &mut v).unwrap();
        let (mut first_p, mut first_v) = ([1.0, -2.0], [f64::NAN; 2]);
        options.first_update(&mut first_p, &[0.3, 0.4], &mut first_v).unwrap();
        assert_eq!((p, v), (first_p, first_v));
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let mut rng = Rng::new(1);
    let mut draw = |_| rng.normal() as f32;
    let [parameters, gradients, moment]: [[f32; 77]; 3] =
        std::array::from_fn(|_| std::array::from_fn(&mut draw));
    let run = |token: Token| {
        let options = Momentum { weight_decay: 0.1, nesterov: true, ..Momentum::default() };
        let (mut p, mut velocity, gradients) = (parameters, moment, &gradients);
        let pass = |parameters, velocity| MomentumPass {
            options,
            parameters,
            gradients,
            velocity,
            from_rest: false,
        };
        token.run(pass(&mut p, &mut velocity));
        let (mut q, mut m, mut v) = (parameters, moment, moment.map(f32::abs));
        token.run(AdamPass {
            parameters: &mut q,
            gradients,
            first_moment: &mut m,
            second_moment: &mut v,
            scales: AdamScales::new(&Adam { weight_decay: 0.1, ..Adam::default() }, 3),
        });
        let mut plain = parameters;
        token.run(SgdPass { parameters: &mut plain, gradients, learning_rate: 0.1 });
        [p, velocity, q, m, v, plain].map(|values| values.map(f32::to_bits))
    };
    let mut tokens = isa::available().filter_map(Token::new).map(run);
    let portable = tokens.next();
    assert!(tokens.all(|bits| Some(bits) == portable));
}

#[test]
fn adam_counts_steps_far_beyond_any_training() {
    let (mut p, mut m, mut v) = ([1.0_f32], [0.5], [0.25]);
    Adam::default().update(&mut p, &[0.5], &mut m, &mut v, u64::MAX).unwrap();
    assert_eq!(p, [0.999]);
}

/// That a call is refused as said, and that nothing was written before.
fn refuses(expected: &str, call: impl FnOnce(&mut [f64], &mut [f64], &mut [f64]) -> Result<()>) {
    let (mut p, mut m, mut v) = ([1.0, 2.0], [3.0, 4.0], [5.0, 6.0]);
    let error = call(&mut p, &mut m, &mut v).expect_err(expected);
    assert_eq!(error.to_string(), expected);
    assert_eq!((p, m, v), ([1.0, 2.0], [3.0, 4.0], [5.0, 6.0]));
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let (g, momentum, adam) = ([1.0, 1.0], Momentum::default(), Adam::default());
    let gradients = "`gradients`: expected 2 elements, found 1";
    refuses(gradients, |p, _, _| sgd(p, &g[..1], 0.1));
    refuses(gradients, |p, m, _| momentum.update(p, &g[..1], m));
    refuses(gradients, |p, m, _| momentum.first_update(p, &g[..1], m));
    refuses(gradients, |p, m, v| adam.update(p, &g[..1], m, v, 1));
    let found_1 = |name| format!("`{name}`: expected 2 elements, found 1");
    refuses(&found_1("velocity"), |p, m, _| momentum.update(p, &g, &mut m[..1]));
    refuses(&found_1("first_moment"), |p, m, v| adam.update(p, &g, &mut m[..1], v, 1));
    refuses(&found_1("second_moment"), |p, m, v| adam.update(p, &g, m, &mut v[..1], 1));
}

#[test]
fn options_outside_their_values_are_refused() {
    let g = [1.0, 1.0];
    let momentum = Momentum::default();
    let momentum_refuses = |expected: &str, options: Momentum<f64>| {
        refuses(expected, |p, m, _| options.update(p, &g, m));
        refuses(expected, |p, m, _| options.first_update(p, &g, m));
    };
    let adam = Adam::default();
    let adam_refuses = |expected: &str, options: Adam<f64>| {
        refuses(expected, |p, m, v| options.update(p, &g, m, v, 1));
    };
    for bad in [-0.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let not = |name| format!("`{name}`: expected a finite number of at least 0, found {bad}");
        refuses(&not("learning_rate"), |p, _, _| sgd(p, &g, bad));
        momentum_refuses(&not("learning_rate"), Momentum { learning_rate: bad, ..momentum });
        momentum_refuses(&not("momentum"), Momentum { momentum: bad, ..momentum });
        momentum_refuses(&not("weight_decay"), Momentum { weight_decay: bad, ..momentum });
        adam_refuses(&not("learning_rate"), Adam { learning_rate: bad, ..adam });
        adam_refuses(&not("epsilon"), Adam { epsilon: bad, ..adam });
        adam_refuses(&not("weight_decay"), Adam { weight_decay: bad, ..adam });
    }
    momentum_refuses(
        "`dampening`: expected a finite number, found NaN",
        Momentum { dampening: f64::NAN, ..momentum },
    );
    for bad in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
        let not = |name| format!("`{name}`: expected a number in [0, 1), found {bad}");
        adam_refuses(&not("beta1"), Adam { beta1: bad, ..adam });
        adam_refuses(&not("beta2"), Adam { beta2: bad, ..adam });
    }
    refuses("`step`: expected a count of steps from 1, found 0", |p, m, v| {
        adam.update(p, &g, m, v, 0)
    });
    let nesterov = Momentum { nesterov: true, ..momentum };
    let expected = "`nesterov`: expected a momentum above 0 and no dampening, found";
    momentum_refuses(
        &format!("{expected} a momentum of 0"),
        Momentum { momentum: 0.0, ..nesterov },
    );
    momentum_refuses(&format!("{expected} dampening"), Momentum { dampening: 0.1, ..nesterov });
}
