//! A closer look at an element whose numerical and analytical slopes disagree: is the gradient
//! wrong, or does the function have a kink within δ, so that the difference is not its slope?
//!
//! Close to the point, a smooth function has one slope, and a function on a kink has two, one to
//! the left and one to the right. Each is measured at three distances h, 2h and 4h and extrapolated
//! to 0 (Richardson), so that curvature does not look like a kink, and again at 2h, 4h and 8h: where
//! the two disagree, something else lies within 8h on that side, and the other side decides.
//!
//! Where both sides are obscured, as by several neurons of a layer that are all near their kinks, the
//! look is repeated from a quarter of the distance.
//!
//! How close one may look is limited by rounding within the function. Its size is measured too, by
//! Hamming's difference table (Moré and Wild, *Estimating Computational Noise*, 2011). Where it
//! would drown the disagreement, or no slope emerges, the verdict is that the gradient is wrong.

use super::{CheckOptions, Difference, slope};

/// An element under scrutiny.
pub(super) struct Suspect {
    pub(super) index: usize,
    pub(super) analytical: f64,
    numerical: f64,
    delta: f64,
    tolerance: f64,
}

/// What an element turned out to be, with its numerical value.
pub(super) enum Verdict {
    Right(f64),
    Kink,
    Wrong(f64),
}

/// What a look from some distance shows.
enum Sight {
    /// The verdict; `None` if the analytical value is wrong.
    Clear(Option<Verdict>),
    /// Kinks nearer than that: look closer.
    Obscured,
}

impl Suspect {
    pub(super) fn new(
        index: usize,
        analytical: f64,
        numerical: f64,
        options: &CheckOptions,
    ) -> Self {
        let tolerance = options.atol + options.rtol * analytical.abs().max(numerical.abs());
        Suspect { index, analytical, numerical, delta: options.difference.delta(), tolerance }
    }

    /// Whether the two values agree; never where one is NaN or infinite.
    pub(super) fn agrees(&self) -> bool {
        self.is_finite() && (self.analytical - self.numerical).abs() <= self.tolerance
    }

    /// How far the analytical value is off a numerical one, in tolerances.
    pub(super) fn excess(&self, numerical: f64) -> f64 {
        let error = (self.analytical - numerical).abs();
        if !self.is_finite() {
            f64::INFINITY
        } else if error == 0.0 {
            0.0
        } else {
            error / self.tolerance
        }
    }

    fn is_finite(&self) -> bool {
        self.analytical.is_finite() && self.numerical.is_finite()
    }

    pub(super) fn look_closer(&self, mut line: Line<'_>) -> Verdict {
        self.slope_or_kink(&mut line).unwrap_or(Verdict::Wrong(self.numerical))
    }

    /// `None` if the analytical value is wrong, or cannot be told from a wrong one.
    fn slope_or_kink(&self, line: &mut Line<'_>) -> Option<Verdict> {
        if !self.is_finite() {
            return None;
        }
        let noise = line.noise(self.delta / 16.0);
        if let Some(slope) = self.curved(line, noise)
            && self.is_between(slope, slope, 0.0)
        {
            return Some(Verdict::Right(slope));
        }
        let wanted = 64.0 * noise / self.tolerance;
        let first = wanted.clamp(self.delta / 1024.0, self.delta / 8.0);
        let disagreement = (self.analytical - self.numerical).abs();
        // Four standard deviations of the slopes' errors; a quarter of the tolerance, if `first` is as
        // large as that takes.
        let uncertainty = 16.0 * noise / first;
        if wanted > first && uncertainty > disagreement / 16.0 {
            return None;
        }
        match self.close_up(line, first, uncertainty, 0.0) {
            Sight::Clear(Some(Verdict::Right(_))) if wanted > first => return None,
            Sight::Clear(verdict) => return verdict,
            Sight::Obscured => {}
        }
        // As close as is worth a tolerance, and not without end where there is no noise.
        let closest = (16.0 * noise / self.tolerance).max(self.delta / 4096.0);
        let closer = std::iter::successors(Some(first / 4.0), |h| Some(h / 4.0));
        for h in closer.take_while(|&h| h >= closest) {
            let uncertainty = 16.0 * noise / h;
            if let Sight::Clear(verdict) = self.close_up(line, h, uncertainty, uncertainty) {
                return verdict;
            }
        }
        None
    }

    /// The slope of a function with no kink within δ, from central differences at δ and two smaller
    /// distances, if they converge: less noisy than what is measured closer.
    fn curved(&self, line: &mut Line<'_>, noise: f64) -> Option<f64> {
        let [quarter, half, whole] = [0.25, 0.5, 1.0].map(|part| {
            let delta = part * self.delta;
            line.slope(Difference::Central { delta })
        });
        let fine = (4.0 * quarter - half) / 3.0;
        let coarse = (4.0 * half - whole) / 3.0;
        // Five standard deviations of the finer slope's error.
        let uncertainty = 20.0 * noise / self.delta;
        let converged =
            (fine - coarse).abs() <= self.tolerance / 4.0 && uncertainty <= self.tolerance / 2.0;
        converged.then_some(fine)
    }

