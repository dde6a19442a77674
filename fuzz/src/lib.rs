//! What the fuzz targets share: numbers and matrices decoded from the fuzzer's bytes, and what a
//! kernel may make of them. The bounds are those of the tests.

pub mod expect;
pub mod extents;
pub mod loss;
pub mod matrix;
pub mod numbers;

#[path = "../../tests/common/bounds.rs"]
pub mod bounds;
#[path = "../../tests/common/mlp_bounds.rs"]
pub mod mlp_bounds;

pub use arbitrary::{Error, Result, Unstructured};
pub use expect::Expected;
pub use extents::extents;
pub use matrix::Strided;
pub use numbers::{Bits, Numbers};

/// Runs a target's check on the fuzzer's bytes, in `f32` or `f64` as the first of them says. Bytes
/// that decode to nothing are not kept in the corpus.
#[macro_export]
macro_rules! fuzz_floats {
    ($check:ident) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| -> libfuzzer_sys::Corpus {
            let mut bytes = $crate::Unstructured::new(data);
            let checked = match bytes.ratio(1, 2) {
                Ok(true) => $check::<f32>(&mut bytes),
                Ok(false) => $check::<f64>(&mut bytes),
                Err(error) => Err(error),
            };
            match checked {
                Ok(()) => libfuzzer_sys::Corpus::Keep,
                Err(_) => libfuzzer_sys::Corpus::Reject,
            }
        });
    };
}
