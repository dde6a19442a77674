//! The digits: read from the file embedded in the program, shuffled, split into train and test.
//!
//! Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning
//! Repository, CC BY 4.0; see `data/README.md`.

use gradkern::MatRef;
use gradkern::Rng;
use safetensors::{SafeTensorError, SafeTensors};

/// Pixels along a side of a digit.
pub const SIDE: usize = 8;
/// Pixels of a digit.
pub const PIXELS: usize = SIDE * SIDE;
/// The digits 0 to 9.
pub const CLASSES: usize = 10;

const FILE: &[u8] = include_bytes!("../../data/digits.safetensors");
const FULL_INK: f32 = 16.0;

/// Some digits and what they are.
#[derive(Default)]
pub struct Digits {
    /// A row of 64 pixels each, 0 for paper to 1 for full ink.
    pub pixels: Vec<f32>,
    /// 0 to 9.
    pub labels: Vec<u8>,
}

impl Digits {
    /// All of them, in the order of the file.
    pub fn load() -> Result<Self, SafeTensorError> {
        let file = SafeTensors::deserialize(FILE)?;
        let images = file.tensor("images")?.data();
        Ok(Digits {
            pixels: images.iter().map(|&ink| f32::from(ink) / FULL_INK).collect(),
            labels: file.tensor("labels")?.data().to_vec(),
        })
    }

    /// Four fifths to train on and one fifth to test on, at random.
    pub fn split(&self, rng: &mut Rng) -> (Self, Self) {
        let mut order: Vec<usize> = (0..self.len()).collect();
        rng.shuffle(&mut order);
        let (train, test) = order.split_at(self.len() * 4 / 5);
        let (mut for_training, mut for_test) = (Digits::default(), Digits::default());
        for_training.gather(self, train);
        for_test.gather(self, test);
        (for_training, for_test)
    }

    /// Becomes the digits of `from` at `indices`; allocates only to hold more than ever before.
    pub fn gather(&mut self, from: &Digits, indices: &[usize]) {
        self.pixels.clear();
        self.labels.clear();
        for &i in indices {
            self.pixels.extend_from_slice(from.picture(i));
            self.labels.push(from.labels[i]);
        }
    }

    /// The pixels of one digit.
    pub fn picture(&self, index: usize) -> &[f32] {
        &self.pixels[index * PIXELS..][..PIXELS]
    }

    /// The inputs of the network.
    pub fn inputs(&self) -> gradkern::Result<MatRef<'_, f32>> {
        MatRef::new(&self.pixels, self.len(), PIXELS)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }
}