    /// What the slopes to the left and to the right, seen from `h`, say. Where they are one, the
    /// analytical value may be `slack` further off than half of the tolerance.
    fn close_up(&self, line: &mut Line<'_>, h: f64, uncertainty: f64, slack: f64) -> Sight {
        let settled = self.tolerance / 4.0 + uncertainty;
        let (left, right) = match [-h, h].map(|h| line.side(h, settled)) {
            [Some(left), Some(right)] => (left, right),
            // A kink on the other side, unless there is one at the point as well.
            [Some(slope), None] | [None, Some(slope)]
                if self.is_between(slope, slope, uncertainty) =>
            {
                return Sight::Clear(Some(Verdict::Kink));
            }
            _ => return Sight::Obscured,
        };
        let kink = |is_one: bool| Sight::Clear(is_one.then_some(Verdict::Kink));
        if (left - right).abs() > self.tolerance + 2.0 * uncertainty {
            return kink(self.is_between(left, right, uncertainty));
        }
        let slope = left.midpoint(right);
        if line.kink_within(self.delta, slope) {
            return kink(self.is_between(slope, slope, uncertainty));
        }
        let is_right = self.is_between(slope, slope, slack);
        Sight::Clear(is_right.then_some(Verdict::Right(slope)))
    }

    /// Whether the analytical value lies between two slopes that are this uncertain. Half of the
    /// tolerance is left to the slopes' errors, so that no value passes that is off by all of it.
    fn is_between(&self, one: f64, other: f64, uncertainty: f64) -> bool {
        let slack = self.tolerance / 2.0 + uncertainty;
        one.min(other) - slack <= self.analytical && self.analytical <= one.max(other) + slack
    }
}

/// The function along one element of its point.
pub(super) struct Line<'a> {
    /// The element's own value.
    pub(super) x: f64,
    pub(super) value: &'a mut dyn FnMut(f64) -> f64,
}

impl Line<'_> {
    fn slope(&mut self, difference: Difference<f64>) -> f64 {
        slope(difference.ends(self.x), self.value)
    }

    /// The slope from x to x + `h`.
    fn slope_to(&mut self, h: f64) -> f64 {
        self.slope(Difference::Forward { delta: h })
    }

    /// The slope on the side of `h`'s sign, extrapolated from distances h, 2h and 4h to 0, so that
    /// the function's second and third derivative do not matter. `None` unless it is within
    /// `settled` of what h and 2h give, and what 2h, 4h and 8h give.
    ///
    /// Noise of σ in each value of the function makes an error with a standard deviation of
    /// 3.4 σ/h.
    fn side(&mut self, h: f64, settled: f64) -> Option<f64> {
        let [one, two, four, eight] = [1.0, 2.0, 4.0, 8.0].map(|k| self.slope_to(k * h));
        let near = (8.0 * one - 6.0 * two + four) / 3.0;
        let others = [2.0 * one - two, (8.0 * two - 6.0 * four + eight) / 3.0];
        others.iter().all(|other| (near - other).abs() <= settled).then_some(near)
    }

    /// Whether one of the slopes to x − δ and x + δ is much further off the slope at x than the
    /// other, as where a kink lies on that side; curvature takes both off alike.
    fn kink_within(&mut self, delta: f64, slope: f64) -> bool {
        let [left, right] = [-delta, delta].map(|delta| (self.slope_to(delta) - slope).abs());
        left.min(right) < left.max(right) / 4.0
    }

    /// The standard deviation of the rounding errors in the function's values within `reach`, as
    /// sixth divided differences show them: those of the function itself vanish with the sixth
    /// power of the reach. A kink on one side would look like noise, so the quieter side counts.
    fn noise(&mut self, reach: f64) -> f64 {
        let [left, right] = [-reach, reach].map(|reach| {
            let points = NODES.map(|node| self.x + node * reach);
            let values = points.map(&mut self.value);
            let largest = values.iter().fold(0.0, |largest, value| value.abs().max(largest));
            // At least what rounding the result itself amounts to.
            let least = f64::EPSILON / 2.0 * largest;
            let windows = points.windows(7).zip(values.windows(7));
            windows.map(|(points, values)| noise_in(points, values)).fold(least, f64::max)
        });
        left.min(right)
    }
}

/// At irregular distances, as rounding errors at regular ones may be regular.
const NODES: [f64; 12] = [0.06, 0.17, 0.21, 0.32, 0.39, 0.47, 0.56, 0.61, 0.72, 0.82, 0.89, 1.0];

/// The divided difference of some values, which would be about 0, over what it amounts to for values
/// with independent errors of variance 1.
fn noise_in(points: &[f64], values: &[f64]) -> f64 {
    let (mut difference, mut variance) = (0.0, 0.0);
    for (i, (x, value)) in points.iter().zip(values).enumerate() {
        let others = points.iter().enumerate().filter(|&(j, _)| j != i);
        let weight = 1.0 / others.map(|(_, other)| x - other).product::<f64>();
        difference += weight * value;
        variance += weight * weight;
    }
    difference.abs() / variance.sqrt()
}
