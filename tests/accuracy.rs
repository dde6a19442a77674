//! How accurate softmax and its fusion with cross-entropy are in `f32`, in units in the last place
//! (ulp) of exact results, worst case over millions of elements: the figures of RELIABILITY.md.
//! `cargo test --release --test accuracy -- --nocapture` prints them.
//!
//! Exact is the `f64` reference, whose own error is 1e-8 ulp of an `f32`.

mod common;

use common::bounds::{Given, softmax_cross_entropy as softmax_cross_entropy_bounds};
use common::{assert_close, to_f64};
use gradkern::isa::{self, Isa};
use gradkern::reference::{self, Loss, Matrix, ulps};
use gradkern::{LossOptions, MatMut, MatRef, Par, Rng, softmax, softmax_cross_entropy};

/// Rows of σ·N(0, 1).
fn normal_logits(rows: usize, classes: usize, sigma: f64, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed);
    (0..rows * classes).map(|_| (sigma * rng.normal()) as f32).collect()
}

/// The worst error of a probability, in ulp.
fn worst_probability(logits: &[f32], classes: usize) -> f64 {
    let rows = logits.len() / classes;
    let mut found = logits.to_vec();
    softmax::forward_in_place(MatMut::new(&mut found, rows, classes).unwrap(), Par::Seq).unwrap();
    let exact = reference::softmax(&Matrix { rows, cols: classes, data: to_f64(logits) });
    found.iter().zip(&exact.data).map(|(&p, &exact)| ulps(p, exact)).fold(0.0, f64::max)
}

#[test]
fn probabilities() {
    const ELEMENTS: usize = 1 << 22;
    for (classes, sigma) in [10, 1000, 32768].into_iter().flat_map(|c| [(c, 1.0), (c, 5.0)]) {
        let logits = normal_logits(ELEMENTS / classes, classes, sigma, 1);
        let worst = worst_probability(&logits, classes);
        println!("softmax, {classes} classes, σ = {sigma}: {worst:.2} ulp");
        // Derived: relative to 2ε, an exponential is off by 0.91 (1.22 without fused multiply-adds)
        // at most, and a quotient of two by twice that, up to twice as many units in its last place;
        // its rounding adds ½ (1 without). That makes 4.2 (5.9). As the errors in a sum are neither
        // all the worst nor of one sign, it is much less; pinned at a tenth above what was measured.
        let pinned = if isa::current() == Ok(Isa::Portable) { 3.4 } else { 2.55 };
        assert!(worst <= pinned, "{worst}");
    }
}

/// The loss of samples that are right by a margin, of 17 and more in `f32` too small to be told from
/// ln 1, where PyTorch's is 0: within its bound, which is relative, up to a margin of 85.
#[test]
fn losses_of_confident_samples() {
    let options = LossOptions { clip: None, ..LossOptions::default() };
    let loss = Loss::new(reference::Targets::Classes(vec![0]));
    for classes in [2, 10, 1000] {
        let mut worst = (0.0, 0.0);
        for margin in (0..=340).map(|quarters| f64::from(quarters) / 4.0) {
            let mut logits = normal_logits(1, classes, 0.1, 2);
            logits[0] = margin as f32 + logits[1..].iter().copied().fold(f32::MIN, f32::max);
            let (mut losses, label) = ([f32::NAN], [0_u8]);
            let (view, targets) = (MatRef::new(&logits, 1, classes).unwrap(), (&label).into());
            softmax_cross_entropy::forward(view, targets, &options, &mut losses, Par::Seq).unwrap();
            let logits = Matrix { rows: 1, cols: classes, data: to_f64(&logits) };
            let exact = -reference::log_softmax_row(&logits.data)[0];
            let bounds =
                softmax_cross_entropy_bounds::<f32>(&logits, &loss, &[1.0], &Given::default());
            assert_close("loss", &losses, &[exact], &bounds.losses);
            let tells = bounds.losses[0] / exact;
            assert!(tells < 1e-3, "a relative bound of {tells} at a margin of {margin}");
            let error = ulps(losses[0], exact);
            if error > worst.0 {
                worst = (error, margin);
            }
        }
        let (ulp, margin) = worst;
        println!("loss, {classes} classes: {ulp:.2} ulp, at a margin of {margin} of 0 to 85");
    }
}
