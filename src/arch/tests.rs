//! Every operation of every token this processor has, lane by lane against plain Rust.

use super::{Kernel, Simd, Token};
use crate::float::Float;
use crate::isa::{self, Isa};
use std::ops::RangeInclusive;

/// Runs one kernel, made anew, on every token.
fn on_every_token<T: Float, K: Kernel<T>>(kernel: impl Fn(Isa) -> K) {
    for isa in isa::available() {
        Token::new(isa).unwrap().run(kernel(isa));
    }
}

/// Equal, taking all NaN for one and telling −0 from 0.
fn same<T: Float>(a: T, b: T) -> bool {
    let sign = |x: T| T::ONE / x < T::ZERO;
    (a.is_nan() && b.is_nan()) || (a == b && (a != T::ZERO || sign(a) == sign(b)))
}

/// Numbers of every kind: zeros, subnormals, ordinary ones, huge ones, infinities, NaN.
fn numbers<T: Float>() -> Vec<T> {
    let positive =
        [0.0, 0.25, 1.0, 1.5, 2.0, std::f64::consts::E, 1e-3, 3e5, 1e30].map(T::from_f64);
    let tiny = T::MIN_POSITIVE * T::EPSILON;
    let subnormal = T::MIN_POSITIVE * T::from_f64(0.37);
    let huge = T::ONE / T::MIN_POSITIVE;
    let special = [tiny, subnormal, T::MIN_POSITIVE, huge * (huge / (huge + huge) + T::ONE)];
    let mut all: Vec<T> = positive.into_iter().chain(special).chain([T::INFINITY]).collect();
    all.extend(all.clone().into_iter().map(|x| -x));
    all.push(T::NAN);
    all
}

/// All triples of `numbers`, as three columns of one length.
fn triples<T: Float>() -> [Vec<T>; 3] {
    let numbers = numbers::<T>();
    let mut columns = [vec![], vec![], vec![]];
    for &a in &numbers {
        for &b in &numbers {
            for &c in &numbers {
                columns[0].push(a);
                columns[1].push(b);
                columns[2].push(c);
            }
        }
    }
    columns
}

/// Compares an operation of three vectors with one of three numbers.
fn check<T: Float, S: Simd<T>>(
    s: S,
    name: &str,
    columns: &[Vec<T>; 3],
    vector: impl Fn(S::V, S::V, S::V) -> S::V,
    right: impl Fn([T; 3], T) -> bool,
) {
    let len = columns[0].len();
    let mut found = [T::ZERO; 16];
    for start in (0..len).step_by(S::LANES) {
        let end = len.min(start + S::LANES);
        let [a, b, c] = [0, 1, 2].map(|i| s.load_first(&columns[i][start..end]));
        s.store_first(vector(a, b, c), &mut found[..end - start]);
        for (i, &x) in (start..end).zip(&found) {
            let arguments = [columns[0][i], columns[1][i], columns[2][i]];
            assert!(right(arguments, x), "{name}{arguments:?} = {x:?} on {}", type_name::<S>());
        }
    }
}

fn type_name<S>() -> &'static str {
    std::any::type_name::<S>()
}

struct Arithmetic<'a, T> {
    isa: Isa,
    columns: &'a [Vec<T>; 3],
    fused: fn(T, T, T) -> T,
}

impl<T: Float> Kernel<T> for Arithmetic<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let columns = self.columns;
        let choose = |yes, v, other| if yes { v } else { other };
        let portable = self.isa == Isa::Portable;
        let fused = |a: T, b: T, c: T, x: T| {
            same(x, (self.fused)(a, b, c)) || (portable && same(x, a * b + c))
        };
        check(s, "add", columns, |a, b, _| s.add(a, b), |[a, b, _], x| same(x, a + b));
        check(s, "sub", columns, |a, b, _| s.sub(a, b), |[a, b, _], x| same(x, a - b));
        check(s, "mul", columns, |a, b, _| s.mul(a, b), |[a, b, _], x| same(x, a * b));
        check(s, "div", columns, |a, b, _| s.div(a, b), |[a, b, _], x| same(x, a / b));
        check(s, "sqrt", columns, |a, _, _| s.sqrt(a), |[a, _, _], x| same(x, a.sqrt()));
        check(
            s,
            "mul_add",
            columns,
            |a, b, c| s.mul_add(a, b, c),
            |[a, b, c], x| fused(a, b, c, x),
        );
        for x in numbers::<T>() {
            let mut elements = [T::ONE; 14];
            (elements[0], elements[13]) = (x, -x);
            let elements = elements.as_ptr();
            // SAFETY: there are 14.
            let first = |_, b, c| unsafe { s.mul_add_nth::<0>(elements, b, c) };
            check(s, "mul_add_nth", columns, first, |[_, b, c], y| fused(x, b, c, y));
            // SAFETY: as above.
            let last = |_, b, c| unsafe { s.mul_add_nth::<13>(elements, b, c) };
            check(s, "mul_add_nth", columns, last, |[_, b, c], y| fused(-x, b, c, y));
        }
        check(
            s,
            "neg_mul_add",
            columns,
            |a, b, c| s.neg_mul_add(a, b, c),
            |[a, b, c], x| fused(-a, b, c, x),
        );
        check(
            s,
            "max",
            columns,
            |a, b, _| s.max(a, b),
            |[a, b, _], x| same(x, choose(a > b, a, b)),
        );
        check(
            s,
            "min",
            columns,
            |a, b, _| s.min(a, b),
            |[a, b, _], x| same(x, choose(a < b, a, b)),
        );
        check(
            s,
            "where_positive",
            columns,
            |a, b, _| s.where_positive(a, b),
            |[a, b, _], x| same(x, choose(a > T::ZERO, b, T::ZERO)),
        );
        check(
            s,
            "where_equal",
            columns,
            |a, b, c| s.where_equal(a, b, c, a),
            |[a, b, c], x| same(x, choose(a == b, c, a)),
        );
    }
}

