//! How exact products are: the worst |c − reference| / (ε·(|α|·|A|·|B| + |β|·|C|)) over shapes up to
//! 1024³, on random data and on data made to be hard. `cargo test --test gemm_error -- --nocapture`
//! prints it for each kind of data; `GRADKERN_ISA` chooses the instruction set.
//!
//! The reference has twice the precision of `f64` (Ogita, Rump, Oishi, *Accurate Sum and Dot
//! Product*, 2005). Of the largest products some rows are compared: as many as make a million
//! elements' terms quick to sum, spread over all tiles.

mod common;

use common::Random;
use gradkern::gemm::gemm;
use gradkern::isa::{self, Isa};
use gradkern::{Float, MatMut, MatRef, Par};

/// What A and B hold.
#[derive(Clone, Copy, Debug)]
enum Data {
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

/// What is promised of random data, and kept on some that is hard.
const RANDOM: f64 = 4.0;

/// What netlib's BLAS testers allow of any data. Where partial sums keep the size of the whole, each
/// step of one sum rounds by as much, and the errors add up like the root of their number: 64 steps in
/// a row reach 4 already.
const ANY: f64 = 16.0;

/// Half of that where sums are taken in groups of at most 128 additions: by the crate's own engine.
const ANY_IN_GROUPS: f64 = 8.0;

const ALL: [Data; 5] =
    [Data::Symmetric, Data::Positive, Data::Magnitudes, Data::Cancelling, Data::HugeBetween];

impl Data {
    /// The largest ratio allowed. Magnitudes are spread so far that few terms are of the size at which
    /// `f32` rounds; more are for `f64`.
    fn limit<T: Float>(self) -> f64 {
        let is_f32 = size_of::<T>() == 4;
        match (self, isa::current().unwrap()) {
            (Data::Symmetric | Data::Cancelling, _) => RANDOM,
            (_, Isa::Portable) => ANY,
            (Data::Positive, _) => RANDOM,
            (Data::Magnitudes, _) if is_f32 => RANDOM,
            _ => ANY_IN_GROUPS,
        }
    }

    /// Element `p` of k of a row of A.
    fn of_a(self, random: &mut Random, p: usize, k: usize) -> f64 {
        match self {
            Data::Positive => random.unit(),
            Data::Magnitudes => random.symmetric(2.0) * 2.0_f64.powi(random.below(61) as i32 - 30),
            Data::Cancelling if p % 2 == 1 => -1.0 - 1e-6 * random.unit(),
            Data::Cancelling => 1.0,
            Data::HugeBetween if p == 0 => 1e4,
            Data::HugeBetween if p + 1 == k => -1e4,
            Data::Symmetric | Data::HugeBetween => random.symmetric(1.0),
        }
    }

    /// Element of B at step `p`, where `above` is the one before it in its column.
    fn of_b(self, random: &mut Random, p: usize, k: usize, above: f64) -> f64 {
        match self {
            Data::Cancelling if p % 2 == 1 => above,
            Data::Cancelling => random.symmetric(1.0),
            Data::HugeBetween if p == 0 || p + 1 == k => 1.0,
            _ => self.of_a(random, p, k),
        }
    }
}

/// A product with α, β and what C held.
struct Product<T> {
    shape: (usize, usize, usize),
    alpha: T,
    beta: T,
    a: Vec<T>,
    b: Vec<T>,
    c: Vec<T>,
}

impl<T: Float> Product<T> {
    fn new(data: Data, shape: (usize, usize, usize), (alpha, beta): (f64, f64)) -> Self {
        let (m, k, n) = shape;
        let mut random = Random::new((m * 7919 + k * 31 + n) as u64);
        let a = (0..m * k).map(|i| T::from_f64(data.of_a(&mut random, i % k, k))).collect();
        let mut b: Vec<T> = Vec::with_capacity(k * n);
        for i in 0..k * n {
            let above = if i < n { 0.0 } else { b[i - n].to_f64() };
            b.push(T::from_f64(data.of_b(&mut random, i / n, k, above)));
        }
        let c = (0..m * n).map(|_| T::from_f64(random.symmetric(1.0))).collect();
        Product { shape, alpha: T::from_f64(alpha), beta: T::from_f64(beta), a, b, c }
    }

    fn multiply(&self) -> Vec<T> {
        let (m, k, n) = self.shape;
        let mut c = self.c.clone();
        let a = MatRef::new(&self.a, m, k).unwrap();
        let b = MatRef::new(&self.b, k, n).unwrap();
        gemm(self.alpha, a, b, self.beta, MatMut::new(&mut c, m, n).unwrap(), Par::Seq).unwrap();
        c
    }

    /// The largest error of `found`, in units of ε times the terms' magnitudes.
    fn worst(&self, found: &[T]) -> f64 {
        let (m, k, n) = self.shape;
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
                worst = worst.max(error / (T::EPSILON.to_f64() * size));
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

const SHAPES: [(usize, usize, usize); 8] = [
    (1024, 1024, 1024),
    (130, 784, 513),
    (1, 1024, 1024),
    (1023, 1000, 10),
    (12, 16_384, 4),
    (7, 300, 33),
    (300, 3, 64),
    (64, 64, 64),
];

/// Asserts that the worst ratio of each kind of data is within its limit.
fn check_ratios<T: Float>() {
    for data in ALL {
        let mut worst = 0.0_f64;
        for shape in SHAPES {
            for factors in [(1.0, 0.0), (-0.5, 1.0)] {
                let product = Product::<T>::new(data, shape, factors);
                worst = worst.max(product.worst(&product.multiply()));
            }
        }
        let (isa, name) = (isa::current().unwrap().name(), std::any::type_name::<T>());
        println!("{name}, {isa}, {data:?}: {worst:.2} of {}", data.limit::<T>());
        assert!(worst <= data.limit::<T>());
    }
}

#[test]
fn errors_of_f32() {
    check_ratios::<f32>();
}

#[test]
fn errors_of_f64() {
    check_ratios::<f64>();
}

/// One element in a million, wrong by five units, is noticed.
#[test]
fn a_wrong_element_is_found() {
    let product = Product::<f32>::new(Data::Symmetric, (1024, 64, 1024), (1.0, 0.0));
    let mut found = product.multiply();
    assert!(product.worst(&found) <= RANDOM);
    let (m, k, n) = product.shape;
    let (row, col) = (m / 2, n - 1);
    let terms = (0..k).map(|p| product.a[row * k + p] * product.b[p * n + col]);
    let size: f32 = terms.map(f32::abs).sum();
    found[row * n + col] += 5.0 * f32::EPSILON * size;
    assert!(product.worst(&found) > RANDOM);
}
