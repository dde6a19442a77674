//! The seeded random numbers that weights, data sets and the order of samples are drawn from.
//!
//! What each method draws is part of the crate's promise: a seed gives the same numbers in every
//! release that does not say otherwise in its change log. So only the generator and the normal
//! distribution come from other crates; the rest is defined here, and a test pins them all.

use rand::{Rng as _, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A random number generator: Xoshiro256++ (Blackman and Vigna, *Scrambled Linear Pseudorandom
/// Number Generators*, 2021), its state filled from a seed by SplitMix64.
///
/// A seed gives the same numbers on every platform; only normal values beyond ±3.65, one in four
/// thousand, may differ in their last bit, where the platform's `ln` does. Not for cryptography.
///
/// ```
/// use gradkern::Rng;
///
/// let mut rng = Rng::new(0);
/// let mut order: Vec<usize> = (0..10).collect();
/// rng.shuffle(&mut order);
/// assert!((0.0..1.0).contains(&rng.uniform()));
/// assert!(rng.below(10) < 10);
/// assert_eq!(Rng::new(7).normal(), Rng::new(7).normal());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng(Xoshiro256PlusPlus);

impl Rng {
    /// The generator of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Rng(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A value of the standard normal distribution N(0, 1), by the ziggurat method.
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// A value in [0, 1): one of the 2⁵³ multiples of 2⁻⁵³, each as likely as the others.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (f64::EPSILON / 2.0)
    }

    /// An index in `0..n`, each as likely as the others; 0 where `n` is 0, as there is none.
    ///
    /// By multiplication with rejection (Lemire, *Fast Random Integer Generation in an Interval*,
    /// 2019).
    pub fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        // The 2⁶⁴ numbers fall into n intervals; those in the first 2⁶⁴ mod n places of an interval
        // are drawn again, which leaves as many in each.
        let mut product = u128::from(self.0.next_u64()) * u128::from(n);
        if (product as u64) < n {
            let rejected = n.wrapping_neg() % n;
            while (product as u64) < rejected {
                product = u128::from(self.0.next_u64()) * u128::from(n);
            }
        }
        (product >> 64) as usize
    }

    /// Puts the elements in random order, each order as likely as the others (Fisher–Yates, from
    /// the last element to the second, one [`below`](Self::below) each).
    pub fn shuffle<V>(&mut self, values: &mut [V]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64 as Vigna published it.
    fn splitmix64(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Xoshiro256++ as Blackman and Vigna published it.
    fn xoshiro256plusplus(s: &mut [u64; 4]) -> u64 {
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    #[test]
    fn the_generator_is_xoshiro256plusplus_seeded_by_splitmix64() {
        // Outputs of the authors' C programs for the seed 1234567 and for the state 1, 2, 3, 4.
        let mut seed = 1_234_567;
        assert_eq!(
            [splitmix64(&mut seed), splitmix64(&mut seed), splitmix64(&mut seed)],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
        let mut state = [1, 2, 3, 4];
        let first: [u64; 5] = std::array::from_fn(|_| xoshiro256plusplus(&mut state));
        let expected = [
            41_943_041,
            58_720_359,
            3_588_806_011_781_223,
            3_591_011_842_654_386,
            9_228_616_714_210_784_205,
        ];
        assert_eq!(first, expected);

        for seed in [0, 1, 42, u64::MAX] {
            let mut splitmix = seed;
            let mut state = std::array::from_fn(|_| splitmix64(&mut splitmix));
            let mut rng = Rng::new(seed);
            for _ in 0..100 {
                assert_eq!(rng.0.next_u64(), xoshiro256plusplus(&mut state));
            }
        }
    }

    #[test]
    fn uniform_is_the_upper_53_bits() {
        let (mut rng, mut raw) = (Rng::new(3), Rng::new(3));
        for _ in 0..1000 {
            let u = rng.uniform();
            assert!((0.0..1.0).contains(&u));
            assert_eq!((u * 2f64.powi(53)) as u64, raw.0.next_u64() >> 11);
        }
    }

    #[test]
    fn below_is_even() {
        let mut rng = Rng::new(5);
        for n in [1, 2, 3, 7, 10] {
            let mut counts = vec![0_u32; n];
            let draws = 70_000;
            (0..draws).for_each(|_| counts[rng.below(n)] += 1);
            let mean = f64::from(draws) / n as f64;
            let sigma = (mean * (1.0 - 1.0 / n as f64)).sqrt();
            for count in counts {
                assert!((f64::from(count) - mean).abs() <= 5.0 * sigma, "{n}: {count}");
            }
        }
    }

    /// Without rejection, 4 numbers would share 3 indices, and every third index be drawn for two.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn below_rejects_what_would_favour_some_indices() {
        let n = 3 << 62;
        let mut rng = Rng::new(6);
        let draws = 30_000;
        let divisible = (0..draws).filter(|_| rng.below(n).is_multiple_of(3)).count() as f64;
        let (mean, sigma) = (draws as f64 / 3.0, (draws as f64 * 2.0 / 9.0).sqrt());
        assert!((divisible - mean).abs() <= 5.0 * sigma, "{divisible}");
    }

    #[test]
    fn below_nothing_is_0() {
        assert_eq!(Rng::new(0).below(0), 0);
        assert_eq!(Rng::new(0).below(1), 0);
    }

    #[test]
    fn normal_has_the_moments_of_the_normal_distribution() {
        let mut rng = Rng::new(8);
        let n = 200_000;
        let mut moments = [0.0; 4];
        for _ in 0..n {
            let x = rng.normal();
            (0..4).for_each(|k| moments[k] += x.powi(k as i32 + 1) / f64::from(n));
        }
        // The k-th power's variance is E x²ᵏ − (E xᵏ)²: 1, 2, 15, 96.
        let expected: [(f64, f64); 4] = [(0.0, 1.0), (1.0, 2.0), (0.0, 15.0), (3.0, 96.0)];
        for (k, (mean, variance)) in expected.into_iter().enumerate() {
            let sigma: f64 = (variance / f64::from(n)).sqrt();
            assert!((moments[k] - mean).abs() <= 5.0 * sigma, "moment {}: {}", k + 1, moments[k]);
        }
    }

    #[test]
    fn shuffle_draws_each_order_as_often() {
        let mut rng = Rng::new(9);
        let mut counts = std::collections::BTreeMap::new();
        let draws = 24_000;
        for _ in 0..draws {
            let mut order = [0, 1, 2, 3];
            rng.shuffle(&mut order);
            *counts.entry(order).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 24);
        let (mean, sigma) = (1000.0, (1000.0_f64 * 23.0 / 24.0).sqrt());
        for (order, count) in counts {
            assert!((f64::from(count) - mean).abs() <= 5.0 * sigma, "{order:?}: {count}");
        }
        rng.shuffle::<u8>(&mut []);
    }

    /// A failure here means that seeds no longer reproduce what earlier releases drew.
    #[test]
    fn a_seed_draws_what_it_always_drew() {
        let mut rng = Rng::new(0);
        let normal = [-0.29280329860470816, -0.7131206168144315, -0.1053211603531886];
        assert_eq!([rng.normal(), rng.normal(), rng.normal()], normal);
        let uniform = [0.011455508934653635, 0.49527006868383106, 0.020565239559745874];
        assert_eq!([rng.uniform(), rng.uniform(), rng.uniform()], uniform);
        let below: [usize; 8] = std::array::from_fn(|_| rng.below(100));
        assert_eq!(below, [85, 84, 29, 7, 31, 6, 10, 9]);
        let mut order = [0, 1, 2, 3, 4, 5, 6, 7];
        rng.shuffle(&mut order);
        assert_eq!(order, [6, 4, 5, 1, 7, 3, 2, 0]);
    }
}