#[test]
fn arithmetic_and_selection_are_those_of_plain_rust() {
    let columns = &triples();
    on_every_token::<f32, _>(|isa| Arithmetic { isa, columns, fused: f32::mul_add });
    let columns = &triples();
    on_every_token::<f64, _>(|isa| Arithmetic { isa, columns, fused: f64::mul_add });
}

/// The operations that hold for some numbers only, each with numbers it holds for.
struct Exponents<T> {
    /// The exponents n of `scale_by_power_of_two`.
    exponents: RangeInclusive<i32>,
    power_of_two: fn(i32) -> T,
}

impl<T: Float> Exponents<T> {
    /// x · 2ⁿ by products with powers of two that are in range, the last of which may round.
    fn scaled(&self, x: T, n: i32) -> T {
        let (half, quarter) = (n / 2, n / 4);
        let first = x * (self.power_of_two)(quarter) * (self.power_of_two)(half - quarter);
        first * (self.power_of_two)(n - half)
    }
}

impl<T: Float> Kernel<T> for Exponents<T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let number = |n: i32| T::from_f64(f64::from(n));
        let mut columns = [vec![], vec![], vec![]];
        for n in self.exponents.clone() {
            for x in [0.5, 0.750_000_1, 1.0, 1.000_000_3, 1.4, 1.999].map(T::from_f64) {
                for x in [x, -x] {
                    columns[0].push(x);
                    columns[1].push(T::SHIFT + number(n));
                    columns[2].push(self.scaled(x, n));
                }
            }
        }
        let scale = |x, shifted, _| s.scale_by_power_of_two(x, shifted);
        check(s, "scale_by_power_of_two", &columns, scale, |[_, _, right], x| same(x, right));

        // 0 is stored with the exponent 0, the smallest normal number with 1.
        let smallest = 2 - self.exponents.end();
        let powers: Vec<i32> = (smallest - 1..*self.exponents.end()).collect();
        columns[0] = powers.iter().map(|&n| T::SHIFT + T::ONE + number(n)).collect();
        columns[1] = powers.iter().map(|&n| (self.power_of_two)(n)).collect();
        columns[1][0] = T::ZERO;
        columns[2] = columns[1].clone();
        let power = |shifted, _, _| s.power_of_two(shifted);
        check(s, "power_of_two", &columns, power, |[_, right, _], x| same(x, right));

        let round = |x, _, _| s.round_small(x);
        for i in -70..=70 {
            let (down, up) = (number(i), number(i + 1));
            let even = if i % 2 == 0 { down } else { up };
            let x = |part: f64| down + T::from_f64(part);
            columns[0] = vec![x(0.0), x(0.25), x(0.499), x(0.5), x(0.501), x(0.75)];
            columns[1] = vec![down, down, down, even, up, up];
            check(s, "round_small", &columns, round, |[_, right, _], x| x == right);
        }

        columns = [vec![], vec![], vec![]];
        for mantissa in [0.707_2, 0.75, 0.999_999, 1.0, 1.000_001, 1.25, 1.414].map(T::from_f64) {
            for n in self.exponents.start() / 2 + 1..*self.exponents.end() {
                columns[0].push(self.scaled(mantissa, n));
                columns[1].push(mantissa);
                columns[2].push(number(n));
            }
        }
        let split = |x, _, _| s.split_exponent(x).0;
        check(s, "split_exponent.0", &columns, split, |[_, right, _], x| x == right);
        let split = |x, _, _| s.split_exponent(x).1;
        check(s, "split_exponent.1", &columns, split, |[_, _, right], x| x == right);
    }
}

#[test]
fn exponents_are_added_and_split_off() {
    on_every_token::<f32, _>(|_| Exponents {
        exponents: -251..=128,
        power_of_two: |n| 2_f32.powi(n),
    });
    on_every_token::<f64, _>(|_| Exponents {
        exponents: -2043..=1024,
        power_of_two: |n| 2_f64.powi(n),
    });
}

