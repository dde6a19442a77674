//! How exact products are: the worst |c − reference| / (ε·(|α|·|A|·|B| + |β|·|C|)) over shapes up to
//! 1024³, on random data and on data made to be hard. `cargo test --release --test gemm_error -- --nocapture`
//! prints it for each kind of data; `GRADKERN_ISA` chooses the instruction set.

mod common;

use common::hard_products::{Data, MANY, Product, SHAPES, Shape};
use gradkern::gemm::gemm;
use gradkern::isa::{self, Isa};
use gradkern::{Float, MatMut, MatRef, Par};

/// What is promised of random data, and kept on most that is hard.
const RANDOM: f64 = 4.0;

/// What the crate's own engine keeps on the hardest data. Where partial sums keep the size of the whole, each step
/// of one sum rounds by as much, and the errors add up like the root of their number: 64 steps in a row reach 4.
const HARDEST: f64 = 5.0;

/// What the portable engine keeps on it: the groups of `f64` have 64 steps there, too, and are added in order.
const HARDEST_PORTABLE: f64 = 6.0;

/// The largest ratio allowed, pinned after measuring. `f64` has shorter groups than `f32` in the own engine; with
/// magnitudes far apart, more terms are of the size at which it rounds.
fn limit<T: Float>(data: Data, shape: Shape) -> f64 {
    let is_f32 = size_of::<T>() == 4;
    match (data, isa::current().unwrap()) {
        (Data::Symmetric | Data::Positive | Data::Cancelling, _) => RANDOM,
        (Data::Magnitudes, _) if is_f32 => RANDOM,
        (_, Isa::Portable) => HARDEST_PORTABLE,
        (Data::HugeBetween, _) if is_f32 => HARDEST,
        (Data::Magnitudes, _) if shape == MANY => HARDEST,
        _ => RANDOM,
    }
}

fn multiply<T: Float>(product: &Product<T>) -> Vec<T> {
    let (m, k, n) = product.shape;
    let mut c = product.c.clone();
    let a = MatRef::new(&product.a, m, k).unwrap();
    let b = MatRef::new(&product.b, k, n).unwrap();
    let view = MatMut::new(&mut c, m, n).unwrap();
    gemm(product.alpha, a, b, product.beta, view, Par::Seq).unwrap();
    c
}

/// Asserts that the worst ratio of each kind of data is within its limit.
fn check_ratios<T: Float>() {
    let (isa, name) = (isa::current().unwrap().name(), std::any::type_name::<T>());
    for data in Data::ALL {
        for (kind, shapes) in SHAPES {
            let mut worst = 0.0_f64;
            for &shape in shapes {
                for factors in [(1.0, 0.0), (-0.5, 1.0)] {
                    let product = Product::<T>::new(data, shape, factors);
                    worst = worst.max(product.worst(&multiply(&product)));
                }
            }
            let limit = limit::<T>(data, shapes[0]);
            println!("{name}, {isa}, {data:?}{kind}: {worst:.2} of {limit}");
            assert!(worst <= limit);
        }
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

/// One element in a million, wrong by five units or NaN, is noticed.
#[test]
fn a_wrong_element_is_found() {
    let product = Product::<f32>::new(Data::Symmetric, (1024, 64, 1024), (1.0, 0.0));
    let mut found = multiply(&product);
    assert!(product.worst(&found) <= RANDOM);
    let (m, k, n) = product.shape;
    let (row, col) = (m / 2, n - 1);
    let terms = (0..k).map(|p| product.a[row * k + p] * product.b[p * n + col]);
    let size: f32 = terms.map(f32::abs).sum();
    found[row * n + col] += 5.0 * f32::EPSILON * size;
    assert!(product.worst(&found) > RANDOM);
    found[row * n + col] = f32::NAN;
    assert!(product.worst(&found) > RANDOM);
}
