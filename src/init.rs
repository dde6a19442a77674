//! tmp
use crate::float::Float;
use crate::rng::Rng;
use crate::view::MatMut;
/// tmp
#[derive(Clone, Copy, Debug)]
pub enum Init {
    /// a
    Book,
    /// b
    HeNormal,
}
impl Init {
    /// tmp
    pub fn fill<T: Float>(self, mut weights: MatMut<'_, T>, rng: &mut Rng) {
        let std = match self {
            Init::Book => 0.01,
            Init::HeNormal => (2.0 / weights.rows() as f64).sqrt(),
        };
        for r in 0..weights.rows() {
            for c in 0..weights.cols() {
                weights.set(r, c, T::from_f64(std * rng.normal()));
            }
        }
    }
}
