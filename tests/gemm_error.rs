//! How exact products are: the worst |c − reference| / (ε·(|α|·|A|·|B| + |β|·|C|)) over shapes up to
//! 1024³, on random data and on data made to be hard. `cargo test --release --test gemm_error -- --nocapture`
//! prints it for each kind of data; `GRADKERN_ISA` chooses the instruction set, and `GRADKERN_DRAWS` how many
//! draws of each kind are looked at.

mod common;

use common::hard_products::{Data, Product, SHAPES, Shape};
use gradkern::gemm::gemm;
use gradkern::isa;
use gradkern::{Float, MatMut, MatRef, Par};

/// What is promised of all data but that with a huge term in `f32`.
const PROMISED: f64 = 4.0;

/// The largest ratio allowed. With a huge term, every step of a group of `f32` rounds by as much as the sum does:
/// that one is pinned to 20 draws.
fn limit<T: Float>(data: Data) -> f64 {
    let is_f32 = size_of::<T>() == 4;
    if is_f32 && matches!(data, Data::HugeBetween) { 5.0 } else { PROMISED }
}

/// How many draws of each kind of data are looked at.
fn draws() -> u64 {
    let draws = std::env::var("GRADKERN_DRAWS").map(|draws| draws.parse().expect("a number"));
    draws.unwrap_or(1).max(1)
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

/// The worst ratio of a draw of such data among products of such shapes.
fn worst_of_draw<T: Float>(draw: u64, data: Data, shapes: &[Shape]) -> f64 {
    let products = shapes.iter().flat_map(|&shape| {
        [(1.0, 0.0), (-0.5, 1.0)].map(|factors| Product::<T>::new(draw, data, shape, factors))
    });
    products.map(|product| product.worst(&multiply(&product))).fold(0.0, f64::max)
}

/// Asserts that the worst ratio of each kind of data is within its limit.
fn check_ratios<T: Float>() {
    let (isa, name) = (isa::current().unwrap().name(), std::any::type_name::<T>());
    for data in Data::ALL {
        let limit = limit::<T>(data);
        for (kind, shapes) in SHAPES {
            let mut worst: Vec<f64> =
                (0..draws()).map(|draw| worst_of_draw::<T>(draw, data, shapes)).collect();
            worst.sort_by(f64::total_cmp);
            let above = worst.iter().filter(|&&ratio| ratio > PROMISED).count();
            let (count, least, median) = (worst.len(), worst[0], worst[worst.len() / 2]);
            let most = worst[count - 1];
            println!(
                "{name}, {isa}, {data:?}{kind}: {least:.2} to {most:.2}, median {median:.2}, limit {limit}; \
                 {above} of {count} draws above {PROMISED}"
            );
            assert!(most <= limit);
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
    let product = Product::<f32>::new(0, Data::Symmetric, (1024, 64, 1024), (1.0, 0.0));
    let mut found = multiply(&product);
    assert!(product.worst(&found) <= PROMISED);
    let (m, k, n) = product.shape;
    let (row, col) = (m / 2, n - 1);
    let terms = (0..k).map(|p| product.a[row * k + p] * product.b[p * n + col]);
    let size: f32 = terms.map(f32::abs).sum();
    found[row * n + col] += 5.0 * f32::EPSILON * size;
    assert!(product.worst(&found) > PROMISED);
    found[row * n + col] = f32::NAN;
    assert!(product.worst(&found) > PROMISED);
}