/// Loads, stores and reductions at every length.
struct Lanes;

impl<T: Float> Kernel<T> for Lanes {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let lanes = S::LANES;
        let number = |i: usize| T::from_f64(i as f64 + 1.0);
        let from: Vec<T> = (0..lanes + 1).map(number).collect();
        let untouched = T::from_f64(-7.0);
        let mut to = vec![untouched; lanes + 1];
        s.store(s.load(&from[1..]), &mut to);
        assert!((0..lanes).all(|i| to[i] == number(i + 1)) && to[lanes] == untouched);
        s.store(s.splat(T::ONE), &mut to);
        assert!(to[..lanes].iter().all(|&x| x == T::ONE));
        for len in 0..=lanes {
            // An exact allocation, so that a checker of memory sees a read or write past its end.
            let exact = from[..len].to_vec().into_boxed_slice();
            s.store(s.load_first(&exact), &mut to);
            let right = |i| if i < len { number(i) } else { T::ZERO };
            assert!((0..lanes).all(|i| to[i] == right(i)), "{to:?}");
            s.store(s.load_first_or(&exact, s.splat(untouched)), &mut to);
            let right = |i| if i < len { number(i) } else { untouched };
            assert!((0..lanes).all(|i| to[i] == right(i)), "{to:?}");
            to.fill(untouched);
            s.store_first(s.load(&from), &mut to[..len]);
            assert!((0..=lanes).all(|i| to[i] == right(i)), "{to:?}");
        }
        let whole = lanes * (lanes + 1) / 2;
        assert_eq!(s.reduce_add(s.load(&from)), T::from_f64(whole as f64));
        for largest in 0..lanes {
            let values: Vec<T> =
                (0..lanes).map(|i| -number((i + lanes - largest) % lanes)).collect();
            assert_eq!(s.reduce_max(s.load(&values)), -T::ONE, "{values:?}");
            let (values, highest) = (s.load(&values), s.splat(-T::ONE));
            assert!(s.any_equal(values, highest) && s.any_equal(highest, values));
            assert!(!s.any_equal(values, s.splat(T::ONE)));
        }
        assert!(!s.any_equal(s.splat(T::NAN), s.splat(T::NAN)));
    }
}

#[test]
fn lanes_are_loaded_stored_and_reduced() {
    on_every_token::<f32, _>(|_| Lanes);
    on_every_token::<f64, _>(|_| Lanes);
}

/// Columns moved between rows and vectors, for every number of rows and columns.
struct Columns;

impl<T: Float> Kernel<T> for Columns {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let number = |i: usize| T::from_f64(i as f64 + 1.0);
        for (rows, cols) in (1..=S::LANES).flat_map(|r| (1..=S::COLUMNS).map(move |c| (r, c))) {
            for (stride, readable) in [(cols, cols), (cols + 3, cols), (cols + 3, cols + 3)] {
                let len = (rows - 1) * stride + readable;
                let from: Box<[T]> = (0..len).map(number).collect();
                let mut vectors = vec![T::NAN; S::COLUMNS * S::LANES];
                // SAFETY: the last row ends with the slice; there are COLUMNS vectors.
                unsafe {
                    let (from, to) = (from.as_ptr(), vectors.as_mut_ptr());
                    s.load_columns_ptr(from, stride, rows, (cols, readable), to);
                }
                for (i, &x) in vectors[..cols * S::LANES].iter().enumerate() {
                    let (c, r) = (i / S::LANES, i % S::LANES);
                    let right = if r < rows { from[r * stride + c] } else { T::ZERO };
                    assert_eq!(x, right, "{rows} rows of {cols}, {}", type_name::<S>());
                }
                let untouched = T::from_f64(-7.0);
                let mut to = vec![untouched; (rows - 1) * stride + cols].into_boxed_slice();
                // SAFETY: there are COLUMNS vectors; the last row ends with the slice.
                unsafe {
                    s.store_columns_ptr(vectors.as_ptr(), to.as_mut_ptr(), stride, rows, cols)
                };
                for (i, &x) in to.iter().enumerate() {
                    let right = if i % stride < cols { from[i] } else { untouched };
                    assert_eq!(x, right, "{rows} rows of {cols}, {}", type_name::<S>());
                }
            }
        }
    }
}

#[test]
fn columns_are_moved_to_vectors_and_back() {
    on_every_token::<f32, _>(|_| Columns);
    on_every_token::<f64, _>(|_| Columns);
}

/// The number of tokens tested is the number of instruction sets that the processor reports, so
/// that a token which is never made does not pass unseen.
#[test]
#[cfg(target_arch = "x86_64")]
fn tokens_are_made_where_the_processor_has_them() {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    assert_eq!(Token::new(Isa::Avx2).is_some(), avx2);
    let avx512 = avx2
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    assert_eq!(Token::new(Isa::Avx512).is_some(), avx512);
    for isa in isa::available() {
        assert_eq!(Token::new(isa).map(Token::isa), Some(isa));
    }
}
