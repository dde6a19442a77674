//! Products whose rounding errors are large, and how large they are: the worst
//! |c − reference| / (ε·(|α|·|A|·|B| + |β|·|C|)).
//!
//! The reference has twice the precision of `f64` (Ogita, Rump, Oishi, *Accurate Sum and Dot
//! Product*, 2005). Of the largest products some rows are compared: as many as make a million
//! elements' terms quick to sum, spread over all tiles.
//!
//! `benches/peers` takes this file, too, for other libraries' products.

use gradkern::{Float, Rng};

/// m, k, n.
pub type Shape = (usize, usize, usize);

const UP_TO_1024: [Shape; 9] = [
    (1024, 1024, 1024),
    (130, 784, 513),
    (1, 1024, 1024),
    (8, 1024, 1024),
    (1023, 1000, 10),
    (12, 16_384, 4),
    (7, 300, 33),
    (300, 3, 64),
    (64, 64, 64),
];

/// Many elements, each a sum of few groups: where groups help least.
const MANY: Shape = (2000, 128, 200);

/// The shapes that are looked at, and what is said of them.
pub const SHAPES: [(&str, &[Shape]); 2] = [("", &UP_TO_1024), (", 400,000 sums of 128", &[MANY])];

/// What A and B hold.
#[derive(Clone, Copy, Debug)]
pub enum Data {
    /// Uniform in [−1, 1).
    Symmetric,
    /// Uniform in [0, 1): partial sums only grow.
    Positive,
    /// Of either sign and any size between 2^−30 and 2^30.
    Magnitudes,
    /// Steps of k in pairs, whose terms cancel but for the last of 20 bits.
    Cancelling,
    /// One huge term at the start, its opposite at the end, and ordinary ones between, all of which
    /// are added to something huge.
    HugeBetween,
}

impl Data {
    pub const ALL: [Data; 5] =
        [Data::Symmetric, Data::Positive, Data::Magnitudes, Data::Cancelling, Data::HugeBetween];

    /// Element `p` of k of a row of A.
    fn of_a(self, random: &mut Rng, p: usize, k: usize) -> f64 {
        match self {
            Data::Positive => random.uniform(),
            Data::Magnitudes => {
                2.0 * symmetric(random) * 2.0_f64.powi(random.below(61) as i32 - 30)
            }
            Data::Cancelling if p % 2 == 1 => -1.0 - 1e-6 * random.uniform(),
            Data::Cancelling => 1.0,
            Data::HugeBetween if p == 0 => 1e4,
            Data::HugeBetween if p + 1 == k => -1e4,
            Data::Symmetric | Data::HugeBetween => symmetric(random),
        }
    }

    /// Element of B at step `p`, where `above` is the one before it in its column.
    fn of_b(self, random: &mut Rng, p: usize, k: usize, above: f64) -> f64 {
        match self {
            Data::Cancelling if p % 2 == 1 => above,
            Data::Cancelling => symmetric(random),
            Data::HugeBetween if p == 0 || p + 1 == k => 1.0,
            _ => self.of_a(random, p, k),
        }
    }
}

/// Uniform in [−1, 1).
fn symmetric(random: &mut Rng) -> f64 {
    2.0 * random.uniform() - 1.0
}

/// A product with α, β and what C held.
pub struct Product<T> {
    pub shape: Shape,
    pub alpha: T,
    pub beta: T,
    /// Row by row, as B and C.
    pub a: Vec<T>,
    pub b: Vec<T>,
    pub c: Vec<T>,
}

impl<T: Float> Product<T> {
    /// The `draw`-th of all that are made of such data.
    pub fn new(draw: u64, data: Data, shape: Shape, (alpha, beta): (f64, f64)) -> Self {
        let (m, k, n) = shape;
        let mut random = Rng::new(1_000_003 * draw + (m * 7919 + k * 31 + n) as u64);
        let a = (0..m * k).map(|i| T::from_f64(data.of_a(&mut random, i % k, k))).collect();
        let mut b: Vec<T> = Vec::with_capacity(k * n);
        for i in 0..k * n {
            let above = if i < n { 0.0 } else { b[i - n].to_f64() };
            b.push(T::from_f64(data.of_b(&mut random, i / n, k, above)));
        }
        let c = (0..m * n).map(|_| T::from_f64(symmetric(&mut random))).collect();
        Product { shape, alpha: T::from_f64(alpha), beta: T::from_f64(beta), a, b, c }
    }

    /// The largest error of `found`, in units of ε times the terms' magnitudes; infinite where it is NaN.
    pub fn worst(&self, found: &[T]) -> f64 {
        let (m, k, n) = self.shape;
        assert_eq!(found.len(), m * n);
        let most_rows = (1 << 26) / (k * n).max(1);
        // An odd step, so that every row of a tile is met.
        let step = if m <= most_rows { 1 } else { m.div_ceil(most_rows) | 1 };
        let (alpha, beta) = (self.alpha.to_f64(), self.beta.to_f64());
        let mut worst = 0.0_f64;
        for row in (0..m).step_by(step) {
            let mut sums = Sums::new(n);
            for p in 0..k {
                sums.add(alpha, self.a[row * k + p].to_f64(), &self.b[p * n..][..n]);
            }
            for col in 0..n {
                let old = beta * self.c[row * n + col].to_f64();
                let exact = (sums.sum[col] + old) + sums.lost[col];
                let size = sums.size[col] + old.abs();
                let error = (found[row * n + col].to_f64() - exact).abs();
                let ratio = if error == 0.0 { 0.0 } else { error / (T::EPSILON.to_f64() * size) };
                worst = worst.max(if ratio.is_nan() { f64::INFINITY } else { ratio });
            }
        }
        worst
    }
}

/// A row of sums as if with twice the precision, and of the terms' magnitudes.
struct Sums {
    sum: Vec<f64>,
    lost: Vec<f64>,
    size: Vec<f64>,
}

impl Sums {
    fn new(n: usize) -> Self {
        Sums { sum: vec![0.0; n], lost: vec![0.0; n], size: vec![0.0; n] }
    }

    /// Adds α·x·y for each y. α·x is exact, since α has a single bit.
    fn add<T: Float>(&mut self, alpha: f64, x: f64, row: &[T]) {
        let x = alpha * x;
        let (x_high, x_low) = halves(x);
        let sums = self.sum.iter_mut().zip(&mut self.lost).zip(&mut self.size);
        for (((sum, lost), size), y) in sums.zip(row) {
            let y = y.to_f64();
            let (y_high, y_low) = halves(y);
            let product = x * y;
            let rounding =
                x_low * y_low - (((product - x_high * y_high) - x_low * y_high) - x_high * y_low);
            let next = *sum + product;
            let part = next - *sum;
            *lost += (*sum - (next - part)) + (product - part) + rounding;
            *sum = next;
            *size += product.abs();
        }
    }
}

/// x as a sum of two numbers of half as many bits (Dekker, Veltkamp).
fn halves(x: f64) -> (f64, f64) {
    let scaled = 134_217_729.0 * x;
    let high = scaled - (scaled - x);
    (high, x - high)
}
